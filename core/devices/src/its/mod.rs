//! The Interrupt Translation Service of a GICv3: turns the messages of devices into LPIs.

pub mod spec;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ferrite_machine::trace::Point;
use ferrite_machine::{BusError, Dma};
use ferrite_ram::GuestPhys;

use self::spec::{
    BASER_FIXED, COMMAND, ENABLED, ENTRY, ID_VALUES, QUIESCENT, TYPE_COLLECTIONS, TYPE_DEVICES,
    TYPER, VALID, command, gits,
};
use self::table::{Device, Event, place};
use crate::gicv3::GicV3;
use crate::gicv3::spec::{IIDR, LPI_FIRST};
use crate::words::{self, half, set_half};

/// Commands carried out in one go: as many as the largest queue holds.
const MAX_COMMANDS: u64 = 256 * 4096 / COMMAND;
/// GITS_CBASER.Physical_Address.
const QUEUE_ADDRESS: u64 = 0xf_ffff_ffff_f000;
/// Offset field of GITS_CWRITER and GITS_CREADR.
const OFFSET: u64 = 0xf_ffe0;

/// What an ITS is called with.
pub struct ItsCx<'a> {
    /// Guest memory, where its tables are.
    pub dma: &'a Dma,
    /// The interrupt controller that it delivers to.
    pub gic: &'a mut GicV3,
}

/// The service.
#[derive(Clone, Debug)]
pub struct Its {
    enabled: bool,
    /// GITS_CBASER.
    queue: u64,
    /// GITS_CWRITER and GITS_CREADR.
    written: u64,
    read: u64,
    /// GITS_BASER0, the devices, and GITS_BASER1, the collections.
    tables: [u64; 2],
    /// CPUs whose configuration is to be read again once the commands at hand are done.
    stale: BTreeSet<usize>,
}

/// Type and Entry_Size of the tables.
const FIXED: [u64; 2] = [
    TYPE_DEVICES << 56 | (ENTRY - 1) << 48,
    TYPE_COLLECTIONS << 56 | (ENTRY - 1) << 48,
];

impl Default for Its {
    fn default() -> Self {
        Self {
            enabled: false,
            queue: 0,
            written: 0,
            read: 0,
            tables: FIXED,
            stale: BTreeSet::new(),
        }
    }
}

impl Its {
    /// Returns to the state after power-on.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Reads a register of either frame.
    pub fn read(&self, offset: u64, bytes: u64) -> Result<u64, BusError> {
        words::read(offset, bytes, |at| self.register(at))
    }

    fn register(&self, offset: u64) -> u32 {
        match offset {
            gits::CTLR => QUIESCENT | u32::from(self.enabled),
            gits::IIDR => IIDR,
            gits::TYPER..gits::CBASER if offset < gits::TYPER + 8 => half(TYPER, offset),
            gits::CBASER..gits::CWRITER => half(self.queue, offset),
            gits::CWRITER..gits::CREADR => half(self.written, offset),
            gits::CREADR..gits::BASER if offset < gits::CREADR + 8 => half(self.read, offset),
            gits::BASER..gits::BASER_END => {
                let table = self.tables.get(((offset - gits::BASER) / 8) as usize);
                table.map_or(0, |table| half(*table, offset))
            }
            gits::ID..gits::TRANSLATION => ID_VALUES[((offset - gits::ID) / 4) as usize].into(),
            _ => 0,
        }
    }

    /// Writes a register of either frame, as a CPU. What a CPU writes to GITS_TRANSLATER comes from
    /// no device, and goes nowhere.
    pub fn write(
        &mut self,
        cx: &mut ItsCx<'_>,
        offset: u64,
        bytes: u64,
        value: u64,
    ) -> Result<(), BusError> {
        words::write(offset, bytes, value, |at, word, lanes| {
            self.set_register(at, word, lanes);
        })?;
        self.work(cx);
        Ok(())
    }

