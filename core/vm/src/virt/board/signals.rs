//! What devices drive: interrupt lines, messages, and their wishes to the machine.

use ferrite_aarch64::platform::InterruptLines;
use ferrite_aarch64::timer::TimerLines;
use ferrite_devices::gic::Gic;
use ferrite_devices::its::{Its, ItsCx};
use ferrite_machine::trace::Point;
use ferrite_machine::{DeviceId, Message, RegionKind};

use super::super::memory_map::ppi;
use super::{Board, GIC, frame};

impl Board {
    /// Sets the levels of a CPU's timer and performance monitor interrupts.
    pub(crate) fn set_timer_lines(&mut self, cpu: usize, lines: TimerLines) {
        self.set_ppi(cpu, ppi::TIMER_PHYS, lines.physical);
        self.set_ppi(cpu, ppi::TIMER_VIRT, lines.virtual_);
        self.set_ppi(cpu, ppi::PMU, lines.pmu);
    }

    /// Sets the levels of a CPU's private interrupts.
    fn set_ppi(&mut self, cpu: usize, intid: u32, level: bool) {
        self.gic.set_ppi(cpu, intid - 16, level);
    }

    /// The interrupt inputs that the GIC drives.
    pub(crate) fn lines(&self, cpu: usize) -> InterruptLines {
        let outputs = self.gic.outputs(cpu);
        InterruptLines {
            irq: outputs.irq,
            fiq: outputs.fiq,
        }
    }

    /// Drives the device's interrupt lines and collects its requests.
    pub(super) fn settle(&mut self, id: DeviceId) {
        let slot = &mut self.slots[id.0];
        let mut changed = slot.wiring.levels ^ slot.driven;
        slot.driven = slot.wiring.levels;
        while changed != 0 {
            let pin = changed.trailing_zeros();
            changed &= changed - 1;
            let slot = &self.slots[id.0];
            let level = slot.driven >> pin & 1;
            let spi = slot.spis.get(pin as usize).copied();
            self.note_output(id, pin, level != 0);
            if let Some(spi) = spi {
                self.trace
                    .tell(Point::GicSetIrq, || format!("irq {spi} level {level}"));
                self.drive_spi(spi, level != 0);
            }
        }
        let slot = &mut self.slots[id.0];
        self.requests.extend(slot.wiring.request.take());
        let deadline = slot.wiring.deadline;
        let sooner = |at| self.looked_for.is_none_or(|looked| at < looked);
        if deadline.is_some_and(sooner) {
            self.looked_for = deadline;
            self.owner_due = true;
        }
        let messages = std::mem::take(&mut slot.wiring.messages);
        if id == self.pci || !self.requests.is_empty() {
            self.owner_due |= self.needs_owner();
        }
        for message in messages {
            self.deliver(message);
        }
        if self.flash.contains(&id) {
            self.update_flash();
        }
    }

    /// Delivers a message-signalled interrupt: a write to whatever is at its address.
    fn deliver(&mut self, message: Message) {
        let Message {
            address,
            data,
            requester,
        } = message;
        match self.target(address, 4) {
            Ok((RegionKind::Device(GIC, frame::MESSAGES), offset)) => {
                if let Ok(Some(spi)) = self.v2m.write(offset, 4, data.into()) {
                    self.note_input(spi, true);
                    self.note_input(spi, false);
                    self.gic.pulse_spi(spi);
                }
            }
            Ok((RegionKind::Device(GIC, frame::ITS), offset)) => {
                self.with_its(|its, cx| its.message(cx, offset, requester, data));
            }
            Ok((RegionKind::Ram(_), _)) => {
                // Just looked up as memory: a store there succeeds.
                let _ = self.dma.store(address, data);
            }
            _ => {}
        }
    }

    /// Runs `act` on the interrupt translation service, which only a GICv3 has.
    pub(super) fn with_its<R>(
        &mut self,
        act: impl FnOnce(&mut Its, &mut ItsCx<'_>) -> R,
    ) -> Option<R> {
        let Gic::V3(gic) = &mut self.gic else {
            return None;
        };
        let mut cx = ItsCx {
            dma: &self.dma,
            gic,
        };
        Some(act(&mut self.its, &mut cx))
    }
}
