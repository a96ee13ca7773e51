//! The terminal that Ferrite was started from.

use std::io::{Read, Write, stdin, stdout};
use std::thread;

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

use super::queue::ByteQueue;
use crate::wake::Waker;

/// Restores the terminal's settings when the process leaves in an orderly way.
pub struct RawMode {
    saved: Option<Termios>,
}

impl RawMode {
    /// Puts the terminal, if there is one, into raw mode. Interrupt keys go to the guest unless
    /// `signals` asks to keep them.
    #[must_use]
    pub fn enter(signals: bool) -> Self {
        let stdin = stdin();
        let saved = isatty(&stdin).then(|| tcgetattr(&stdin).ok()).flatten();
        if let Some(saved) = &saved {
            let mut raw = saved.clone();
            raw.make_raw();
            // Output keeps its translation of line ends, for messages of our own.
            raw.output_modes = saved.output_modes;
            if signals {
                raw.local_modes |= rustix::termios::LocalModes::ISIG;
            }
            // A terminal that refuses stays as it is: input works, only echoed.
            let _ = tcsetattr(&stdin, OptionalActions::Now, &raw);
        }
        Self { saved }
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            // Nothing can be done for a terminal that went away.
            let _ = tcsetattr(stdin(), OptionalActions::Drain, saved);
        }
    }
}

/// Starts the threads that carry standard input and output: returns the input queue (read by the
/// machine) and the output queue (written by it).
#[must_use]
pub fn open(waker: Waker) -> (ByteQueue, ByteQueue) {
    let (input, output) = (ByteQueue::default(), ByteQueue::default());
    let to_machine = input.clone();
    thread::spawn(move || {
        let mut buf = [0; 4096];
        while let Ok(count @ 1..) = stdin().read(&mut buf) {
            if !to_machine.push(&buf[..count]) {
                return;
            }
            waker.wake();
        }
    });
    let from_machine = output.clone();
    thread::spawn(move || {
        while let Some(bytes) = from_machine.pop(4096) {
            let mut out = stdout().lock();
            if out.write_all(&bytes).and_then(|()| out.flush()).is_err() {
                from_machine.close();
            }
        }
    });
    (input, output)
}
