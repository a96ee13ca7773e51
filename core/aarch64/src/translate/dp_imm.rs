//! Data processing with immediates (Arm ARM C4.1.86).

#[cfg(test)]
mod tests;

use ferrite_ir::{BinOp, FlagKind, Int, UnOp, Width};

use super::operand::{bits, sign_extend};
use super::{Flow, Outcome, Translator, Undefined};
use crate::decode::dp_imm::*;

/// The mask that an immediate of the logical instructions stands for (`DecodeBitMasks`): an element
/// of 2 to 64 bits, of which `imms` + 1 low ones are set, rotated right by `immr`, replicated.
/// `None`: reserved.
#[must_use]
pub fn decode_bit_masks(w: Width, n: u32, imms: u32, immr: u32) -> Option<u64> {
    if n == 1 && w == Width::W32 {
        return None;
    }
    // The position of the highest set bit of N:NOT(imms) gives the element's size.
    let length = (n << 6 | !imms & 0x3f).checked_ilog2().filter(|&l| l > 0)?;
    let size = 1 << length;
    let levels = size - 1;
    let (s, r) = (imms & levels, immr & levels);
    if s == levels {
        return None;
    }
    let element_bits = u64::MAX >> (64 - size);
    let ones = u64::MAX >> (63 - s);
    let mut mask = (ones >> r | ones.checked_shl(size - r).unwrap_or(0)) & element_bits;
    let mut filled = size;
    while filled < 64 {
        mask |= mask << filled;
        filled *= 2;
    }
    Some(match w {
        Width::W32 => mask & u64::from(u32::MAX),
        Width::W64 => mask,
    })
}

impl Translator {
    fn add_sub_imm(&mut self, i: AddImm, op: BinOp, flags: bool) -> Outcome {
        let w = Self::width(i.sf);
        let a = self.x_or_sp(i.rn);
        let imm = u64::from(i.imm12) << (12 * i.sh);
        let d = if imm == 0 && !flags {
            self.result(w, a)
        } else {
            let b = self.b.iconst(imm);
            self.add_sub(w, op, a, b, flags)
        };
        if flags {
            self.set_x(i.rd, d);
        } else {
            self.set_x_or_sp(i.rd, d);
        }
        Ok(Flow::Next)
    }

    /// The result of a logical operation with an immediate.
    fn logical_imm(&mut self, i: AndImm, op: BinOp) -> Result<Int, Undefined> {
        let w = Self::width(i.sf);
        let mask = decode_bit_masks(w, i.n, i.imms, i.immr).ok_or(Undefined)?;
        if i.rn == 31 {
            // MOV (bitmask immediate), and AND as a way to write zero.
            let value = if op == BinOp::And { 0 } else { mask };
            return Ok(self.b.iconst(value));
        }
        let a = self.x(i.rn);
        Ok(self.b.bin_const(op, w, a, mask))
    }

    fn move_wide(&mut self, i: Movn, value: impl Fn(u64) -> u64) -> Outcome {
        let value = value(u64::from(i.imm16) << Self::half_word(i.sf, i.hw)?);
        let value = if i.sf == 0 {
            value & u64::from(u32::MAX)
        } else {
            value
        };
        let d = self.b.iconst(value);
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    /// Bit position of half-word `hw`; 32-bit forms have but two.
    fn half_word(sf: u32, hw: u32) -> Result<u32, Undefined> {
        if sf == 0 && hw >= 2 {
            Err(Undefined)
        } else {
            Ok(16 * hw)
        }
    }

    /// SBFM and UBFM: the special forms they are known by, each as one operation.
    fn bitfield_move(&mut self, w: Width, i: SbfmX, signed: bool) -> Outcome {
        let SbfmX { immr, imms, rn, rd } = i;
        let a = self.x(rn);
        let top = bits(w) - 1;
        let d = match (immr, imms) {
            (0, s) if s == top => self.result(w, a),
            // ASR, LSR
            (r, s) if s == top => {
                let op = if signed { BinOp::ShrS } else { BinOp::ShrU };
                self.b.bin_const(op, w, a, u64::from(r))
            }
            // SXTB, UXTB and so on
            (0, 7) if signed => self.b.un(UnOp::SignExtend8, w, a),
            (0, 15) if signed => self.b.un(UnOp::SignExtend16, w, a),
            (0, 31) if signed => self.b.un(UnOp::SignExtend32, w, a),
            (0, 7) => self.b.un(UnOp::ZeroExtend8, w, a),
            (0, 15) => self.b.un(UnOp::ZeroExtend16, w, a),
            (0, 31) => self.b.un(UnOp::ZeroExtend32, w, a),
            // SBFX, UBFX
            (r, s) if s >= r => self.b.extract(w, a, r as u8, (s - r + 1) as u8, signed),
            // LSL: the field's top bit becomes the register's
            (r, s) if r == s + 1 => self.b.bin_const(BinOp::Shl, w, a, u64::from(top + 1 - r)),
            // SBFIZ, UBFIZ
            (r, s) => {
                let field = self.b.extract(w, a, 0, (s + 1) as u8, signed);
                self.b
                    .bin_const(BinOp::Shl, w, field, u64::from(top + 1 - r))
            }
        };
        self.set_x(rd, d);
        Ok(Flow::Next)
    }

    /// BFM: BFXIL where `imms` is not below `immr`, else BFI.
    fn bitfield_insert(&mut self, w: Width, i: BfmX) -> Outcome {
        let BfmX { immr, imms, rn, rd } = i;
        let old = self.x(rd);
        let a = self.x(rn);
        let d = if imms >= immr {
            let field = match immr {
                0 => a,
                r => self.b.bin_const(BinOp::ShrU, w, a, u64::from(r)),
            };
            self.b.insert(w, old, field, 0, (imms - immr + 1) as u8)
        } else {
            let lsb = bits(w) - immr;
            self.b.insert(w, old, a, lsb as u8, (imms + 1) as u8)
        };
        self.set_x(rd, d);
        Ok(Flow::Next)
    }

    fn extract_pair(&mut self, w: Width, i: ExtrX) -> Outcome {
        let ExtrX { rm, imms, rn, rd } = i;
        let low = self.x(rm);
        let d = if imms == 0 {
            self.result(w, low)
        } else if rn == rm {
            self.b.bin_const(BinOp::Ror, w, low, u64::from(imms))
        } else {
            let high = self.x(rn);
            self.b.funnel(w, high, low, imms as u8)
        };
        self.set_x(rd, d);
        Ok(Flow::Next)
    }
}

impl Visitor for Translator {
    type Output = Outcome;

