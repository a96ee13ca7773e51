//! GICD registers.

use super::GicV2;
use super::spec::{GICD_IIDR, gicd};
use crate::gic::Bank;
use crate::gic::spec::{Array, BANK, PRIVATE, array};
use crate::words::merge;

/// GICD_CTLR's writable bits: the two group enables.
const CONTROL: u32 = 3;

impl GicV2 {
    pub(super) fn distributor_read(&self, cpu: usize, offset: u64) -> u32 {
        match offset {
            gicd::CTLR => self.state.control,
            gicd::TYPER => {
                let lines = self.state.shared.len() as u32;
                (self.config.cpus as u32 - 1) << 5 | lines
            }
            gicd::IIDR => GICD_IIDR,
            gicd::ITARGETSR..gicd::ITARGETSR_END => self.targets_read(cpu, offset),
            gicd::CPENDSGIR..gicd::SPENDSGIR_END => {
                let sources = self.state.cpus[cpu].sources.as_chunks().0;
                let word = (offset - gicd::CPENDSGIR) / 4 % 4;
                u32::from_le_bytes(sources[word as usize])
            }
            gicd::ID..gicd::SIZE => gicd::ID_VALUES[((offset - gicd::ID) / 4) as usize].into(),
            _ => match array(offset) {
                Some((array, 0, word)) => self.state.cpus[cpu].private.read(array, word),
                Some((array, bank, word)) => {
                    let bank = self.state.shared.get(bank - 1);
                    bank.map_or(0, |bank| bank.read(array, word))
                }
                None => 0,
            },
        }
    }

    pub(super) fn distributor_write(&mut self, cpu: usize, offset: u64, value: u32, lanes: u32) {
        match offset {
            gicd::CTLR => {
                self.state.control = merge(self.state.control, value, lanes) & CONTROL;
                self.refresh_targets(u8::MAX);
            }
            gicd::ITARGETSR..gicd::ITARGETSR_END => self.targets_write(offset, value, lanes),
            gicd::SGIR => self.send_sgi(cpu, value & lanes),
            gicd::CPENDSGIR..gicd::SPENDSGIR_END => {
                self.sgi_sources_write(cpu, offset, value & lanes);
            }
            _ => {
                if let Some((array, bank, word)) = array(offset) {
                    self.array_write(cpu, array, bank, word, value, lanes);
                }
            }
        }
    }

    fn array_write(
        &mut self,
        cpu: usize,
        array: Array,
        bank: usize,
        word: usize,
        value: u32,
        lanes: u32,
    ) {
        match bank.checked_sub(1) {
            None => {
                self.state.cpus[cpu]
                    .private
                    .write(array, word, value, lanes);
                self.refresh(cpu);
            }
            Some(index) => {
                let bank: Option<&mut Bank> = self.state.shared.get_mut(index);
                if let Some(bank) = bank {
                    bank.write(array, word, value, lanes);
                    self.refresh_targets(u8::MAX);
                }
            }
        }
    }

    /// GICD_ITARGETSRn. Those of private interrupts tell a CPU its own number as a mask; with a
    /// single CPU all are zero.
    fn targets_read(&self, cpu: usize, offset: u64) -> u32 {
        if self.config.cpus == 1 {
            return 0;
        }
        let first = offset - gicd::ITARGETSR;
        match first.checked_sub(u64::from(PRIVATE)) {
            None => (1_u32 << cpu) * 0x0101_0101,
            Some(spi) => {
                let four = self.state.targets.as_chunks().0.get((spi / 4) as usize);
                four.map_or(0, |four| u32::from_le_bytes(*four))
            }
        }
    }

    fn targets_write(&mut self, offset: u64, value: u32, lanes: u32) {
        let spi = (offset - gicd::ITARGETSR).checked_sub(u64::from(PRIVATE));
        let Some(spi) = spi.filter(|_| self.config.cpus > 1) else {
            return;
        };
        let four = self
            .state
            .targets
            .as_chunks_mut()
            .0
            .get_mut((spi / 4) as usize);
        let Some(four) = four else {
            return;
        };
        let cpus = ((1_u32 << self.config.cpus) - 1) * 0x0101_0101;
        *four = (merge(u32::from_le_bytes(*four), value, lanes) & cpus).to_le_bytes();
        for (spi, targets) in (spi as u32..).zip(*four) {
            let bit = 1 << (spi % BANK);
            for (cpu, view) in self.derived.cpus.iter_mut().enumerate() {
                let mask = &mut view.targeted[(spi / BANK) as usize];
                *mask = merge(*mask, if targets >> cpu & 1 != 0 { bit } else { 0 }, bit);
            }
        }
        self.refresh_targets(u8::MAX);
    }

    /// GICD_SGIR: TargetListFilter 25:24, CPUTargetList 23:16, INTID 3:0.
    fn send_sgi(&mut self, from: usize, value: u32) {
        let sgi = value & 0xf;
        let me = 1_u8 << from;
        let targets = match value >> 24 & 3 {
            0 => (value >> 16) as u8,
            1 => !me,
            2 => me,
            _ => 0,
        };
        for cpu in (0..self.config.cpus).filter(|cpu| targets >> cpu & 1 != 0) {
            let interface = &mut self.state.cpus[cpu];
            interface.set_sources(sgi, interface.sources[sgi as usize] | me);
            self.refresh(cpu);
        }
    }

    fn sgi_sources_write(&mut self, cpu: usize, offset: u64, value: u32) {
        let set = offset >= gicd::SPENDSGIR;
        let first = (offset - gicd::CPENDSGIR) as u32 % 16;
        let existing = ((1_u32 << self.config.cpus) - 1) as u8;
        let interface = &mut self.state.cpus[cpu];
        for (sgi, byte) in (first..).zip(value.to_le_bytes()) {
            let old = interface.sources[sgi as usize];
            let new = if set {
                old | byte & existing
            } else {
                old & !byte
            };
            interface.set_sources(sgi, new);
        }
        self.refresh(cpu);
    }
}
