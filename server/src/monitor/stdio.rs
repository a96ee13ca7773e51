//! Standard input and output as a socket: two threads copy, since neither can be waited for.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;

use super::client::CHUNK;

/// A socket whose other end is standard input and output.
pub(super) fn connect() -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    let output = theirs.try_clone()?;
    thread::Builder::new().name("stdin".into()).spawn(move || {
        copy(&mut io::stdin().lock(), &mut (&theirs));
        // The monitor sees the end of its input.
        let _ = theirs.shutdown(Shutdown::Write);
    })?;
    thread::Builder::new()
        .name("stdout".into())
        .spawn(move || copy(&mut (&output), &mut io::stdout()))?;
    Ok(ours)
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