    fn adr(&mut self, i: Adr) -> Outcome {
        let offset = sign_extend(i.immhi << 2 | i.immlo, 21);
        let d = self.b.iconst(self.pc.wrapping_add_signed(offset));
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    fn adrp(&mut self, i: Adrp) -> Outcome {
        let pages = sign_extend(i.immhi << 2 | i.immlo, 21);
        let page = self.pc & !0xfff;
        let d = self.b.iconst(page.wrapping_add_signed(pages << 12));
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    fn add_imm(&mut self, i: AddImm) -> Outcome {
        self.add_sub_imm(i, BinOp::Add, false)
    }

    fn adds_imm(&mut self, i: AddsImm) -> Outcome {
        self.add_sub_imm(i, BinOp::Add, true)
    }

    fn sub_imm(&mut self, i: SubImm) -> Outcome {
        self.add_sub_imm(i, BinOp::Sub, false)
    }

    fn subs_imm(&mut self, i: SubsImm) -> Outcome {
        self.add_sub_imm(i, BinOp::Sub, true)
    }

    fn and_imm(&mut self, i: AndImm) -> Outcome {
        let d = self.logical_imm(i, BinOp::And)?;
        self.set_x_or_sp(i.rd, d);
        Ok(Flow::Next)
    }

    fn orr_imm(&mut self, i: OrrImm) -> Outcome {
        let d = self.logical_imm(i, BinOp::Or)?;
        self.set_x_or_sp(i.rd, d);
        Ok(Flow::Next)
    }

    fn eor_imm(&mut self, i: EorImm) -> Outcome {
        let d = self.logical_imm(i, BinOp::Xor)?;
        self.set_x_or_sp(i.rd, d);
        Ok(Flow::Next)
    }

    fn ands_imm(&mut self, i: AndsImm) -> Outcome {
        let d = self.logical_imm(i, BinOp::And)?;
        self.b
            .set_flags(FlagKind::Logic(Self::width(i.sf)), d, d, d);
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    fn movn(&mut self, i: Movn) -> Outcome {
        self.move_wide(i, |imm| !imm)
    }

    fn movz(&mut self, i: Movz) -> Outcome {
        self.move_wide(i, |imm| imm)
    }

    fn movk(&mut self, i: Movk) -> Outcome {
        let lsb = Self::half_word(i.sf, i.hw)?;
        let old = self.x(i.rd);
        let half = self.b.iconst(u64::from(i.imm16));
        let d = self.b.insert(Self::width(i.sf), old, half, lsb as u8, 16);
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    fn sbfm_w(&mut self, i: SbfmW) -> Outcome {
        self.bitfield_move(Width::W32, i, true)
    }

    fn sbfm_x(&mut self, i: SbfmX) -> Outcome {
        self.bitfield_move(Width::W64, i, true)
    }

    fn bfm_w(&mut self, i: BfmW) -> Outcome {
        self.bitfield_insert(Width::W32, i)
    }

    fn bfm_x(&mut self, i: BfmX) -> Outcome {
        self.bitfield_insert(Width::W64, i)
    }

    fn ubfm_w(&mut self, i: UbfmW) -> Outcome {
        self.bitfield_move(Width::W32, i, false)
    }

    fn ubfm_x(&mut self, i: UbfmX) -> Outcome {
        self.bitfield_move(Width::W64, i, false)
    }

    fn extr_w(&mut self, i: ExtrW) -> Outcome {
        self.extract_pair(Width::W32, i)
    }

    fn extr_x(&mut self, i: ExtrX) -> Outcome {
        self.extract_pair(Width::W64, i)
    }
}