    fn set_register(&mut self, offset: u64, value: u32, lanes: u32) {
        match offset {
            gits::CTLR if lanes & ENABLED != 0 => self.enabled = value & ENABLED != 0,
            gits::CBASER..gits::CWRITER if !self.enabled => {
                set_half(&mut self.queue, offset, value, lanes);
                self.read = 0;
            }
            gits::CWRITER..gits::CREADR => {
                set_half(&mut self.written, offset, value, lanes);
                // The retry bit, too: nothing ever stalls.
                self.written &= OFFSET;
            }
            gits::BASER..gits::BASER_END if !self.enabled => {
                let index = ((offset - gits::BASER) / 8) as usize;
                if let (Some(table), Some(fixed)) = (self.tables.get_mut(index), FIXED.get(index)) {
                    set_half(table, offset, value, lanes);
                    *table = *table & !BASER_FIXED | fixed;
                }
            }
            _ => {}
        }
    }

    /// Carries commands out until there are no more.
    fn work(&mut self, cx: &mut ItsCx<'_>) {
        if !self.enabled || self.queue & VALID == 0 {
            return;
        }
        let len = ((self.queue & 0xff) + 1) * 4096;
        for _ in 0..MAX_COMMANDS {
            if self.read == self.written || self.written >= len {
                break;
            }
            let at = GuestPhys((self.queue & QUEUE_ADDRESS) + self.read);
            let mut words = [0; 4];
            for (n, word) in (0..).zip(&mut words) {
                // A queue that is no memory holds commands that do nothing.
                *word = cx.dma.load(at.offset(8 * n)).unwrap_or(0);
            }
            self.obey(cx, words);
            self.read = (self.read + COMMAND) % len;
        }
        for cpu in std::mem::take(&mut self.stale) {
            for intid in cx.gic.pending_lpis(cpu) {
                configure(cx, cpu, intid);
            }
        }
    }

    /// Carries one command out. One that makes no sense does nothing.
    fn obey(&mut self, cx: &mut ItsCx<'_>, words: [u64; 4]) {
        let [first, second, third, fourth] = words;
        cx.dma.trace().tell(Point::ItsCommand, || {
            format!("cmd {:#04x} {first:#x} {second:#x} {third:#x}", first as u8)
        });
        let (device, event) = ((first >> 32) as u32, second as u32);
        let (collection, valid) = (third as u16, third & VALID != 0);
        let cpu = |word: u64| (word >> 16) as usize & 0xffff;
        match first as u8 {
            command::MAPD => {
                let size = second & 0x1f;
                let entry = if valid {
                    VALID | third & 0xf_ffff_ffff_ff00 | size.min(15)
                } else {
                    0
                };
                self.store(cx, 0, device, entry);
            }
            command::MAPC => {
                let entry = if valid { VALID | cpu(third) as u64 } else { 0 };
                self.store(cx, 1, collection.into(), entry);
            }
            command::MAPTI => {
                self.map(cx, device, event, (second >> 32) as u32, collection);
            }
            command::MAPI => self.map(cx, device, event, event, collection),
            command::MOVI => self.move_event(cx, device, event, collection),
            command::DISCARD => {
                self.clear(cx, device, event);
                if let Some(at) = self.event_place(cx.dma, device, event) {
                    let _ = cx.dma.store(at, 0_u64);
                }
            }
            command::INT => self.raise(cx, device, event),
            command::CLEAR => self.clear(cx, device, event),
            command::INV => {
                if let Some((cpu, intid)) = self.translate(cx.dma, device, event)
                    && cx.gic.is_lpi_pending(cpu, intid)
                {
                    configure(cx, cpu, intid);
                }
            }
            command::INVALL => self.stale.extend(self.cpu(cx.dma, collection)),
            command::MOVALL => {
                let (from, to) = (cpu(third), cpu(fourth));
                if from != to && to < cx.gic.cpus() {
                    for intid in cx.gic.pending_lpis(from) {
                        cx.gic.clear_lpi(from, intid);
                        configure(cx, to, intid);
                    }
                }
            }
            // SYNC: everything has its effect at once.
            _ => {}
        }
    }

