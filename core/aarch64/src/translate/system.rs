//! Exception generation, hints, barriers, system registers and instructions (Arm ARM C4.1.87).
//!
//! A register that only holds a value is read and written in its slot; everything else calls a
//! helper, which looks the encoding up in the [`sysreg`](crate::sysreg) table.

use ferrite_ir::{BinOp, Fence, FlagKind, HelperId, Int, Target, Terminator, Width};

use super::{Flow, Outcome, Translator, Undefined, helper};
use crate::decode::system::*;
use crate::features::Features;
use crate::pstate::spsr;
use crate::state;
use crate::sysreg::row::{Body, Needs};
use crate::sysreg::{Encoding, Row, table};
use crate::timer::kernel_control;

/// Encodings of the process state registers that have code of their own.
mod special {
    use crate::sysreg::Encoding;

    pub const SP_EL0: Encoding = Encoding::new(3, 0, 4, 1, 0);
    pub const CURRENT_EL: Encoding = Encoding::new(3, 0, 4, 2, 2);
    pub const NZCV: Encoding = Encoding::new(3, 3, 4, 2, 0);
    pub const DAIF: Encoding = Encoding::new(3, 3, 4, 2, 1);
    pub const FPCR: Encoding = Encoding::new(3, 3, 4, 4, 0);
    pub const FPSR: Encoding = Encoding::new(3, 3, 4, 4, 1);
    pub const CNTPCT_EL0: Encoding = Encoding::new(3, 3, 14, 0, 1);
    pub const CNTVCT_EL0: Encoding = Encoding::new(3, 3, 14, 0, 2);
}

/// MSR (immediate) fields, op1:op2.
mod field {
    pub const UAO: (u32, u32) = (0, 3);
    pub const PAN: (u32, u32) = (0, 4);
    pub const SP_SEL: (u32, u32) = (0, 5);
    pub const DAIF_SET: (u32, u32) = (3, 6);
    pub const DAIF_CLR: (u32, u32) = (3, 7);
}

impl Translator {
    /// Goes on with the next instruction through the full look-up.
    fn exit_after(&mut self) -> Outcome {
        let next = self.b.iconst(self.pc.wrapping_add(4));
        self.b.set(state::PC, next);
        Ok(Flow::End(Terminator::Exit))
    }

    /// Calls a helper that takes an exception.
    fn leave(&mut self, which: HelperId, args: &[u64]) -> Outcome {
        let args: Vec<Int> = args.iter().map(|&a| self.b.iconst(a)).collect();
        self.b.call_void(which, &args);
        Ok(Flow::End(Terminator::Exit))
    }

    /// Calls a helper that may return, and whose effect later instructions have to see.
    fn call_and_exit(&mut self, which: HelperId, args: &[u64]) -> Outcome {
        let args: Vec<Int> = args.iter().map(|&a| self.b.iconst(a)).collect();
        self.b.call_void(which, &args);
        self.exit_after()
    }

    fn fence(&mut self, fence: Fence) -> Outcome {
        self.b.fence(fence);
        Ok(Flow::Next)
    }

