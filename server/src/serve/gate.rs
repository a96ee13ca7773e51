//! Who may ask: the name under which a client reaches the server, the page that it shows, and the
//! token where there is one.

use super::http::{Request, Response};
use crate::monitor::WebSocketPolicy;

/// Where native clients attach to machines in pages.
pub const ATTACH: &str = "/relay/attach";

/// The cookie that remembers the token.
const COOKIE: &str = "ferrite-token";

/// The rules.
#[derive(Debug)]
pub struct Gate {
    token: Option<String>,
    policy: WebSocketPolicy,
    /// Whether clients come by TLS.
    secure: bool,
}

impl Gate {
    /// Rules with this token, and these names beside `localhost`; `secure` says that clients come by
    /// TLS.
    #[must_use]
    pub fn new(token: Option<String>, hosts: Vec<String>, secure: bool) -> Self {
        let origins = hosts
            .iter()
            .flat_map(|host| [format!("https://{host}"), format!("http://{host}")])
            .collect();
        Self {
            token,
            policy: WebSocketPolicy { origins, hosts },
            secure,
        }
    }

    /// Whether the request may be answered; else the refusal.
    pub fn admit(&self, request: &Request) -> Result<(), Response> {
        if !self.policy.allows_host(request.header("host")) {
            return Err(Response::text(403, "this server has another name"));
        }
        let origin = request.header("origin");
        if !self.policy.allows_origin(origin) && !same_origin(origin, request.header("host")) {
            return Err(Response::text(403, "pages of other origins may not ask"));
        }
        let Some(token) = &self.token else {
            return Ok(());
        };
        // Who is let in there shows a page's token, which is as hard to guess.
        if request.path == ATTACH {
            return Ok(());
        }
        let cookie = request.header("cookie").unwrap_or_default();
        let mut cookies = cookie
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='));
        let remembered = cookies.any(|(name, value)| name == COOKIE && equal(value, token));
        if remembered || self.brings_token(request) {
            return Ok(());
        }
        Err(Response::text(
            403,
            "open the address that ferrite serve printed: it has a token",
        ))
    }

    /// Lets the browser remember the token that it brought.
    #[must_use]
    pub fn mark(&self, request: &Request, response: Response) -> Response {
        match &self.token {
            Some(token) if self.brings_token(request) => {
                let secure = if self.secure { "; Secure" } else { "" };
                response.with(
                    "Set-Cookie",
                    format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/{secure}"),
                )
            }
            _ => response,
        }
    }

    fn brings_token(&self, request: &Request) -> bool {
        let given = request.parameter("token");
        given
            .zip(self.token.as_deref())
            .is_some_and(|(given, token)| equal(given, token))
    }
}

/// Whether a page asks the server that it came from.
fn same_origin(origin: Option<&str>, host: Option<&str>) -> bool {
    let authority = origin.and_then(|o| o.split_once("://")).map(|(_, a)| a);
    authority.is_some() && authority == host
}

/// Compares without telling by the time it takes where the difference is.
fn equal(a: &str, b: &str) -> bool {
    let difference = a.bytes().zip(b.bytes()).fold(0, |d, (a, b)| d | (a ^ b));
    a.len() == b.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, headers: &str) -> Request {
        Request::parse(format!("GET {target} HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes()).unwrap()
    }

    #[test]
    fn strangers_stay_outside() {
        let gate = Gate::new(None, Vec::new(), false);
        assert!(gate.admit(&request("/", "Host: localhost:1")).is_ok());
        for headers in [
            "Host: evil.net",
            "X: y",
            "Host: localhost\r\nOrigin: https://evil.net",
        ] {
            assert!(gate.admit(&request("/", headers)).is_err(), "{headers}");
        }
    }

    #[test]
    fn a_token_is_asked_for_and_remembered() {
        let token = "0123456789abcdef";
        let gate = Gate::new(Some(token.into()), Vec::new(), true);
        let host = "Host: 192.168.0.7:80";
        assert!(gate.admit(&request("/", host)).is_err());
        assert!(
            gate.admit(&request("/?token=0123456789abcdeg", host))
                .is_err()
        );
        let with_token = request(&format!("/?token={token}"), host);
        assert!(gate.admit(&with_token).is_ok());
        let marked = gate.mark(&with_token, Response::text(200, ""));
        let cookie = marked
            .headers
            .iter()
            .find(|(name, _)| *name == "Set-Cookie");
        assert!(cookie.is_some_and(|(_, value)| value.ends_with("; Secure")));
        assert!(gate.admit(&request(ATTACH, host)).is_ok());
        let remembered = format!("{host}\r\nCookie: a=b; {COOKIE}={token}");
        assert!(gate.admit(&request("/", &remembered)).is_ok());
    }
}
