//! Who wants to hear what a CPU does while it does it, beside the log.

use std::sync::Arc;

use crate::exception::Exception;

/// Hears of exceptions. Called in the midst of a CPU's work: it must be quick, and not call back.
pub trait CpuObserver: Send + Sync {
    /// CPU `cpu` took an exception at exception level `from` and goes on at `pc`.
    fn taken(&self, cpu: usize, from: u8, exception: &Exception, pc: u64);

    /// CPU `cpu` returned from an exception, to exception level `to` and `pc`.
    fn returned(&self, cpu: usize, from: u8, to: u8, pc: u64);
}

/// An observer; clones are the same.
pub type Observer = Arc<dyn CpuObserver>;
