//! A bank of `virt`'s flash.
//!
//! The contents live in guest memory. While the bank shows them ([`CfiFlash::read_mode`]) the board
//! maps them as ROM whose writes come here; when a command makes reads return something else, the
//! board maps the bank as a device instead.
//!
//! With a backend, programmed and erased bytes are written through to it when the guest leaves the
//! command or the board polls.

mod array;
pub mod spec;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ferrite_machine::backend::BlockBackend;
use ferrite_machine::{BusError, Cx, Device, ResetKind};
use ferrite_ram::{GuestRam, RamOffset};

use self::array::Array;
use self::spec::{command, status};
use crate::words;

/// The bank.
pub struct CfiFlash {
    array: Array,
    state: State,
}

/// What the guest sees, contents aside.
#[derive(Clone, Debug)]
struct State {
    /// What reads return.
    shows: Shows,
    /// What the next write means.
    next: Next,
    /// Status register.
    status: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    Array,
    Status,
    Identifiers,
    Query,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// A command.
    Command,
    /// The word to program.
    Word,
    /// Confirmation of an erasure.
    Erase,
    /// Which change of a lock.
    Lock,
    /// How many words, less one, a buffered program has.
    Count,
    /// A word for the buffer.
    Buffer {
        /// Those already there.
        words: Vec<BufferedWord>,
        /// How many are to come.
        left: u64,
    },
    /// Confirmation of a buffered program.
    Program(Vec<BufferedWord>),
}

/// A word written to the buffer, with the bits that the write covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BufferedWord {
    offset: u64,
    value: u32,
    lanes: u32,
}

impl State {
    const fn new() -> Self {
        Self {
            shows: Shows::Array,
            next: Next::Command,
            status: status::READY,
        }
    }

    fn show(&mut self, shows: Shows) {
        self.shows = shows;
        self.next = Next::Command;
    }

    /// Ends an operation: reads return the status register, with these errors added.
    fn finish(&mut self, errors: u8) {
        self.status |= errors;
        self.show(Shows::Status);
    }

    /// A wrong second cycle: read-array ends the operation, anything else is an error.
    fn abandon(&mut self, code: u8) {
        if code == command::READ_ARRAY {
            self.show(Shows::Array);
        } else {
            self.finish(status::ERASE_ERROR | status::PROGRAM_ERROR);
        }
    }

    /// The first cycle of an operation.
    fn begin(&mut self, code: u8) {
        self.shows = Shows::Status;
        self.next = match code {
            command::PROGRAM | command::PROGRAM_ALTERNATE => Next::Word,
            command::ERASE => Next::Erase,
            command::LOCK => Next::Lock,
            command::PROGRAM_BUFFER => Next::Count,
            command::READ_STATUS => Next::Command,
            command::READ_ID => return self.show(Shows::Identifiers),
            command::QUERY => return self.show(Shows::Query),
            // Read-array, and codes that mean nothing, among them those that probe for other
            // command sets.
            _ => {
                if code == command::CLEAR_STATUS {
                    self.status = status::READY;
                }
                return self.show(Shows::Array);
            }
        };
    }
}

impl CfiFlash {
    /// A bank of `len` bytes whose contents lie at `at` in `ram`. The board has filled in what the
    /// backend holds; later changes go there as far as its size reaches. A read-only bank fails
    /// every program and erase.
    #[must_use]
    pub fn new(
        ram: Arc<GuestRam>,
        at: RamOffset,
        len: u64,
        backend: Option<Box<dyn BlockBackend>>,
        read_only: bool,
    ) -> Self {
        Self {
            array: Array::new(ram, at, len, backend, read_only),
            state: State::new(),
        }
    }

    /// Whether reads return the contents, so that the board may map them directly. May change with
    /// every write and reset.
    #[must_use]
    pub fn read_mode(&self) -> bool {
        self.state.shows == Shows::Array
    }

    fn read_word(&self, offset: u64) -> u32 {
        let index = (offset / spec::BANK_WIDTH) as usize;
        let both = |byte: u8| u32::from(byte) * 0x0001_0001;
        match self.state.shows {
            Shows::Array => self.array.word(offset),
            Shows::Status => both(self.state.status),
            Shows::Identifiers => {
                let identifier = spec::IDENTIFIERS.get(index % spec::IDENTIFIER_WORDS);
                both(identifier.copied().unwrap_or(0))
            }
            Shows::Query => both(spec::query(index, self.array.len())),
        }
    }

    fn write_word(&mut self, offset: u64, value: u32, lanes: u32) {
        let code = (value >> (lanes.trailing_zeros() & 31)) as u8;
        let word = BufferedWord {
            offset,
            value,
            lanes,
        };
        match std::mem::replace(&mut self.state.next, Next::Command) {
            Next::Command => self.state.begin(code),
            Next::Word => {
                let errors = self.array.program(&[word]);
                self.state.finish(errors);
            }
            Next::Erase if code == command::CONFIRM => {
                let errors = self.array.erase(offset);
                self.state.finish(errors);
            }
            Next::Erase => self.state.abandon(code),
            // The CFI table offers no block locking: requests are accepted and change nothing.
            Next::Lock if code == command::READ_ARRAY => self.state.show(Shows::Array),
            Next::Lock => self.state.finish(0),
            Next::Count => self.begin_buffer(value & 0xffff),
            Next::Buffer { mut words, left } => {
                words.push(word);
                self.state.next = match left {
                    0 | 1 => Next::Program(words),
                    _ => Next::Buffer {
                        words,
                        left: left - 1,
                    },
                };
            }
            Next::Program(words) if code == command::CONFIRM => {
                let errors = self.array.program(&words);
                self.state.finish(errors);
            }
            Next::Program(_) => self.state.abandon(code),
        }
        if self.read_mode() {
            self.array.write_back();
        }
    }

    fn begin_buffer(&mut self, count: u32) {
        let left = u64::from(count) + 1;
        if left > spec::BUFFER / spec::BANK_WIDTH {
            return self
                .state
                .finish(status::ERASE_ERROR | status::PROGRAM_ERROR);
        }
        let words = Vec::with_capacity(left as usize);
        self.state.next = Next::Buffer { words, left };
    }
}

impl Device for CfiFlash {
    fn kind(&self) -> &'static str {
        "cfi.pflash01"
    }

    fn read(
        &mut self,
        _cx: &mut Cx<'_>,
        _region: usize,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, BusError> {
        if offset >= self.array.len() {
            return Err(BusError);
        }
        words::read(offset, bytes, |at| self.read_word(at))
    }

    fn write(
        &mut self,
        _cx: &mut Cx<'_>,
        _region: usize,
        offset: u64,
        bytes: u64,
        value: u64,
    ) -> Result<(), BusError> {
        if offset >= self.array.len() {
            return Err(BusError);
        }
        words::write(offset, bytes, value, |at, word, lanes| {
            self.write_word(at, word, lanes);
        })
    }

    /// The contents survive.
    fn reset(&mut self, _cx: &mut Cx<'_>, _kind: ResetKind) {
        self.state = State::new();
        self.array.write_back();
    }

    fn poll(&mut self, _cx: &mut Cx<'_>) {
        self.array.write_back();
    }
}
