//! Who may open a WebSocket.
//!
//! Any page that a browser shows can try to open a WebSocket to a local port, and a monitor means
//! access to files and processes. A browser tells the page's origin, and the name under which it
//! reached us: the former must be allowed, the latter must be ours (against DNS rebinding).

use std::net::IpAddr;

/// What is allowed beside loopback.
#[derive(Clone, Debug, Default)]
pub struct WebSocketPolicy {
    /// Origins whose pages may connect, as `https://example.org`. Loopback origins always may.
    pub origins: Vec<String>,
    /// Names by which clients may address us. `localhost` and addresses always may be used.
    pub hosts: Vec<String>,
}

impl WebSocketPolicy {
    /// Whether a page of this origin may connect; clients that are no browsers send none.
    #[must_use]
    pub fn allows_origin(&self, origin: Option<&str>) -> bool {
        let Some(origin) = origin else {
            return true;
        };
        if self.origins.iter().any(|o| o.eq_ignore_ascii_case(origin)) {
            return true;
        }
        origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
            .is_some_and(|authority| match host(authority) {
                Some(Host::Name(name)) => is_localhost(name),
                Some(Host::Address(address)) => address.is_loopback(),
                None => false,
            })
    }

    /// Whether the name in the `Host` header is one of ours.
    #[must_use]
    pub fn allows_host(&self, authority: Option<&str>) -> bool {
        match authority.and_then(host) {
            // No name, no rebinding.
            Some(Host::Address(_)) => true,
            Some(Host::Name(name)) => {
                is_localhost(name) || self.hosts.iter().any(|h| h.eq_ignore_ascii_case(name))
            }
            None => false,
        }
    }
}

enum Host<'a> {
    Name(&'a str),
    Address(IpAddr),
}

fn is_localhost(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The host in `host[:port]`.
fn host(authority: &str) -> Option<Host<'_>> {
    let (name, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        (
            address,
            after.strip_prefix(':').or((after.is_empty()).then_some("")),
        )
    } else {
        match authority.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (authority, Some("")),
        }
    };
    if !port?.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if let Ok(address) = name.parse() {
        return Some(Host::Address(address));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (!authority.starts_with('[') && !name.is_empty() && name.bytes().all(plain))
        .then_some(Host::Name(name))
}

#[cfg(test)]
mod tests {
    use super::WebSocketPolicy;

    #[test]
    fn origins() {
        let policy = WebSocketPolicy {
            origins: vec!["https://example.org".into()],
            hosts: Vec::new(),
        };
        for good in [
            "http://localhost",
            "https://localhost:8080",
            "http://127.0.0.1:3000",
            "http://[::1]:1",
            "https://example.org",
        ] {
            assert!(policy.allows_origin(Some(good)), "{good}");
        }
        assert!(policy.allows_origin(None));
        for bad in [
            "null",
            "",
            "https://example.org.evil.net",
            "http://example.org",
            "http://localhost.evil.net",
            "http://127.0.0.1.evil.net",
            "http://evil.net/localhost",
            "http://localhost@evil.net",
            "file://localhost",
            "http://192.168.0.1",
        ] {
            assert!(!policy.allows_origin(Some(bad)), "{bad}");
        }
    }

    #[test]
    fn hosts() {
        let policy = WebSocketPolicy {
            origins: Vec::new(),
            hosts: vec!["vm.example.org".into()],
        };
        for good in [
            "localhost:80",
            "127.0.0.1",
            "[::1]:5",
            "VM.example.org:1",
            "10.0.0.1",
        ] {
            assert!(policy.allows_host(Some(good)), "{good}");
        }
        for bad in [
            "evil.net",
            "localhost.evil.net:80",
            "",
            "a b",
            "[localhost]",
            "localhost:x",
        ] {
            assert!(!policy.allows_host(Some(bad)), "{bad}");
        }
        assert!(!policy.allows_host(None));
    }
}
