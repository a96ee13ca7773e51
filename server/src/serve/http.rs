//! HTTP/1.1 (RFC 9112) for a page's files: heads of requests without bodies, and responses.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::Connection;

/// Largest head of a request.
const MAX_HEAD: usize = 16 << 10;
/// Bytes of a file that are sent at once.
const CHUNK: u64 = 256 << 10;

/// Reads up to the empty line that ends a head. `None` when the peer left, or sends too much.
pub async fn read_head(
    socket: &mut Connection,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            return Ok(Some(buffer.drain(..end + 4).collect()));
        }
        if buffer.len() >= MAX_HEAD || socket.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// A request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `HEAD` for files.
    pub method: String,
    /// The path, percent-decoded, starting with `/`.
    pub path: String,
    /// What follows the question mark, undecoded.
    pub query: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// Takes a head apart; `None` if it is not one.
    #[must_use]
    pub fn parse(head: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target, version) = (first.next()?, first.next()?, first.next()?);
        if !version.starts_with("HTTP/1.") || first.next().is_some() {
            return None;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines.take_while(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        Some(Self {
            method: method.to_owned(),
            path: decode(path).filter(|path| path.starts_with('/'))?,
            query: query.to_owned(),
            headers: headers.collect::<Option<_>>()?,
        })
    }

    /// A header's value, its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let row = self.headers.iter().find(|(given, _)| given == name);
        row.map(|(_, value)| value.as_str())
    }

    /// The value of a key of the query.
    #[must_use]
    pub fn parameter(&self, key: &str) -> Option<&str> {
        let mut pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The same, percent-decoded; `None` too for what is not text then.
    #[must_use]
    pub fn decoded(&self, key: &str) -> Option<String> {
        decode(self.parameter(key)?)
    }

    /// Whether only the head of the answer is wanted.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Whether the peer wants no further request on the connection.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Undoes percent-encoding; `None` for what is not UTF-8 then, or holds a NUL.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        out.push(u8::from_str_radix(digits, 16).ok().filter(|b| *b != 0)?);
    }
    String::from_utf8(out).ok()
}

/// What a response carries.
#[derive(Debug)]
pub enum Body {
    /// These bytes.
    Bytes(std::sync::Arc<Vec<u8>>),
    /// Part of a file.
    File {
        /// The open file.
        file: File,
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
    },
}

/// A response.
#[derive(Debug)]
pub struct Response {
    /// Its status code.
    pub status: u16,
    /// Its headers, without the length.
    pub headers: Vec<(&'static str, String)>,
    /// What it carries.
    pub body: Body,
}

impl Response {
    /// A short text.
    #[must_use]
    pub fn text(status: u16, text: &str) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "text/plain; charset=utf-8".to_owned())],
            body: Body::Bytes(std::sync::Arc::new(format!("{text}\n").into_bytes())),
        }
    }

    /// The same with another header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends it; only the head if `head_only`.
    pub async fn send(self, socket: &mut Connection, head_only: bool) -> io::Result<()> {
        let len = match &self.body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File { len, .. } => *len,
        };
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.status != 304 {
            head.push_str(&format!("Content-Length: {len}\r\n"));
        }
        head.push_str("\r\n");
        socket.write_all(head.as_bytes()).await?;
        if !head_only && self.status != 304 {
            match self.body {
                Body::Bytes(bytes) => socket.write_all(&bytes).await?,
                Body::File { file, offset, len } => send_file(socket, file, offset, len).await?,
            }
        }
        socket.flush().await
    }
}

async fn send_file(
    socket: &mut Connection,
    mut file: File,
    offset: u64,
    mut left: u64,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    let mut buffer = vec![0; CHUNK.min(left) as usize];
    while left > 0 {
        let count = CHUNK.min(left) as usize;
        // Local files: reading them does not keep others waiting for long.
        tokio::task::block_in_place(|| file.read_exact(&mut buffer[..count]))?;
        socket.write_all(&buffer[..count]).await?;
        left -= count as u64;
    }
    Ok(())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_taken_apart() {
        let head = b"GET /guests/a%20b?token=x&y=z HTTP/1.1\r\nHost: localhost:1\r\nRANGE:bytes=0-1\r\n\r\n";
        let request = Request::parse(head).unwrap();
        assert_eq!(
            (request.path.as_str(), request.parameter("y")),
            ("/guests/a b", Some("z"))
        );
        assert_eq!(request.header("range"), Some("bytes=0-1"));
        for bad in [
            &b"GET / HTTP/2\r\n\r\n"[..],
            b"GET /\r\n\r\n",
            b"GET /%zz HTTP/1.1\r\n\r\n",
            b"GET /%00 HTTP/1.1\r\n\r\n",
            b"GET x HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nnonsense\r\n\r\n",
            b"\xff\r\n\r\n",
        ] {
            assert_eq!(Request::parse(bad), None);
        }
    }
}
