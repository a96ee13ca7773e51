//! Random cases: operands that are likely to matter, addresses that lead to scratch memory.

use ferrite_aarch64::decode::{GROUPS, Row};

use crate::assembler::{FPCR, FPSR, NZCV};
use crate::case::{Case, End, Registers, SCRATCH_BYTES, SCRATCH_TARGET, SIGBUS, SIGSEGV, layout};
use crate::float;
use crate::ours::Runner;

/// A small generator of random numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A case of `row` as number `number` of its batch.
pub fn case(runner: &mut Runner, random: &mut Random, row: (usize, usize), number: usize) -> Case {
    for _ in 0..100 {
        let table_row = &GROUPS[row.0].rows[row.1];
        let mut case = Case {
            number,
            row,
            prefix: Vec::new(),
            word: table_row.encode(&mut || random.next() as u32),
            before: registers(random),
            scratch: scratch(random),
        };
        if matches!(table_row.group, "fp" | "simd_fp") {
            case.before.v = float::registers(table_row, case.word, random);
        }
        if table_row.group == "branch" {
            aim_branch(&mut case, table_row, random);
        }
        choose_register(&mut case, table_row, random);
        reserve(&mut case, table_row, random);
        if aim_access(runner, &mut case, table_row, random) {
            return case;
        }
    }
    panic!("no operands for {} found", GROUPS[row.0].rows[row.1].name);
}

/// Contents of scratch memory.
pub fn scratch(random: &mut Random) -> Vec<u8> {
    (0..SCRATCH_BYTES).map(|_| random.next() as u8).collect()
}

/// Registers that instructions may find interesting.
pub fn registers(random: &mut Random) -> Registers {
    let fpcr = match random.below(2) {
        0 => 0,
        // AHP, DN, FZ, RMode
        _ => random.next() & (0b11111 << 22),
    };
    let fpsr = match random.below(2) {
        0 => 0,
        _ => random.next() & FPSR_MASK,
    };
    Registers {
        x: std::array::from_fn(|_| integer(random)),
        sp: integer(random),
        v: std::array::from_fn(|_| vector(random)),
        nzcv: random.next() & 0xf000_0000,
        fpcr,
        fpsr,
    }
}

/// QC and the cumulative exception bits.
pub const FPSR_MASK: u64 = 0x0800_009f;

fn integer(random: &mut Random) -> u64 {
    const SPECIAL: [u64; 8] = [
        0,
        1,
        u64::MAX,
        1 << 63,
        (1 << 63) - 1,
        0x8000_0000,
        0x7fff_ffff,
        0xffff_ffff,
    ];
    let value = random.next();
    match random.below(8) {
        0 | 1 => random.of(&SPECIAL),
        2 => value & 0xff,
        3 => value as i8 as u64,
        4 => value >> random.below(64),
        _ => value,
    }
}

fn vector(random: &mut Random) -> u128 {
    let whole = u128::from(random.next()) | u128::from(random.next()) << 64;
    let (lanes, bits): (usize, fn(&mut Random) -> u64) = match random.below(6) {
        0 => return whole,
        1 => (16, |r| r.of(&[0, 1, 0x7f, 0x80, 0xff, 0x55])),
        2 => return float::HALF.vector(random),
        3 => return float::SINGLE.vector(random),
        4 => return float::DOUBLE.vector(random),
        _ => (2, integer),
    };
    let width = 128 / lanes;
    (0..lanes).fold(0, |v, lane| v | u128::from(bits(random)) << (lane * width))
}

/// Makes a branch lead to a landing pad, if it is taken.
pub fn aim_branch(case: &mut Case, row: &Row, random: &mut Random) {
    let pc = case.pc();
    let target = random.of(&layout::pads(pc));
    let words = (target.wrapping_sub(pc) as i64 / 4) as u32;
    for field in row.fields {
        match field.name {
            "imm26" | "imm19" | "imm14" => case.word = field.put(case.word, words),
            "rn" => {
                let n = field.of(case.word) % 31;
                case.word = field.put(case.word, n);
                case.before.x[n as usize] = target;
            }
            // Compare and branch sees zero too seldom.
            "rt" if random.one_in(2) => {
                if let Some(x) = case.before.x.get_mut(field.of(case.word) as usize) {
                    *x &= random.of(&[0, 0xffff_ffff_0000_0000, 1]);
                }
            }
            _ => {}
        }
    }
}

/// Makes a system register move one of NZCV, FPCR or FPSR: the others are not an application's, or
/// not the same on every machine.
fn choose_register(case: &mut Case, row: &Row, random: &mut Random) {
    if !matches!(row.name, "MRS" | "MSR_reg") {
        return;
    }
    // o0:op1:CRn:CRm:op2
    let register = random.of(&[NZCV, FPCR, FPSR]);
    case.word = case.word & !(0x7fff << 5) | register << 5;
}

/// Puts a load-exclusive from the same address before most store-exclusives. Those without one fail
/// whatever their address, which is in scratch memory all the same: the reference takes all ones for
/// its own mark of "no reservation".
fn reserve(case: &mut Case, row: &Row, random: &mut Random) {
    let ("STXR" | "STXP", Some(rn)) = (row.name, row.field("rn")) else {
        return;
    };
    let target = layout::scratch(case.number) + SCRATCH_TARGET;
    match case.before.x.get_mut(rn.of(case.word) as usize) {
        Some(x) => *x = target,
        None => case.before.sp = target,
    }
    if !random.one_in(4) {
        // The same with L set, and registers 31 as targets.
        let pair = u32::from(row.name == "STXP");
        let base_and_size = case.word & 0xc000_03e0;
        case.prefix = vec![base_and_size | 0x085f_7c1f | pair << 21];
    }
}

/// Makes the first access of an instruction, if it has any, go to scratch memory, by a trial run
/// and a correction of the base register or of the literal's offset.
fn aim_access(runner: &mut Runner, case: &mut Case, row: &Row, random: &mut Random) -> bool {
    let scratch = layout::scratch(case.number) + SCRATCH_TARGET;
    let any = random.next() % 16;
    let misalign = random.of(&[0, 0, 0, any]);
    // A literal is at a multiple of 4.
    let literal = row.field("rn").is_none();
    let target = scratch + if literal { misalign & !3 } else { misalign };
    for _ in 0..4 {
        let run = runner.run(case);
        let end = run.after.end;
        let Some(access) = run.access else {
            return true;
        };
        let target = if access.aligned && !random.one_in(16) {
            scratch
        } else {
            target
        };
        if end != End::Signal(SIGSEGV) && (access.at == target || end == End::Signal(SIGBUS)) {
            let near = access.at.wrapping_sub(layout::scratch(case.number));
            if near < SCRATCH_BYTES as u64 - 64 {
                return true;
            }
        }
        let delta = target.wrapping_sub(access.at);
        match (row.field("rn"), row.field("imm19")) {
            (Some(rn), _) => match rn.of(case.word) {
                31 => case.before.sp = case.before.sp.wrapping_add(delta),
                n => {
                    let x = &mut case.before.x[n as usize];
                    *x = x.wrapping_add(delta);
                }
            },
            (None, Some(imm19)) => {
                let words = imm19.of(case.word).wrapping_add((delta as i64 / 4) as u32);
                case.word = imm19.put(case.word, words);
            }
            (None, None) => return false,
        }
    }
    false
}
