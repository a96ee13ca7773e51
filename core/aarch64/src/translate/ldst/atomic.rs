//! Exclusives, acquire and release, atomic read-modify-write.
//!
//! All of them demand natural alignment, of the whole pair for pairs.

use ferrite_ir::{Align, AtomicOp, Mem, Order, Size, UnOp, Width};

use crate::decode::ldst::{Cas, Casp, Ldadd, Ldar, Ldxp, Ldxr, Stlr, Stxp, Stxr};
use crate::translate::operand::size;
use crate::translate::{Flow, Outcome, Translator, Undefined};

/// The ordering that an acquire and a release bit ask for.
fn order(acquire: u32, release: u32) -> Order {
    match (acquire, release) {
        (0, 0) => Order::Plain,
        (_, 0) => Order::Acquire,
        (0, _) => Order::Release,
        _ => Order::AcquireRelease,
    }
}

/// Element size of a pair.
fn pair_size(sz: u32) -> Size {
    if sz == 0 { Size::B4 } else { Size::B8 }
}

impl Translator {
    fn aligned(&self, size: Size, order: Order) -> Mem {
        let mut mem = self.mem(size);
        mem.align = Align::Natural;
        mem.order = order;
        mem
    }

    fn aligned_pair(&self, size: Size, order: Order) -> Mem {
        let mut mem = self.aligned(size, order);
        mem.align = Align::Pair;
        mem
    }

    pub(super) fn load_exclusive(&mut self, i: Ldxr) -> Outcome {
        let mem = self.aligned(size(i.size), order(i.o0, 0));
        let base = self.base(i.rn);
        let d = self.b.load_exclusive(base, mem);
        self.set_x(i.rt, d);
        Ok(Flow::Next)
    }

    pub(super) fn store_exclusive(&mut self, i: Stxr) -> Outcome {
        let mem = self.aligned(size(i.size), order(0, i.o0));
        let base = self.base(i.rn);
        let a = self.x(i.rt);
        let failed = self.b.store_exclusive(base, a, mem);
        self.set_x(i.rs, failed);
        Ok(Flow::Next)
    }

    pub(super) fn load_exclusive_pair(&mut self, i: Ldxp) -> Outcome {
        let mem = self.aligned_pair(pair_size(i.sz), order(i.o0, 0));
        let base = self.base(i.rn);
        let [first, second] = self.b.load_exclusive_pair(base, mem);
        self.set_x(i.rt, first);
        self.set_x(i.rt2, second);
        Ok(Flow::Next)
    }

    pub(super) fn store_exclusive_pair(&mut self, i: Stxp) -> Outcome {
        let mem = self.aligned_pair(pair_size(i.sz), order(0, i.o0));
        let base = self.base(i.rn);
        let pair = [self.x(i.rt), self.x(i.rt2)];
        let failed = self.b.store_exclusive_pair(base, pair, mem);
        self.set_x(i.rs, failed);
        Ok(Flow::Next)
    }

    pub(super) fn load_acquire(&mut self, i: Ldar) -> Outcome {
        let mem = self.aligned(size(i.size), Order::Acquire);
        let base = self.base(i.rn);
        let d = self.b.load(base, 0, mem);
        self.set_x(i.rt, d);
        Ok(Flow::Next)
    }

    pub(super) fn store_release(&mut self, i: Stlr) -> Outcome {
        let mem = self.aligned(size(i.size), Order::Release);
        let base = self.base(i.rn);
        let a = self.x(i.rt);
        self.b.store(base, 0, a, mem);
        Ok(Flow::Next)
    }

    pub(super) fn read_modify_write(&mut self, i: Ldadd, op: AtomicOp) -> Outcome {
        let mem = self.aligned(size(i.size), order(i.a, i.r));
        let base = self.base(i.rn);
        let a = self.x(i.rs);
        let old = self.b.atomic_rmw(op, base, a, mem);
        self.set_x(i.rt, old);
        Ok(Flow::Next)
    }

    pub(super) fn compare_and_swap(&mut self, i: Cas) -> Outcome {
        let mem = self.aligned(size(i.size), order(i.a, i.r));
        let base = self.base(i.rn);
        let (expected, new) = (self.x(i.rs), self.x(i.rt));
        let expected = match mem.size {
            Size::B1 => self.b.un(UnOp::ZeroExtend8, Width::W64, expected),
            Size::B2 => self.b.un(UnOp::ZeroExtend16, Width::W64, expected),
            Size::B4 => self.b.un(UnOp::ZeroExtend32, Width::W64, expected),
            Size::B8 | Size::B16 => expected,
        };
        let old = self.b.atomic_cas(base, expected, new, mem);
        self.set_x(i.rs, old);
        Ok(Flow::Next)
    }

    /// Pairs are consecutive registers, the first of which is even.
    pub(super) fn compare_and_swap_pair(&mut self, i: Casp) -> Outcome {
        if (i.rs | i.rt) & 1 != 0 {
            return Err(Undefined);
        }
        let mem = self.aligned_pair(pair_size(i.sz), order(i.a, i.r));
        let base = self.base(i.rn);
        let mut expected = [self.x(i.rs), self.x(i.rs + 1)];
        if mem.size == Size::B4 {
            expected = expected.map(|a| self.b.un(UnOp::ZeroExtend32, Width::W64, a));
        }
        let new = [self.x(i.rt), self.x(i.rt + 1)];
        let [first, second] = self.b.atomic_cas_pair(base, expected, new, mem);
        self.set_x(i.rs, first);
        self.set_x(i.rs + 1, second);
        Ok(Flow::Next)
    }
}