    /// The row of an encoding that exists on this CPU whatever its board and model, and at this
    /// exception level. Rows that depend on more are left to the helpers.
    fn plain_row(&self, encoding: Encoding, write: bool) -> Option<&'static Row> {
        let row = table::lookup(encoding)?;
        let exists = match row.needs {
            Needs::Nothing => true,
            Needs::Feature(feature) => self.cx.features.contains(feature),
            Needs::Cortex | Needs::Gic => false,
        };
        let conditional = self.cx.el == 0 && row.el0.is_some();
        (exists && !conditional && row.permits(self.cx.el, write)).then_some(row)
    }

    /// MRS and MSR of SP_EL0 are UNDEFINED while it is the current stack pointer.
    fn check_sp_el0(&mut self) {
        let in_use = self.b.get(state::SP_EL0_IN_USE);
        self.b.guard(in_use, 1, helper::UNDEFINED);
    }

    /// Reads a register without a helper, if it can be.
    fn read_inline(&mut self, encoding: Encoding) -> Option<Int> {
        let el = self.cx.el;
        match encoding {
            special::CURRENT_EL if el > 0 => return Some(self.b.iconst(u64::from(el) << 2)),
            special::NZCV => return Some(self.b.get_nzcv()),
            special::DAIF if el > 0 => return Some(self.b.get(state::DAIF)),
            special::SP_EL0 if el > 0 => self.check_sp_el0(),
            _ => {}
        }
        match self.plain_row(encoding, false)?.body {
            Body::Slot { slot, .. } => Some(self.b.get(slot)),
            _ => None,
        }
    }

    /// Writes a register without a helper; whether it could.
    fn write_inline(&mut self, encoding: Encoding, value: Int) -> bool {
        let el = self.cx.el;
        match encoding {
            special::NZCV => {
                let flags = self.b.bin_const(BinOp::And, Width::W64, value, spsr::NZCV);
                self.b.set_flags(FlagKind::Nzcv, flags, flags, flags);
                return true;
            }
            special::DAIF if el > 0 => {
                let daif = self.b.bin_const(BinOp::And, Width::W64, value, spsr::DAIF);
                self.set_daif(daif);
                return true;
            }
            special::SP_EL0 if el > 0 => self.check_sp_el0(),
            _ => {}
        }
        let Some(row) = self.plain_row(encoding, true) else {
            return false;
        };
        let Body::Slot {
            slot,
            mask,
            ones,
            effect: None,
        } = row.body
        else {
            return false;
        };
        let mut value = value;
        if mask != u64::MAX {
            value = self.b.bin_const(BinOp::And, Width::W64, value, mask);
        }
        if ones != 0 {
            value = self.b.bin_const(BinOp::Or, Width::W64, value, ones);
        }
        self.b.set(slot, value);
        true
    }

    /// Sets PSTATE.DAIF and takes what that unmasks.
    fn set_daif(&mut self, daif: Int) {
        self.b.set(state::DAIF, daif);
        let pending = self.b.get(state::PENDING);
        let open = self.b.bin(BinOp::AndNot, Width::W64, pending, daif);
        self.b.guard(open, spsr::DAIF, helper::TAKE_INTERRUPT);
    }
}

/// The bit of CNTKCTL_EL1 that opens a counter to EL0, if the register is one.
fn counter_control(encoding: Encoding) -> Option<u64> {
    match encoding {
        special::CNTPCT_EL0 => Some(kernel_control::EL0PCTEN),
        special::CNTVCT_EL0 => Some(kernel_control::EL0VCTEN),
        _ => None,
    }
}

fn is_fp(encoding: Encoding) -> bool {
    encoding == special::FPCR || encoding == special::FPSR
}

/// DC ZVA.
const DC_ZVA: Encoding = Encoding::new(1, 3, 7, 4, 1);

impl Visitor for Translator {
    type Output = Outcome;

    fn svc(&mut self, i: Svc) -> Outcome {
        self.leave(helper::SVC, &[i.imm16.into()])
    }

    fn hvc(&mut self, i: Hvc) -> Outcome {
        self.call_and_exit(helper::HVC, &[i.imm16.into()])
    }

    fn smc(&mut self, i: Smc) -> Outcome {
        self.call_and_exit(helper::SMC, &[i.imm16.into()])
    }

    fn brk(&mut self, i: Brk) -> Outcome {
        self.leave(helper::BRK, &[i.imm16.into()])
    }

    fn hlt(&mut self, i: Hlt) -> Outcome {
        self.leave(helper::HLT, &[i.imm16.into()])
    }

    fn hint(&mut self, _: Hint) -> Outcome {
        Ok(Flow::Next)
    }

    fn hint_yield(&mut self, _: HintYield) -> Outcome {
        self.b.call_void(helper::YIELD, &[]);
        Ok(Flow::Next)
    }

    fn wfe(&mut self, _: Wfe) -> Outcome {
        self.call_and_exit(helper::WFE, &[])
    }

    fn wfi(&mut self, _: Wfi) -> Outcome {
        self.call_and_exit(helper::WFI, &[])
    }

    fn sev(&mut self, _: Sev) -> Outcome {
        self.b.call_void(helper::SEV, &[]);
        Ok(Flow::Next)
    }

    fn sevl(&mut self, _: Sevl) -> Outcome {
        self.b.call_void(helper::SEVL, &[]);
        Ok(Flow::Next)
    }

    fn clrex(&mut self, _: Clrex) -> Outcome {
        self.b.clear_exclusive();
        Ok(Flow::Next)
    }

    fn dsb(&mut self, _: Dsb) -> Outcome {
        self.b.fence(Fence::Full);
        self.b.call_void(helper::DSB, &[]);
        Ok(Flow::Next)
    }

    fn dmb(&mut self, i: Dmb) -> Outcome {
        // CRm<1:0>: 01 orders loads, 10 stores, 11 (and the reserved 00) both.
        self.fence(match i.crm & 3 {
            1 => Fence::Load,
            2 => Fence::Store,
            _ => Fence::Full,
        })
    }

