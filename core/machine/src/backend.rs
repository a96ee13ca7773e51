//! The host's side of devices. A host implements these traits; a device holds the boxed value.
//! Calls never block: what is not there yet is announced by the host's wake-up of the machine, on
//! which the board polls its devices.

use std::io;

/// A character stream: a terminal, a socket, a file.
pub trait CharBackend: Send {
    /// Takes as many bytes as it can now and returns how many.
    fn write(&mut self, data: &[u8]) -> usize;
    /// Fills `buf` with input that is there and returns how many bytes.
    fn read(&mut self, buf: &mut [u8]) -> usize;
    /// Whether a peer is connected (always, where there is no such notion).
    fn connected(&self) -> bool {
        true
    }
}

/// A network port that moves Ethernet frames without checksum.
pub trait NetBackend: Send {
    /// Sends a frame; a frame that cannot be sent is dropped.
    fn send(&mut self, frame: &[u8]);
    /// Takes the next received frame.
    fn receive(&mut self) -> Option<Vec<u8>>;
    /// Whether the cable is plugged in.
    fn link_up(&self) -> bool {
        true
    }
}

/// A request to a block backend. Offsets and lengths are in bytes, multiples of 512.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockRequest {
    /// Read `len` bytes.
    Read {
        /// First byte.
        offset: u64,
        /// How many bytes.
        len: usize,
    },
    /// Write.
    Write {
        /// First byte.
        offset: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// Make everything written durable.
    Flush,
    /// The contents of the range no longer matter.
    Discard {
        /// First byte.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
    /// Make the range read as zeros.
    WriteZeroes {
        /// First byte.
        offset: u64,
        /// How many bytes.
        len: u64,
        /// Whether the space may be given back.
        unmap: bool,
    },
}

/// A finished request.
#[derive(Debug)]
pub struct BlockDone {
    /// The tag that it was submitted with.
    pub tag: u64,
    /// The bytes read (empty for other requests), or what went wrong.
    pub result: io::Result<Vec<u8>>,
}

/// A disk.
pub trait BlockBackend: Send {
    /// Size in bytes.
    fn size(&self) -> u64;
    /// Whether writes fail.
    fn read_only(&self) -> bool;
    /// Starts a request; [`Self::poll`] tells when it is done. Requests may finish in any order.
    fn submit(&mut self, tag: u64, request: BlockRequest);
    /// Takes a finished request.
    fn poll(&mut self) -> Option<BlockDone>;
}

/// A source of random bytes.
pub trait RandomSource: Send {
    /// Fills the buffer.
    fn fill(&mut self, buf: &mut [u8]) -> io::Result<()>;
}
