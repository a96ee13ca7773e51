//! The contents of a bank, and their copy in a backend.

use std::collections::BTreeSet;
use std::sync::Arc;

use ferrite_machine::backend::{BlockBackend, BlockRequest};
use ferrite_ram::{GuestRam, RamOffset};

use super::BufferedWord;
use super::spec::{BANK_WIDTH, SECTOR, status};
use crate::words;

/// Granularity of what is written back.
const PAGE: u64 = 4096;

pub(super) struct Array {
    ram: Arc<GuestRam>,
    at: RamOffset,
    len: u64,
    backend: Option<Box<dyn BlockBackend>>,
    read_only: bool,
    /// Pages that differ from the backend's.
    dirty: BTreeSet<u64>,
}

impl Array {
    pub fn new(
        ram: Arc<GuestRam>,
        at: RamOffset,
        len: u64,
        backend: Option<Box<dyn BlockBackend>>,
        read_only: bool,
    ) -> Self {
        Self {
            ram,
            at,
            len,
            backend,
            read_only,
            dirty: BTreeSet::new(),
        }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// The word at an aligned offset; all ones beyond the memory.
    pub fn word(&self, offset: u64) -> u32 {
        self.ram.load(self.at.offset(offset)).unwrap_or(u32::MAX)
    }

    /// Replaces the words. As with QEMU's flash and unlike a chip's, programming also sets bits that
    /// no erasure has set: a bank without contents starts with zeros there. The answer is the status
    /// register's error bits.
    pub fn program(&mut self, words: &[BufferedWord]) -> u8 {
        if self.read_only {
            return status::PROGRAM_ERROR | status::LOCKED;
        }
        for word in words {
            let value = words::merge(self.word(word.offset), word.value, word.lanes);
            self.store(word.offset, &value.to_le_bytes());
        }
        0
    }

    /// Sets every bit of the block that `offset` lies in. The answer is the status register's error
    /// bits.
    pub fn erase(&mut self, offset: u64) -> u8 {
        if self.read_only {
            return status::ERASE_ERROR | status::LOCKED;
        }
        const BLANK: [u8; PAGE as usize] = [0xff; PAGE as usize];
        let first = offset & !(SECTOR - 1);
        let end = (first + SECTOR).min(self.len);
        for page in (first..end).step_by(PAGE as usize) {
            let len = PAGE.min(end - page) as usize;
            self.store(page, &BLANK[..len]);
        }
        0
    }

    /// Changes the contents; beyond the bank nothing happens.
    fn store(&mut self, offset: u64, bytes: &[u8]) {
        if offset >= self.len {
            return;
        }
        if self
            .ram
            .write_bytes(self.at.offset(offset), bytes)
            .is_some()
            && self.backend.is_some()
        {
            self.dirty.insert(offset / PAGE);
        }
    }

    /// Starts to write changed pages to the backend, runs of neighbours in one request.
    pub fn write_back(&mut self) {
        let Some(backend) = &mut self.backend else {
            return;
        };
        // A bank without a backend has nothing to fall back on: failures stay with the backend.
        while backend.poll().is_some() {}
        let wrote = !self.dirty.is_empty();
        while let Some(first) = self.dirty.pop_first() {
            let mut end = first + 1;
            while self.dirty.remove(&end) {
                end += 1;
            }
            let start = first * PAGE;
            let stop = (end * PAGE).min(self.len).min(backend.size());
            let Some(len) = stop.checked_sub(start).filter(|&len| len > 0) else {
                continue;
            };
            let mut data = vec![0; len as usize];
            if self
                .ram
                .read_bytes(self.at.offset(start), &mut data)
                .is_some()
            {
                let offset = start;
                backend.submit(0, BlockRequest::Write { offset, data });
            }
        }
        if wrote {
            backend.submit(0, BlockRequest::Flush);
        }
    }
}

// Every word lies within one page that is written back.
const _: () = assert!(PAGE.is_multiple_of(BANK_WIDTH));
