//! `e1000` and `e1000e`: Intel's network cards 82540EM, as every system has a driver for it, and
//! 82574L, its descendant on PCI Express.
//!
//! The 82574L has one queue each way here, which is what drivers use that do not spread frames over
//! processors; its EEPROM is read by register, and there is no clock for time stamps.
//!
//! Interrupts are not delayed: the timers for that hold what is written to them, and what they would
//! delay is told at once.

mod eeprom;
mod model;
mod receive;
pub mod spec;
mod transmit;
mod vectors;

#[cfg(test)]
mod tests;

use ferrite_machine::backend::NetBackend;
use ferrite_ram::GuestPhys;

use self::eeprom::{Microwire, Transceiver, WORDS, with_link};
use self::model::{I82540EM, I82574L, Model};
use self::spec::{
    DESCRIPTOR, PLAIN, RAH_VALID, TCTL_ENABLE, cause, ctrl, eecd, eerd, express, mdic, reg, tx,
};
use self::transmit::Assembler;
use crate::pci::{BusKind, ConfigSpace, PciCx, PciDevice};

/// Most descriptors done, and frames received, in one call.
const MAX_WORK: usize = 512;
/// The longest frame that the cable carries, without its check sequence.
const MAX_FRAME: usize = 16 << 10;

/// The card.
pub struct E1000 {
    // Fixed.
    model: &'static Model,
    mac: [u8; 6],
    eeprom: [u16; WORDS],
    // Wiring.
    backend: Box<dyn NetBackend>,
    // Guest-visible.
    registers: Box<[u32]>,
    causes: u32,
    mask: u32,
    /// Enabled causes that a message was sent for.
    told: u32,
    microwire: Microwire,
    transceiver: Transceiver,
    io_address: u32,
    link_up: bool,
    assembler: Assembler,
    // A received frame that waits for buffers.
    held: Option<Vec<u8>>,
}

impl E1000 {
    /// An 82540EM with address `mac` at the port `backend`.
    #[must_use]
    pub fn new(backend: Box<dyn NetBackend>, mac: [u8; 6]) -> Self {
        Self::of(&I82540EM, backend, mac)
    }

    /// An 82574L with address `mac` at the port `backend`.
    #[must_use]
    pub fn express(backend: Box<dyn NetBackend>, mac: [u8; 6]) -> Self {
        Self::of(&I82574L, backend, mac)
    }

    fn of(model: &'static Model, backend: Box<dyn NetBackend>, mac: [u8; 6]) -> Self {
        let mut card = Self {
            model,
            mac,
            eeprom: model.eeprom(mac),
            link_up: backend.link_up(),
            backend,
            registers: vec![0; model.kept as usize / 4].into_boxed_slice(),
            causes: 0,
            mask: 0,
            told: 0,
            microwire: Microwire::default(),
            transceiver: Transceiver::new(model),
            io_address: 0,
            assembler: Assembler::default(),
            held: None,
        };
        card.reset_registers();
        card
    }

    fn reset_registers(&mut self) {
        self.registers.fill(0);
        for (offset, value) in self.model.after_reset {
            self.set(*offset, *value);
        }
        let [a, b, c, d, e, f] = self.mac;
        self.set(reg::RA, u32::from_le_bytes([a, b, c, d]));
        self.set(reg::RA + 4, u32::from_le_bytes([e, f, 0, 0]) | RAH_VALID);
        self.causes = 0;
        self.mask = 0;
        self.told = 0;
        self.microwire = Microwire::default();
        self.transceiver = Transceiver::new(self.model);
        self.assembler = Assembler::default();
        self.held = None;
    }

    fn get(&self, offset: u64) -> u32 {
        let word = self.registers.get((offset / 4) as usize);
        word.copied().unwrap_or(0)
    }

    fn set(&mut self, offset: u64, value: u32) {
        if let Some(word) = self.registers.get_mut((offset / 4) as usize) {
            *word = value;
        }
    }

    /// Adds to a statistics register, which stays at its end.
    fn count(&mut self, offset: u64, amount: u64) {
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        self.set(offset, self.get(offset).saturating_add(amount));
    }

