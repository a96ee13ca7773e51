//! A new pseudo-terminal, whose name is printed for the person to attach to.

use std::fs::File;
use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::Stream;
use super::queue::ByteQueue;
use crate::wake::Waker;

/// How often a pseudo-terminal that nobody has open is looked at again.
const RETRY: Duration = Duration::from_millis(200);

/// Makes the pseudo-terminal; returns the machine's end and the name of the other.
pub fn open(waker: Waker) -> io::Result<(Stream, String)> {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&controller)?;
    unlockpt(&controller)?;
    let name = ptsname(&controller, Vec::new())?
        .to_string_lossy()
        .into_owned();
    let mut attributes = tcgetattr(&controller)?;
    attributes.make_raw();
    tcsetattr(&controller, OptionalActions::Now, &attributes)?;
    let mut reader = File::from(controller);
    let mut writer = reader.try_clone()?;
    let stream = Stream {
        input: ByteQueue::default(),
        output: ByteQueue::default(),
    };
    let (input, output) = (stream.input.clone(), stream.output.clone());
    thread::spawn(move || {
        let mut buf = [0; 4096];
        loop {
            match reader.read(&mut buf) {
                Ok(count @ 1..) if input.push(&buf[..count]) => waker.wake(),
                Ok(1..) => return,
                // EIO: nobody has the other end open now.
                Ok(0) | Err(_) => thread::sleep(RETRY),
            }
        }
    });
    thread::spawn(move || {
        while let Some(bytes) = output.pop(4096) {
            // Output while nobody listens is lost, as with QEMU.
            let _ = writer.write_all(&bytes);
        }
    });
    Ok((stream, name))
}
