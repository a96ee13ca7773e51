//! Long additions, as `ADDS` and `ADCS` become: back ends write them as one where they can.

use ferrite_ir::{BinOp, Cc, Condition, FlagKind, Int, Width};

use super::Generator;

impl Generator<'_> {
    /// Sums that take in each other's carry, some with other operations or other readers in between.
    pub(super) fn long_addition(&mut self) {
        let w = self.width();
        let (a, b) = (self.int(), self.int());
        if self.random.chance(70) {
            let d = self.b.bin(BinOp::Add, w, a, b);
            self.b.set_flags(FlagKind::Add(w), a, b, a);
            self.set(d);
        } else if self.random.chance(50) {
            self.b.set_flags(FlagKind::Add(w), a, b, a);
        }
        for _ in 0..1 + self.random.below(5) {
            for _ in 0..self.random.below(3) {
                self.between();
            }
            self.sum(w);
        }
    }

    fn between(&mut self) {
        match self.random.below(10) {
            0..=5 => {
                let op = self
                    .random
                    .pick(&[BinOp::Mul, BinOp::MulHighU, BinOp::Add, BinOp::Sub]);
                let (a, b) = (self.int(), self.int());
                let d = self.b.bin(op, Width::W64, a, b);
                self.set(d);
            }
            6 => {
                let a = self.int();
                let d = self.b.bin_const(BinOp::Sub, Width::W64, a, 8);
                self.ints.push(d);
            }
            _ => self.op(),
        }
    }

    fn sum(&mut self, w: Width) {
        let (a, b) = (self.int(), self.int());
        let zero = self.b.iconst(0);
        let carry = match self.random.below(8) {
            0 => self.b.compare(Cc::LeU, w, a, b),
            1 => self.b.test(Condition::Eq),
            _ => self.b.test(Condition::Cs),
        };
        let (b, d) = if self.random.chance(80) {
            let part = self.b.bin(BinOp::Add, w, a, b);
            (b, self.b.bin(BinOp::Add, w, part, carry))
        } else {
            (zero, self.b.bin(BinOp::Add, w, a, carry))
        };
        if self.random.chance(85) {
            self.b.set_flags(FlagKind::AddCarry(w), a, b, carry);
        }
        self.result(d);
        match self.random.below(12) {
            0 => self.ints.push(carry),
            1 => {
                let cond = self
                    .random
                    .pick(&[Condition::Cc, Condition::Ge, Condition::Eq]);
                let d = self.b.test(cond);
                self.set(d);
            }
            _ => {}
        }
    }

    /// Most sums go to globals; some are computed for their flags only.
    fn result(&mut self, d: Int) {
        if self.random.chance(90) {
            self.set(d);
        }
    }
}
