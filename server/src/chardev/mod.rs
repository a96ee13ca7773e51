//! Character back ends: the host's end of serial ports and consoles.

pub mod connection;
pub mod file;
pub mod inherited;
pub mod mux;
pub mod pty;
pub mod queue;
pub mod ringbuf;
pub mod shared;
pub mod socket;
pub mod stdio;
pub mod testdev;

use ferrite_machine::backend::CharBackend;

use self::queue::ByteQueue;

/// Discards what is written and never has input.
pub struct Null;

impl CharBackend for Null {
    fn write(&mut self, data: &[u8]) -> usize {
        data.len()
    }

    fn read(&mut self, _buf: &mut [u8]) -> usize {
        0
    }
}

/// The machine's end of a pair of queues whose other ends are host threads'.
pub struct Stream {
    /// Read by the machine.
    pub input: ByteQueue,
    /// Written by the machine.
    pub output: ByteQueue,
}

impl CharBackend for Stream {
    fn write(&mut self, data: &[u8]) -> usize {
        self.output.try_push(data)
    }

    fn read(&mut self, buf: &mut [u8]) -> usize {
        self.input.try_pop(buf)
    }
}
