//! A guest's HTTP connection (RFC 9112), of which the page sees requests and gives responses.

use std::io;

use ferrite_net::host::{HostTcp, TcpStatus};

use super::{Fetch, Fetches};

/// Largest head of a request.
const MAX_HEAD: usize = 32 << 10;
/// Largest body of a request.
const MAX_BODY: usize = 16 << 20;

/// Headers that speak of the connection, or that a page may not set.
const WITHHELD: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "proxy-connection",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "user-agent",
];

enum State {
    /// The guest sends its request.
    Request(Vec<u8>),
    /// The page fetches.
    Waiting(u64),
    /// The guest reads, from this byte on; then the connection ends.
    Response(Vec<u8>, usize),
}

/// A connection that carries one request.
pub struct HttpConnection {
    host: String,
    fetches: Fetches,
    state: State,
}

impl HttpConnection {
    /// A connection to the web server of this name.
    #[must_use]
    pub fn new(host: String, fetches: Fetches) -> Self {
        Self {
            host,
            fetches,
            state: State::Request(Vec::new()),
        }
    }

    /// Goes on when the request is whole or no good, and when the response is there.
    fn advance(&mut self) {
        let next = match &self.state {
            State::Request(bytes) => match parse(bytes, &self.host) {
                Parsed::More => return,
                Parsed::Bad(why) => respond(why),
                Parsed::Whole(fetch) => match self.fetches.ask(fetch) {
                    Some(id) => State::Waiting(id),
                    None => respond("503 Service Unavailable"),
                },
            },
            State::Waiting(id) => match self.fetches.take_answer(*id) {
                Some(response) => State::Response(response, 0),
                None => return,
            },
            State::Response(..) => return,
        };
        self.state = next;
    }
}

fn respond(status: &str) -> State {
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    State::Response(text.into_bytes(), 0)
}

impl HostTcp for HttpConnection {
    fn status(&mut self) -> TcpStatus {
        TcpStatus::Connected
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.advance();
        let State::Response(bytes, at) = &mut self.state else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let count = buf.len().min(bytes.len() - *at);
        buf[..count].copy_from_slice(&bytes[*at..*at + count]);
        *at += count;
        Ok(count)
    }

    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // After its request, what the guest says is of no interest.
        if let State::Request(bytes) = &mut self.state {
            bytes.extend(data);
            self.advance();
        }
        Ok(data.len())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn abort(&mut self) {}
}

enum Parsed {
    /// The rest is not there yet.
    More,
    /// Not a request that can be fetched: the status that tells so.
    Bad(&'static str),
    Whole(Fetch),
}

fn parse(bytes: &[u8], host: &str) -> Parsed {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        return if bytes.len() > MAX_HEAD {
            Parsed::Bad("431 Request Header Fields Too Large")
        } else {
            Parsed::More
        };
    };
    let bad = Parsed::Bad("400 Bad Request");
    let Ok(head) = std::str::from_utf8(&bytes[..end]) else {
        return bad;
    };
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(path)) = (first.next(), first.next()) else {
        return bad;
    };
    if !path.starts_with('/') {
        return bad;
    }
    let mut headers = Vec::new();
    let (mut len, mut named) = (0, None);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            return bad;
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        match name.as_str() {
            "host" => named = Some(value.clone()),
            "content-length" => match value.parse::<usize>() {
                Ok(given) if given <= MAX_BODY => len = given,
                _ => return Parsed::Bad("413 Content Too Large"),
            },
            "transfer-encoding" => return Parsed::Bad("411 Length Required"),
            _ => {}
        }
        if !WITHHELD.contains(&name.as_str()) {
            headers.push((name, value));
        }
    }
    let body = &bytes[end + 4..];
    if body.len() < len {
        return Parsed::More;
    }
    Parsed::Whole(Fetch {
        id: 0,
        method: method.to_owned(),
        host: named.unwrap_or_else(|| host.to_owned()),
        path: path.to_owned(),
        headers,
        body: body[..len].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(request: &[u8], fetches: &Fetches) -> HttpConnection {
        let mut connection = HttpConnection::new("a.example".into(), fetches.clone());
        for byte in request {
            assert_eq!(connection.write(&[*byte]).unwrap(), 1);
        }
        connection
    }

    #[test]
    fn a_request_is_fetched_and_answered() {
        let fetches = Fetches::default();
        let request = b"POST /x?y HTTP/1.1\r\nHost: b.example\r\nUser-Agent: w\r\nX-A: 1\r\ncontent-length: 3\r\n\r\nabc";
        let mut connection = exchange(request, &fetches);
        let mut buf = [0; 64];
        let waiting = connection.read(&mut buf).unwrap_err();
        assert_eq!(waiting.kind(), io::ErrorKind::WouldBlock);
        let fetch = fetches.take().unwrap();
        assert_eq!(
            (fetch.host.as_str(), fetch.path.as_str()),
            ("b.example", "/x?y")
        );
        assert_eq!(fetch.headers, [("x-a".to_owned(), "1".to_owned())]);
        assert_eq!(fetch.body, b"abc");
        fetches.answer(fetch.id, b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
        assert_eq!(connection.read(&mut buf).unwrap(), 19);
        assert_eq!(connection.read(&mut buf).unwrap(), 0);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for (request, status) in [
            (&b"nonsense\r\n\r\n"[..], "400"),
            (b"CONNECT a:1 HTTP/1.1\r\n\r\n", "400"),
            (
                b"PUT / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n",
                "413",
            ),
            (
                b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "411",
            ),
            (&[b'a'; MAX_HEAD + 1], "431"),
        ] {
            let fetches = Fetches::default();
            let mut connection = exchange(request, &fetches);
            let mut buf = [0; 64];
            connection.read(&mut buf).unwrap();
            assert_eq!(std::str::from_utf8(&buf[9..12]).unwrap(), status);
            assert_eq!(fetches.take(), None);
        }
    }
}
