//! The arena itself: the only module here that touches raw memory.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use portable_atomic::AtomicU128;

use crate::code_pages::{CodePages, WrittenCode};
use crate::{PAGE_SIZE, RamOffset};

/// Why an arena could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AllocError {
    /// The host refused the memory.
    #[error("cannot set up guest memory: the host has no {bytes} bytes to give")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: u64,
    },
    /// The size does not fit the host's address space.
    #[error("cannot set up guest memory: {bytes} bytes exceed the host's address space")]
    TooLarge {
        /// Bytes asked for.
        bytes: u64,
    },
}

/// A fixed, zero-initialised span of host memory that the guest's RAM and ROMs live in.
pub struct GuestRam {
    /// What the allocator gave.
    block: NonNull<u8>,
    /// The first page boundary in it: offset 0.
    base: NonNull<u8>,
    len: u64,
    /// What to give it back with; `None` if it is for good.
    layout: Option<Layout>,
    code: CodePages,
}

// SAFETY: the arena is plain memory owned by this value; every access goes through atomics or
// through raw copies of bytes whose every bit pattern is valid, so sharing it cannot break an
// invariant of a Rust type.
unsafe impl Send for GuestRam {}
// SAFETY: as above.
unsafe impl Sync for GuestRam {}

mod sealed {
    pub trait Sealed {}
}

/// An unsigned integer that one guest access can move: `u8`, `u16`, `u32` or `u64`.
pub trait Scalar: sealed::Sealed + Copy + Eq {
    /// Width in bytes.
    const BYTES: u64;
    /// Reads a little-endian value at `at`.
    ///
    /// # Safety
    /// `at .. at + BYTES` lies in one live arena.
    unsafe fn read(at: *mut u8) -> Self;
    /// Writes a little-endian value at `at`.
    ///
    /// # Safety
    /// `at .. at + BYTES` lies in one live arena.
    unsafe fn write(at: *mut u8, value: Self);
    /// Compares and exchanges at an aligned `at`; `Err` holds what was there.
    ///
    /// # Safety
    /// `at .. at + BYTES` lies in one live arena and `at` is aligned to `BYTES`.
    unsafe fn exchange(at: *mut u8, old: Self, new: Self) -> Result<Self, Self>;
}

macro_rules! scalar {
    ($ty:ty, $atomic:ty) => {
        impl sealed::Sealed for $ty {}
        impl Scalar for $ty {
            const BYTES: u64 = size_of::<$ty>() as u64;

            #[inline(always)]
            unsafe fn read(at: *mut u8) -> Self {
                if (at as usize).is_multiple_of(size_of::<$ty>()) {
                    // SAFETY: in bounds by the caller's promise, aligned by the test.
                    let cell = unsafe { <$atomic>::from_ptr(at.cast()) };
                    <$ty>::from_le(cell.load(Ordering::Relaxed))
                } else {
                    // SAFETY: in bounds by the caller's promise; an unaligned volatile copy of
                    // plain bytes, which may tear as the architecture allows.
                    <$ty>::from_le_bytes(unsafe {
                        at.cast::<[u8; size_of::<$ty>()]>().read_volatile()
                    })
                }
            }

            #[inline(always)]
            unsafe fn write(at: *mut u8, value: Self) {
                if (at as usize).is_multiple_of(size_of::<$ty>()) {
                    // SAFETY: in bounds by the caller's promise, aligned by the test.
                    unsafe { <$atomic>::from_ptr(at.cast()) }
                        .store(value.to_le(), Ordering::Relaxed);
                } else {
                    // SAFETY: in bounds by the caller's promise; see `read`.
                    unsafe {
                        at.cast::<[u8; size_of::<$ty>()]>()
                            .write_volatile(value.to_le_bytes())
                    }
                }
            }

            unsafe fn exchange(at: *mut u8, old: Self, new: Self) -> Result<Self, Self> {
                // SAFETY: in bounds and aligned by the caller's promise.
                let cell = unsafe { <$atomic>::from_ptr(at.cast()) };
                cell.compare_exchange(old.to_le(), new.to_le(), Ordering::SeqCst, Ordering::SeqCst)
                    .map(<$ty>::from_le)
                    .map_err(<$ty>::from_le)
            }
        }
    };
}
scalar!(u8, AtomicU8);
scalar!(u16, AtomicU16);
scalar!(u32, AtomicU32);
scalar!(u64, AtomicU64);

