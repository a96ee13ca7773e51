//! Atomic and exclusive accesses, as every generator takes them apart.
//!
//! What a generator does not do inline is done by the function that the interpreter uses, which works
//! between slots: always the same ones, so that an inline path may fall back to it from anywhere.

use ferrite_ir::interp::{AtomicEntry, AtomicKind};
use ferrite_ir::{AtomicOp, Int, Mem, Op, slot};

/// The first of the slots that an outlined access works with, which are the last ones: its address.
pub(crate) const ADDRESS: u16 = slot::COUNT as u16 - 8;
/// What is stored.
pub(crate) const VALUE: [u16; 2] = [ADDRESS + 1, ADDRESS + 2];
/// What has to be there.
pub(crate) const EXPECTED: [u16; 2] = [ADDRESS + 3, ADDRESS + 4];
/// What was there, or whether it was stored.
pub(crate) const RESULT: [u16; 2] = [ADDRESS + 5, ADDRESS + 6];

/// Stands for no slot.
const NONE: u16 = u16::MAX;

/// An access on its way to code.
pub(crate) struct Access {
    pub what: AtomicKind,
    pub addr: Int,
    pub mem: Mem,
    /// What is stored, or what it is computed from.
    pub values: [Option<Int>; 2],
    /// What has to be there for an exchange.
    pub expected: [Option<Int>; 2],
    pub results: [Option<Int>; 2],
}

impl Access {
    /// The access that an operation is; `None` of every other.
    pub(crate) fn of(op: &Op) -> Option<Self> {
        let none = [None; 2];
        let one = |a: Int| [Some(a), None];
        let (what, addr, mem, values, expected, results) = match *op {
            Op::LoadExclusive { d, addr, mem } => {
                let what = AtomicKind::LoadExclusive { pair: false };
                (what, addr, mem, none, none, one(d))
            }
            Op::LoadExclusivePair { d, addr, mem } => {
                let what = AtomicKind::LoadExclusive { pair: true };
                (what, addr, mem, none, none, d.map(Some))
            }
            Op::StoreExclusive { d, addr, a, mem } => {
                let what = AtomicKind::StoreExclusive { pair: false };
                (what, addr, mem, one(a), none, one(d))
            }
            Op::StoreExclusivePair { d, addr, a, mem } => {
                let what = AtomicKind::StoreExclusive { pair: true };
                (what, addr, mem, a.map(Some), none, one(d))
            }
            Op::AtomicRmw {
                op,
                d,
                addr,
                a,
                mem,
            } => (AtomicKind::Rmw(op), addr, mem, one(a), none, one(d)),
            Op::AtomicCas {
                d,
                addr,
                old,
                new,
                mem,
            } => {
                let what = AtomicKind::Cas { pair: false };
                (what, addr, mem, one(new), one(old), one(d))
            }
            Op::AtomicCasPair {
                d,
                addr,
                old,
                new,
                mem,
            } => {
                let what = AtomicKind::Cas { pair: true };
                let [new, old, d] = [new, old, d].map(|pair| pair.map(Some));
                (what, addr, mem, new, old, d)
            }
            _ => return None,
        };
        Some(Self {
            what,
            addr,
            mem,
            values,
            expected,
            results,
        })
    }

    /// Whether it is of one unit in the guest's usual byte order.
    pub(crate) fn is_single(&self) -> bool {
        let pair = match self.what {
            AtomicKind::LoadExclusive { pair }
            | AtomicKind::StoreExclusive { pair }
            | AtomicKind::Cas { pair } => pair,
            AtomicKind::Rmw(_) => false,
        };
        !pair && !self.mem.swap
    }

    /// Whether what it computes, if anything, is a sum or bit by bit.
    #[cfg_attr(
        not(any(target_arch = "x86_64", target_arch = "wasm32")),
        expect(dead_code, reason = "Cranelift's code has every kind called")
    )]
    pub(crate) fn is_simple(&self) -> bool {
        match self.what {
            AtomicKind::Rmw(op) => matches!(
                op,
                AtomicOp::Add | AtomicOp::Clear | AtomicOp::Xor | AtomicOp::Set | AtomicOp::Swap
            ),
            _ => true,
        }
    }

    /// The access between slots.
    pub(crate) fn entry(&self) -> AtomicEntry {
        let slots = |values: [Option<Int>; 2], slots: [u16; 2]| {
            std::array::from_fn(|n| values[n].map_or(NONE, |_| slots[n]))
        };
        AtomicEntry {
            what: self.what,
            mem: self.mem,
            addr: ADDRESS,
            d: slots(self.results, RESULT),
            a: slots(self.values, VALUE),
            old: slots(self.expected, EXPECTED),
        }
    }
}
