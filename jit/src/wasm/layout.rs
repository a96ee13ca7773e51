//! What generated code knows of the data around it.

use ferrite_ir::{HelperId, Mem};
use wasm_encoder::{TypeSection, ValType};

/// An entry of the jump cache: where an address led under a code generation.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct JumpEntry {
    pub pc: u64,
    pub generation: u64,
    /// Table slot of the function; 0 while the region is interpreted.
    pub slot: u32,
    /// Number of the region.
    pub region: u32,
    /// Makes the size a power of two.
    pub padding: u64,
}

impl JumpEntry {
    pub(super) const EMPTY: Self = Self {
        pc: u64::MAX,
        generation: u64::MAX,
        slot: 0,
        region: 0,
        padding: 0,
    };
}

/// Entries of a jump cache: a power of two.
pub(super) const JUMPS: usize = 4096;
/// Binary logarithm of an entry's size.
pub(super) const JUMP_SHIFT: u32 = 5;
const _: () = assert!(size_of::<JumpEntry>() == 1 << JUMP_SHIFT);

/// Index of the entry for an address.
pub(super) fn jump_index(pc: u64) -> usize {
    ((pc >> 2) ^ (pc >> 13)) as usize & (JUMPS - 1)
}

/// What a run of generated code finds behind its second parameter.
#[repr(C)]
pub(super) struct Shared {
    /// The code generation of addresses with bit 55 clear and set.
    pub generations: [u64; 2],
    /// A vector on its way to or from a function.
    pub vector: [u64; 2],
    /// Whether the last call of a function left the region.
    pub left: u32,
    pub jumps: [JumpEntry; JUMPS],
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

/// Table slots of the functions that generated code calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Functions {
    /// `load(context, site, address) -> value`
    pub load: u32,
    /// `store(context, site, address, value) -> left`
    pub store: u32,
    /// `load_vector(context, site, address) -> left`, by way of the context.
    pub load_vector: u32,
    /// `store_vector(context, site, address) -> left`, by way of the context.
    pub store_vector: u32,
    /// `call(context, site, arguments) -> value`
    pub call: u32,
    /// `guard(context, site, argument) -> left`
    pub guard: u32,
    /// `atomic(context, site) -> left`, between slots.
    pub atomic: u32,
    /// `wide(context, entry)`, between slots.
    pub wide: u32,
    /// `nzcv(block, _) -> flags` of the lazy flags.
    pub nzcv: u32,
    /// `test(block, condition) -> 0 or 1` by the lazy flags.
    pub test: u32,
    /// `holds(kind and condition, a, b, c) -> 0 or 1`
    pub holds: u32,
    /// `mul_high_u(a, b)`
    pub mul_high_u: u32,
    /// `mul_high_s(a, b)`
    pub mul_high_s: u32,
    /// `reverse_bits(a, _)`
    pub reverse_bits: u32,
}

/// Addresses and slots that go into the code as constants.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Layout {
    pub functions: Functions,
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
}

/// The types of [`types`].
pub(super) fn type_section() -> TypeSection {
    use ValType::{I32, I64};
    let mut section = TypeSection::new();
    let mut add = |params: &[ValType], result: ValType| {
        section.ty().function(params.iter().copied(), [result]);
    };
    add(&[I32, I32], I32);
    add(&[I32, I32, I64], I64);
    add(&[I32, I32, I64, I64], I32);
    add(&[I32, I32, I64, I64, I64, I64], I64);
    add(&[I32, I32, I64], I32);
    add(&[I64, I64], I64);
    add(&[I32, I64, I64, I64], I32);
    add(&[I32, I32, I64, I32], I32);
    section
}
