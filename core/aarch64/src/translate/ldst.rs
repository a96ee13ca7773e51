//! Loads and stores of general-purpose registers (Arm ARM C4.1.88).
//!
//! Accesses come before any write to a register, so that a fault leaves the registers as they were.
//! Where the manual leaves the outcome open (a base register that is also loaded with write-back,
//! pairs with equal registers), writes happen in this order: the second register of a pair, the
//! first, the base.

mod atomic;
mod pair;
#[cfg(test)]
mod tests;

use ferrite_ir::{AtomicOp, BinOp, Int, Mem, Sign, Width};

use super::operand::{sign_extend, size};
use super::{Flow, Outcome, Translator};
use crate::decode::ldst::*;

/// One register and what is done with it.
#[derive(Clone, Copy)]
struct Access {
    what: Move,
    /// Binary logarithm of the bytes moved.
    log2: u32,
    rt: u32,
}

/// The direction, and what happens to the register's upper bits.
#[derive(Clone, Copy)]
enum Move {
    Load,
    /// With sign extension.
    LoadSigned(Sign),
    Store,
}

/// When the base register changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    /// Not at all.
    Offset,
    /// After the access, which goes to the unchanged address.
    Post,
    /// Before it.
    Pre,
}

/// Sign extension of loads as their `w` field (bit 0 of opc) says.
fn signed(w: u32) -> Move {
    Move::LoadSigned(if w == 0 { Sign::To64 } else { Sign::To32 })
}

/// Size field of LDRSW.
const WORD: u32 = 2;

impl Translator {
    fn access(&mut self, access: Access, addr: Int, disp: i32) {
        let mem = self.mem(size(access.log2));
        self.access_with(access, addr, disp, mem);
    }

    fn access_with(&mut self, Access { what, rt, .. }: Access, addr: Int, disp: i32, mut mem: Mem) {
        match what {
            Move::Store => {
                let a = self.x(rt);
                self.b.store(addr, disp, a, mem);
            }
            Move::Load => {
                let d = self.b.load(addr, disp, mem);
                self.set_x(rt, d);
            }
            Move::LoadSigned(sign) => {
                mem.sign = sign;
                let d = self.b.load(addr, disp, mem);
                self.set_x(rt, d);
            }
        }
    }

    /// Writes `base + offset` back.
    pub(super) fn write_back(&mut self, rn: u32, base: Int, offset: i64) {
        let d = (self.b).bin_const(BinOp::Add, Width::W64, base, offset as u64);
        self.set_x_or_sp(rn, d);
    }

    fn indexed(&mut self, access: Access, rn: u32, imm9: u32, index: Index) -> Outcome {
        let offset = sign_extend(imm9, 9);
        let base = self.base(rn);
        match index {
            Index::Post => self.access(access, base, 0),
            Index::Offset | Index::Pre => self.access(access, base, offset as i32),
        }
        if index != Index::Offset {
            self.write_back(rn, base, offset);
        }
        Ok(Flow::Next)
    }

    fn unscaled(&mut self, access: Access, rn: u32, imm9: u32) -> Outcome {
        self.indexed(access, rn, imm9, Index::Offset)
    }

    fn post_indexed(&mut self, access: Access, rn: u32, imm9: u32) -> Outcome {
        self.indexed(access, rn, imm9, Index::Post)
    }

    fn pre_indexed(&mut self, access: Access, rn: u32, imm9: u32) -> Outcome {
        self.indexed(access, rn, imm9, Index::Pre)
    }

    fn unprivileged(&mut self, access: Access, rn: u32, imm9: u32) -> Outcome {
        let mut mem = self.mem(size(access.log2));
        mem.unprivileged = self.cx.el == 1 && !self.cx.plain_unprivileged;
        let base = self.base(rn);
        self.access_with(access, base, sign_extend(imm9, 9) as i32, mem);
        Ok(Flow::Next)
    }

    fn unsigned_offset(&mut self, access: Access, rn: u32, imm12: u32) -> Outcome {
        let base = self.base(rn);
        self.access(access, base, (imm12 << access.log2) as i32);
        Ok(Flow::Next)
    }

    fn register_offset(
        &mut self,
        access: Access,
        rn: u32,
        rm: u32,
        option: u32,
        s: u32,
    ) -> Outcome {
        let base = self.base(rn);
        let shift = if s != 0 { access.log2 } else { 0 };
        let offset = self.extend_reg(Width::W64, rm, option, shift);
        let addr = self.b.bin(BinOp::Add, Width::W64, base, offset);
        self.access(access, addr, 0);
        Ok(Flow::Next)
    }

    fn literal(&mut self, access: Access, imm19: u32) -> Outcome {
        let offset = sign_extend(imm19, 19) * 4;
        let addr = self.b.iconst(self.pc.wrapping_add_signed(offset));
        self.access(access, addr, 0);
        Ok(Flow::Next)
    }
}

