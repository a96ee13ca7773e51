//! Guest memory: the one mapping that every RAM and ROM byte of a machine lives in.
//!
//! A machine allocates a single [`GuestRam`] arena and carves its RAM, flash banks and ROMs out of
//! it. A place in the arena is a [`RamOffset`]; a guest-physical address is a [`GuestPhys`] and a
//! guest-virtual one a [`GuestVirt`]. The three never mix: the board's memory map turns the second
//! kind of number into the first, the MMU turns the third into the second.
//!
//! The arena is shared by vCPUs and devices. Every access is bounds-checked, and guest code that
//! races with itself reads torn but always initialised bytes: nothing here hands out a reference
//! to guest memory.
//!
//! Pages that hold translated code are flagged ([`GuestRam::mark_code`]). A write through
//! [`GuestRam::write_bytes`] to such a page logs it for [`GuestRam::code_written_since`]; vCPUs keep
//! flagged pages out of their fast write path and call [`GuestRam::note_code_write`] themselves.
//!
//! A vCPU may have a fast write mapping of a page that another one flags. It looks for such mappings
//! whenever [`GuestRam::code_epoch`] has moved, and takes each for a write: at the end of its turn,
//! and before it tells others of what it wrote (DSB).

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod address;
mod arena;
mod code_pages;

pub use address::{GuestPhys, GuestVirt, PAGE_BITS, PAGE_SIZE, RamOffset};
pub use arena::{AllocError, GuestRam, Scalar};
pub use code_pages::WrittenCode;
