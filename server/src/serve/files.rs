//! Files of the page and of the guests.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::http::{Body, Request, Response};

/// Where the guests' files are found.
const GUESTS: &str = "/guests/";
/// Where Vite puts files whose names change with their contents.
const HASHED: &str = "/assets/";
/// Largest file that is compressed.
const MAX_COMPRESSED: u64 = 16 << 20;

/// What the page may load and reach: its own scripts and WebAssembly, and, for disks and kernels of
/// other servers, anything by `fetch`.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
    worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
    connect-src 'self' data: blob: http: https: ws: wss:; object-src 'none'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'self'";

/// Types by file name extension, and whether compression is worth while.
const TYPES: [(&str, &str, bool); 10] = [
    ("html", "text/html; charset=utf-8", true),
    ("js", "text/javascript; charset=utf-8", true),
    ("css", "text/css; charset=utf-8", true),
    ("wasm", "application/wasm", true),
    ("json", "application/json", true),
    ("svg", "image/svg+xml", true),
    ("txt", "text/plain; charset=utf-8", true),
    ("map", "application/json", true),
    ("png", "image/png", false),
    ("woff2", "font/woff2", false),
];

type Compressed = HashMap<PathBuf, (String, Arc<Vec<u8>>)>;

/// The folders.
#[derive(Debug)]
pub struct Files {
    page: PathBuf,
    guests: Option<PathBuf>,
    isolated: bool,
    policy: String,
    compressed: Mutex<Compressed>,
}

impl Files {
    /// Serves `page`, and `guests` below `/guests/`; `isolated` with the headers that give the page
    /// threads and shared memory. No other site may show it in a frame.
    #[must_use]
    pub fn new(page: PathBuf, guests: Option<PathBuf>, isolated: bool) -> Self {
        Self {
            page,
            guests,
            isolated,
            policy: POLICY.to_owned(),
            compressed: Mutex::default(),
        }
    }

    /// The same, and pages of these origins may show it in a frame.
    #[must_use]
    pub fn framed_by(mut self, origins: &[String]) -> Self {
        for origin in origins {
            // The policy ends with whom it lets.
            self.policy.push_str(&format!(" {origin}"));
        }
        self
    }

    /// Answers a request for a file.
    pub fn answer(&self, request: &Request) -> Response {
        let response = self.find(request).unwrap_or_else(|refusal| refusal);
        let response = response
            .with("X-Content-Type-Options", "nosniff")
            .with("Referrer-Policy", "no-referrer")
            .with("Content-Security-Policy", self.policy.as_str())
            .with("Cross-Origin-Resource-Policy", self.shared_with());
        if !self.isolated {
            return response;
        }
        response
            .with("Cross-Origin-Opener-Policy", "same-origin")
            .with("Cross-Origin-Embedder-Policy", "require-corp")
    }

    /// Whose pages may load the files: an isolated page loads a frame of another site only if that
    /// says so.
    fn shared_with(&self) -> &'static str {
        if self.policy == POLICY {
            "same-origin"
        } else {
            "cross-origin"
        }
    }

    fn find(&self, request: &Request) -> Result<Response, Response> {
        if request.method != "GET" && !request.is_head() {
            return Err(Response::text(405, "only GET and HEAD").with("Allow", "GET, HEAD"));
        }
        let missing = || Response::text(404, "there is no such file");
        let (folder, name) = match (request.path.strip_prefix(GUESTS), &self.guests) {
            (Some(name), Some(folder)) => (folder, name),
            (Some(_), None) => return Err(missing()),
            (None, _) => (&self.page, &request.path[1..]),
        };
        let name = if name.is_empty() { "index.html" } else { name };
        let path = below(folder, name).ok_or_else(missing)?;
        let file = File::open(&path).map_err(|_| missing())?;
        let meta = file.metadata().map_err(|_| missing())?;
        if !meta.is_file() {
            return Err(missing());
        }
        Ok(self.file(request, &path, file, &meta))
    }

    fn file(&self, request: &Request, path: &Path, file: File, meta: &Metadata) -> Response {
        let tag = tag(meta);
        let extension = path.extension().unwrap_or_default();
        let row = TYPES.iter().find(|(end, ..)| extension == *end);
        let (kind, compressible) =
            row.map_or(("application/octet-stream", false), |row| (row.1, row.2));
        let cache = if request.path.starts_with(HASHED) {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let finish = |response: Response| {
            response
                .with("ETag", tag.clone())
                .with("Cache-Control", cache)
                .with("Vary", "Accept-Encoding")
        };
        if request.header("if-none-match") == Some(&tag) {
            return finish(Response {
                status: 304,
                headers: Vec::new(),
                body: Body::Bytes(Arc::default()),
            });
        }
        let headers = vec![
            ("Content-Type", kind.to_owned()),
            ("Accept-Ranges", "bytes".to_owned()),
        ];
        let size = meta.len();
        let wanted = request.header("range").map(|text| range(text, size));
        let gzip = compressible
            && wanted.is_none()
            && size <= MAX_COMPRESSED
            && accepts_gzip(request.header("accept-encoding"));
        if gzip && let Some(bytes) = self.compress(path, &tag, &file) {
            let body = Body::Bytes(bytes);
            let response = Response {
                status: 200,
                headers,
                body,
            };
            return finish(response.with("Content-Encoding", "gzip"));
        }
        let (status, offset, len) = match wanted {
            None | Some(Wanted::All) => (200, 0, size),
            Some(Wanted::Part(offset, len)) => (206, offset, len),
            Some(Wanted::Nothing) => {
                return Response::text(416, "the file is shorter")
                    .with("Content-Range", format!("bytes */{size}"));
            }
        };
        let body = Body::File { file, offset, len };
        let response = Response {
            status,
            headers,
            body,
        };
        let response = finish(response);
        if status == 200 {
            return response;
        }
        let last = offset + len - 1;
        response.with("Content-Range", format!("bytes {offset}-{last}/{size}"))
    }

    /// The file compressed, kept as long as it does not change.
    fn compress(&self, path: &Path, tag: &str, mut file: &File) -> Option<Arc<Vec<u8>>> {
        let lock = || {
            self.compressed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some((known, bytes)) = lock().get(path)
            && known == tag
        {
            return Some(Arc::clone(bytes));
        }
        let mut plain = Vec::new();
        file.read_to_end(&mut plain).ok()?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&plain).ok()?;
        let bytes = Arc::new(encoder.finish().ok()?);
        lock().insert(path.to_owned(), (tag.to_owned(), Arc::clone(&bytes)));
        Some(bytes)
    }
}

