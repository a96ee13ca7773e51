//! Loads and stores of SIMD and floating-point registers.
//!
//! Accesses come before any write to a register, so that a fault leaves the registers as they were.

mod structures;

use ferrite_ir::{BinOp, Int, Size, Width};

use super::ldst::Index;
use super::operand::sign_extend;
use super::{Flow, Outcome, Translator, Undefined};
use crate::decode::simd_ldst::*;

/// One register and what is done with it.
#[derive(Clone, Copy)]
struct Access {
    load: bool,
    size: Size,
    rt: u32,
}

impl Access {
    /// With `1 << log2` bytes.
    fn new(load: bool, log2: u32, rt: u32) -> Result<Self, Undefined> {
        let size = Size::from_log2(log2).ok_or(Undefined)?;
        Ok(Self { load, size, rt })
    }
}

impl Translator {
    fn simd_access(&mut self, access: Access, addr: Int, disp: i32) {
        let mem = self.mem(access.size);
        if access.load {
            let d = self.b.load_vec(addr, disp, mem);
            self.set_v(access.rt, d);
        } else {
            let a = self.v(access.rt);
            self.b.store_vec(addr, disp, a, mem);
        }
    }

    fn simd_indexed(&mut self, i: Stur, load: bool, index: Index) -> Outcome {
        let access = Access::new(load, i.opc1 << 2 | i.size, i.rt)?;
        let offset = sign_extend(i.imm9, 9);
        let base = self.base(i.rn);
        match index {
            Index::Post => self.simd_access(access, base, 0),
            Index::Offset | Index::Pre => self.simd_access(access, base, offset as i32),
        }
        if index != Index::Offset {
            self.write_back(i.rn, base, offset);
        }
        Ok(Flow::Next)
    }

    fn simd_register_offset(&mut self, i: StrReg, load: bool) -> Outcome {
        let log2 = i.opc1 << 2 | i.size;
        let access = Access::new(load, log2, i.rt)?;
        let base = self.base(i.rn);
        let shift = if i.s != 0 { log2 } else { 0 };
        let offset = self.extend_reg(Width::W64, i.rm, i.option, shift);
        let addr = self.b.bin(BinOp::Add, Width::W64, base, offset);
        self.simd_access(access, addr, 0);
        Ok(Flow::Next)
    }

    fn simd_unsigned_offset(&mut self, i: StrImm, load: bool) -> Outcome {
        let log2 = i.opc1 << 2 | i.size;
        let access = Access::new(load, log2, i.rt)?;
        let base = self.base(i.rn);
        self.simd_access(access, base, (i.imm12 << log2) as i32);
        Ok(Flow::Next)
    }

    fn simd_pair(&mut self, i: Stnp, load: bool, index: Index) -> Outcome {
        let size = Size::from_log2(2 + i.opc).ok_or(Undefined)?;
        let mem = self.mem(size);
        let step = size.bytes() as i32;
        let offset = sign_extend(i.imm7, 7) * i64::from(step);
        let base = self.base(i.rn);
        let disp = match index {
            Index::Post => 0,
            Index::Offset | Index::Pre => offset as i32,
        };
        if load {
            let first = self.b.load_vec(base, disp, mem);
            let second = self.b.load_vec(base, disp + step, mem);
            // With equal registers the second one counts, unlike in pairs of integers.
            self.set_v(i.rt, first);
            self.set_v(i.rt2, second);
        } else {
            let (first, second) = (self.v(i.rt), self.v(i.rt2));
            self.b.store_vec(base, disp, first, mem);
            self.b.store_vec(base, disp + step, second, mem);
        }
        if index != Index::Offset {
            self.write_back(i.rn, base, offset);
        }
        Ok(Flow::Next)
    }
}

macro_rules! rows {
    ($($shared:ident: $($method:ident($Row:ident) => ($($argument:expr),*)),*;)*) => {$($(
        fn $method(&mut self, i: $Row) -> Outcome {
            self.$shared(i, $($argument),*)
        }
    )*)*};
}

impl Visitor for Translator {
    type Output = Outcome;

    rows! {
        simd_indexed:
            stur(Stur) => (false, Index::Offset), ldur(Ldur) => (true, Index::Offset),
            str_post(StrPost) => (false, Index::Post), ldr_post(LdrPost) => (true, Index::Post),
            str_pre(StrPre) => (false, Index::Pre), ldr_pre(LdrPre) => (true, Index::Pre);
        simd_register_offset: str_reg(StrReg) => (false), ldr_reg(LdrReg) => (true);
        simd_unsigned_offset: str_imm(StrImm) => (false), ldr_imm(LdrImm) => (true);
        simd_pair:
            stnp(Stnp) => (false, Index::Offset), ldnp(Ldnp) => (true, Index::Offset),
            stp(Stp) => (false, Index::Offset), ldp(Ldp) => (true, Index::Offset),
            stp_post(StpPost) => (false, Index::Post), ldp_post(LdpPost) => (true, Index::Post),
            stp_pre(StpPre) => (false, Index::Pre), ldp_pre(LdpPre) => (true, Index::Pre);
        multiple: st_mult(StMult) => (false, None), ld_mult(LdMult) => (true, None);
        multiple_post: st_mult_post(StMultPost) => (false), ld_mult_post(LdMultPost) => (true);
        single: st_single(StSingle) => (false, None), ld_single(LdSingle) => (true, None);
        single_post:
            st_single_post(StSinglePost) => (false), ld_single_post(LdSinglePost) => (true);
        replicate: ld_rep(LdRep) => (None);
    }

    fn ld_rep_post(&mut self, i: LdRepPost) -> Outcome {
        let LdRepPost {
            q,
            r,
            rm,
            selem,
            size,
            rn,
            rt,
        } = i;
        let i = LdRep {
            q,
            r,
            selem,
            size,
            rn,
            rt,
        };
        self.replicate(i, Some(rm))
    }

    fn ldr_literal(&mut self, i: LdrLiteral) -> Outcome {
        let access = Access::new(true, 2 + i.opc, i.rt)?;
        let offset = sign_extend(i.imm19, 19) * 4;
        let addr = self.b.iconst(self.pc.wrapping_add_signed(offset));
        self.simd_access(access, addr, 0);
        Ok(Flow::Next)
    }
}
