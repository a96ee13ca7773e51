//! The cold part: what is rare, behind the operations.

use ferrite_ir::{Mem, Region};

use super::edges::Store;
use super::{Emitter, pair};

/// Code that is written after the hot part.
pub(super) enum Cold {
    /// The budget was used up, perhaps, at the start of block `n`.
    Entry {
        n: usize,
        from: usize,
        back: usize,
        stores: Vec<Store>,
    },
    /// A call of a stub after `stores`, after which the value in `rax` goes to `result`.
    Call {
        from: Vec<usize>,
        back: usize,
        stub: u32,
        site: u32,
        argument: Argument,
        result: Into,
        stores: Vec<Store>,
    },
    /// A look-up in a table in another page than the last. If the look-aside buffer does not know it,
    /// the call that comes next does the access.
    Table {
        from: Vec<usize>,
        back: usize,
        hint: i32,
        mem: Mem,
    },
    /// The rest of two accesses side by side.
    Pair(pair::Outlined),
    /// A product may be exactly zero. If not, the call that comes next does the operation.
    ZeroProduct {
        from: usize,
        back: usize,
        double: bool,
        factors: [u8; 2],
    },
    /// An exit that is not linked, taken after `stores`.
    Exit { n: usize, stores: Vec<Store> },
}

/// What a stub gets besides an address.
#[derive(Clone, Copy)]
pub(super) enum Argument {
    None,
    /// A register's value.
    Register(u8),
    Constant(u64),
    /// A vector register's.
    Vector(u8),
    /// The first argument of a helper.
    Helper(u8),
    /// The operands of an atomic access, those that are still in registers.
    Atomic {
        address: Option<u8>,
        value: Option<u8>,
        expected: Option<u8>,
    },
    /// The operands of a wide operation.
    Wide {
        vectors: [Option<u8>; 3],
        integer: Option<u8>,
    },
}

/// Where a stub's result goes.
#[derive(Clone, Copy)]
pub(super) enum Into {
    Nowhere,
    Register(u8),
    /// The result is in a slot, and goes to the register.
    Slot(u8, u16),
    /// The same with a vector.
    VectorSlot(u8, u16),
    Vector(u8),
}

impl Emitter<'_> {
    /// Writes everything that has been left to it.
    pub(super) fn cold_part(&mut self, region: &Region) {
        let mut refused = Vec::new();
        for cold in std::mem::take(&mut self.cold) {
            match cold {
                Cold::ZeroProduct {
                    from,
                    back,
                    double,
                    factors,
                } => {
                    self.land(from);
                    refused.extend(self.cold_zero_product(double, factors));
                    let end = self.jump();
                    self.connect(end, back);
                }
                Cold::Table {
                    from,
                    back,
                    hint,
                    mem,
                } => {
                    for from in from {
                        self.land(from);
                    }
                    refused.push(self.cold_table(mem, hint));
                    let end = self.jump();
                    self.connect(end, back);
                }
                Cold::Entry {
                    n,
                    from,
                    back,
                    stores,
                } => self.cold_entry(region, n, from, back, &stores),
                Cold::Call {
                    from,
                    back,
                    stub,
                    site,
                    argument,
                    result,
                    stores,
                } => {
                    for from in from.into_iter().chain(refused.drain(..)) {
                        self.land(from);
                    }
                    self.store_all(&stores);
                    self.cold_call(stub, site, argument, result);
                    let end = self.jump();
                    self.connect(end, back);
                }
                Cold::Pair(pair) => self.cold_pair(pair),
                Cold::Exit { n, stores } => self.cold_exit(n, &stores),
            }
        }
    }
}
