//! A machine whose CPUs run at the same time, each on a thread that the host gives it.
//!
//! # Ownership
//! While the machine runs, it is split ([`Vm::split`](crate::Vm::split)) into a [`Runner`] per CPU,
//! which a thread of its own owns, and a [`Split`] with the rest, which the machine's owner keeps. The
//! board lies behind one lock that is taken for each access to a device or the interrupt controller;
//! what changes for a CPU because of it is put into that CPU's mailbox. Guest code runs without
//! the lock, on translations of its CPU's own: guest memory alone is shared, and in it the log of
//! written code (see `ferrite_ram`).
//!
//! Whoever wants more than the board (monitors, resets, stopping) puts the machine together again:
//! [`Split::halt`] asks every runner to come back at the end of its turn, [`Split::join`] takes them.
//! A runner that waits for an interrupt lies with its thread and is there at once.
//!
//! # What waits for what
//! A CPU that asked others for maintenance waits at its DSB until those that run have done it, and
//! does what they ask of it meanwhile. No lock is held then, and a CPU that waits, sleeps or was
//! halted counts as done: it does what is asked of it before it runs guest code again.

mod mailbox;
mod runner;
mod seat;
mod shared;
mod split;
mod view;

pub use runner::{Runner, Step};
pub use seat::{Pace, Seat};
pub use split::Split;
pub(crate) use view::ViewParts;

/// What a host gives a machine whose CPUs have threads of their own.
pub trait Threads: Send + Sync {
    /// Ends the sleep of a CPU's thread, or the one that it is about to begin. Called from any
    /// thread, with the board locked; must not wait.
    fn wake(&self, cpu: usize);

    /// The machine's owner has something to look at. Called like [`Self::wake`].
    fn call_owner(&self);

    /// Lets other threads run for a moment.
    fn pause(&self);
}