    /// Counts a frame by its size: six registers from `first` on, for 64 bytes with the check
    /// sequence and for up to 127, 255, 511, 1023, and more.
    fn count_size(&mut self, first: u64, len: usize) {
        let place = match len + 4 {
            0..=64 => 0,
            len => u64::from(len.ilog2()).clamp(6, 10) - 5,
        };
        self.count(first + 4 * place, 1);
    }

    /// Adds to a statistics register of 64 bits.
    fn count_wide(&mut self, offset: u64, amount: u64) {
        let old = u64::from(self.get(offset)) | u64::from(self.get(offset + 4)) << 32;
        let new = old.saturating_add(amount);
        self.set(offset, new as u32);
        self.set(offset + 4, (new >> 32) as u32);
    }

    /// Notes interrupt causes.
    fn raise(&mut self, cx: &mut PciCx<'_>, causes: u32) {
        // Queues have causes of their own for vectors of their own.
        self.causes |= match self.model.express && cx.config.msix_enabled() {
            true => vectors::with_queues(causes),
            false => causes,
        };
        self.update_interrupt(cx);
    }

    fn update_interrupt(&mut self, cx: &mut PciCx<'_>) {
        match self.model.express {
            true => self.update_vectors(cx),
            false => cx.set_intx(self.causes & self.mask != 0),
        }
    }

    fn read_register(&mut self, cx: &mut PciCx<'_>, offset: u64) -> u32 {
        match offset {
            reg::CTRL_DUP => self.get(reg::CTRL),
            reg::STATUS => self.status(),
            reg::EECD if self.model.express => {
                let control = self.get(reg::EECD);
                let granted = control & eecd::REQUEST != 0;
                let grant = if granted { eecd::GRANT } else { 0 };
                control | grant | eecd::PRESENT | express::EECD_READ
            }
            reg::EECD => self.microwire.read(),
            reg::ICR if self.model.express => self.read_causes(cx),
            express::SWSM if self.model.express => {
                let value = self.get(offset);
                self.set(offset, value | express::SWSM_TAKEN);
                value
            }
            reg::ICR => {
                let causes = std::mem::take(&mut self.causes);
                self.update_interrupt(cx);
                causes
            }
            reg::ICS if self.model.express => self.shown_causes(),
            reg::ICS => self.causes,
            reg::IMS => self.mask,
            reg::STATISTICS..reg::STATISTICS_END => {
                let value = self.get(offset);
                self.set(offset, 0);
                value
            }
            _ => self.get(offset),
        }
    }

    fn write_register(&mut self, cx: &mut PciCx<'_>, offset: u64, value: u32) {
        match offset {
            reg::CTRL | reg::CTRL_DUP => self.write_control(cx, value),
            reg::EECD if self.model.express => self.set(offset, value & eecd::REQUEST),
            reg::EECD => self.microwire.write(value, &self.eeprom),
            reg::EERD => self.write_eerd(value),
            reg::MDIC => self.write_mdic(cx, value),
            reg::ICR => {
                self.causes &= !value;
                if self.model.express {
                    self.auto_mask();
                }
                self.update_interrupt(cx);
            }
            reg::ICS => self.raise(cx, value),
            reg::IMS => {
                self.mask |= value & self.model.causes;
                self.update_interrupt(cx);
            }
            reg::IMC => {
                self.mask &= !value;
                self.update_interrupt(cx);
            }
            reg::TCTL => {
                self.set(offset, value);
                self.transmit(cx);
            }
            reg::RCTL => {
                self.set(offset, value);
                self.receive(cx);
            }
            reg::RDBAL | reg::TDBAL => self.set(offset, value & !15),
            reg::RDBAH | reg::TDBAH => self.set(offset, value),
            reg::RDLEN | reg::TDLEN => self.set(offset, value & 0xf_ff80),
            reg::RDH | reg::TDH => self.set(offset, value & 0xffff),
            reg::RDT => {
                self.set(offset, value & 0xffff);
                self.receive(cx);
            }
            reg::TDT => {
                self.set(offset, value & 0xffff);
                self.transmit(cx);
            }
            _ if self.is_plain(offset) => self.set(offset, value),
            _ => {}
        }
    }

