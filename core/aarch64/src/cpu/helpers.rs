//! The helpers that translated code calls.

use ferrite_ir::{HelperId, Leave, VcpuBlock, slot};

use super::{CpuCore, CpuEnv, Halt};
use crate::exception::Exception;
use crate::exception::syndrome::{self, class};
use crate::mmu::regime::sctlr;
use crate::platform::{AfterCall, Conduit};
use crate::pstate::spsr;
use crate::state;
use crate::sysreg::{Denied, Encoding};
use crate::translate::helper;

impl CpuEnv<'_> {
    /// Carries out a helper.
    pub(super) fn help(
        &mut self,
        block: &mut VcpuBlock,
        which: HelperId,
        args: [u64; 4],
    ) -> Result<u64, Leave> {
        let pc = block.get(slot::PC);
        let next = pc.wrapping_add(4);
        let [first, second, third, _] = args;
        let done = match which {
            helper::SP_ALIGNMENT => Err(self.raise(block, class::SP_ALIGNMENT, 0, pc)),
            helper::FP_ACCESS_TRAP => {
                let trap = Exception::synchronous(syndrome::fp_access(), pc);
                Err(self.take(block, trap))
            }
            helper::SVC => Err(self.call_exception(block, class::SVC, first as u32, next)),
            helper::HVC => self.firmware(block, Conduit::Hvc, first, pc),
            helper::SMC => self.firmware(block, Conduit::Smc, first, pc),
            helper::BRK => Err(self.raise(block, class::BRK, first as u32 & 0xffff, pc)),
            helper::ERET => Err(self.exception_return(block)),
            helper::MRS => return self.mrs(block, first, second),
            helper::COUNTER => {
                let open = self.core.pstate.el > 0 || block.get(state::CNTKCTL_EL1.0) & third != 0;
                if open {
                    return Ok(self.platform.counter());
                }
                return self.mrs(block, first, second);
            }
            helper::MSR | helper::SYS => self.msr(block, first, second, third, next),
            helper::MSR_IMM => self.msr_immediate(block, args, next),
            helper::WFI => self.wait(block, false, next),
            helper::WFE => self.wait(block, true, next),
            helper::SEV => {
                self.core.event = true;
                self.platform.send_event(self.core.index);
                Ok(())
            }
            helper::SEVL => {
                self.core.event = true;
                Ok(())
            }
            // The engine looks for written code after every helper.
            helper::YIELD | helper::ISB => Ok(()),
            helper::DSB => self.synchronise(block, next),
            helper::DC_ZVA => self.zero_block(block, first),
            helper::STEP_DONE => {
                self.core.step_done(block, first != 0);
                Err(Leave)
            }
            helper::BREAKPOINT => {
                if self.core.check_breakpoints(block) {
                    Err(Leave)
                } else {
                    Ok(())
                }
            }
            helper::TAKE_INTERRUPT => self.take_unmasked(block, next),
            // UNDEFINED, and HLT: there is no Halting debug, so that is UNDEFINED as well.
            _ => Err(self.undefined(block, pc)),
        };
        done.map(|()| 0)
    }

    fn take(&mut self, block: &mut VcpuBlock, exception: Exception) -> Leave {
        self.core.enter(block, exception);
        Leave
    }

    fn raise(&mut self, block: &mut VcpuBlock, ec: u32, iss: u32, return_to: u64) -> Leave {
        let syndrome = syndrome::syndrome(ec, iss);
        self.take(block, Exception::synchronous(syndrome, return_to))
    }

    fn undefined(&mut self, block: &mut VcpuBlock, pc: u64) -> Leave {
        self.raise(block, class::UNKNOWN, 0, pc)
    }

    /// SVC and the like: the instruction completes by taking the exception.
    fn call_exception(&mut self, block: &mut VcpuBlock, ec: u32, imm: u32, next: u64) -> Leave {
        self.core.step_advance(block);
        self.raise(block, ec, imm & 0xffff, next)
    }

    /// HVC and SMC: a call to the board's firmware, or UNDEFINED, since neither EL2 nor EL3 is
    /// there to take them.
    fn firmware(
        &mut self,
        block: &mut VcpuBlock,
        conduit: Conduit,
        imm: u64,
        pc: u64,
    ) -> Result<(), Leave> {
        if self.core.pstate.el == 0 || imm != 0 {
            return Err(self.undefined(block, pc));
        }
        let arguments = [0, 1, 2, 3].map(|n| block.get(state::x(n).0));
        let index = self.core.index;
        let Some(result) = self.platform.firmware_call(index, conduit, arguments) else {
            return Err(self.undefined(block, pc));
        };
        block.set(state::x(0).0, result.x0);
        let halt = match result.then {
            AfterCall::Continue => None,
            AfterCall::Wait => Some(Halt::Interrupt),
            AfterCall::Stop => Some(Halt::Stopped),
        };
        if halt.is_some() {
            self.core.halt = halt;
            block.set(slot::PC, pc.wrapping_add(4));
            block.request_exit();
            return Err(Leave);
        }
        Ok(())
    }

    fn exception_return(&mut self, block: &mut VcpuBlock) -> Leave {
        self.core.exception_return(block);
        let pc = block.get(slot::PC);
        if self.core.pstate.il {
            // A fault of the fetch comes first.
            if pc & 3 == 0 {
                let _ = self.illegal_state(block, pc);
            }
            return Leave;
        }
        // Interrupts and a due step that the return has unmasked.
        if CpuCore::interrupt_open(block) {
            self.core.take_interrupt(block, pc);
        } else {
            self.core.take_step(block, None);
        }
        Leave
    }

    fn illegal_state(&mut self, block: &mut VcpuBlock, pc: u64) -> Result<(), Leave> {
        use ferrite_ir::Env;
        self.fetch(block, ferrite_ram::GuestVirt(pc))?;
        Err(self.raise(block, class::ILLEGAL_STATE, 0, pc))
    }

    /// Takes the exception that a denied access to a system register leads to.
    fn deny(
        &mut self,
        block: &mut VcpuBlock,
        denied: Denied,
        encoding: Encoding,
        rt: u64,
        read: bool,
    ) -> Leave {
        let pc = block.get(slot::PC);
        match denied {
            Denied::Left => Leave,
            Denied::Undefined => self.undefined(block, pc),
            Denied::Trapped => {
                let syndrome = syndrome::system_access(encoding.0, rt as u32, read);
                self.take(block, Exception::synchronous(syndrome, pc))
            }
        }
    }

    fn mrs(&mut self, block: &mut VcpuBlock, encoding: u64, rt: u64) -> Result<u64, Leave> {
        let encoding = Encoding(encoding as u16);
        self.read_register(block, encoding)
            .map_err(|denied| self.deny(block, denied, encoding, rt, true))
    }

    fn msr(
        &mut self,
        block: &mut VcpuBlock,
        encoding: u64,
        value: u64,
        rt: u64,
        next: u64,
    ) -> Result<(), Leave> {
        let encoding = Encoding(encoding as u16);
        if let Err(denied) = self.write_register(block, encoding, value) {
            return Err(self.deny(block, denied, encoding, rt, false));
        }
        self.take_unmasked(block, next)
    }

    /// MSR (immediate) of the fields that are not translated inline.
    fn msr_immediate(
        &mut self,
        block: &mut VcpuBlock,
        [op1, op2, imm, _]: [u64; 4],
        next: u64,
    ) -> Result<(), Leave> {
        let daif = block.get(state::DAIF.0);
        match (op1, op2) {
            (3, 6 | 7) => {
                let user = self.core.pstate.el == 0;
                if user && block.get(state::SCTLR_EL1.0) & sctlr::UMA == 0 {
                    let field = Encoding::new(0, op1 as u16, 4, imm as u16, op2 as u16);
                    return Err(self.deny(block, Denied::Trapped, field, 31, false));
                }
                let bits = imm << 6;
                let next_daif = if op2 == 6 { daif | bits } else { daif & !bits };
                self.set_daif(block, next_daif & spsr::DAIF);
            }
            (0, 3) => self.core.set_uao(block, imm & 1 != 0),
            (0, 4) => self.core.set_pan(block, imm & 1 != 0),
            (0, 5) => self.core.set_sp_sel(block, imm & 1 != 0),
            _ => {
                let pc = block.get(slot::PC);
                return Err(self.undefined(block, pc));
            }
        }
        self.take_unmasked(block, next)
    }

    /// DSB: what this CPU wrote and asked of others is seen by them, and what they asked is done.
    fn synchronise(&mut self, block: &mut VcpuBlock, next: u64) -> Result<(), Leave> {
        block.follow_code(&self.ram);
        let asked = self.platform.synchronise(self.core.index);
        if asked.is_empty() {
            return Ok(());
        }
        for maintenance in asked {
            self.core.maintain(block, maintenance);
        }
        self.core.step_advance(block);
        block.set(slot::PC, next);
        Err(Leave)
    }

    fn wait(&mut self, block: &mut VcpuBlock, wfe: bool, next: u64) -> Result<(), Leave> {
        let over = if wfe {
            std::mem::take(&mut self.core.event) || CpuCore::interrupt_open(block)
        } else {
            CpuCore::interrupt_pending(block)
        };
        if over {
            return Ok(());
        }
        let allowed = if wfe { sctlr::NTWE } else { sctlr::NTWI };
        if self.core.pstate.el == 0 && block.get(state::SCTLR_EL1.0) & allowed == 0 {
            let pc = block.get(slot::PC);
            return Err(self.take(block, Exception::synchronous(syndrome::wait(wfe), pc)));
        }
        if wfe && self.core.watch_monitor(block, &*self.platform) {
            return Ok(());
        }
        self.core.halt = Some(if wfe { Halt::Event } else { Halt::Interrupt });
        block.set(slot::PC, next);
        block.request_exit();
        Err(Leave)
    }
}
