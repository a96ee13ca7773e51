//! Which pages hold translated code, and which of those were written since.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::{PAGE_BITS, RamOffset};

/// One flag per page of the arena, a queue of written pages, and an epoch that moves whenever a
/// page gains the flag (so that each vCPU knows to drop fast write mappings that it may hold).
pub(crate) struct CodePages {
    flags: Box<[AtomicU8]>,
    epoch: AtomicU64,
    pending: AtomicBool,
    dirty: Mutex<Vec<RamOffset>>,
}

impl CodePages {
    pub(crate) fn new(bytes: u64) -> Self {
        let pages = (bytes >> PAGE_BITS) as usize;
        Self {
            flags: (0..pages).map(|_| AtomicU8::new(0)).collect(),
            epoch: AtomicU64::new(0),
            pending: AtomicBool::new(false),
            dirty: Mutex::new(Vec::new()),
        }
    }

    fn flag(&self, at: RamOffset) -> Option<&AtomicU8> {
        self.flags.get((at.0 >> PAGE_BITS) as usize)
    }

    pub(crate) fn contains(&self, at: RamOffset) -> bool {
        self.flag(at)
            .is_some_and(|f| f.load(Ordering::Relaxed) != 0)
    }

    pub(crate) fn mark(&self, at: RamOffset) -> bool {
        let fresh = self
            .flag(at)
            .is_some_and(|f| f.swap(1, Ordering::AcqRel) == 0);
        if fresh {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
        fresh
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn note_write(&self, at: RamOffset) {
        let Some(flag) = self.flag(at) else { return };
        if flag.swap(0, Ordering::AcqRel) != 0 {
            let mut dirty = self
                .dirty
                .lock()
                .unwrap_or_else(|poison| poison.into_inner());
            dirty.push(at.page());
            self.pending.store(true, Ordering::Release);
        }
    }

    #[inline(always)]
    pub(crate) fn has_dirty(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    pub(crate) fn take_dirty(&self) -> Vec<RamOffset> {
        let mut dirty = self
            .dirty
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        self.pending.store(false, Ordering::Release);
        std::mem::take(&mut *dirty)
    }
}
