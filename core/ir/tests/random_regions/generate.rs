//! Random regions that keep every rule of the intermediate representation.

#[path = "generate/sums.rs"]
mod sums;

use ferrite_ir::{
    Align, AtomicOp, BinOp, BlockId, Builder, Cc, Condition, Fence, FlagKind, Global, HelperId,
    IndirectKind, Int, Mem, Order, Region, Sign, Size, Target, Terminator, UnOp, VecGlobal, Vector,
    Width, slot,
};
use ferrite_ram::PAGE_SIZE;
use ferrite_simd::{Dest, FloatOp, Lane, LaneOp, Shape, WideOp};

use crate::guest::PAGES;
use crate::random::Random;

const BIN: [BinOp; 17] = [
    BinOp::Add,
    BinOp::Sub,
    BinOp::Mul,
    BinOp::MulHighU,
    BinOp::MulHighS,
    BinOp::DivU,
    BinOp::DivS,
    BinOp::And,
    BinOp::Or,
    BinOp::Xor,
    BinOp::AndNot,
    BinOp::OrNot,
    BinOp::XorNot,
    BinOp::Shl,
    BinOp::ShrU,
    BinOp::ShrS,
    BinOp::Ror,
];
const UN: [UnOp; 15] = [
    UnOp::Mov,
    UnOp::Neg,
    UnOp::Not,
    UnOp::Clz,
    UnOp::Cls,
    UnOp::ReverseBits,
    UnOp::ReverseBytes,
    UnOp::ReverseBytes16,
    UnOp::ReverseBytes32,
    UnOp::SignExtend8,
    UnOp::SignExtend16,
    UnOp::SignExtend32,
    UnOp::ZeroExtend8,
    UnOp::ZeroExtend16,
    UnOp::ZeroExtend32,
];
const CC: [Cc; 6] = [Cc::Eq, Cc::Ne, Cc::LtU, Cc::LeU, Cc::LtS, Cc::LeS];
const CONDITIONS: [Condition; 16] = [
    Condition::Eq,
    Condition::Ne,
    Condition::Cs,
    Condition::Cc,
    Condition::Mi,
    Condition::Pl,
    Condition::Vs,
    Condition::Vc,
    Condition::Hi,
    Condition::Ls,
    Condition::Ge,
    Condition::Lt,
    Condition::Gt,
    Condition::Le,
    Condition::Al,
    Condition::Nv,
];
const ATOMICS: [AtomicOp; 9] = [
    AtomicOp::Add,
    AtomicOp::Clear,
    AtomicOp::Xor,
    AtomicOp::Set,
    AtomicOp::MaxS,
    AtomicOp::MinS,
    AtomicOp::MaxU,
    AtomicOp::MinU,
    AtomicOp::Swap,
];

struct Generator<'a> {
    random: &'a mut Random,
    b: Builder,
    ints: Vec<Int>,
    vectors: Vec<Vector>,
    pc: u64,
}

/// A random region.
pub fn region(random: &mut Random) -> Region {
    let blocks = 1 + random.below(4);
    let entry = 0x40_0000 + 4 * random.below(16);
    let mut g = Generator {
        random,
        b: Builder::new(entry),
        ints: Vec::new(),
        vectors: Vec::new(),
        pc: entry,
    };
    for n in 0..blocks {
        g.block();
        let end = g.terminator(blocks);
        if n + 1 == blocks {
            return g.b.finish(end);
        }
        g.b.end_block(end);
    }
    unreachable!("the last block returns");
}

