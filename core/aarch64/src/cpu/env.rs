//! What translated code asks of the CPU.

use std::sync::Arc;

use ferrite_ir::env::AtomicPlace;
use ferrite_ir::{
    AtomicOp, CodeKey, Env, Extent, Fetched, HelperId, Leave, Mem, Region, VcpuBlock, slot,
};
use ferrite_ram::{GuestPhys, GuestRam, GuestVirt, PAGE_SIZE, RamOffset};

use super::{CpuCore, key};
use crate::exception::{Exception, syndrome};
use crate::mmu::fault::{Fault, FaultKind};
use crate::mmu::spaces::Rights;
use crate::mmu::{Access, Kind};
use crate::platform::{PhysPage, Platform};
use crate::state;
use crate::translate::{Scope, refusal, region};

/// A CPU with the machine around it, for the duration of a run.
pub struct CpuEnv<'a> {
    /// The CPU.
    pub core: &'a mut CpuCore,
    /// The machine.
    pub platform: &'a mut dyn Platform,
    /// Its memory.
    pub ram: Arc<GuestRam>,
}

/// Brings translation state up to date after a change of a register that it depends on.
pub fn context_changed(env: &mut CpuEnv<'_>, block: &mut VcpuBlock) {
    env.core.update(block);
}

impl<'a> CpuEnv<'a> {
    /// Joins a CPU with a machine.
    pub fn new(core: &'a mut CpuCore, platform: &'a mut dyn Platform) -> Self {
        let ram = Arc::clone(platform.ram());
        Self {
            core,
            platform,
            ram,
        }
    }

    /// After a change of the debug registers.
    pub(crate) fn debug_changed(&mut self, block: &mut VcpuBlock) {
        if self.core.update_debug(block) {
            self.core.mmu.flush(block);
        }
        self.core.update(block);
    }

    /// Sets PSTATE.DAIF.
    pub(crate) fn set_daif(&mut self, block: &mut VcpuBlock, daif: u64) {
        block.set(state::DAIF.0, daif);
    }

    /// After an access to a device or the interrupt controller: sees what it did to the interrupt
    /// inputs, and ends the run early if one is to be taken.
    pub(crate) fn poll_interrupts(&mut self, block: &mut VcpuBlock) {
        if let Some(lines) = self.platform.interrupts(self.core.index) {
            self.core.set_lines(block, lines);
            if CpuCore::interrupt_open(block) {
                block.request_exit();
            }
        }
    }

    /// Takes what the instruction just completed has unmasked: an interrupt, or a software step
    /// that it made due. `next` is the instruction after.
    pub(super) fn take_unmasked(&mut self, block: &mut VcpuBlock, next: u64) -> Result<(), Leave> {
        if block.get(state::PENDING.0) & !block.get(state::DAIF.0) == 0 {
            return Ok(());
        }
        block.set(slot::PC, next);
        if CpuCore::interrupt_open(block) {
            // An instruction that was being stepped is complete.
            self.core.step_advance(block);
            self.core.take_interrupt(block, next);
            return Err(Leave);
        }
        if self.core.take_step(block, None) {
            return Err(Leave);
        }
        Ok(())
    }

    /// Takes the instruction abort for a fetch at `pc`.
    fn instruction_abort(&mut self, block: &mut VcpuBlock, pc: u64, fault: Fault) -> Leave {
        let syndrome = syndrome::instruction_abort(fault, self.core.pstate.el == 1);
        self.core
            .enter(block, Exception::synchronous(syndrome, pc).at(pc));
        Leave
    }

    fn fetch_place(&mut self, block: &mut VcpuBlock, pc: u64) -> Result<RamOffset, Leave> {
        if pc & 3 != 0 {
            let syndrome = syndrome::syndrome(syndrome::class::PC_ALIGNMENT, 0);
            self.core
                .enter(block, Exception::synchronous(syndrome, pc).at(pc));
            return Err(Leave);
        }
        // A tag that got into the program counter goes: branches drop it (AArch64.BranchAddr).
        let untagged = self.core.branch_address(pc);
        if untagged != pc {
            block.set(slot::PC, untagged);
            return Err(Leave);
        }
        let rights = if self.core.pstate.el == 0 {
            Rights::User
        } else {
            Rights::Privileged
        };
        let access = Access {
            kind: Kind::Fetch,
            rights,
        };
        let place = self.resolve(block, pc, access);
        match place.map(|place| (place.page, place.at)) {
            Ok((PhysPage::Ram { at, .. }, phys)) => Ok(at.page().offset(phys.in_page())),
            // Devices are not executed.
            Ok((PhysPage::Device, _)) => {
                let fault = Fault::flat(FaultKind::External);
                Err(self.instruction_abort(block, pc, fault))
            }
            Err(fault) => Err(self.instruction_abort(block, pc, fault)),
        }
    }
}

