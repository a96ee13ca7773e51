//! The human monitor on a terminal: a line editor of the simplest kind.

use ferrite_qmp::VmControl;
use ferrite_qmp::hmp::HumanMonitor;

use crate::chardev::mux::Mux;

const PROMPT: &str = "(ferrite) ";

/// The monitor behind Ctrl-A c.
#[derive(Default)]
pub struct ConsoleMonitor {
    line: Vec<u8>,
    monitor: HumanMonitor,
    greeted: bool,
}

impl ConsoleMonitor {
    /// The keyboard came to the monitor, or left it.
    pub fn focus(&mut self, mux: &Mux, focus: bool) {
        if !focus {
            return;
        }
        if !std::mem::replace(&mut self.greeted, true) {
            mux.print(concat!(
                "Ferrite ",
                env!("CARGO_PKG_VERSION"),
                " monitor - type 'help' for more information\r\n"
            ));
        }
        mux.print(PROMPT);
    }

    /// Reads what was typed, and runs each finished line.
    pub fn input(&mut self, mux: &Mux, vm: &mut dyn VmControl) {
        for byte in mux.take_monitor_input() {
            match byte {
                b'\r' | b'\n' => {
                    mux.print("\r\n");
                    let line =
                        String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                    mux.print(&self.monitor.run(&line, vm));
                    mux.print(PROMPT);
                }
                0x08 | 0x7f if self.line.pop().is_some() => mux.print("\x08 \x08"),
                // Ctrl-U
                0x15 => {
                    mux.print(&"\x08 \x08".repeat(self.line.len()));
                    self.line.clear();
                }
                b' '..=b'~' if self.line.len() < 4096 => {
                    self.line.push(byte);
                    mux.print(char::from(byte).encode_utf8(&mut [0; 4]));
                }
                _ => {}
            }
        }
    }
}
