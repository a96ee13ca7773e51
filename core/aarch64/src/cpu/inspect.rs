//! Registers and memory for boot loaders, firmware, monitors and debuggers.

use ferrite_ir::{VcpuBlock, slot};
use ferrite_ram::{GuestPhys, PAGE_SIZE};

use super::{Cpu, CpuEnv};
use crate::exception::HIGHEST_EL;
use crate::features::Features;
use crate::mmu::mapped::{Mapped, TooMany};
use crate::mmu::regime::Regime;
use crate::model::Model;
use crate::platform::{PhysPage, Platform};
use crate::pstate::spsr;
use crate::state;
use crate::sysreg::{self, row::Direction, table};

impl Cpu {
    /// General-purpose register `n`; zero for 31 and beyond.
    #[must_use]
    pub fn x(&self, n: u32) -> u64 {
        if n < 31 {
            self.block.get(state::x(n).0)
        } else {
            0
        }
    }

    /// Sets general-purpose register `n`, 0 to 30.
    pub fn set_x(&mut self, n: u32, value: u64) {
        if n < 31 {
            self.block.set(state::x(n).0, value);
        }
    }

    /// The current stack pointer.
    #[must_use]
    pub fn sp(&self) -> u64 {
        self.block.get(state::SP.0)
    }

    /// Sets the current stack pointer.
    pub fn set_sp(&mut self, value: u64) {
        self.block.set(state::SP.0, value);
    }

    /// The program counter.
    #[must_use]
    pub fn pc(&self) -> u64 {
        self.block.get(slot::PC)
    }

    /// Sets the program counter.
    pub fn set_pc(&mut self, value: u64) {
        self.block.set(slot::PC, value);
    }

    /// SIMD and floating-point register `n`; zero beyond 31.
    #[must_use]
    pub fn v(&self, n: u32) -> u128 {
        if n < 32 {
            self.block.get_vector(state::v(n).0)
        } else {
            0
        }
    }

    /// Sets SIMD and floating-point register `n`, 0 to 31.
    pub fn set_v(&mut self, n: u32, value: u128) {
        if n < 32 {
            self.block.set_vector(state::v(n).0, value);
        }
    }

    /// FPCR and FPSR; nothing while floating-point instructions trap (CPACR_EL1.FPEN).
    #[must_use]
    pub fn float_control(&self) -> Option<(u64, u64)> {
        let register = |slot: ferrite_ir::Global| self.block.get(slot.0);
        let usable = !self.core.traps_float(&self.block);
        usable.then(|| (register(state::FPCR), register(state::FPSR)))
    }

    /// PSTATE in the layout of SPSR_ELx.
    #[must_use]
    pub fn pstate(&self) -> u64 {
        self.core.saved_pstate(&self.block)
    }

    /// Sets PSTATE. Returns whether it was a state that this CPU has; else nothing changes.
    pub fn set_pstate(&mut self, value: u64) -> bool {
        let el = (value >> 2 & 3) as u8;
        let sp_sel = value & 1 != 0;
        if value & (spsr::AARCH32 | 2) != 0 || el > HIGHEST_EL || el == 0 && sp_sel {
            return false;
        }
        let Self { block, core } = self;
        core.switch_level(block, el, sp_sel);
        core.pstate.pan = value & spsr::PAN != 0 && core.features.contains(Features::PAN);
        core.pstate.uao = value & spsr::UAO != 0 && core.features.contains(Features::UAO);
        core.pstate.ss = value & spsr::SS != 0;
        block.set_nzcv((value & spsr::NZCV) as u32);
        block.set(state::DAIF.0, value & spsr::DAIF);
        core.update(block);
        true
    }

    /// The current exception level.
    #[must_use]
    pub fn exception_level(&self) -> u8 {
        self.core.pstate.el
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &'static Model {
        self.core.model
    }

    /// MPIDR_EL1.
    #[must_use]
    pub fn mpidr(&self) -> u64 {
        self.core.mpidr
    }

