//! Copies, permutations and immediates of Advanced SIMD.

use ferrite_ir::{UnOp, Width};
use ferrite_simd::{Lane, LaneOp, Shape, WideOp};

use super::simd_operand::{bits, lane, vector};
use super::{Flow, Outcome, Translator, Undefined};
use crate::decode::simd_perm::*;

/// The lane that the lowest set bit of `imm5` stands for, and its index in the bits above.
fn indexed(imm5: u32) -> Result<(Lane, u32), Undefined> {
    let size = imm5.trailing_zeros();
    if size > 3 {
        return Err(Undefined);
    }
    Ok((lane(size), imm5 >> (size + 1)))
}

impl Translator {
    fn permute(&mut self, i: Uzp1, op: LaneOp) -> Outcome {
        let shape = vector(lane(i.size), i.q)?;
        let sources = [self.v(i.rn), self.v(i.rm)];
        self.lanes_to(i.rd, op, shape, 0, &sources)
    }

    /// One register of the table after the other; what none of them has stays as in `d`.
    fn look_up(&mut self, i: Tbl, mut d: ferrite_ir::Vector) -> Outcome {
        let shape = Shape::vector(Lane::B, i.q != 0);
        let index = self.v(i.rm);
        for k in 0..=i.len {
            let table = self.v((i.rn + k) % 32);
            d = self.lanes(LaneOp::Tbx, shape, 16 * k, &[d, index, table]);
        }
        self.set_v(i.rd, d);
        Ok(Flow::Next)
    }

    /// Moves an immediate, or its complement, to every 64 bits.
    fn move_immediate(&mut self, q: u32, rd: u32, imm: u64, invert: bool) -> Outcome {
        let d = self.constant(bits(q), if invert { !imm } else { imm });
        self.set_v(rd, d);
        Ok(Flow::Next)
    }

    /// Sets the bits of an immediate, or clears them.
    fn or_immediate(&mut self, q: u32, rd: u32, imm: u64, clear: bool) -> Outcome {
        let op = if clear { LaneOp::Bic } else { LaneOp::Orr };
        let imm = self.constant(bits(q), imm);
        let old = self.v(rd);
        self.lanes_to(rd, op, bits(q), 0, &[old, imm])
    }
}

/// The immediate's eight bits.
fn imm8(abc: u32, defgh: u32) -> u64 {
    u64::from(abc << 5 | defgh)
}

/// `value` in both 32-bit lanes.
fn words(value: u64) -> u64 {
    value << 32 | value
}

/// `value` in all 16-bit lanes.
fn halfwords(value: u64) -> u64 {
    words(value << 16 | value)
}

macro_rules! permutes {
    ($($method:ident($Op:ident)),*) => {$(
        fn $method(&mut self, i: $Op) -> Outcome {
            self.permute(i, LaneOp::$Op)
        }
    )*};
}

impl Visitor for Translator {
    type Output = Outcome;

    permutes! {
        uzp1(Uzp1), uzp2(Uzp2), trn1(Trn1), trn2(Trn2), zip1(Zip1), zip2(Zip2)
    }

    fn tbl(&mut self, i: Tbl) -> Outcome {
        let zero = self.constant(bits(1), 0);
        self.look_up(i, zero)
    }

    fn tbx(&mut self, i: Tbx) -> Outcome {
        let old = self.v(i.rd);
        self.look_up(i, old)
    }

    fn ext(&mut self, i: Ext) -> Outcome {
        if i.q == 0 && i.imm4 > 7 {
            return Err(Undefined);
        }
        let sources = [self.v(i.rn), self.v(i.rm)];
        let shape = Shape::vector(Lane::B, i.q != 0);
        self.lanes_to(i.rd, LaneOp::Ext, shape, i.imm4, &sources)
    }

    fn dup_elem(&mut self, i: DupElem) -> Outcome {
        let (lane, index) = indexed(i.imm5)?;
        let shape = vector(lane, i.q)?;
        let source = self.v(i.rn);
        self.lanes_to(i.rd, LaneOp::Dup, shape, index, &[source])
    }

