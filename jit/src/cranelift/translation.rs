//! Translations, and what is counted about them.

use std::time::Duration;

use ferrite_ir::engine::key::Key;
use ferrite_ir::interp::Lowered;

use super::frame::Tables;

/// No translation.
pub(super) const NONE: u32 = u32::MAX;

/// What a translation runs as.
pub(super) enum Tier {
    Interpreted {
        code: Lowered,
        /// Guest instructions that it has run.
        heat: u32,
    },
    Compiled {
        /// Address of the machine code.
        code: u64,
        exits: Box<[u64]>,
        /// What the code refers to by address.
        #[expect(dead_code, reason = "kept for the code")]
        tables: Box<Tables>,
    },
    Dead,
}

pub(super) struct Translation {
    pub key: Key,
    pub tier: Tier,
    /// Where its exits lead, or [`NONE`].
    pub links: Box<[u32]>,
}

/// How a run of a translation ended.
pub(super) enum End {
    /// By the exit of that number.
    Exit(u32),
    /// Where the PC slot says.
    LookUp,
}

/// What has been compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompilerStats {
    /// Regions compiled.
    pub regions: u64,
    /// Bytes of machine code made of them.
    pub bytes: u64,
    /// Time that took.
    pub time: Duration,
    /// Regions that could not be compiled.
    pub refused: u64,
    /// Times that a region was not taken on, because too many waited.
    pub deferred: u64,
}

/// How translations ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExitStats {
    /// By an exit that is linked.
    pub linked: u64,
    /// By an exit that is not.
    pub unlinked: u64,
    /// At an address to be looked up: a computed one, or after a change of context.
    pub looked_up: u64,
}
