//! Which pages hold translated code, and which of those were written since.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard};

use crate::{PAGE_BITS, RamOffset};

/// Writes that are remembered page by page. Who missed more than that drops everything.
const LOG: usize = 4096;

/// Pages whose translations must go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenCode {
    /// These.
    Pages(Vec<RamOffset>),
    /// More than are remembered: any.
    Any,
}

/// One flag per page of the arena, a log of written pages, and an epoch that moves whenever a page
/// gains the flag (so that each vCPU knows to drop fast write mappings that it may hold).
///
/// Flags change under the lock of the log only, so that a flag that is seen to be gone means that
/// the write that took it away is in the log.
pub(crate) struct CodePages {
    flags: Box<[AtomicBool]>,
    epoch: AtomicU64,
    /// Pages that were ever put into the log.
    writes: AtomicU64,
    log: Mutex<VecDeque<RamOffset>>,
}

impl CodePages {
    pub(crate) fn new(bytes: u64) -> Self {
        let pages = (bytes >> PAGE_BITS) as usize;
        Self {
            flags: (0..pages).map(|_| AtomicBool::new(false)).collect(),
            epoch: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            log: Mutex::new(VecDeque::new()),
        }
    }

    fn flag(&self, at: RamOffset) -> Option<&AtomicBool> {
        self.flags.get((at.0 >> PAGE_BITS) as usize)
    }

    fn log(&self) -> MutexGuard<'_, VecDeque<RamOffset>> {
        self.log.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    pub(crate) fn contains(&self, at: RamOffset) -> bool {
        self.flag(at).is_some_and(|f| f.load(Ordering::Acquire))
    }

    pub(crate) fn mark(&self, at: RamOffset) -> bool {
        let Some(flag) = self.flag(at) else {
            return false;
        };
        let log = self.log();
        let fresh = !flag.swap(true, Ordering::SeqCst);
        if fresh {
            self.epoch.fetch_add(1, Ordering::SeqCst);
        }
        drop(log);
        // The caller reads the code now: not before a writer could see the flag.
        fence(Ordering::SeqCst);
        fresh
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    pub(crate) fn note_write(&self, at: RamOffset) {
        let Some(flag) = self.flag(at) else { return };
        // What was written is there for whoever sets the flag after this look at it.
        fence(Ordering::SeqCst);
        if !flag.load(Ordering::SeqCst) {
            return;
        }
        let mut log = self.log();
        if flag.swap(false, Ordering::SeqCst) {
            if log.len() == LOG {
                log.pop_front();
            }
            log.push_back(at.page());
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[inline(always)]
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Acquire)
    }

    pub(crate) fn writes_counter(&self) -> *const u64 {
        self.writes.as_ptr()
    }

    pub(crate) fn written_since(&self, seen: &mut u64) -> WrittenCode {
        let log = self.log();
        let writes = self.writes.load(Ordering::SeqCst);
        let missed = writes.wrapping_sub(std::mem::replace(seen, writes));
        match usize::try_from(missed) {
            Ok(missed) if missed <= log.len() => {
                WrittenCode::Pages(log.range(log.len() - missed..).copied().collect())
            }
            _ => WrittenCode::Any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PAGE_SIZE;

    #[test]
    fn everybody_gets_every_write() {
        let pages = CodePages::new(8 * PAGE_SIZE);
        let at = |n: u64| RamOffset(n * PAGE_SIZE);
        let (mut one, mut other) = (0, 0);
        for n in [1, 2, 1] {
            assert!(pages.mark(at(n)));
            pages.note_write(at(n).offset(8));
        }
        assert_eq!(
            pages.written_since(&mut one),
            WrittenCode::Pages(vec![at(1), at(2), at(1)])
        );
        assert_eq!(one, pages.writes());
        pages.mark(at(3));
        pages.note_write(at(3));
        pages.note_write(at(3));
        assert_eq!(
            pages.written_since(&mut one),
            WrittenCode::Pages(vec![at(3)])
        );
        assert_eq!(
            pages.written_since(&mut other),
            WrittenCode::Pages(vec![at(1), at(2), at(1), at(3)])
        );
        for _ in 0..=LOG {
            pages.mark(at(0));
            pages.note_write(at(0));
        }
        assert_eq!(pages.written_since(&mut one), WrittenCode::Any);
        assert_eq!(
            pages.written_since(&mut one),
            WrittenCode::Pages(Vec::new())
        );
    }

    /// A reader that marks and then reads, and a writer that writes and then notes: either the
    /// reader sees the value, or the log has the page.
    #[test]
    fn no_write_falls_between() {
        for _ in 0..200 {
            let pages = CodePages::new(PAGE_SIZE);
            let value = AtomicU64::new(0);
            let read = std::thread::scope(|scope| {
                let reader = scope.spawn(|| {
                    pages.mark(RamOffset(0));
                    value.load(Ordering::Relaxed)
                });
                value.store(1, Ordering::Relaxed);
                pages.note_write(RamOffset(0));
                reader.join().unwrap_or(0)
            });
            assert!(read == 1 || pages.writes() == 1);
        }
    }
}
