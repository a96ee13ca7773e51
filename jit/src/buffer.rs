//! Memory for generated code.
//!
//! One block of anonymous memory is mapped twice: once to be written, once to be executed. No page is
//! ever both, and no system call is needed to add or patch code. The block has no file of its own,
//! since `perf` looks up names in `/tmp/perf-PID.map` for memory without one only.

use std::ffi::c_void;
use std::ptr::NonNull;

use rustix::io::Errno;
use rustix::mm::{
    MapFlags, MprotectFlags, MremapFlags, ProtFlags, mmap_anonymous, mprotect, mremap, munmap,
};

/// Memory for code could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot map {bytes} bytes for generated code: {cause}")]
pub struct MapError {
    bytes: usize,
    cause: Errno,
}

/// A block of code memory, filled from its start.
pub(crate) struct CodeBuffer {
    writable: NonNull<u8>,
    executable: NonNull<u8>,
    len: usize,
    used: usize,
}

// SAFETY: both mappings are owned by this value and reached through it only; code runs from the
// executable one while the engine that owns this value is borrowed.
unsafe impl Send for CodeBuffer {}

impl CodeBuffer {
    /// Maps `len` bytes, a multiple of the page size. They take memory as they are written.
    pub(crate) fn new(len: usize) -> Result<Self, MapError> {
        let error = |cause| MapError { bytes: len, cause };
        let whole = |at: *mut c_void| NonNull::new(at.cast::<u8>()).ok_or(error(Errno::NOMEM));
        let (write, shared) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let at = unsafe { mmap_anonymous(std::ptr::null_mut(), len, write, shared) };
        let writable = whole(at.map_err(error)?)?;
        // SAFETY: an old size of 0 asks for a second mapping of shared pages and leaves the first as
        // it is (mremap(2)); the second goes where nothing is.
        let at = unsafe { mremap(writable.as_ptr().cast(), 0, len, MremapFlags::MAYMOVE) };
        let executable = match at.map_err(error).and_then(whole) {
            Ok(at) => at,
            Err(error) => {
                unmap(writable, len);
                return Err(error);
            }
        };
        let buffer = Self {
            writable,
            executable,
            len,
            used: 0,
        };
        let run = MprotectFlags::READ | MprotectFlags::EXEC;
        // SAFETY: this is the second mapping, whole; nothing is written through it.
        unsafe { mprotect(executable.as_ptr().cast(), len, run) }.map_err(error)?;
        Ok(buffer)
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Bytes left.
    pub(crate) fn left(&self) -> usize {
        self.len - self.used
    }

    /// Where the code at an offset runs.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn address(&self, offset: u32) -> *const u8 {
        debug_assert!((offset as usize) < self.len);
        self.executable.as_ptr().wrapping_add(offset as usize)
    }

    #[cfg(target_arch = "x86_64")]
    /// Appends code, which has been made for the offset [`Self::used`]. False, with nothing done,
    /// where it does not fit.
    #[must_use]
    pub(crate) fn append(&mut self, code: &[u8]) -> bool {
        if code.len() > self.left() {
            return false;
        }
        self.write(self.used, code);
        self.used += code.len();
        true
    }

    /// Appends code that may be anywhere, at a multiple of 16; returns its address.
    #[cfg(feature = "cranelift")]
    pub(crate) fn append_aligned(&mut self, code: &[u8]) -> Option<u64> {
        let at = self.used.next_multiple_of(16);
        if at > self.len || code.len() > self.len - at {
            return None;
        }
        self.write(at, code);
        self.used = at + code.len();
        let address = self.executable.as_ptr().wrapping_add(at);
        publish(address, code.len());
        Some(address as u64)
    }

    /// Replaces code.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn patch(&mut self, offset: u32, code: &[u8]) {
        if offset as usize + code.len() <= self.used {
            self.write(offset as usize, code);
        }
    }

    fn write(&mut self, offset: usize, code: &[u8]) {
        // SAFETY: the callers have checked that the span lies within the mapping, which is writable
        // and which no reference points into.
        unsafe {
            let to = self.writable.as_ptr().add(offset);
            std::ptr::copy_nonoverlapping(code.as_ptr(), to, code.len());
        }
    }

    /// Forgets what comes after an offset.
    pub(crate) fn truncate(&mut self, offset: usize) {
        self.used = self.used.min(offset);
    }
}

/// Makes sure that the processor runs code as it was written.
#[cfg(all(feature = "cranelift", not(target_arch = "aarch64")))]
fn publish(_: *const u8, _: usize) {}

/// Makes sure that the processor runs code as it was written: it keeps instructions apart from data
/// (Arm ARM, B2.4.4: the sequence for a single processor, whose maintenance is broadcast).
#[cfg(all(feature = "cranelift", target_arch = "aarch64"))]
fn publish(at: *const u8, len: usize) {
    // The least line size that CTR_EL0 can report, of both caches.
    const LINE: usize = 16;
    let start = at as usize & !(LINE - 1);
    let lines = || (start..at as usize + len).step_by(LINE);
    // SAFETY: cache maintenance of addresses that are mapped changes no memory.
    unsafe {
        for line in lines() {
            std::arch::asm!("dc cvau, {}", in(reg) line);
        }
        std::arch::asm!("dsb ish");
        for line in lines() {
            std::arch::asm!("ic ivau, {}", in(reg) line);
        }
        std::arch::asm!("dsb ish", "isb");
    }
}

fn unmap(at: NonNull<u8>, len: usize) {
    // SAFETY: `at` is the start of a mapping of `len` bytes that nothing uses any more. Unmapping a
    // whole mapping cannot fail.
    let _ = unsafe { munmap(at.as_ptr().cast::<c_void>(), len) };
}

impl Drop for CodeBuffer {
    fn drop(&mut self) {
        unmap(self.writable, self.len);
        unmap(self.executable, self.len);
    }
}
