//! The few instructions that the guest program needs around the ones under test.
//!
//! Encodings are written out here, rather than taken from the decode tables, so that a wrong table
//! cannot hide itself.

/// Machine code at an address.
pub struct Code {
    base: u64,
    words: Vec<u32>,
}

impl Code {
    pub fn new(base: u64) -> Self {
        Self {
            base,
            words: Vec::new(),
        }
    }

    pub fn here(&self) -> u64 {
        self.base + 4 * self.words.len() as u64
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    pub fn word(&mut self, word: u32) {
        self.words.push(word);
    }

    /// Fills with NOP up to `to`.
    pub fn pad_to(&mut self, to: u64) {
        assert!(self.here() <= to, "{:#x} is past {to:#x}", self.here());
        while self.here() < to {
            self.word(NOP);
        }
    }

    /// A constant below 2^32.
    pub fn constant(&mut self, rd: u32, value: u64) {
        let value = u32::try_from(value).expect("a 32-bit constant");
        self.word(0xd280_0000 | (value & 0xffff) << 5 | rd);
        self.word(0xf2a0_0000 | (value >> 16) << 5 | rd);
    }

    pub fn load(&mut self, rt: u32, rn: u32, offset: u32) {
        self.word(0xf940_0000 | (offset / 8) << 10 | rn << 5 | rt);
    }

    pub fn store(&mut self, rt: u32, rn: u32, offset: u32) {
        self.word(0xf900_0000 | (offset / 8) << 10 | rn << 5 | rt);
    }

    pub fn load_pair(&mut self, rt: u32, rn: u32, offset: u32) {
        self.word(0xa940_0000 | (offset / 8) << 15 | (rt + 1) << 10 | rn << 5 | rt);
    }

    pub fn store_pair(&mut self, rt: u32, rn: u32, offset: u32) {
        self.word(0xa900_0000 | (offset / 8) << 15 | (rt + 1) << 10 | rn << 5 | rt);
    }

    pub fn load_vectors(&mut self, rt: u32, rn: u32, offset: u32) {
        self.word(0xad40_0000 | (offset / 16) << 15 | (rt + 1) << 10 | rn << 5 | rt);
    }

    pub fn store_vectors(&mut self, rt: u32, rn: u32, offset: u32) {
        self.word(0xad00_0000 | (offset / 16) << 15 | (rt + 1) << 10 | rn << 5 | rt);
    }

    pub fn write_system(&mut self, register: u32, rt: u32) {
        self.word(0xd510_0000 | register << 5 | rt);
    }

    pub fn read_system(&mut self, rt: u32, register: u32) {
        self.word(0xd530_0000 | register << 5 | rt);
    }

    pub fn set_sp(&mut self, rn: u32) {
        self.word(0x9100_001f | rn << 5);
    }

    pub fn get_sp(&mut self, rd: u32) {
        self.word(0x9100_03e0 | rd);
    }

    pub fn branch(&mut self, to: u64) {
        let words = (to.wrapping_sub(self.here()) as i64 / 4) as u32;
        self.word(0x1400_0000 | words & 0x03ff_ffff);
    }

    pub fn system_call(&mut self, number: u32) {
        self.word(0xd280_0008 | number << 5);
        self.word(0xd400_0001);
    }
}

pub const NOP: u32 = 0xd503_201f;
/// `br x5`.
pub const BR_X5: u32 = 0xd61f_00a0;
/// `str w0, [x4, #offset]`, its offset a multiple of 4.
pub const fn store_w0_x4(offset: u32) -> u32 {
    0xb900_0080 | (offset / 4) << 10
}

/// The field `o0:op1:CRn:CRm:op2` of MSR and MRS.
const fn system(op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    1 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

pub const NZCV: u32 = system(3, 4, 2, 0);
pub const FPCR: u32 = system(3, 4, 4, 0);
pub const FPSR: u32 = system(3, 4, 4, 1);
pub const TPIDR_EL0: u32 = system(3, 13, 0, 2);