    /// Writes an entry of the device or the collection table.
    fn store(&self, cx: &ItsCx<'_>, table: usize, index: u32, entry: u64) {
        if let Some(at) = place(cx.dma, self.tables[table], index.into()) {
            // A table that is no memory forgets.
            let _ = cx.dma.store(at, entry);
        }
    }

    fn load(&self, dma: &Dma, table: usize, index: u32) -> u64 {
        let at = place(dma, self.tables[table], index.into());
        at.and_then(|at| dma.load(at).ok()).unwrap_or(0)
    }

    /// Where an event's entry is.
    fn event_place(&self, dma: &Dma, device: u32, event: u32) -> Option<GuestPhys> {
        let device = Device::unpack(self.load(dma, 0, device))?;
        let event = u64::from(event);
        (event < device.count).then_some(GuestPhys(device.events + event * ENTRY))
    }

    fn event(&self, dma: &Dma, device: u32, event: u32) -> Option<Event> {
        let at = self.event_place(dma, device, event)?;
        Event::unpack(dma.load(at).ok()?)
    }

    /// The CPU of a collection.
    fn cpu(&self, dma: &Dma, collection: u16) -> Option<usize> {
        let entry = self.load(dma, 1, collection.into());
        (entry & VALID != 0).then_some(entry as usize & 0xffff)
    }

    /// The CPU and the interrupt that an event leads to.
    fn translate(&self, dma: &Dma, device: u32, event: u32) -> Option<(usize, u32)> {
        let event = self.event(dma, device, event)?;
        Some((self.cpu(dma, event.collection)?, event.intid))
    }

    fn map(&self, cx: &ItsCx<'_>, device: u32, event: u32, intid: u32, collection: u16) {
        if !(LPI_FIRST..1 << 16).contains(&intid) {
            return;
        }
        if let Some(at) = self.event_place(cx.dma, device, event) {
            let _ = cx.dma.store(at, Event { intid, collection }.pack());
        }
    }

    /// Moves an event, and its interrupt if that is pending.
    fn move_event(&self, cx: &mut ItsCx<'_>, device: u32, event: u32, collection: u16) {
        let Some(at) = self.event_place(cx.dma, device, event) else {
            return;
        };
        let Some(was) = self.event(cx.dma, device, event) else {
            return;
        };
        let moved = Event { collection, ..was };
        let _ = cx.dma.store(at, moved.pack());
        let cpus = (
            self.cpu(cx.dma, was.collection),
            self.cpu(cx.dma, collection),
        );
        if let (Some(from), Some(to)) = cpus
            && from != to
            && cx.gic.clear_lpi(from, was.intid)
        {
            configure(cx, to, was.intid);
        }
    }

    fn raise(&self, cx: &mut ItsCx<'_>, device: u32, event: u32) {
        if let Some((cpu, intid)) = self.translate(cx.dma, device, event) {
            configure(cx, cpu, intid);
        }
    }

    fn clear(&self, cx: &mut ItsCx<'_>, device: u32, event: u32) {
        if let Some((cpu, intid)) = self.translate(cx.dma, device, event) {
            cx.gic.clear_lpi(cpu, intid);
        }
    }

    /// A device wrote `data` at `offset`: an event, if that is GITS_TRANSLATER.
    pub fn message(&self, cx: &mut ItsCx<'_>, offset: u64, device: u16, data: u32) {
        if self.enabled && offset == gits::TRANSLATER {
            self.raise(cx, device.into(), data);
        }
    }
}

/// Makes an LPI pending as its configuration is now. Where there is none, or the CPU takes no LPIs,
/// it is lost, as the architecture allows.
fn configure(cx: &mut ItsCx<'_>, cpu: usize, intid: u32) {
    let Some((table, count)) = cx.gic.lpi_table(cpu) else {
        return;
    };
    let Some(index) = intid.checked_sub(LPI_FIRST).filter(|index| *index < count) else {
        return;
    };
    if let Ok(byte) = cx.dma.load::<u8>(GuestPhys(table + u64::from(index))) {
        cx.gic.set_lpi(cpu, intid, byte);
    }
}