/// The four rows that each way of addressing has: store, load, loads with sign extension of 8 and
/// 16 bits, and of 32.
macro_rules! addressing {
    ($($shared:ident($($field:ident),*): $store:ident($Store:ident), $load:ident($Load:ident),
        $signed:ident($Signed:ident), $word:ident($Word:ident);)*) => {
        $(
            fn $store(&mut self, i: $Store) -> Outcome {
                let access = Access { what: Move::Store, log2: i.size, rt: i.rt };
                self.$shared(access, i.rn, $(i.$field),*)
            }

            fn $load(&mut self, i: $Load) -> Outcome {
                let access = Access { what: Move::Load, log2: i.size, rt: i.rt };
                self.$shared(access, i.rn, $(i.$field),*)
            }

            fn $signed(&mut self, i: $Signed) -> Outcome {
                let access = Access { what: signed(i.w), log2: i.size, rt: i.rt };
                self.$shared(access, i.rn, $(i.$field),*)
            }

            fn $word(&mut self, i: $Word) -> Outcome {
                let access = Access { what: Move::LoadSigned(Sign::To64), log2: WORD, rt: i.rt };
                self.$shared(access, i.rn, $(i.$field),*)
            }
        )*
    };
}

/// Rows whose translation is a function of another file.
macro_rules! forms {
    ($($method:ident($type:ident) => $shared:ident($($argument:expr),*);)*) => {
        $(fn $method(&mut self, i: $type) -> Outcome {
            self.$shared(i, $($argument),*)
        })*
    };
}

/// Prefetches have no effect.
macro_rules! prefetches {
    ($($method:ident($type:ident);)*) => {
        $(fn $method(&mut self, _: $type) -> Outcome {
            Ok(Flow::Next)
        })*
    };
}

impl Visitor for Translator {
    type Output = Outcome;

    addressing! {
        unscaled(imm9): stur(Stur), ldur(Ldur), ldurs(Ldurs), ldursw(Ldursw);
        post_indexed(imm9):
            str_post(StrPost), ldr_post(LdrPost), ldrs_post(LdrsPost), ldrsw_post(LdrswPost);
        unprivileged(imm9): sttr(Sttr), ldtr(Ldtr), ldtrs(Ldtrs), ldtrsw(Ldtrsw);
        pre_indexed(imm9):
            str_pre(StrPre), ldr_pre(LdrPre), ldrs_pre(LdrsPre), ldrsw_pre(LdrswPre);
        register_offset(rm, option, s):
            str_reg(StrReg), ldr_reg(LdrReg), ldrs_reg(LdrsReg), ldrsw_reg(LdrswReg);
        unsigned_offset(imm12):
            str_imm(StrImm), ldr_imm(LdrImm), ldrs_imm(LdrsImm), ldrsw_imm(LdrswImm);
    }

    prefetches! {
        prfm_lit(PrfmLit);
        prfum(Prfum);
        prfm_reg(PrfmReg);
        prfm_imm(PrfmImm);
    }

    fn ldr_lit(&mut self, i: LdrLit) -> Outcome {
        let access = Access {
            what: Move::Load,
            log2: WORD + i.sf,
            rt: i.rt,
        };
        self.literal(access, i.imm19)
    }

    fn ldrsw_lit(&mut self, i: LdrswLit) -> Outcome {
        let access = Access {
            what: Move::LoadSigned(Sign::To64),
            log2: WORD,
            rt: i.rt,
        };
        self.literal(access, i.imm19)
    }

    forms! {
        stnp(Stnp) => store_pair(Index::Offset);
        ldnp(Ldnp) => load_pair(Index::Offset);
        stp_post(StpPost) => store_pair(Index::Post);
        ldp_post(LdpPost) => load_pair(Index::Post);
        ldpsw_post(LdpswPost) => load_pair_signed(Index::Post);
        stp_offset(StpOffset) => store_pair(Index::Offset);
        ldp_offset(LdpOffset) => load_pair(Index::Offset);
        ldpsw_offset(LdpswOffset) => load_pair_signed(Index::Offset);
        stp_pre(StpPre) => store_pair(Index::Pre);
        ldp_pre(LdpPre) => load_pair(Index::Pre);
        ldpsw_pre(LdpswPre) => load_pair_signed(Index::Pre);

        stxr(Stxr) => store_exclusive();
        ldxr(Ldxr) => load_exclusive();
        stxp(Stxp) => store_exclusive_pair();
        ldxp(Ldxp) => load_exclusive_pair();
        stllr(Stllr) => store_release();
        stlr(Stlr) => store_release();
        ldlar(Ldlar) => load_acquire();
        ldar(Ldar) => load_acquire();

        cas(Cas) => compare_and_swap();
        casp(Casp) => compare_and_swap_pair();
        ldadd(Ldadd) => read_modify_write(AtomicOp::Add);
        ldclr(Ldclr) => read_modify_write(AtomicOp::Clear);
        ldeor(Ldeor) => read_modify_write(AtomicOp::Xor);
        ldset(Ldset) => read_modify_write(AtomicOp::Set);
        ldsmax(Ldsmax) => read_modify_write(AtomicOp::MaxS);
        ldsmin(Ldsmin) => read_modify_write(AtomicOp::MinS);
        ldumax(Ldumax) => read_modify_write(AtomicOp::MaxU);
        ldumin(Ldumin) => read_modify_write(AtomicOp::MinU);
        swp(Swp) => read_modify_write(AtomicOp::Swap);
    }
}