impl Generator<'_> {
    fn block(&mut self) {
        self.ints.clear();
        self.vectors.clear();
        for _ in 0..1 + self.random.below(8) {
            self.b.insn(self.pc, 4);
            self.pc += 4;
            for _ in 0..self.random.below(7) {
                self.op();
            }
        }
    }

    fn target(&mut self, blocks: u64) -> Target {
        if self.random.chance(50) {
            Target::Block(BlockId(self.random.below(blocks) as u16))
        } else {
            Target::Guest(self.random.value())
        }
    }

    fn terminator(&mut self, blocks: u64) -> Terminator {
        match self.random.below(8) {
            0 => {
                let v = self.int();
                self.b.set(Global(slot::PC), v);
                Terminator::Exit
            }
            1 => Terminator::Indirect {
                to: self.int(),
                kind: self.random.pick(&[
                    IndirectKind::Jump,
                    IndirectKind::Call,
                    IndirectKind::Return,
                ]),
            },
            2 => Terminator::Goto(self.target(blocks)),
            _ => {
                if self.random.chance(60) {
                    self.flags();
                }
                let c = match self.random.below(4) {
                    0 => self.int(),
                    1 => self.compare(),
                    2 => {
                        let (a, bit) = (self.int(), self.random.below(64));
                        self.b
                            .bin_const(BinOp::And, self.random_width_static(bit), a, 1 << bit)
                    }
                    _ => {
                        let cond = self.random.pick(&CONDITIONS);
                        self.b.test(cond)
                    }
                };
                Terminator::Branch {
                    c,
                    then: self.target(blocks),
                    other: self.target(blocks),
                }
            }
        }
    }

    fn random_width_static(&self, bit: u64) -> Width {
        if bit < 32 { Width::W32 } else { Width::W64 }
    }

    fn width(&mut self) -> Width {
        self.random.pick(&[Width::W32, Width::W64])
    }

    /// Few globals, so that they meet.
    fn global(&mut self) -> Global {
        Global(slot::FIRST_GUEST + self.random.below(6) as u16)
    }

    fn vec_global(&mut self) -> VecGlobal {
        // The first overlaps two of the 64-bit globals.
        VecGlobal(slot::FIRST_GUEST + 4 + 2 * self.random.below(4) as u16)
    }

    fn int(&mut self) -> Int {
        if !self.ints.is_empty() && self.random.chance(75) {
            // Mostly a recent one.
            let n = self.ints.len() as u64;
            let back = self.random.below(n.min(4));
            return self.ints[(n - 1 - back) as usize];
        }
        let v = if self.random.chance(70) {
            let from = self.global();
            self.b.get(from)
        } else {
            let value = self.random.value();
            self.b.iconst(value)
        };
        self.ints.push(v);
        v
    }

    fn vector(&mut self) -> Vector {
        if !self.vectors.is_empty() && self.random.chance(60) {
            return self.random.pick(&self.vectors);
        }
        let from = self.vec_global();
        let v = self.b.get_vec(from);
        self.vectors.push(v);
        v
    }

    fn compare(&mut self) -> Int {
        let (cc, w) = (self.random.pick(&CC), self.width());
        let (a, b) = (self.int(), self.int());
        self.b.compare(cc, w, a, b)
    }

    fn flags(&mut self) {
        let w = self.width();
        let kind = self.random.pick(&[
            FlagKind::Nzcv,
            FlagKind::Add(w),
            FlagKind::Sub(w),
            FlagKind::Sub(w),
            FlagKind::Sub(w),
            FlagKind::AddCarry(w),
            FlagKind::Logic(w),
        ]);
        let (a, b) = (self.int(), self.int());
        let c = match kind {
            FlagKind::AddCarry(_) => self.compare(),
            _ => a,
        };
        match (kind, self.random.below(3)) {
            (FlagKind::Sub(w), 0) => {
                self.b.set_flags(kind, a, b, c);
                let d = self.b.bin(BinOp::Sub, w, a, b);
                self.set(d);
            }
            (FlagKind::Add(w), 0 | 1) => {
                let d = self.b.bin(BinOp::Add, w, a, b);
                self.set(d);
                self.b.set_flags(kind, a, b, c);
            }
            _ => self.b.set_flags(kind, a, b, c),
        }
    }

    fn set(&mut self, v: Int) {
        let to = self.global();
        self.b.set(to, v);
        self.ints.push(v);
    }

    /// An address that mostly lies in guest memory.
    fn address(&mut self, align: u64) -> Int {
        let base = self.int();
        if self.random.chance(5) {
            return base;
        }
        let mask = (PAGES * PAGE_SIZE - 1) & !(align - 1);
        let mut a = self.b.bin_const(BinOp::And, Width::W64, base, mask);
        match self.random.below(4) {
            0 => {
                let offset = 8 * self.random.below(4);
                a = self.b.bin_const(BinOp::Add, Width::W64, a, offset);
            }
            1 if align == 1 => {
                let index = self.int();
                let index = self.b.bin_const(BinOp::And, Width::W64, index, 0xff);
                let shift = self.random.below(4);
                let index = self.b.bin_const(BinOp::Shl, Width::W64, index, shift);
                a = self.b.bin(BinOp::Add, Width::W64, a, index);
            }
            _ => {}
        }
        if self.random.chance(20) {
            self.ints.push(a);
        }
        a
    }

    fn mem(&mut self, sizes: &[Size]) -> Mem {
        let size = self.random.pick(sizes);
        let mut mem = Mem::plain(size);
        if self.random.chance(25) {
            mem.swap = self.random.chance(50);
            mem.unprivileged = self.random.chance(30);
            mem.align = self.random.pick(&[Align::Any, Align::Natural]);
            mem.order = self.random.pick(&[Order::Plain, Order::AcquireRelease]);
        }
        mem
    }

    fn load_mem(&mut self, sizes: &[Size]) -> Mem {
        let mut mem = self.mem(sizes);
        mem.sign = match mem.size {
            Size::B1 | Size::B2 => self.random.pick(&[Sign::Zero, Sign::To32, Sign::To64]),
            Size::B4 => self.random.pick(&[Sign::Zero, Sign::To64]),
            _ => Sign::Zero,
        };
        mem
    }

    fn op(&mut self) {
        const INTS: [Size; 4] = [Size::B1, Size::B2, Size::B4, Size::B8];
        const VECTORS: [Size; 5] = [Size::B1, Size::B2, Size::B4, Size::B8, Size::B16];
        match self.random.below(30) {
            0..=3 => {
                let v = self.int();
                let to = self.global();
                self.b.set(to, v);
            }
            4..=8 => {
                let (op, w) = (self.random.pick(&BIN), self.width());
                let (a, b) = (self.int(), self.int());
                let d = self.b.bin(op, w, a, b);
                if self.random.chance(60) {
                    self.set(d);
                } else {
                    self.ints.push(d);
                }
            }
            9 => {
                // A shifted operand or a product.
                let w = self.width();
                let inner = self
                    .random
                    .pick(&[BinOp::Shl, BinOp::ShrU, BinOp::ShrS, BinOp::Mul]);
                let (a, b) = (self.int(), self.int());
                let b = if inner == BinOp::Mul {
                    let c = self.int();
                    self.b.bin(inner, w, b, c)
                } else {
                    let count = self.random.below(64);
                    self.b.bin_const(inner, w, b, count)
                };
                let outer =
                    self.random
                        .pick(&[BinOp::Add, BinOp::Sub, BinOp::And, BinOp::Or, BinOp::Xor]);
                let d = self.b.bin(outer, w, a, b);
                self.set(d);
            }
            10 => {
                let (op, w, a) = (self.random.pick(&UN), self.width(), self.int());
                let d = self.b.un(op, w, a);
                self.ints.push(d);
            }
            11 => {
                let (w, a) = (self.width(), self.int());
                let n = if w == Width::W32 { 32 } else { 64 };
                let lsb = self.random.below(n);
                let len = 1 + self.random.below(n - lsb);
                let d = if self.random.chance(50) {
                    let signed = self.random.chance(50);
                    self.b.extract(w, a, lsb as u8, len as u8, signed)
                } else {
                    let b = self.int();
                    self.b.insert(w, a, b, lsb as u8, len as u8)
                };
                self.ints.push(d);
            }
            12 => {
                let (w, high, low) = (self.width(), self.int(), self.int());
                let n = if w == Width::W32 { 32 } else { 64 };
                let lsb = self.random.below(n) as u8;
                let d = self.b.funnel(w, high, low, lsb);
                self.ints.push(d);
            }
            13 => {
                let d = self.compare();
                self.ints.push(d);
            }
            14 => {
                let c = if self.random.chance(70) {
                    self.compare()
                } else {
                    self.int()
                };
                let (a, b) = (self.int(), self.int());
                let d = self.b.select(c, a, b);
                self.set(d);
            }
            15 | 16 => self.flags(),
            17 => {
                let (c, w) = (self.int(), self.width());
                let (a, b) = (self.int(), self.int());
                let kind = self.random.pick(&[FlagKind::Add(w), FlagKind::Sub(w)]);
                let otherwise = (self.random.below(16) as u32) << 28;
                self.b.set_flags_if(c, kind, a, b, otherwise);
            }
            18 => {
                let d = if self.random.chance(70) {
                    let cond = self.random.pick(&CONDITIONS);
                    self.b.test(cond)
                } else {
                    self.b.get_nzcv()
                };
                self.ints.push(d);
            }
            19 | 20 => {
                let mem = self.load_mem(&INTS);
                let addr = self.address(1);
                let disp = self.random.pick(&[0, 8, -4, 4000]);
                let d = self.b.load(addr, disp, mem);
                if self.random.chance(50) {
                    let e = self.b.load(addr, disp + mem.size.bytes() as i32, mem);
                    self.set(d);
                    self.set(e);
                } else {
                    self.set(d);
                }
            }
            21 | 22 => {
                let mem = self.mem(&INTS);
                let addr = self.address(1);
                let disp = self.random.pick(&[0, 8, -4, 4000]);
                let a = self.int();
                self.b.store(addr, disp, a, mem);
                if self.random.chance(50) {
                    let a = self.int();
                    self.b.store(addr, disp + mem.size.bytes() as i32, a, mem);
                }
            }
            23 => {
                let mem = self.mem(&VECTORS);
                let addr = self.address(1);
                let next = mem.size.bytes() as i32;
                if self.random.chance(50) {
                    let mut loaded = vec![self.b.load_vec(addr, 0, mem)];
                    if self.random.chance(50) {
                        loaded.push(self.b.load_vec(addr, next, mem));
                    }
                    for d in loaded {
                        self.vectors.push(d);
                        if self.random.chance(70) {
                            let to = self.vec_global();
                            self.b.set_vec(to, d);
                        }
                    }
                } else {
                    let a = self.vector();
                    let other = self.vector();
                    self.b.store_vec(addr, 0, a, mem);
                    if self.random.chance(50) {
                        self.b.store_vec(addr, next, other, mem);
                    }
                }
            }
            24 if self.random.chance(60) => self.wide(),
            24 => {
                let a = self.vector();
                let to = self.vec_global();
                self.b.set_vec(to, a);
            }
            25 => self.exclusive(),
            26 => self.atomic(),
            27 => {
                let helper = HelperId(self.random.below(4) as u16);
                let args = [self.int(), self.int()];
                if self.random.chance(50) {
                    let d = self.b.call(helper, &args);
                    self.set(d);
                } else {
                    self.b.call_void(helper, &args);
                }
            }
            28 if self.random.chance(50) => self.long_addition(),
            28 => {
                let a = self.int();
                let mask = self.random.pick(&[3, 15, 7]) << self.random.below(2);
                self.b.guard(a, mask, HelperId(10));
            }
            _ => {
                if self.random.chance(50) {
                    self.b.fence(Fence::Full);
                } else {
                    // The code itself says where it goes on.
                    let v = self.int();
                    self.b.set(Global(slot::PC), v);
                }
            }
        }
    }

    /// Vector and floating-point operations, some of which touch the status word.
    fn wide(&mut self) {
        let op = self.random.pick(&[
            WideOp::Lanes(LaneOp::Add),
            WideOp::Lanes(LaneOp::Mla),
            WideOp::Lanes(LaneOp::Sqadd),
            WideOp::Lanes(LaneOp::Dup),
            WideOp::Lanes(LaneOp::Umov),
            WideOp::Float(FloatOp::Add),
            WideOp::Float(FloatOp::MulAdd),
            WideOp::Float(FloatOp::Compare),
        ]);
        let shape = match op {
            WideOp::Float(FloatOp::Compare) => Shape::scalar(Lane::S),
            _ => Shape::vector(Lane::S, true),
        };
        let signature = op.signature();
        let v: Vec<Vector> = (0..signature.vecs).map(|_| self.vector()).collect();
        let int = signature.int.then(|| self.int());
        match signature.dest {
            Dest::Int => {
                let d = self.b.wide_int(op, shape, 1, &v, int);
                self.set(d);
            }
            Dest::Vec => {
                let d = self.b.wide_vec(op, shape, 1, &v, int);
                self.vectors.push(d);
                if self.random.chance(70) {
                    let to = self.vec_global();
                    self.b.set_vec(to, d);
                }
            }
        }
        if self.random.chance(20) {
            // The status word is a global, too.
            let a = if self.random.chance(50) {
                self.b.get(Global(slot::FP_STATUS))
            } else {
                let a = self.int();
                // A word of 32 bits.
                let a = self.b.bin_const(BinOp::And, Width::W64, a, 0xffff_ffff);
                self.b.set(Global(slot::FP_STATUS), a);
                a
            };
            self.ints.push(a);
        }
    }

    fn exclusive(&mut self) {
        let pair = self.random.chance(40);
        let sizes: &[Size] = if pair {
            &[Size::B4, Size::B8]
        } else {
            &[Size::B1, Size::B2, Size::B4, Size::B8]
        };
        let mut mem = self.mem(sizes);
        mem.align = if pair { Align::Pair } else { Align::Natural };
        let addr = self.address(16);
        if self.random.chance(70) {
            if pair {
                let d = self.b.load_exclusive_pair(addr, mem);
                self.ints.extend(d);
            } else {
                let d = self.b.load_exclusive(addr, mem);
                self.ints.push(d);
            }
        }
        if self.random.chance(20) {
            self.b.clear_exclusive();
        }
        if self.random.chance(70) {
            let d = if pair {
                let a = [self.int(), self.int()];
                self.b.store_exclusive_pair(addr, a, mem)
            } else {
                let a = self.int();
                self.b.store_exclusive(addr, a, mem)
            };
            self.set(d);
        }
    }

    fn atomic(&mut self) {
        const INTS: [Size; 4] = [Size::B1, Size::B2, Size::B4, Size::B8];
        match self.random.below(3) {
            0 => {
                let mut mem = self.load_mem(&INTS);
                mem.align = Align::Natural;
                let addr = self.address(8);
                let (op, a) = (self.random.pick(&ATOMICS), self.int());
                let d = self.b.atomic_rmw(op, addr, a, mem);
                self.set(d);
            }
            1 => {
                let mut mem = self.load_mem(&INTS);
                mem.align = Align::Natural;
                let addr = self.address(8);
                let (old, new) = (self.int(), self.int());
                let d = self.b.atomic_cas(addr, old, new, mem);
                self.set(d);
            }
            _ => {
                let mut mem = self.mem(&[Size::B4, Size::B8]);
                mem.align = Align::Pair;
                let addr = self.address(16);
                let old = [self.int(), self.int()];
                let new = [self.int(), self.int()];
                let d = self.b.atomic_cas_pair(addr, old, new, mem);
                self.set(d[0]);
                self.set(d[1]);
            }
        }
    }
}