    fn dup_scalar(&mut self, i: DupScalar) -> Outcome {
        let (lane, index) = indexed(i.imm5)?;
        let source = self.v(i.rn);
        self.lanes_to(i.rd, LaneOp::Dup, Shape::scalar(lane), index, &[source])
    }

    fn dup_general(&mut self, i: DupGeneral) -> Outcome {
        let (lane, _) = indexed(i.imm5)?;
        let shape = vector(lane, i.q)?;
        let a = self.x(i.rn);
        let d = self.splat(shape, a);
        self.set_v(i.rd, d);
        Ok(Flow::Next)
    }

    fn smov(&mut self, i: Smov) -> Outcome {
        let (lane, index) = indexed(i.imm5)?;
        if lane.bits() >= (32 << i.q) {
            return Err(Undefined);
        }
        let a = self.v(i.rn);
        let op = WideOp::Lanes(LaneOp::Smov);
        let mut d = self.b.wide_int(op, Shape::scalar(lane), index, &[a], None);
        if i.q == 0 {
            d = self.b.un(UnOp::Mov, Width::W32, d);
        }
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    fn umov(&mut self, i: Umov) -> Outcome {
        let (lane, index) = indexed(i.imm5)?;
        if (lane == Lane::D) != (i.q != 0) {
            return Err(Undefined);
        }
        let a = self.v(i.rn);
        let op = WideOp::Lanes(LaneOp::Umov);
        let d = self.b.wide_int(op, Shape::scalar(lane), index, &[a], None);
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    fn ins_general(&mut self, i: InsGeneral) -> Outcome {
        let (lane, index) = indexed(i.imm5)?;
        let old = self.v(i.rd);
        let a = self.x(i.rn);
        let op = WideOp::Lanes(LaneOp::InsInt);
        let shape = Shape::vector(lane, true);
        let d = self.b.wide_vec(op, shape, index, &[old], Some(a));
        self.set_v(i.rd, d);
        Ok(Flow::Next)
    }

    fn ins_elem(&mut self, i: InsElem) -> Outcome {
        let (lane, to) = indexed(i.imm5)?;
        let from = i.imm4 >> i.imm5.trailing_zeros();
        let source = self.v(i.rn);
        let shape = Shape::vector(lane, true);
        self.lanes_to(i.rd, LaneOp::Ins, shape, to | from << 8, &[source])
    }

    fn movi_32(&mut self, i: Movi32) -> Outcome {
        let imm = words(imm8(i.abc, i.defgh) << (8 * i.amount));
        self.move_immediate(i.q, i.rd, imm, i.op != 0)
    }

    fn orr_imm32(&mut self, i: OrrImm32) -> Outcome {
        let imm = words(imm8(i.abc, i.defgh) << (8 * i.amount));
        self.or_immediate(i.q, i.rd, imm, i.op != 0)
    }

    fn movi_16(&mut self, i: Movi16) -> Outcome {
        let imm = halfwords(imm8(i.abc, i.defgh) << (8 * i.amount));
        self.move_immediate(i.q, i.rd, imm, i.op != 0)
    }

    fn orr_imm16(&mut self, i: OrrImm16) -> Outcome {
        let imm = halfwords(imm8(i.abc, i.defgh) << (8 * i.amount));
        self.or_immediate(i.q, i.rd, imm, i.op != 0)
    }

    fn movi_ones(&mut self, i: MoviOnes) -> Outcome {
        let shift = 8 * (i.amount + 1);
        let ones = (1 << shift) - 1;
        let imm = words(imm8(i.abc, i.defgh) << shift | ones);
        self.move_immediate(i.q, i.rd, imm, i.op != 0)
    }

    fn movi_8(&mut self, i: Movi8) -> Outcome {
        let byte = imm8(i.abc, i.defgh);
        self.move_immediate(i.q, i.rd, halfwords(byte << 8 | byte), false)
    }

    /// Each bit of the immediate is a byte of the result.
    fn movi_64(&mut self, i: Movi64) -> Outcome {
        let byte = imm8(i.abc, i.defgh);
        let imm = (0..8)
            .filter(|k| byte >> k & 1 != 0)
            .fold(0, |imm, k| imm | 0xff << (8 * k));
        self.move_immediate(i.q, i.rd, imm, false)
    }
}