impl Env for CpuEnv<'_> {
    fn ram(&self) -> &GuestRam {
        &self.ram
    }

    fn call(
        &mut self,
        cpu: &mut VcpuBlock,
        helper: HelperId,
        args: [u64; 4],
    ) -> Result<u64, Leave> {
        self.help(cpu, helper, args)
    }

    fn load(&mut self, cpu: &mut VcpuBlock, at: GuestVirt, mem: Mem) -> Result<u64, Leave> {
        self.load_data(cpu, at, mem).map(|value| value as u64)
    }

    fn store(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        value: u64,
        mem: Mem,
    ) -> Result<(), Leave> {
        self.store_data(cpu, at, value.into(), mem)
    }

    fn load_vector(&mut self, cpu: &mut VcpuBlock, at: GuestVirt, mem: Mem) -> Result<u128, Leave> {
        self.load_data(cpu, at, mem)
    }

    fn store_vector(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        value: u128,
        mem: Mem,
    ) -> Result<(), Leave> {
        self.store_data(cpu, at, value, mem)
    }

    fn atomic_place(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        bytes: u64,
        mem: Mem,
        write: bool,
    ) -> Result<AtomicPlace, Leave> {
        self.locate_atomic(cpu, at, bytes, mem, write)
    }

    fn atomic_device(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        op: Option<AtomicOp>,
        operands: [u64; 2],
        mem: Mem,
    ) -> Result<u64, Leave> {
        self.device_atomic(cpu, at, op, operands, mem)
    }

    fn code_key(&self, cpu: &VcpuBlock) -> CodeKey {
        self.core.code_key(cpu)
    }

    fn code_generation(&self, cpu: &VcpuBlock, high: bool) -> u64 {
        self.core.code_generation(cpu, high)
    }

    // Asked after every helper: one call, not three.
    fn code_generations(&self, cpu: &VcpuBlock) -> [u64; 2] {
        [false, true].map(|high| self.core.code_generation(cpu, high))
    }

    fn fetch(&mut self, cpu: &mut VcpuBlock, pc: GuestVirt) -> Result<Fetched, Leave> {
        self.fetch_place(cpu, pc.0).map(|at| Fetched { at })
    }

    fn translate(&mut self, cpu: &VcpuBlock, pc: GuestVirt, at: Fetched, extent: Extent) -> Region {
        let ram = &*self.ram;
        let context = key::unpack(self.core.code_key(cpu));
        let scope = match extent {
            Extent::Region => Scope::Reach,
            Extent::Block | Extent::Instruction => Scope::Block,
            Extent::Refusal => return refusal(pc.0),
        };
        // Of the page, or of one instruction.
        let (first, bytes) = match extent {
            Extent::Instruction => (pc, 1),
            _ => (pc.page(), PAGE_SIZE),
        };
        let word = |address: u64| {
            if address.wrapping_sub(first.0) >= bytes {
                return None;
            }
            let from_entry = address.wrapping_sub(pc.0) as i64;
            ram.load::<u32>(RamOffset(at.at.0.checked_add_signed(from_entry)?))
        };
        let region = region(context, pc.0, scope, &mut { word });
        if let Some(log) = &self.core.log {
            log.translated(&region, context.features, word);
        }
        region
    }

    fn protect_code(&mut self, cpu: &mut VcpuBlock, at: RamOffset) {
        self.core.protect_code(cpu, at);
    }
}

/// AT: stage 1 address translation as an instruction.
mod address_translation {
    /// PAR_EL1.F: it faulted.
    pub const FAULT: u64 = 1;
    /// PAR_EL1 bit 11, RES1.
    pub const ONE: u64 = 1 << 11;
}

impl CpuEnv<'_> {
    /// AT S1E0* and S1E1*: leaves the result in PAR_EL1. Only an external abort on the walk is
    /// taken as an exception.
    pub(crate) fn address_translate(
        &mut self,
        block: &mut VcpuBlock,
        va: u64,
        kind: Kind,
        rights: Rights,
    ) -> Result<(), Leave> {
        use address_translation::{FAULT, ONE};
        let par = match self.resolve(block, va, Access { kind, rights }) {
            Ok(place) => {
                let mapping = place.mapping;
                let device = mapping.is_device();
                // Device and Normal Non-cacheable memory report Outer Shareable.
                let shareability = if device || mapping.attributes == 0x44 {
                    2
                } else {
                    u64::from(mapping.shareability)
                };
                u64::from(mapping.attributes) << 56
                    | GuestPhys(mapping.page).0
                    | ONE
                    | shareability << 7
            }
            Err(fault) if fault.kind == FaultKind::ExternalOnWalk => {
                let abort = syndrome::Abort {
                    write: true,
                    cache_maintenance: true,
                    same_level: false,
                };
                return Err(self.data_abort(block, va, fault, abort));
            }
            Err(fault) => FAULT | ONE | u64::from(fault.status()) << 1,
        };
        block.set(state::PAR_EL1.0, par);
        Ok(())
    }
}
