//! Human monitors on character streams: sockets, pseudo-terminals. A line in, its text out.

use ferrite_machine::backend::CharBackend;
use ferrite_qmp::VmControl;
use ferrite_qmp::hmp::HumanMonitor;

/// The prompt that scripts written for QEMU wait for.
const PROMPT: &str = "(qemu) ";

/// Longest line; what is longer is cut off.
const LINE: usize = 4096;

/// A human monitor and its stream.
pub struct HumanStream {
    backend: Box<dyn CharBackend>,
    monitor: HumanMonitor,
    connected: bool,
    line: Vec<u8>,
    /// What the stream has not taken yet.
    output: Vec<u8>,
}

impl HumanStream {
    /// A monitor at the other end of `backend`.
    #[must_use]
    pub fn new(backend: Box<dyn CharBackend>) -> Self {
        Self {
            backend,
            monitor: HumanMonitor::default(),
            connected: false,
            line: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Reads what was typed, runs finished lines, and prints. True if something is left to print.
    pub fn serve(&mut self, vm: &mut dyn VmControl) -> bool {
        let connected = self.backend.connected();
        if connected != self.connected {
            self.connected = connected;
            // A new person starts anew.
            self.line.clear();
            self.output.clear();
            if connected {
                self.print(concat!(
                    "Ferrite ",
                    env!("CARGO_PKG_VERSION"),
                    " monitor - type 'help' for more information\r\n"
                ));
                self.print(PROMPT);
            }
        }
        let mut buffer = [0; 1024];
        // One that does not read its answers gets no more of them.
        while self.flush() {
            let count = self.backend.read(&mut buffer);
            if count == 0 {
                return false;
            }
            for byte in &buffer[..count] {
                self.byte(*byte, vm);
            }
        }
        true
    }

    fn byte(&mut self, byte: u8, vm: &mut dyn VmControl) {
        match byte {
            b'\n' => {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                let text = self.monitor.run(line.trim_end(), vm);
                self.print(&text);
                self.print(PROMPT);
            }
            b' '..=b'~' | 0x80.. if self.line.len() < LINE => self.line.push(byte),
            _ => {}
        }
    }

    fn print(&mut self, text: &str) {
        self.output.extend_from_slice(text.as_bytes());
    }

    /// Writes what there is; whether all is written.
    fn flush(&mut self) -> bool {
        while !self.output.is_empty() {
            let count = self.backend.write(&self.output);
            if count == 0 {
                return false;
            }
            self.output.drain(..count);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ferrite_qmp::Events;
    use ferrite_qmp::fake::{FakeClock, FakeVm};

    use super::*;
    use crate::chardev::Stream;
    use crate::chardev::queue::ByteQueue;

    #[test]
    fn lines_are_answered_and_prompted() {
        let (input, output) = (ByteQueue::default(), ByteQueue::default());
        let stream = Stream {
            input: input.clone(),
            output: output.clone(),
        };
        let mut human = HumanStream::new(Box::new(stream));
        let mut vm = FakeVm::new(Events::new(Arc::new(FakeClock::default())));
        input.try_push(b"info sta");
        assert!(!human.serve(&mut vm));
        input.try_push(b"tus\r\n");
        assert!(!human.serve(&mut vm));
        let mut text = vec![0; 4096];
        let count = output.try_pop(&mut text);
        let text = String::from_utf8_lossy(&text[..count]).into_owned();
        assert!(
            text.ends_with("(qemu) VM status: paused (prelaunch)\r\n(qemu) "),
            "{text:?}"
        );
    }
}