impl GuestRam {
    /// Allocates `bytes` (rounded up to a page) of zeroed guest memory. The host commits pages as
    /// they are first touched.
    pub fn new(bytes: u64) -> Result<Self, AllocError> {
        let too_large = || AllocError::TooLarge { bytes };
        let len = bytes
            .max(PAGE_SIZE)
            .checked_next_multiple_of(PAGE_SIZE)
            .ok_or_else(too_large)?;
        // Large blocks of small alignment come from the allocator as fresh zero pages; asking it for
        // page alignment would make it write every byte. So the page boundary is found here.
        let size = len
            .checked_add(PAGE_SIZE)
            .and_then(|size| usize::try_from(size).ok());
        let layout = Layout::from_size_align(size.ok_or_else(too_large)?, 1);
        let layout = layout.map_err(|_| too_large())?;
        let (block, layout) = zeroed(layout).ok_or(AllocError::OutOfMemory { bytes })?;
        let to_page = block.as_ptr().align_offset(PAGE_SIZE as usize);
        // SAFETY: `to_page` is below a page, and the block has a page more than `len` bytes.
        let base = unsafe { block.add(to_page) };
        Ok(Self {
            block,
            base,
            len,
            layout,
            code: CodePages::new(len),
        })
    }

    /// Bytes in the arena: a multiple of the page size.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never true: an arena has at least one page.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The host address of offset 0, for code generators that address guest memory themselves.
    #[must_use]
    pub fn host_base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    #[inline(always)]
    fn place(&self, at: RamOffset, bytes: u64) -> Option<*mut u8> {
        if at.0 <= self.len && bytes <= self.len - at.0 {
            // SAFETY: just checked to lie within the allocation.
            Some(unsafe { self.base.as_ptr().add(at.0 as usize) })
        } else {
            None
        }
    }

    /// Reads a little-endian scalar; `None` beyond the end.
    #[inline(always)]
    #[must_use]
    pub fn load<T: Scalar>(&self, at: RamOffset) -> Option<T> {
        let place = self.place(at, T::BYTES)?;
        // SAFETY: `place` checked the bounds.
        Some(unsafe { T::read(place) })
    }

    /// Writes a little-endian scalar, without looking at code flags; `None` beyond the end.
    #[inline(always)]
    #[must_use]
    pub fn store<T: Scalar>(&self, at: RamOffset, value: T) -> Option<()> {
        let place = self.place(at, T::BYTES)?;
        // SAFETY: `place` checked the bounds.
        unsafe { T::write(place, value) };
        Some(())
    }

    /// Replaces `old` by `new` in one sequentially consistent step. `Some(Ok)` holds the old value
    /// when it matched, `Some(Err)` what was there instead; `None` beyond the end or unaligned.
    #[must_use]
    pub fn compare_exchange<T: Scalar>(
        &self,
        at: RamOffset,
        old: T,
        new: T,
    ) -> Option<Result<T, T>> {
        let place = self.place(at, T::BYTES)?;
        if !at.0.is_multiple_of(T::BYTES) {
            return None;
        }
        // SAFETY: bounds and alignment (the arena is page-aligned) were just checked.
        Some(unsafe { T::exchange(place, old, new) })
    }

    /// Reads 16 bytes in one step; `None` beyond the end or unaligned.
    #[must_use]
    pub fn load_128(&self, at: RamOffset) -> Option<u128> {
        let cell = self.cell_128(at)?;
        Some(u128::from_le(cell.load(Ordering::SeqCst)))
    }