    fn is_plain(&self, offset: u64) -> bool {
        let mut spans = PLAIN.iter().chain(self.model.plain);
        spans.any(|span| (span.0..span.1).contains(&offset))
    }

    /// The device status, which tells of the link and of the bus.
    fn status(&self) -> u32 {
        let status = with_link(self.get(reg::STATUS), self.link_up);
        match self.model.express && self.get(reg::CTRL) & express::NO_MASTER != 0 {
            true => status & !express::MASTER,
            false => status,
        }
    }

    fn write_control(&mut self, cx: &mut PciCx<'_>, value: u32) {
        if value & ctrl::RESET != 0 {
            self.reset_registers();
            cx.set_timer(None);
            self.update_interrupt(cx);
            return;
        }
        if value & ctrl::PHY_RESET != 0 {
            self.transceiver = Transceiver::new(self.model);
        }
        self.set(reg::CTRL, value & !(ctrl::RESET | ctrl::PHY_RESET));
    }

    fn write_eerd(&mut self, value: u32) {
        let mut answer = value;
        if value & eerd::START != 0 {
            let (shift, done) = self.model.eerd;
            let address = value as u16 >> shift;
            let word = self.eeprom.get(usize::from(address));
            let data = u32::from(*word.unwrap_or(&0xffff)) << 16;
            answer = u32::from(address) << shift | data | done;
        }
        self.set(reg::EERD, answer);
    }

    fn write_mdic(&mut self, cx: &mut PciCx<'_>, value: u32) {
        let register = value >> 16 & 31;
        let mut answer = value & !mdic::ERROR | mdic::READY;
        let there = self.model.transceiver_registers >> register & 1 != 0;
        if value >> 21 & 31 != 1 || !there {
            // There is one transceiver, at address 1.
            answer |= mdic::ERROR;
        } else if value & mdic::READ != 0 {
            let data = self.transceiver.read(register, self.link_up);
            answer = answer & !0xffff | u32::from(data);
        } else if value & mdic::WRITE != 0 {
            self.transceiver.write(register, value as u16);
        }
        self.set(reg::MDIC, answer);
        if value & mdic::INTERRUPT != 0 {
            self.raise(cx, cause::MDIO);
        }
    }

    /// Where a descriptor is, for a ring whose base register is `base`.
    fn descriptor(&self, base: u64, index: u32) -> GuestPhys {
        let start = u64::from(self.get(base)) | u64::from(self.get(base + 4)) << 32;
        GuestPhys(start.wrapping_add(DESCRIPTOR * u64::from(index)))
    }

    /// Sends what is in the transmit ring.
    fn transmit(&mut self, cx: &mut PciCx<'_>) {
        if self.get(reg::TCTL) & TCTL_ENABLE == 0 || !cx.is_master() {
            return;
        }
        let entries = self.get(reg::TDLEN) / DESCRIPTOR as u32;
        let mut causes = 0;
        for _ in 0..MAX_WORK {
            let (head, tail) = (self.get(reg::TDH), self.get(reg::TDT));
            // A tail beyond the ring would never be reached.
            if head == tail || tail >= entries {
                self.raise(cx, causes | cause::TX_EMPTY);
                // A network inside the machine may have answered at once.
                self.receive(cx);
                return;
            }
            causes |= cause::TX_EMPTY | self.transmit_one(cx, head);
            let next = if head + 1 >= entries { 0 } else { head + 1 };
            self.set(reg::TDH, next);
        }
        self.raise(cx, causes);
        cx.set_timer(Some(cx.now));
    }

