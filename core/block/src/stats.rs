//! What a node has done so far, for `query-blockstats`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! operations {
    ($($name:ident: $doc:literal,)*) => {
        /// Kinds of operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation {
            $(#[doc = $doc] $name,)*
        }

        impl Operation {
            const COUNT: usize = [$(Self::$name),*].len();
        }
    };
}

operations! {
    Read: "Reads.",
    Write: "Writes, of zeros too.",
    Flush: "Flushes.",
    Unmap: "Discards.",
}

#[derive(Debug, Default)]
struct Counters {
    bytes: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
}

/// Counters of a node, shared with who reports them. They only grow.
#[derive(Clone, Debug, Default)]
pub struct BlockStats {
    counters: Arc<[Counters; Operation::COUNT]>,
}

/// What was done of one kind of operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationStats {
    /// Bytes of the operations that succeeded.
    pub bytes: u64,
    /// How many succeeded.
    pub operations: u64,
    /// How many failed.
    pub failed: u64,
}

/// The counters at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockStatsSnapshot {
    /// Reads.
    pub read: OperationStats,
    /// Writes, of zeros too.
    pub write: OperationStats,
    /// Flushes.
    pub flush: OperationStats,
    /// Discards.
    pub unmap: OperationStats,
}

impl BlockStats {
    pub(crate) fn count(&self, operation: Operation, bytes: u64, good: bool) {
        let counters = &self.counters[operation as usize];
        if good {
            counters.bytes.fetch_add(bytes, Ordering::Relaxed);
            counters.done.fetch_add(1, Ordering::Relaxed);
        } else {
            counters.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn of(&self, operation: Operation) -> OperationStats {
        let counters = &self.counters[operation as usize];
        OperationStats {
            bytes: counters.bytes.load(Ordering::Relaxed),
            operations: counters.done.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
        }
    }

    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> BlockStatsSnapshot {
        BlockStatsSnapshot {
            read: self.of(Operation::Read),
            write: self.of(Operation::Write),
            flush: self.of(Operation::Flush),
            unmap: self.of(Operation::Unmap),
        }
    }
}