    /// As [`Self::compare_exchange`] on 16 bytes. Atomic against every other access where the host
    /// has such an instruction; elsewhere only against the 128-bit accesses of this arena.
    #[must_use]
    pub fn compare_exchange_128(
        &self,
        at: RamOffset,
        old: u128,
        new: u128,
    ) -> Option<Result<u128, u128>> {
        let result = self.cell_128(at)?.compare_exchange(
            old.to_le(),
            new.to_le(),
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        Some(result.map(u128::from_le).map_err(u128::from_le))
    }

    fn cell_128(&self, at: RamOffset) -> Option<&AtomicU128> {
        let place = self.place(at, 16)?;
        if !at.0.is_multiple_of(16) {
            return None;
        }
        // SAFETY: in bounds and aligned (the arena is page-aligned), as just checked; the arena
        // lives as long as the borrow of `self`, and is only ever accessed as plain bytes or
        // atomically.
        Some(unsafe { AtomicU128::from_ptr(place.cast()) })
    }

    /// Copies guest memory out; `None`, with `into` untouched, when the span leaves the arena.
    #[must_use]
    pub fn read_bytes(&self, at: RamOffset, into: &mut [u8]) -> Option<()> {
        let place = self.place(at, into.len() as u64)?;
        // SAFETY: the source is in bounds, the destination is ours, and they cannot overlap since
        // no reference into the arena exists.
        unsafe { std::ptr::copy_nonoverlapping(place, into.as_mut_ptr(), into.len()) };
        Some(())
    }

    /// Copies into guest memory and logs code pages that it touches; `None`, with nothing
    /// written, when the span leaves the arena.
    #[must_use]
    pub fn write_bytes(&self, at: RamOffset, from: &[u8]) -> Option<()> {
        let place = self.place(at, from.len() as u64)?;
        // SAFETY: as in `read_bytes`, the other way round.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), place, from.len()) };
        let mut page = at.page();
        while page.0 < at.0 + from.len() as u64 {
            self.code.note_write(page);
            page = page.offset(PAGE_SIZE);
        }
        Some(())
    }

    /// Makes `len` bytes read as zeros, and gives the pages that lie wholly among them back to the
    /// host where it takes such; `None`, with nothing changed, when the span leaves the arena.
    #[must_use]
    pub fn discard(&self, at: RamOffset, len: u64) -> Option<()> {
        let place = self.place(at, len)?;
        // `place` succeeded: the span is in memory, so its length is a `usize`.
        let len = len as usize;
        let (before, given_back) = give_back(place, len);
        let after = before + given_back;
        // SAFETY: both parts lie in the span, which is in bounds.
        unsafe {
            place.write_bytes(0, before);
            place.add(after).write_bytes(0, len - after);
        }
        let mut page = at.page();
        while page.0 < at.0 + len as u64 {
            self.code.note_write(page);
            page = page.offset(PAGE_SIZE);
        }
        Some(())
    }

    /// Flags the page at `at` as holding translated code. True when it did not before: the caller
    /// then drops its own fast write mappings of that page; other vCPUs see [`Self::code_epoch`].
    pub fn mark_code(&self, at: RamOffset) -> bool {
        self.code.mark(at)
    }

    /// Whether the page at `at` is flagged as holding translated code.
    #[must_use]
    pub fn is_code(&self, at: RamOffset) -> bool {
        self.code.contains(at)
    }

    /// A number that grows whenever a page becomes a code page.
    #[must_use]
    pub fn code_epoch(&self) -> u64 {
        self.code.epoch()
    }

    /// Records a write that a vCPU's slow path has made to the page at `at`: the flag goes, and the
    /// page is logged for invalidation.
    pub fn note_code_write(&self, at: RamOffset) {
        self.code.note_write(at);
    }

    /// How many writes to code pages there were: one load. Whoever keeps translations compares it
    /// with how many it has dealt with ([`Self::code_written_since`]).
    #[inline(always)]
    #[must_use]
    pub fn code_writes(&self) -> u64 {
        self.code.writes()
    }

    /// The host address of what [`Self::code_writes`] reads, for code generators that read it
    /// themselves.
    #[must_use]
    pub fn code_writes_counter(&self) -> *const u64 {
        self.code.writes_counter()
    }

    /// The pages whose translations must go before any of them runs again: those written since
    /// [`Self::code_writes`] was `seen`, which is brought up to date. Every keeper of translations
    /// has a count of its own.
    #[must_use]
    pub fn code_written_since(&self, seen: &mut u64) -> WrittenCode {
        self.code.written_since(seen)
    }
}

/// Gives the host's pages among `len` bytes of an arena back, to read as zeros from now on: where they
/// start in the span, and how many bytes they are.
#[cfg(target_os = "linux")]
fn give_back(place: *mut u8, len: usize) -> (usize, usize) {
    use rustix::mm::{Advice, madvise};
    let page = rustix::param::page_size();
    let before = place.align_offset(page).min(len);
    let whole = (len - before) / page * page;
    if whole == 0 {
        return (before, 0);
    }
    // SAFETY: whole pages of the arena's private memory, to which no reference exists: every access
    // goes by address, and finds zeros from now on.
    let given = unsafe { madvise(place.add(before).cast(), whole, Advice::LinuxDontNeed) };
    (before, if given.is_ok() { whole } else { 0 })
}

/// This host takes no pages back.
#[cfg(not(target_os = "linux"))]
fn give_back(_place: *mut u8, _len: usize) -> (usize, usize) {
    (0, 0)
}

/// A block of zeros, and what to give it back with.
fn zeroed(layout: Layout) -> Option<(NonNull<u8>, Option<Layout>)> {
    #[cfg(target_arch = "wasm32")]
    if layout.size() >= grown::LEAST {
        return Some((grown::zeroed(layout.size())?, None));
    }
    // SAFETY: the layout has a non-zero size.
    let block = NonNull::new(unsafe { alloc_zeroed(layout) })?;
    Some((block, Some(layout)))
}

/// Memory that WebAssembly's grows by is zero. The allocator writes zeros all the same, so that the
/// host would have to commit every page of it.
#[cfg(target_arch = "wasm32")]
mod grown {
    use std::arch::wasm32::memory_grow;
    use std::ptr::NonNull;