    /// Does one descriptor; tells what to interrupt for.
    fn transmit_one(&mut self, cx: &mut PciCx<'_>, index: u32) -> u32 {
        let at = self.descriptor(reg::TDBAL, index);
        let mut bytes = [0; DESCRIPTOR as usize];
        if cx.dma.read(at, &mut bytes).is_err() {
            return 0;
        }
        let (words, _) = bytes.as_chunks::<4>();
        let words: [u32; 4] = std::array::from_fn(|n| u32::from_le_bytes(words[n]));
        let [low, high, command, options] = words;
        let extended = command & tx::EXTENDED != 0;
        if extended && command & tx::TYPE != tx::TYPE_DATA {
            self.assembler.context(words);
        } else {
            let len = command & if extended { 0xf_ffff } else { 0xffff };
            let buffer = GuestPhys(u64::from(low) | u64::from(high) << 32);
            if let Some(room) = self.assembler.room(len as usize, command, options) {
                // What is no memory reads as zeros.
                let _ = cx.dma.read(buffer, room);
            }
            if command & tx::END != 0 {
                let tags = self.get(reg::CTRL) & ctrl::VLAN != 0;
                let vlan = tags.then_some(self.get(reg::VET) as u16);
                for frame in self.assembler.finish([command, options], vlan) {
                    self.send(&frame);
                }
            }
        }
        if command & (tx::REPORT | tx::REPORT_SENT) == 0 {
            return 0;
        }
        let done = (options & !0xf | tx::DONE).to_le_bytes();
        // A ring that is no memory was noticed above.
        let _ = cx.dma.write(at.offset(12), &done);
        cause::TX_DONE
    }

    fn send(&mut self, frame: &[u8]) {
        if frame.len() > MAX_FRAME {
            return;
        }
        for packets in [0x4080, 0x40d4] {
            self.count(packets, 1);
        }
        for octets in [0x4090, 0x40c8] {
            self.count_wide(octets, frame.len() as u64 + 4);
        }
        self.count_size(reg::SIZES_SENT, frame.len());
        match frame.first() {
            Some(_) if frame.starts_with(&[0xff; 6]) => self.count(0x40f4, 1),
            Some(first) if first & 1 != 0 => self.count(0x40f0, 1),
            _ => {}
        }
        if self.link_up {
            self.backend.send(frame);
        }
    }
}

impl PciDevice for E1000 {
    fn kind(&self) -> &'static str {
        self.model.kind
    }

    fn config(&mut self, bus: BusKind) -> ConfigSpace {
        self.model.config(bus, self.mac)
    }

    fn read(&mut self, cx: &mut PciCx<'_>, bar: usize, offset: u64, bytes: u64) -> u32 {
        let word = match (bar, offset & !3) {
            (0, offset) => self.read_register(cx, offset),
            (bar, _) if bar != self.model.io_bar() => 0,
            (_, 0) => self.io_address,
            (_, 4) => self.read_register(cx, u64::from(self.io_address & !3)),
            _ => 0,
        };
        // Registers are 32 bits wide; a narrow read sees its part.
        let shift = 8 * (offset & 3);
        word >> shift & u32::MAX >> (32 - 8 * bytes.clamp(1, 4))
    }

    fn write(&mut self, cx: &mut PciCx<'_>, bar: usize, offset: u64, bytes: u64, value: u32) {
        if bytes != 4 || offset & 3 != 0 {
            return;
        }
        match (bar, offset) {
            (0, offset) => self.write_register(cx, offset, value),
            (bar, _) if bar != self.model.io_bar() => {}
            (_, 0) => self.io_address = value,
            (_, 4) => self.write_register(cx, u64::from(self.io_address & !3), value),
            _ => {}
        }
    }

    fn reset(&mut self, cx: &mut PciCx<'_>) {
        self.reset_registers();
        self.io_address = 0;
        cx.set_timer(None);
        self.update_interrupt(cx);
    }

    fn timer(&mut self, cx: &mut PciCx<'_>) {
        self.transmit(cx);
        self.receive(cx);
    }

    fn poll(&mut self, cx: &mut PciCx<'_>) {
        if self.backend.link_up() != self.link_up {
            self.link_up = !self.link_up;
            self.raise(cx, cause::LINK);
        }
        self.receive(cx);
    }
}
