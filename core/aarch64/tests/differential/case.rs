//! A case: one instruction, the registers and memory before it, and where it lies.

/// Bytes of scratch memory of a case, which its loads and stores go to.
pub const SCRATCH_BYTES: usize = 256;
/// Where in the scratch memory the first access of an instruction is put.
pub const SCRATCH_TARGET: u64 = 96;

/// Addresses of the guest program. All are below 2^32, and scratch memory lies within reach of
/// literal loads from every case.
pub mod layout {
    use super::SCRATCH_BYTES;

    /// Cases of a batch at most.
    pub const CASES: usize = 900;
    pub const SCRATCH: u64 = 0x10_0000;
    pub const CODE: u64 = 0x14_0000;
    pub const INPUTS: u64 = 0x40_0000;
    pub const OUTPUTS: u64 = 0x60_0000;
    /// Two words: output record and continuation of the current case. Then the signal stack.
    pub const CURRENT: u64 = 0x80_0000;
    pub const STACK: u64 = 0x80_1000;
    pub const STACK_BYTES: u64 = 0x1_0000;

    /// Code bytes of a case.
    pub const CASE_BYTES: u64 = 576;
    /// Offset of the instruction in them.
    pub const WORD: u64 = 288;
    /// Start-up code before the first case.
    pub const START_BYTES: u64 = 512;
    /// Instructions that fit in before it.
    pub const PREFIX: usize = 12;
    /// Bytes of a landing pad.
    pub const PAD_BYTES: u64 = 24;

    pub fn case(n: usize) -> u64 {
        CODE + START_BYTES + n as u64 * CASE_BYTES
    }

    pub fn pc(n: usize) -> u64 {
        case(n) + WORD
    }

    pub fn scratch(n: usize) -> u64 {
        SCRATCH + (n * SCRATCH_BYTES) as u64
    }

    /// Where control may go after the instruction at `pc`: on, two places further on, one before.
    pub fn pads(pc: u64) -> [u64; 4] {
        let on = pc + 4;
        let before = pc - 4 * PREFIX as u64 - PAD_BYTES;
        [on, on + PAD_BYTES, on + 2 * PAD_BYTES, before]
    }
}

/// Registers that an application sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    pub x: [u64; 31],
    pub sp: u64,
    pub v: [u128; 32],
    pub nzcv: u64,
    pub fpcr: u64,
    pub fpsr: u64,
}

/// Offsets in a record of registers.
pub mod record {
    pub const SP: u32 = 248;
    pub const V: u32 = 256;
    pub const NZCV: u32 = 768;
    pub const FPCR: u32 = 776;
    pub const FPSR: u32 = 784;
    /// The [`End`](super::End), in outputs.
    pub const END: u32 = 792;
    pub const BYTES: usize = 800;
}

impl Registers {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(record::BYTES);
        bytes.extend(
            self.x
                .iter()
                .chain([&self.sp])
                .flat_map(|x| x.to_le_bytes()),
        );
        bytes.extend(self.v.iter().flat_map(|v| v.to_le_bytes()));
        let status = [self.nzcv, self.fpcr, self.fpsr, 0];
        bytes.extend(status.iter().flat_map(|x| x.to_le_bytes()));
        assert_eq!(bytes.len(), record::BYTES);
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        let word = |at: usize| {
            let bytes = bytes[at..at + 8].try_into().expect("8 bytes");
            u64::from_le_bytes(bytes)
        };
        let vector = |n: usize| {
            let at = record::V as usize + 16 * n;
            u128::from(word(at)) | u128::from(word(at + 8)) << 64
        };
        Self {
            x: std::array::from_fn(|n| word(8 * n)),
            sp: word(record::SP as usize),
            v: std::array::from_fn(vector),
            nzcv: word(record::NZCV as usize),
            fpcr: word(record::FPCR as usize),
            fpsr: word(record::FPSR as usize),
        }
    }
}

/// Where an instruction left control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At this one of [`layout::pads`].
    Pad(usize),
    /// In a signal handler.
    Signal(u32),
}

pub const SIGILL: u32 = 4;
pub const SIGTRAP: u32 = 5;
pub const SIGBUS: u32 = 7;
pub const SIGSEGV: u32 = 11;

impl End {
    /// Signals have bit 31 set, to tell them from landing pads.
    pub const SIGNAL: u32 = 1 << 31;
}

/// What is known after an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    pub registers: Registers,
    pub scratch: Vec<u8>,
    pub end: End,
}

/// One instruction in its surroundings.
#[derive(Clone, Debug)]
pub struct Case {
    /// Number in its batch.
    pub number: usize,
    /// Group and row, as indices.
    pub row: (usize, usize),
    /// Instructions to run before: a load-exclusive, or the rest of a sequence.
    pub prefix: Vec<u32>,
    pub word: u32,
    pub before: Registers,
    pub scratch: Vec<u8>,
}

impl Case {
    /// Address of the instruction.
    pub fn pc(&self) -> u64 {
        layout::pc(self.number)
    }

    /// Address of the first of the instructions before it.
    pub fn start(&self) -> u64 {
        self.pc() - 4 * self.prefix.len() as u64
    }
}