    /// Blocks from this size on come from growth, and stay until the instance goes.
    pub const LEAST: usize = 16 << 20;
    const PAGE: usize = 64 << 10;

    pub fn zeroed(size: usize) -> Option<NonNull<u8>> {
        let before = memory_grow::<0>(size.div_ceil(PAGE));
        (before != usize::MAX).then_some(())?;
        NonNull::new(std::ptr::with_exposed_provenance_mut(before * PAGE))
    }
}

impl Drop for GuestRam {
    fn drop(&mut self) {
        if let Some(layout) = self.layout {
            // SAFETY: allocated by `zeroed` with this very layout.
            unsafe { dealloc(self.block.as_ptr(), layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discarded_bytes_are_zero_and_their_neighbours_stay() {
        let ram = GuestRam::new(8 * PAGE_SIZE).unwrap();
        let full = vec![0xa5; 8 * PAGE_SIZE as usize];
        for (at, len) in [(4096, 8192), (5, 10), (100, 20_000), (0, 32_768), (8192, 0)] {
            ram.write_bytes(RamOffset(0), &full).unwrap();
            assert!(ram.mark_code(RamOffset(at)) || ram.is_code(RamOffset(at)));
            let before = ram.code_writes();
            ram.discard(RamOffset(at), len).unwrap();
            let mut now = vec![0; full.len()];
            ram.read_bytes(RamOffset(0), &mut now).unwrap();
            let mut expected = full.clone();
            expected[at as usize..(at + len) as usize].fill(0);
            assert!(now == expected, "{len} at {at}");
            assert_eq!(ram.code_writes() > before, len != 0);
        }
        assert_eq!(ram.discard(RamOffset(1), 8 * PAGE_SIZE), None);
    }

    #[test]
    fn bounds_are_exact() {
        let ram = GuestRam::new(1).unwrap();
        assert_eq!(ram.len(), PAGE_SIZE);
        assert_eq!(ram.load::<u64>(RamOffset(PAGE_SIZE - 8)), Some(0));
        assert_eq!(ram.load::<u64>(RamOffset(PAGE_SIZE - 7)), None);
        assert_eq!(ram.load::<u8>(RamOffset(u64::MAX)), None);
        assert_eq!(ram.write_bytes(RamOffset(PAGE_SIZE - 1), &[1, 2]), None);
    }

    #[test]
    fn scalars_are_little_endian_at_any_alignment() {
        let ram = GuestRam::new(PAGE_SIZE).unwrap();
        for at in 0..8 {
            ram.store(RamOffset(at), 0x0102_0304_0506_0708_u64).unwrap();
            let mut bytes = [0; 8];
            ram.read_bytes(RamOffset(at), &mut bytes).unwrap();
            assert_eq!(bytes, [8, 7, 6, 5, 4, 3, 2, 1]);
            assert_eq!(ram.load::<u64>(RamOffset(at)), Some(0x0102_0304_0506_0708));
        }
    }

    #[test]
    fn sixteen_bytes_exchange_at_once() {
        let ram = GuestRam::new(PAGE_SIZE).unwrap();
        let value = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;
        assert_eq!(
            ram.compare_exchange_128(RamOffset(16), 0, value),
            Some(Ok(0))
        );
        assert_eq!(
            ram.compare_exchange_128(RamOffset(16), 0, 1),
            Some(Err(value))
        );
        assert_eq!(ram.load_128(RamOffset(16)), Some(value));
        assert_eq!(ram.load::<u8>(RamOffset(31)), Some(15));
        assert_eq!(ram.load_128(RamOffset(8)), None);
        assert_eq!(ram.load_128(RamOffset(PAGE_SIZE)), None);
    }

    #[test]
    fn device_writes_log_each_code_page_once() {
        let ram = GuestRam::new(4 * PAGE_SIZE).unwrap();
        assert!(ram.mark_code(RamOffset(PAGE_SIZE)));
        assert!(!ram.mark_code(RamOffset(PAGE_SIZE + 4)));
        ram.write_bytes(RamOffset(PAGE_SIZE - 1), &[0; 2]).unwrap();
        ram.write_bytes(RamOffset(PAGE_SIZE), &[0]).unwrap();
        assert_eq!(ram.code_writes(), 1);
        let written = ram.code_written_since(&mut 0);
        assert_eq!(written, WrittenCode::Pages(vec![RamOffset(PAGE_SIZE)]));
        assert!(!ram.is_code(RamOffset(PAGE_SIZE)));
    }
}