    /// Joins the CPU with its machine for `f`.
    pub(crate) fn with_env<R>(
        &mut self,
        platform: &mut dyn Platform,
        f: impl FnOnce(&mut CpuEnv<'_>, &mut VcpuBlock) -> R,
    ) -> R {
        let Self { block, core } = self;
        f(&mut CpuEnv::new(core, platform), block)
    }

    /// Every system register that can be read without a side effect, with its value now.
    #[must_use]
    pub fn system_registers(&mut self, platform: &mut dyn Platform) -> Vec<(&'static str, u64)> {
        self.with_env(platform, |env, block| {
            table::rows()
                .filter_map(|row| {
                    let there = readable(row) && row.exists(env.core);
                    let value = there.then(|| env.read_row(block, row).ok()).flatten()?;
                    Some((row.name, value))
                })
                .collect()
        })
    }

    /// The value of a system register by the manual's name, if it can be read without a side effect.
    #[must_use]
    pub fn system_register(&mut self, platform: &mut dyn Platform, name: &str) -> Option<u64> {
        let row = table::rows().find(|row| row.name == name && readable(row))?;
        self.with_env(platform, |env, block| {
            row.exists(env.core)
                .then(|| env.read_row(block, row).ok())
                .flatten()
        })
    }

    /// Sets a system register by the manual's name, as MSR at EL1 would. Returns whether there is
    /// such a register that can be written.
    pub fn set_system_register(
        &mut self,
        platform: &mut dyn Platform,
        name: &str,
        value: u64,
    ) -> bool {
        let Some(row) = table::rows().find(|row| row.name == name) else {
            return false;
        };
        self.with_env(platform, |env, block| {
            row.exists(env.core) && row.permits(1, true) && env.write_row(block, row, value).is_ok()
        })
    }

    /// The physical address that `va` translates to, whatever its permissions. No side effects.
    #[must_use]
    pub fn translate_for_debug(&self, platform: &dyn Platform, va: u64) -> Option<GuestPhys> {
        let mapping = self.core.mmu.peek(&self.block, platform, va).ok()?;
        Some(GuestPhys(mapping.page | (va % PAGE_SIZE)))
    }

    /// Adds everything that this CPU's translation tables map now, which is nothing while translation
    /// is off, and nothing new if they were listed for another CPU. No side effects.
    ///
    /// # Errors
    /// There is more than is listed.
    pub fn list_mappings(&self, platform: &dyn Platform, into: &mut Mapped) -> Result<(), TooMany> {
        self.core.mmu.list(&self.block, platform, into)
    }

    /// Reads guest-virtual memory (RAM and ROM only). Returns how many bytes there were.
    pub fn debug_read(&self, platform: &dyn Platform, va: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        while done < into.len() {
            let at = va.wrapping_add(done as u64);
            let Some(phys) = self.translate_for_debug(platform, at) else {
                break;
            };
            let PhysPage::Ram { at: ram, .. } = platform.page(phys) else {
                break;
            };
            let left = (PAGE_SIZE - phys.in_page()).min((into.len() - done) as u64) as usize;
            let part = &mut into[done..done + left];
            if platform
                .ram()
                .read_bytes(ram.page().offset(phys.in_page()), part)
                .is_none()
            {
                break;
            }
            done += left;
        }
        done
    }

    /// Writes guest-virtual memory (RAM and ROM only), whatever its permissions. Returns how many
    /// bytes were written.
    pub fn debug_write(&self, platform: &dyn Platform, va: u64, from: &[u8]) -> usize {
        let mut done = 0;
        while done < from.len() {
            let at = va.wrapping_add(done as u64);
            let Some(phys) = self.translate_for_debug(platform, at) else {
                break;
            };
            let PhysPage::Ram { at: ram, .. } = platform.page(phys) else {
                break;
            };
            let left = (PAGE_SIZE - phys.in_page()).min((from.len() - done) as u64) as usize;
            let place = ram.page().offset(phys.in_page());
            if platform
                .ram()
                .write_bytes(place, &from[done..done + left])
                .is_none()
            {
                break;
            }
            done += left;
        }
        done
    }

    /// Whether the current regime ignores the top byte of `va`.
    #[must_use]
    pub fn ignores_top_byte(&self, va: u64) -> bool {
        self.core.mmu.regime().halves[Regime::half_of(va)].top_byte_ignored
    }
}

/// Reading it changes nothing: not an acknowledge register of the interrupt controller.
fn readable(row: &sysreg::Row) -> bool {
    row.direction != Direction::Write && row.needs != sysreg::row::Needs::Gic
}
