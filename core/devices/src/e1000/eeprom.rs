//! The EEPROM: 64 words behind a Microwire bus (manual, section 5), and the transceiver's registers.

use super::model::Model;
use super::spec::{eecd, status};

/// Words in the EEPROM.
pub const WORDS: usize = 64;
/// All words add up to this.
pub const CHECKSUM: u16 = 0xbaba;
/// Start bit, read opcode and address bits of a Microwire read.
const COMMAND_BITS: u32 = 9;
/// Start bit and opcode of a read.
const READ: u16 = 0b110;

/// The Microwire bus: what was clocked in since the chip was selected.
#[derive(Clone, Debug, Default)]
pub struct Microwire {
    control: u32,
    shifted: u16,
    clocks: u32,
    /// The chip drives its output low.
    low: bool,
}

impl Microwire {
    /// What software reads in EECD.
    pub fn read(&self) -> u32 {
        // Nobody else wants the bus, and pulled up is what nobody drives.
        let out = if self.low { 0 } else { eecd::DATA_OUT };
        self.control | eecd::GRANT | out | eecd::PRESENT
    }

    /// Software writes EECD.
    pub fn write(&mut self, value: u32, words: &[u16; WORDS]) {
        let rose = value & !self.control & eecd::CLOCK != 0;
        self.control = value & eecd::WRITABLE;
        if self.control & eecd::SELECT == 0 {
            (self.shifted, self.clocks, self.low) = (0, 0, false);
        } else if rose {
            self.clock(words);
        }
    }

    fn clock(&mut self, words: &[u16; WORDS]) {
        let bit = self.control & eecd::DATA_IN != 0;
        if self.clocks < COMMAND_BITS {
            // Nothing happens before the start bit.
            if self.clocks > 0 || bit {
                self.shifted = self.shifted << 1 | u16::from(bit);
                self.clocks += 1;
            }
            return;
        }
        if self.shifted >> 6 != READ {
            return;
        }
        let position = self.clocks - COMMAND_BITS;
        // Reading on goes on with the next word.
        let word = (u32::from(self.shifted & 63) + position / 16) as usize % WORDS;
        self.low = words[word] >> (15 - position % 16) & 1 == 0;
        self.clocks = COMMAND_BITS + (position + 1) % (16 * WORDS as u32);
    }
}

/// The transceiver, a Marvell 88E1011 or one like it: registers of IEEE 802.3, clause 22, and a few of its own.
#[derive(Clone, Debug)]
pub struct Transceiver {
    registers: [u16; 32],
}

/// Control: resets it, restarts negotiation; both are over at once.
const PHY_SELF_CLEARING: u16 = 0x8200;
/// The register that selects the page of registers 16 and up.
const PHY_PAGE: u32 = 22;
/// Status: the link is up, negotiation is complete.
const PHY_LINK: u16 = 0x24;

impl Transceiver {
    /// A card's transceiver after reset.
    pub fn new(model: &Model) -> Self {
        let mut registers = [0; 32];
        for (place, value) in [
            (0, 0x1140),
            (1, 0x7949 | PHY_LINK),
            (2, 0x0141),
            (4, 0x0de1),
            (5, 0x01e0),
            (9, 0x0e00),
            (10, 0x3c00),
            (15, 0x3000),
            (16, 0x0360),
            (17, 0xac00),
            (20, 0x0d60),
        ]
        .iter()
        .chain(model.transceiver)
        {
            registers[*place] = *value;
        }
        Self { registers }
    }

    /// Whether a register is one of a page that there is not: from 16 on, there are pages.
    fn is_absent(&self, register: u32) -> bool {
        register >= 16 && register != PHY_PAGE && self.registers[PHY_PAGE as usize] != 0
    }

    /// Reads a register.
    pub fn read(&self, register: u32, link: bool) -> u16 {
        if self.is_absent(register) {
            return 0;
        }
        let value = self.registers[register as usize & 31];
        match (register, link) {
            (1, false) => value & !PHY_LINK,
            // Resolved, link up, and what they say of speed, are one register.
            (17, false) => value & !0x0c00,
            _ => value,
        }
    }

    /// Writes a register; identity and status stay.
    pub fn write(&mut self, register: u32, value: u16) {
        if self.is_absent(register) {
            return;
        }
        match register {
            0 => self.registers[0] = value & !PHY_SELF_CLEARING,
            1..=3 | 5 | 10 | 15 | 17 => {}
            _ => self.registers[register as usize & 31] = value,
        }
    }
}

/// Device status with the link as it is.
pub fn with_link(value: u32, up: bool) -> u32 {
    let cleared = value & !status::LINK_UP;
    if up {
        cleared | status::LINK_UP
    } else {
        cleared
    }
}
