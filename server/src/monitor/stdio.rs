//! Blocking streams as a socket: two threads copy, since standard input and output cannot be
//! waited for.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use super::client::CHUNK;

/// A socket whose other end is these streams. The receiver tells by its disconnection that all
/// output is written, once the socket is closed.
pub(super) fn bridge(
    mut input: impl Read + Send + 'static,
    mut output: impl Write + Send + 'static,
) -> io::Result<(UnixStream, Receiver<()>)> {
    let (ours, theirs) = UnixStream::pair()?;
    let lines = theirs.try_clone()?;
    thread::Builder::new()
        .name("monitor input".into())
        .spawn(move || {
            copy(&mut input, &mut (&theirs));
            // The monitor sees the end of its input; if it is gone, nobody has to.
            let _ = theirs.shutdown(Shutdown::Write);
        })?;
    let (writing, written) = mpsc::channel();
    thread::Builder::new()
        .name("monitor output".into())
        .spawn(move || {
            copy(&mut (&lines), &mut output);
            drop(writing);
        })?;
    Ok((ours, written))
}

/// Copies until either side ends, passing on whatever there is.
fn copy(from: &mut dyn Read, to: &mut dyn Write) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let len = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        if to.write_all(&buffer[..len]).is_err() || to.flush().is_err() {
            return;
        }
    }
}
