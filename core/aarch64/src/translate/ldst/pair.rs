//! Pairs of general-purpose registers.

use ferrite_ir::{Int, Sign, Size};

use super::Index;
use crate::decode::ldst::{LdpswPost, StpPost};
use crate::translate::operand::sign_extend;
use crate::translate::{Flow, Outcome, Translator};

impl Translator {
    /// Base, displacement of the first access, and offset to write back.
    fn pair_address(&mut self, rn: u32, imm7: u32, size: Size, index: Index) -> (Int, i32, i64) {
        let offset = sign_extend(imm7, 7) * size.bytes() as i64;
        let base = self.base(rn);
        let disp = match index {
            Index::Post => 0,
            Index::Offset | Index::Pre => offset as i32,
        };
        (base, disp, offset)
    }

    pub(super) fn store_pair(&mut self, i: StpPost, index: Index) -> Outcome {
        let size = if i.sf == 0 { Size::B4 } else { Size::B8 };
        let (base, disp, offset) = self.pair_address(i.rn, i.imm7, size, index);
        let mem = self.mem(size);
        let (first, second) = (self.x(i.rt), self.x(i.rt2));
        self.b.store(base, disp, first, mem);
        self.b.store(base, disp + size.bytes() as i32, second, mem);
        if index != Index::Offset {
            self.write_back(i.rn, base, offset);
        }
        Ok(Flow::Next)
    }

    pub(super) fn load_pair(&mut self, i: StpPost, index: Index) -> Outcome {
        let size = if i.sf == 0 { Size::B4 } else { Size::B8 };
        let StpPost {
            imm7, rt2, rn, rt, ..
        } = i;
        self.load_two(LdpswPost { imm7, rt2, rn, rt }, size, Sign::Zero, index)
    }

    pub(super) fn load_pair_signed(&mut self, i: LdpswPost, index: Index) -> Outcome {
        self.load_two(i, Size::B4, Sign::To64, index)
    }

    fn load_two(&mut self, i: LdpswPost, size: Size, sign: Sign, index: Index) -> Outcome {
        let (base, disp, offset) = self.pair_address(i.rn, i.imm7, size, index);
        let mut mem = self.mem(size);
        mem.sign = sign;
        let first = self.b.load(base, disp, mem);
        let second = self.b.load(base, disp + size.bytes() as i32, mem);
        self.set_x(i.rt2, second);
        self.set_x(i.rt, first);
        if index != Index::Offset {
            self.write_back(i.rn, base, offset);
        }
        Ok(Flow::Next)
    }
}
