//! One terminal for the serial port and the human monitor, switched by Ctrl-A.

use std::sync::{Arc, Mutex, MutexGuard};

use ferrite_machine::backend::CharBackend;

use super::queue::ByteQueue;

const ESCAPE: u8 = 0x01;
const HELP: &str = "\r
C-a h    print this help\r
C-a x    exit emulator\r
C-a s    save disk data back to file (nothing is ever kept back)\r
C-a c    switch between console and monitor\r
C-a C-a  sends C-a\r
";

/// What a key sequence asks of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Ctrl-A x.
    Quit,
    /// Ctrl-A c: the monitor now has the keyboard, or not.
    Monitor(bool),
}

struct State {
    input: ByteQueue,
    output: ByteQueue,
    /// Bytes for the serial port that it has not taken yet.
    serial: Vec<u8>,
    /// Bytes for the monitor.
    monitor: Vec<u8>,
    escaped: bool,
    monitor_has_focus: bool,
    keys: Vec<Key>,
}

/// The shared terminal.
#[derive(Clone)]
pub struct Mux {
    state: Arc<Mutex<State>>,
}

impl Mux {
    /// A terminal that reads `input` and writes `output`; the serial port has the keyboard first.
    #[must_use]
    pub fn new(input: ByteQueue, output: ByteQueue, monitor_has_focus: bool) -> Self {
        let state = State {
            input,
            output,
            serial: Vec::new(),
            monitor: Vec::new(),
            escaped: false,
            monitor_has_focus,
            keys: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }

    /// Sorts waiting input and takes the key sequences in it.
    pub fn take_keys(&self) -> Vec<Key> {
        let mut state = self.lock();
        state.sort();
        std::mem::take(&mut state.keys)
    }

    /// Whether there are key sequences, or input for the monitor, to take.
    #[must_use]
    pub fn has_news(&self) -> bool {
        let mut state = self.lock();
        state.sort();
        !state.keys.is_empty() || !state.monitor.is_empty()
    }

    /// Takes what was typed for the monitor.
    pub fn take_monitor_input(&self) -> Vec<u8> {
        let mut state = self.lock();
        state.sort();
        std::mem::take(&mut state.monitor)
    }

    /// Prints for the monitor.
    pub fn print(&self, text: &str) {
        self.lock().output.push(text.as_bytes());
    }

    /// The serial port's end.
    #[must_use]
    pub fn serial(&self) -> Box<dyn CharBackend> {
        Box::new(SerialEnd { mux: self.clone() })
    }
}

impl State {
    fn sort(&mut self) {
        let mut buf = [0; 256];
        // A guest that does not read holds back what is typed, not the escape keys.
        while self.serial.len() < 4096 {
            let count = self.input.try_pop(&mut buf);
            if count == 0 {
                break;
            }
            for byte in &buf[..count] {
                self.key(*byte);
            }
        }
    }

    fn key(&mut self, byte: u8) {
        if !std::mem::take(&mut self.escaped) {
            if byte == ESCAPE {
                self.escaped = true;
            } else {
                self.deliver(byte);
            }
            return;
        }
        match byte {
            b'x' => self.keys.push(Key::Quit),
            b'c' => {
                self.monitor_has_focus = !self.monitor_has_focus;
                self.keys.push(Key::Monitor(self.monitor_has_focus));
            }
            b'h' | b'?' => {
                self.output.try_push(HELP.as_bytes());
            }
            ESCAPE => self.deliver(ESCAPE),
            // 's' has nothing to save: writes reach their files at once.
            _ => {}
        }
    }

    fn deliver(&mut self, byte: u8) {
        if self.monitor_has_focus {
            self.monitor.push(byte)
        } else {
            self.serial.push(byte)
        }
    }
}

struct SerialEnd {
    mux: Mux,
}

impl CharBackend for SerialEnd {
    fn write(&mut self, data: &[u8]) -> usize {
        self.mux.lock().output.try_push(data)
    }

    fn read(&mut self, buf: &mut [u8]) -> usize {
        let mut state = self.mux.lock();
        state.sort();
        let count = buf.len().min(state.serial.len());
        buf[..count].copy_from_slice(&state.serial[..count]);
        state.serial.drain(..count);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> (Mux, Vec<u8>) {
        let input = ByteQueue::default();
        input.try_push(keys);
        let mux = Mux::new(input, ByteQueue::default(), false);
        let mut buf = [0; 16];
        let count = mux.serial().read(&mut buf);
        (mux, buf[..count].to_vec())
    }

    #[test]
    fn escape_sequences_do_not_reach_the_guest() {
        let (mux, serial) = typed(b"a\x01\x01b\x01x");
        assert_eq!(serial, b"a\x01b");
        assert_eq!(mux.take_keys(), [Key::Quit]);
    }

    #[test]
    fn focus_moves_to_the_monitor_and_back() {
        let (mux, serial) = typed(b"1\x01cinfo\r\x01c2");
        assert_eq!(serial, b"12");
        assert_eq!(mux.take_monitor_input(), b"info\r");
        assert_eq!(mux.take_keys(), [Key::Monitor(true), Key::Monitor(false)]);
    }
}
