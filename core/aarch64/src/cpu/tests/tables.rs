//! Translation tables of 4 KiB pages over 39-bit addresses, for tests.

use super::machine::{Machine, RAM};

/// Leaf descriptor bits.
pub mod attribute {
    pub const ACCESS_FLAG: u64 = 1 << 10;
    pub const READ_ONLY: u64 = 1 << 7;
    pub const NOT_GLOBAL: u64 = 1 << 11;
    pub const PXN: u64 = 1 << 53;
    const UXN: u64 = 1 << 54;
    const EL0: u64 = 1 << 6;
    /// AttrIndx 1, which is Device-nGnRE here; 0 is Normal.
    pub const DEVICE: u64 = 1 << 2;
    /// EL1 only, writable and executable.
    pub const KERNEL: u64 = ACCESS_FLAG | UXN;
    /// EL0 as well.
    pub const USER: u64 = ACCESS_FLAG | EL0;
}

/// Tables under construction: level 1 at the base, others after it.
pub struct Tables {
    pub base: u64,
    next: u64,
}

impl Tables {
    /// Tables that map RAM flat for EL1, up to 2 MiB.
    pub fn new(m: &mut Machine) -> Self {
        let mut tables = Self {
            base: RAM + 0x10_0000,
            next: RAM + 0x10_1000,
        };
        tables.map_block(m, RAM, RAM, attribute::KERNEL);
        tables
    }

    /// Others with the same flat mapping.
    pub fn like(m: &mut Machine, _: &Self, base: u64) -> Self {
        let mut tables = Self {
            base,
            next: base + 0x1000,
        };
        tables.map_block(m, RAM, RAM, attribute::KERNEL);
        tables
    }

    /// Turns translation on with these tables for both halves.
    pub fn enable(&self, m: &mut Machine) {
        // T0SZ and T1SZ 25, TG1 4 KiB, IPS 40 bits, 16-bit ASIDs.
        m.set_system("TCR_EL1", 25 | 25 << 16 | 2 << 30 | 2 << 32 | 1 << 36);
        m.set_system("MAIR_EL1", 0x04ff);
        m.set_system("TTBR0_EL1", self.base);
        m.set_system("TTBR1_EL1", self.base);
        let sctlr = m.system("SCTLR_EL1");
        m.set_system("SCTLR_EL1", sctlr | 1);
    }

    fn table(&mut self, m: &mut Machine, entry: u64) -> u64 {
        let now = m.word(entry);
        if now & 3 == 3 {
            return now & !0xfff;
        }
        let table = self.next;
        self.next += 0x1000;
        m.set_word(entry, table | 3);
        table
    }

    fn level_2(&mut self, m: &mut Machine, va: u64) -> u64 {
        let entry = self.base + (va >> 30 & 0x1ff) * 8;
        self.table(m, entry) + (va >> 21 & 0x1ff) * 8
    }

    /// Maps a page.
    pub fn map(&mut self, m: &mut Machine, va: u64, pa: u64, attributes: u64) {
        let entry = self.level_2(m, va);
        let table = self.table(m, entry);
        m.set_word(table + (va >> 12 & 0x1ff) * 8, pa | attributes | 3);
    }

    /// Maps 2 MiB.
    pub fn map_block(&mut self, m: &mut Machine, va: u64, pa: u64, attributes: u64) {
        let entry = self.level_2(m, va);
        m.set_word(entry, pa | attributes | 1);
    }
}
