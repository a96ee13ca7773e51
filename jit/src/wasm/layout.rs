//! What generated code knows of the data around it.

use ferrite_ir::{HelperId, Mem};
use wasm_encoder::{TypeSection, ValType};

use crate::lookup::{JumpEntry, PageEntry, Seen};

/// Where an address led last, under a code generation: what is asked before the tables of
/// [`lookup`](crate::lookup).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Recent {
    pub pc: u64,
    pub generation: u64,
    /// Table slot of the function.
    pub slot: u32,
    /// Makes the size a power of two.
    pub padding: [u32; 3],
}

impl Recent {
    pub(super) const NONE: Self = Self {
        pc: u64::MAX,
        generation: u64::MAX,
        slot: 0,
        padding: [0; 3],
    };
}

/// Entries of a table of these: a power of two.
pub(super) const RECENT: usize = 2048;
/// Binary logarithm of an entry's size.
pub(super) const RECENT_SHIFT: u32 = 5;
const _: () = assert!(size_of::<Recent>() == 1 << RECENT_SHIFT);

/// Index of the entry for an address.
pub(super) const fn recent_index(pc: u64) -> usize {
    ((pc >> 2) ^ (pc >> 13)) as usize & (RECENT - 1)
}

/// What a run of generated code finds behind its second parameter.
#[repr(C)]
pub(super) struct Shared {
    /// How the guest sees its code.
    pub seen: Seen,
    /// A vector on its way to or from a function.
    pub vector: [u64; 2],
    /// Whether the last call of a function left the region.
    pub left: u32,
    /// The tables of [`lookup`](crate::lookup).
    pub pages: *const PageEntry,
    pub jumps: *const JumpEntry,
    /// Written by generated code.
    pub recent: [Recent; RECENT],
}

/// Where an exit leads.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Cell {
    /// The code generation under which `slot` may be followed; for an exit within a page, any.
    pub generation: u64,
    /// Table slot of the function, 0 while there is none.
    pub slot: u32,
    /// Makes the size a power of two.
    pub padding: u32,
}

impl Cell {
    pub(super) const UNLINKED: Self = Self {
        generation: u64::MAX,
        slot: 0,
        padding: 0,
    };
}

macro_rules! callees {
    ($($(#[$doc:meta])* $name:ident: $inner:ident, $outer:ident;)*) => {
        /// The functions of this artefact that generated code calls. A module has one of its own for
        /// each, with more to say about the result: see `thunks`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Callee {
            $($(#[$doc])* $name,)*
        }

        impl Callee {
            /// All, in the order of their numbers.
            pub(super) const ALL: &[Self] = &[$(Self::$name),*];

            /// Types of the function of the artefact and of the module's.
            pub(super) fn types(self) -> (u32, u32) {
                match self {
                    $(Self::$name => (types::$inner, types::$outer),)*
                }
            }
        }
    };
}

callees! {
    /// `load(context, site, address) -> value`
    Load: LOAD, LOADED;
    /// `store(context, site, address, value) -> left`
    Store: STORE, STORE;
    /// `load_vector(context, site, address) -> left`, by way of the context.
    LoadVector: ACCESS, ACCESS;
    /// `store_vector(context, site, address) -> left`, by way of the context.
    StoreVector: ACCESS, ACCESS;
    /// `call(context, site, arguments) -> value`
    Call: CALL, CALLED;
    /// `guard(context, site, argument) -> left`
    Guard: ACCESS, ACCESS;
    /// `atomic(context, site) -> left`, between slots.
    Atomic: REGION, REGION;
    /// `wide(context, entry)`, between slots.
    Wide: REGION, REGION;
    /// `nzcv(block, _) -> flags` of the lazy flags.
    Nzcv: REGION, REGION;
    /// `test(block, condition) -> 0 or 1` by the lazy flags.
    Test: REGION, REGION;
    /// `holds(kind and condition, a, b, c) -> 0 or 1`
    Holds: HOLDS, HOLDS;
    /// `mul_high_u(a, b)`
    MulHighU: BINARY, BINARY;
    /// `mul_high_s(a, b)`
    MulHighS: BINARY, BINARY;
    /// `reverse_bits(a, _)`
    ReverseBits: BINARY, BINARY;
}

impl Callee {
    /// Index of the module's function.
    pub(super) fn index(self) -> u32 {
        functions::FIRST_CALLEE + self as u32
    }
}

/// Functions by their index in every module.
pub(super) mod functions {
    /// `(block, context, address, exit) -> exit`: goes on at a computed address.
    pub const JUMP: u32 = 0;
    /// `(block, context, cell, exit) -> exit`: goes on within the page.
    pub const NEAR: u32 = 1;
    /// `(block, context, address, exit, cell) -> exit`: goes on in another page.
    pub const FAR: u32 = 2;
    pub const FIRST_CALLEE: u32 = 3;
    pub const FIRST_REGION: u32 = FIRST_CALLEE + super::Callee::ALL.len() as u32;
}

/// Addresses and slots that go into the code as constants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Table slots of the functions of [`Callee::ALL`].
    pub callees: [u32; Callee::ALL.len()],
    /// Address of guest memory's offset 0.
    pub ram: u32,
    /// Address of the cell of exit 0.
    pub cells: u32,
}

/// A point in generated code that calls for the front end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    /// Address of the guest instruction, where the code has not set the PC slot itself.
    pub pc: Option<u64>,
    /// Guest instructions of the block that come after it.
    pub left: u32,
    pub what: What,
}

/// What a site asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// A load or store.
    Access(Mem),
    /// A helper.
    Call(HelperId),
    /// The atomic access of that number.
    Atomic(u32),
}

/// Types of functions, by their index in every module.
pub(super) mod types {
    /// `(block, context) -> exit`, and functions that take two numbers.
    pub const REGION: u32 = 0;
    pub const LOAD: u32 = 1;
    pub const STORE: u32 = 2;
    pub const CALL: u32 = 3;
    /// `(context, site, address) -> left`
    pub const ACCESS: u32 = 4;
    pub const BINARY: u32 = 5;
    pub const HOLDS: u32 = 6;
    /// `(block, context, address, exit) -> exit`
    pub const JUMP: u32 = 7;
    /// `LOAD`, with whether the region is left.
    pub const LOADED: u32 = 8;
    /// `CALL`, with whether the region is left.
    pub const CALLED: u32 = 9;
    /// `(block, context, cell, exit) -> exit`
    pub const NEAR: u32 = 10;
    /// `(block, context, address, exit, cell) -> exit`
    pub const FAR: u32 = 11;
}

/// The types of [`types`].
pub(super) fn type_section() -> TypeSection {
    use ValType::{I32, I64};
    let mut section = TypeSection::new();
    let mut add = |params: &[ValType], results: &[ValType]| {
        let (params, results) = (params.iter().copied(), results.iter().copied());
        section.ty().function(params, results);
    };
    add(&[I32, I32], &[I32]);
    add(&[I32, I32, I64], &[I64]);
    add(&[I32, I32, I64, I64], &[I32]);
    add(&[I32, I32, I64, I64, I64, I64], &[I64]);
    add(&[I32, I32, I64], &[I32]);
    add(&[I64, I64], &[I64]);
    add(&[I32, I64, I64, I64], &[I32]);
    add(&[I32, I32, I64, I32], &[I32]);
    add(&[I32, I32, I64], &[I64, I32]);
    add(&[I32, I32, I64, I64, I64, I64], &[I64, I32]);
    add(&[I32, I32, I32, I32], &[I32]);
    add(&[I32, I32, I64, I32, I32], &[I32]);
    section
}
