//! A static AArch64 Linux program that runs a batch of cases and writes what they leave.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::assembler::{BR_X5, Code, FPCR, FPSR, NZCV, TPIDR_EL0, store_w0_x4};
use crate::case::{
    After, Case, End, Registers, SCRATCH_BYTES, SIGBUS, SIGILL, SIGSEGV, SIGTRAP, layout, record,
};

/// The emulator for user programs.
pub const EMULATOR: &str = "qemu-aarch64";

const SYS_WRITE: u32 = 64;
const SYS_EXIT: u32 = 93;
const SYS_SIGALTSTACK: u32 = 132;
const SYS_SIGACTION: u32 = 134;

/// Runs cases in the emulator, as processor `cpu`.
pub fn run(cases: &[Case], cpu: &str) -> Vec<After> {
    let path = std::env::temp_dir().join(format!(
        "ferrite-differential-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o755);
    let mut file = options.open(&path).expect("a file in the temporary folder");
    file.write_all(&program(cases))
        .expect("a program is written");
    drop(file);
    let output = Command::new(EMULATOR)
        .args(["-cpu", cpu])
        .arg(&path)
        .stderr(Stdio::inherit())
        .output()
        .expect("the emulator starts");
    let _ = std::fs::remove_file(&path);
    let scratch_bytes = cases.len() * SCRATCH_BYTES;
    assert!(
        output.status.success()
            && output.stdout.len() == scratch_bytes + cases.len() * record::BYTES,
        "the emulator failed: {} after {} bytes",
        output.status,
        output.stdout.len()
    );
    let (scratch, records) = output.stdout.split_at(scratch_bytes);
    let scratch = scratch.chunks(SCRATCH_BYTES);
    (records.chunks(record::BYTES).zip(scratch))
        .map(|(record, scratch)| after(record, scratch))
        .collect()
}

fn after(record: &[u8], scratch: &[u8]) -> After {
    let at = record::END as usize;
    let end = u32::from_le_bytes(record[at..at + 4].try_into().expect("4 bytes"));
    After {
        registers: Registers::from_bytes(record),
        scratch: scratch.to_vec(),
        end: match end & End::SIGNAL {
            0 => End::Pad(end as usize),
            _ => End::Signal(end & !End::SIGNAL),
        },
    }
}

/// The executable file.
fn program(cases: &[Case]) -> Vec<u8> {
    let mut code = Code::new(layout::CODE);
    start(&mut code);
    for case in cases {
        one_case(&mut code, case);
    }
    finish(&mut code, cases.len());
    let scratch: Vec<u8> = cases.iter().flat_map(|c| c.scratch.clone()).collect();
    let inputs: Vec<u8> = cases.iter().flat_map(|c| c.before.to_bytes()).collect();
    let outputs = (cases.len() * record::BYTES) as u64;
    let stack = layout::STACK + layout::STACK_BYTES - layout::CURRENT;
    elf(
        layout::CODE,
        &[
            Segment::new(layout::SCRATCH, READ | WRITE, scratch),
            Segment::new(layout::CODE, READ | EXECUTE, code.bytes()),
            Segment::new(layout::INPUTS, READ, inputs),
            Segment::zero(layout::OUTPUTS, outputs),
            Segment::zero(layout::CURRENT, stack),
        ],
    )
}

/// Installs the handler of the signals that instructions raise.
fn start(code: &mut Code) {
    let begin = code.here();
    let handler = begin + 16;
    let main = begin + 64;
    code.branch(main);
    code.pad_to(handler);
    // handler(x0 = signal): note it in the current record, go on with the next case.
    code.constant(3, u64::from(End::SIGNAL));
    code.word(0x2a03_0000); // orr w0, w0, w3
    code.constant(3, layout::CURRENT);
    code.load_pair(4, 3, 0);
    code.word(store_w0_x4(record::END));
    code.word(BR_X5);
    code.pad_to(main);
    // The signal stack and the action are built in the memory after the stack's address.
    code.constant(0, layout::CURRENT + 64);
    code.constant(1, layout::STACK);
    code.constant(2, layout::STACK_BYTES);
    code.store(1, 0, 0);
    code.store(31, 0, 8);
    code.store(2, 0, 16);
    code.constant(1, 0);
    code.system_call(SYS_SIGALTSTACK);
    // SA_SIGINFO | SA_ONSTACK | SA_NODEFER
    for signal in [SIGILL, SIGTRAP, SIGBUS, SIGSEGV] {
        code.constant(1, layout::CURRENT + 64);
        code.constant(2, handler);
        code.constant(3, 0x4800_0004);
        code.store(2, 1, 0);
        code.store(3, 1, 8);
        code.store(31, 1, 16);
        code.store(31, 1, 24);
        code.constant(0, u64::from(signal));
        code.constant(2, 0);
        code.constant(3, 8);
        code.system_call(SYS_SIGACTION);
    }
    code.pad_to(begin + layout::START_BYTES);
}

/// Loads the registers, runs the instruction, stores the registers.
fn one_case(code: &mut Code, case: &Case) {
    let next = layout::case(case.number + 1);
    let output = layout::OUTPUTS + (case.number * record::BYTES) as u64;
    assert_eq!(code.here(), layout::case(case.number));
    code.constant(0, layout::INPUTS + (case.number * record::BYTES) as u64);
    code.constant(1, output);
    code.constant(2, layout::CURRENT);
    code.constant(3, next);
    code.store(1, 2, 0);
    code.store(3, 2, 8);
    for (offset, register) in [
        (record::NZCV, NZCV),
        (record::FPCR, FPCR),
        (record::FPSR, FPSR),
    ] {
        code.load(1, 0, offset);
        code.write_system(register, 1);
    }
    code.load(1, 0, record::SP);
    code.set_sp(1);
    for n in (0..32).step_by(2) {
        code.load_vectors(n, 0, record::V + 16 * n);
    }
    for n in (2..30).step_by(2) {
        code.load_pair(n, 0, 8 * n);
    }
    code.load(30, 0, 8 * 30);
    code.load_pair(0, 0, 0);

    let pc = case.pc();
    let pads = layout::pads(pc);
    let save = pc + 4 + 3 * layout::PAD_BYTES;
    code.branch(case.start());
    code.pad_to(pads[3]);
    landing_pad(code, 3, output, save);
    code.pad_to(case.start());
    for &word in case.prefix.iter().chain([&case.word]) {
        code.word(word);
    }
    for (n, pad) in (0..3).zip(pads) {
        assert_eq!(code.here(), pad);
        landing_pad(code, n, output, save);
    }
    assert_eq!(code.here(), save);
    save_registers(code);
    code.branch(next);
    code.pad_to(next);
}

/// Notes which pad it is. X0 becomes the output record's address, its own value goes to TPIDR_EL0.
fn landing_pad(code: &mut Code, number: u32, output: u64, save: u64) {
    code.write_system(TPIDR_EL0, 0);
    code.constant(0, output);
    code.store(30, 0, 8 * 30);
    code.word(0xd280_0000 | number << 5 | 30); // movz x30, #number
    code.branch(save);
}

fn save_registers(code: &mut Code) {
    code.word(0xb900_0000 | (record::END / 4) << 10 | 30); // str w30, [x0, #END]
    code.store(1, 0, 8);
    code.read_system(1, TPIDR_EL0);
    code.store(1, 0, 0);
    for n in (2..30).step_by(2) {
        code.store_pair(n, 0, 8 * n);
    }
    code.get_sp(1);
    code.store(1, 0, record::SP);
    for n in (0..32).step_by(2) {
        code.store_vectors(n, 0, record::V + 16 * n);
    }
    for (offset, register) in [
        (record::NZCV, NZCV),
        (record::FPCR, FPCR),
        (record::FPSR, FPSR),
    ] {
        code.read_system(1, register);
        code.store(1, 0, offset);
    }
}

/// Writes scratch memory and records to standard output, and exits.
fn finish(code: &mut Code, cases: usize) {
    for (from, bytes) in [
        (layout::SCRATCH, cases * SCRATCH_BYTES),
        (layout::OUTPUTS, cases * record::BYTES),
    ] {
        code.constant(1, from);
        code.constant(2, bytes as u64);
        // Until all is written, or nothing more can be.
        let again = code.here();
        code.constant(0, 1);
        code.system_call(SYS_WRITE);
        code.word(0xf100_001f); // cmp x0, #0
        code.word(0x5400_008d); // b.le out
        code.word(0x8b00_0021); // add x1, x1, x0
        code.word(0xeb00_0042); // subs x2, x2, x0
        let back = (again.wrapping_sub(code.here()) as i64 / 4) as u32;
        code.word(0x5400_000c | (back & 0x7_ffff) << 5); // b.gt again
    }
    code.constant(0, 0);
    code.system_call(SYS_EXIT);
}

const EXECUTE: u32 = 1;
const WRITE: u32 = 2;
const READ: u32 = 4;

struct Segment {
    at: u64,
    flags: u32,
    data: Vec<u8>,
    size: u64,
}

impl Segment {
    fn new(at: u64, flags: u32, data: Vec<u8>) -> Self {
        let size = data.len() as u64;
        Self {
            at,
            flags,
            data,
            size,
        }
    }

    fn zero(at: u64, size: u64) -> Self {
        Self {
            at,
            flags: READ | WRITE,
            data: Vec::new(),
            size,
        }
    }
}

/// A little-endian 64-bit executable of these segments (System V ABI, chapters 4 and 5).
fn elf(entry: u64, segments: &[Segment]) -> Vec<u8> {
    const PAGE: usize = 4096;
    let mut file = Vec::new();
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let half = |file: &mut Vec<u8>, n: u16| file.extend(n.to_le_bytes());
    let word = |file: &mut Vec<u8>, n: u32| file.extend(n.to_le_bytes());
    let long = |file: &mut Vec<u8>, n: u64| file.extend(n.to_le_bytes());
    half(&mut file, 2); // ET_EXEC
    half(&mut file, 183); // EM_AARCH64
    word(&mut file, 1);
    long(&mut file, entry);
    long(&mut file, 64); // program headers
    long(&mut file, 0); // no sections
    word(&mut file, 0);
    for n in [64, 56, segments.len() as u16, 64, 0, 0] {
        half(&mut file, n);
    }
    let mut offset = PAGE;
    for segment in segments {
        word(&mut file, 1); // PT_LOAD
        word(&mut file, segment.flags);
        long(&mut file, offset as u64);
        long(&mut file, segment.at);
        long(&mut file, segment.at);
        long(&mut file, segment.data.len() as u64);
        long(&mut file, segment.size);
        long(&mut file, PAGE as u64);
        offset += segment.data.len().next_multiple_of(PAGE);
    }
    for segment in segments {
        file.resize(file.len().next_multiple_of(PAGE), 0);
        file.extend(&segment.data);
    }
    file
}