/// The file of this name below a folder; `None` for a name that leads elsewhere.
pub(super) fn below(folder: &Path, name: &str) -> Option<PathBuf> {
    let name = Path::new(name);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    name.components().all(plain).then(|| folder.join(name))
}

/// Changes when the file does.
fn tag(meta: &Metadata) -> String {
    let modified = meta.modified().ok();
    let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = modified.map_or(0, |since| since.as_nanos());
    format!("\"{:x}-{modified:x}\"", meta.len())
}

fn accepts_gzip(header: Option<&str>) -> bool {
    let encodings = header.unwrap_or_default().split(',');
    encodings
        .filter_map(|part| part.split(';').next())
        .any(|name| name.trim() == "gzip")
}

/// What a `Range` header asks of a file.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// Everything: the header is not one that we read.
    All,
    /// An offset and a length that is not 0.
    Part(u64, u64),
    /// What lies beyond the end.
    Nothing,
}

/// Reads a `Range` header of one range (RFC 9110, section 14.2).
fn range(text: &str, size: u64) -> Wanted {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Wanted::All;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first > last => Wanted::All,
        (Ok(first), _) if first >= size => Wanted::Nothing,
        (Ok(first), Ok(last)) => Wanted::Part(first, last.min(size - 1) - first + 1),
        (Ok(first), Err(_)) if last.is_empty() => Wanted::Part(first, size - first),
        (Err(_), Ok(0)) if first.is_empty() => Wanted::Nothing,
        (Err(_), Ok(count)) if first.is_empty() && size > 0 => {
            Wanted::Part(size - count.min(size), count.min(size))
        }
        _ => Wanted::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str, headers: &str) -> Request {
        Request::parse(format!("GET {target} HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes()).unwrap()
    }

    fn served() -> (tempfile::TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        let page = dir.path().join("page");
        std::fs::create_dir_all(page.join("assets")).unwrap();
        std::fs::write(page.join("index.html"), "<p>").unwrap();
        std::fs::write(page.join("assets/a.js"), vec![b'x'; 4096]).unwrap();
        std::fs::write(dir.path().join("secret"), "s").unwrap();
        std::fs::write(dir.path().join("disk.img"), "0123456789").unwrap();
        let guests = Some(dir.path().to_owned());
        (dir, Files::new(page, guests, true))
    }

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        let row = response.headers.iter().find(|(given, _)| *given == name);
        row.map(|(_, value)| value.as_str())
    }

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        assert_eq!(range("bytes=0-499", 1000), Wanted::Part(0, 500));
        assert_eq!(range("bytes=500-", 1000), Wanted::Part(500, 500));
        assert_eq!(range("bytes=-500", 1000), Wanted::Part(500, 500));
        assert_eq!(range("bytes=-5000", 1000), Wanted::Part(0, 1000));
        assert_eq!(range("bytes=900-2000", 1000), Wanted::Part(900, 100));
        assert_eq!(range("bytes=1000-", 1000), Wanted::Nothing);
        assert_eq!(range("bytes=0-", 0), Wanted::Nothing);
        for ignored in [
            "bytes=5-1",
            "bytes=-",
            "bytes=a-b",
            "lines=1-2",
            "bytes=0-1,3-4",
        ] {
            assert_eq!(range(ignored, 1000), Wanted::All, "{ignored}");
        }
    }

    #[test]
    fn files_come_with_their_headers() {
        let (_dir, files) = served();
        let page = files.answer(&get("/", "Accept-Encoding: br, gzip"));
        assert_eq!(page.status, 200);
        assert_eq!(header(&page, "Content-Encoding"), Some("gzip"));
        assert_eq!(
            header(&page, "Cross-Origin-Embedder-Policy"),
            Some("require-corp")
        );
        let hashed = files.answer(&get("/assets/a.js", ""));
        assert!(
            header(&hashed, "Cache-Control")
                .unwrap()
                .contains("immutable")
        );
        let part = files.answer(&get("/guests/disk.img", "Range: bytes=2-4"));
        assert_eq!(part.status, 206);
        assert_eq!(header(&part, "Content-Range"), Some("bytes 2-4/10"));
        let tag = header(&part, "ETag").unwrap();
        let again = files.answer(&get("/guests/disk.img", &format!("If-None-Match: {tag}")));
        assert_eq!(again.status, 304);
    }

    #[test]
    fn nothing_else_is_given_away() {
        let (_dir, files) = served();
        for target in [
            "/../secret",
            "/%2e%2e/secret",
            "//etc/passwd",
            "/assets",
            "/guests/page",
        ] {
            assert_eq!(files.answer(&get(target, "")).status, 404, "{target}");
        }
        let post = Request::parse(b"POST / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(files.answer(&post).status, 405);
    }
}