    /// What writes to system registers and maintenance change is there at once: the region ends only
    /// so that code that another CPU has changed is not run on.
    fn isb(&mut self, _: Isb) -> Outcome {
        self.b.call_void(helper::ISB, &[]);
        let next = self.pc.wrapping_add(4);
        Ok(Flow::End(Terminator::Goto(Target::Guest(next))))
    }

    fn msr_imm(&mut self, i: MsrImm) -> Outcome {
        let which = (i.op1, i.op2);
        let features = self.cx.features;
        let privileged = self.cx.el > 0;
        let exists = match which {
            field::UAO => privileged && features.contains(Features::UAO),
            field::PAN => privileged && features.contains(Features::PAN),
            field::SP_SEL => privileged,
            field::DAIF_SET | field::DAIF_CLR => true,
            _ => false,
        };
        if !exists {
            return Err(Undefined);
        }
        let bits = u64::from(i.crm) << 6;
        match which {
            field::DAIF_SET if privileged => {
                let old = self.b.get(state::DAIF);
                let daif = self.b.bin_const(BinOp::Or, Width::W64, old, bits);
                self.b.set(state::DAIF, daif);
                Ok(Flow::Next)
            }
            field::DAIF_CLR if privileged => {
                let old = self.b.get(state::DAIF);
                let daif = self.b.bin_const(BinOp::AndNot, Width::W64, old, bits);
                self.set_daif(daif);
                Ok(Flow::Next)
            }
            field::PAN => {
                let args = [i.op1, i.op2, i.crm].map(|a| self.b.iconst(a.into()));
                self.b.call_void(helper::MSR_IMM, &args);
                Ok(Flow::Next)
            }
            _ => self.call_and_exit(helper::MSR_IMM, &[i.op1.into(), i.op2.into(), i.crm.into()]),
        }
    }

    fn sys(&mut self, i: Sys) -> Outcome {
        let encoding = pack(1, i.op1, i.crn, i.crm, i.op2);
        let row = table::lookup(encoding).ok_or(Undefined)?;
        let value = self.x(i.rt);
        if encoding == DC_ZVA && self.cx.el > 0 {
            // Kernels clear pages with it; above EL0 nothing traps it.
            self.b.call_void(helper::DC_ZVA, &[value]);
            return Ok(Flow::Next);
        }
        let packed = self.b.iconst(encoding.0.into());
        let rt = self.b.iconst(i.rt.into());
        self.b.call_void(helper::SYS, &[packed, value, rt]);
        if row.ends_region {
            self.exit_after()
        } else {
            Ok(Flow::Next)
        }
    }

    fn sysl(&mut self, _: Sysl) -> Outcome {
        // No system instruction returns a result.
        Err(Undefined)
    }

    fn msr_reg(&mut self, i: MsrReg) -> Outcome {
        let encoding = pack(2 + i.o0, i.op1, i.crn, i.crm, i.op2);
        if is_fp(encoding)
            && let Some(flow) = self.fp_access()
        {
            return Ok(flow);
        }
        let value = self.x(i.rt);
        if self.write_inline(encoding, value) {
            return Ok(Flow::Next);
        }
        let row = table::lookup(encoding).ok_or(Undefined)?;
        let packed = self.b.iconst(encoding.0.into());
        let rt = self.b.iconst(i.rt.into());
        self.b.call_void(helper::MSR, &[packed, value, rt]);
        if row.ends_region {
            self.exit_after()
        } else {
            Ok(Flow::Next)
        }
    }

    fn mrs(&mut self, i: Mrs) -> Outcome {
        let encoding = pack(2 + i.o0, i.op1, i.crn, i.crm, i.op2);
        if is_fp(encoding)
            && let Some(flow) = self.fp_access()
        {
            return Ok(flow);
        }
        let value = match self.read_inline(encoding) {
            Some(value) => value,
            None => {
                let packed = self.b.iconst(encoding.0.into());
                let rt = self.b.iconst(i.rt.into());
                match counter_control(encoding) {
                    Some(bit) => {
                        let bit = self.b.iconst(bit);
                        self.b.call(helper::COUNTER, &[packed, rt, bit])
                    }
                    None => self.b.call(helper::MRS, &[packed, rt]),
                }
            }
        };
        self.set_x(i.rt, value);
        Ok(Flow::Next)
    }

    fn eret(&mut self, _: Eret) -> Outcome {
        if self.cx.el == 0 {
            return Err(Undefined);
        }
        self.leave(helper::ERET, &[])
    }
}

fn pack(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> Encoding {
    let [op0, op1, crn, crm, op2] = [op0, op1, crn, crm, op2].map(|field| field as u16);
    Encoding::new(op0, op1, crn, crm, op2)
}
