//! Integer operations on lanes that wasm has instructions for.

use ferrite_ir::Vector;
use ferrite_simd::{Lane, LaneOp, Shape};
use wasm_encoder::InstructionSink;

use super::Emitter;
use super::wide::Operands;

/// An instruction for each lane width, 8 bits first.
type ByLane = [Option<fn(&mut InstructionSink<'_>)>; 4];

macro_rules! by_lane {
    ($b:tt $h:tt $s:tt $d:tt) => {
        [by_lane!(@ $b), by_lane!(@ $h), by_lane!(@ $s), by_lane!(@ $d)]
    };
    (@ -) => { None };
    (@ $f:ident) => {
        Some(|code| {
            code.$f();
        })
    };
}

/// Operations of two vectors that are one instruction.
fn binary(op: LaneOp) -> Option<ByLane> {
    Some(match op {
        LaneOp::Add => by_lane!(i8x16_add i16x8_add i32x4_add i64x2_add),
        LaneOp::Sub => by_lane!(i8x16_sub i16x8_sub i32x4_sub i64x2_sub),
        LaneOp::Mul => by_lane!(- i16x8_mul i32x4_mul i64x2_mul),
        LaneOp::And => by_lane!(v128_and v128_and v128_and v128_and),
        LaneOp::Orr => by_lane!(v128_or v128_or v128_or v128_or),
        LaneOp::Eor => by_lane!(v128_xor v128_xor v128_xor v128_xor),
        LaneOp::Bic => by_lane!(v128_andnot v128_andnot v128_andnot v128_andnot),
        LaneOp::Smax => by_lane!(i8x16_max_s i16x8_max_s i32x4_max_s -),
        LaneOp::Smin => by_lane!(i8x16_min_s i16x8_min_s i32x4_min_s -),
        LaneOp::Umax => by_lane!(i8x16_max_u i16x8_max_u i32x4_max_u -),
        LaneOp::Umin => by_lane!(i8x16_min_u i16x8_min_u i32x4_min_u -),
        LaneOp::Cmeq => by_lane!(i8x16_eq i16x8_eq i32x4_eq i64x2_eq),
        LaneOp::Cmgt => by_lane!(i8x16_gt_s i16x8_gt_s i32x4_gt_s i64x2_gt_s),
        LaneOp::Cmge => by_lane!(i8x16_ge_s i16x8_ge_s i32x4_ge_s i64x2_ge_s),
        LaneOp::Cmhi => by_lane!(i8x16_gt_u i16x8_gt_u i32x4_gt_u -),
        LaneOp::Cmhs => by_lane!(i8x16_ge_u i16x8_ge_u i32x4_ge_u -),
        LaneOp::Urhadd => by_lane!(i8x16_avgr_u i16x8_avgr_u - -),
        _ => return None,
    })
}

/// Operations of one vector that are one instruction.
fn unary(op: LaneOp) -> Option<ByLane> {
    Some(match op {
        LaneOp::Not => by_lane!(v128_not v128_not v128_not v128_not),
        LaneOp::Neg => by_lane!(i8x16_neg i16x8_neg i32x4_neg i64x2_neg),
        LaneOp::Abs => by_lane!(i8x16_abs i16x8_abs i32x4_abs i64x2_abs),
        LaneOp::Cnt => by_lane!(i8x16_popcnt - - -),
        _ => return None,
    })
}

/// Comparisons with zero.
fn with_zero(op: LaneOp) -> Option<ByLane> {
    Some(match op {
        LaneOp::Cmeq0 => by_lane!(i8x16_eq i16x8_eq i32x4_eq i64x2_eq),
        LaneOp::Cmgt0 => by_lane!(i8x16_gt_s i16x8_gt_s i32x4_gt_s i64x2_gt_s),
        LaneOp::Cmge0 => by_lane!(i8x16_ge_s i16x8_ge_s i32x4_ge_s i64x2_ge_s),
        LaneOp::Cmlt0 => by_lane!(i8x16_lt_s i16x8_lt_s i32x4_lt_s i64x2_lt_s),
        LaneOp::Cmle0 => by_lane!(i8x16_le_s i16x8_le_s i32x4_le_s i64x2_le_s),
        _ => return None,
    })
}

/// Pairwise operations, as the operation on the even and the odd lanes.
fn pairwise(op: LaneOp) -> Option<ByLane> {
    binary(match op {
        LaneOp::Addp => LaneOp::Add,
        LaneOp::Smaxp => LaneOp::Smax,
        LaneOp::Sminp => LaneOp::Smin,
        LaneOp::Umaxp => LaneOp::Umax,
        LaneOp::Uminp => LaneOp::Umin,
        _ => return None,
    })
}

/// Where lane `i` of a permutation's result comes from: which operand, and which of its lanes.
fn source(op: LaneOp, imm: u32, n: usize, bits: u32, i: usize) -> Option<(usize, usize)> {
    let across = |at: usize| (at / n, at % n);
    let reversed = |unit: u32| (0, i ^ ((unit / bits) as usize).saturating_sub(1));
    Some(match op {
        LaneOp::Dup => (0, imm as usize),
        LaneOp::Ext => across(imm as usize % n + i),
        LaneOp::Zip1 => (i % 2, i / 2),
        LaneOp::Zip2 => (i % 2, (n + i) / 2),
        LaneOp::Uzp1 => across(2 * i),
        LaneOp::Uzp2 => across(2 * i + 1),
        LaneOp::Trn1 => (i % 2, i & !1),
        LaneOp::Trn2 => (i % 2, i | 1),
        LaneOp::Rev16 => reversed(16),
        LaneOp::Rev32 => reversed(32),
        LaneOp::Rev64 => reversed(64),
        LaneOp::Ins if i == (imm & 0xff) as usize => (1, (imm >> 8) as usize),
        LaneOp::Ins => (0, i),
        _ => return None,
    })
}

/// The bytes of a permutation's result.
fn shuffle(op: LaneOp, imm: u32, shape: Shape) -> Option<[u8; 16]> {
    let (n, bits) = (usize::from(shape.count), shape.lane.bits());
    let bytes = bits as usize / 8;
    let mut lanes = [0; 16];
    for (at, lane) in lanes.iter_mut().enumerate().take(n * bytes) {
        let (operand, from) = source(op, imm, n, bits, at / bytes)?;
        *lane = u8::try_from(16 * operand + from * bytes + at % bytes).ok()?;
    }
    lanes.iter().all(|&lane| lane < 32).then_some(lanes)
}

impl Emitter<'_> {
    /// Pushes the result of an operation; false, with nothing written, where the function has to
    /// compute it.
    pub(super) fn lanes(&mut self, op: LaneOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        let lane = shape.lane as usize;
        if lane > Lane::D as usize {
            return false;
        }
        let [a, b, _] = o.v;
        if let (Some(a), Some(Some(instruction))) = (a, unary(op).map(|by| by[lane])) {
            self.vector(a);
            instruction(&mut self.code());
        } else if let (Some(a), Some(Some(instruction))) = (a, with_zero(op).map(|by| by[lane])) {
            self.vector(a);
            self.code().v128_const(0);
            instruction(&mut self.code());
        } else if let (Some(a), Some(b), Some(Some(instruction))) =
            (a, b, binary(op).map(|by| by[lane]))
        {
            self.vector(a);
            self.vector(b);
            instruction(&mut self.code());
        } else if let (Some(a), Some(b), Some(Some(instruction))) =
            (a, b, pairwise(op).map(|by| by[lane]))
        {
            for half in [LaneOp::Uzp1, LaneOp::Uzp2] {
                let Some(lanes) = shuffle(half, 0, shape) else {
                    return false;
                };
                self.vector(a);
                self.vector(b);
                self.code().i8x16_shuffle(lanes);
            }
            instruction(&mut self.code());
        } else if let (Some(a), Some(lanes)) = (a, shuffle(op, imm, shape)) {
            self.vector(a);
            self.vector(b.unwrap_or(a));
            self.code().i8x16_shuffle(lanes);
        } else if !self.shifts(op, shape, imm, o) && !self.others(op, shape, imm, o) {
            return false;
        } else if matches!(op, LaneOp::Umov | LaneOp::Smov) {
            return true;
        }
        self.cut(shape_of_result(op, shape));
        true
    }

    /// Pops a vector and pushes it with zeros above `bits`.
    pub(super) fn cut(&mut self, bits: u32) {
        if bits < 128 {
            let kept = (1i128 << bits) - 1;
            self.code().v128_const(kept).v128_and();
        }
    }

    fn shift(&mut self, op: LaneOp, shape: Shape, count: u32, a: Vector) {
        let width = shape.lane.bits();
        if count >= width && op == LaneOp::Ushr {
            self.code().v128_const(0);
            return;
        }
        self.vector(a);
        let mut code = self.code();
        code.i32_const(count.min(width - 1) as i32);
        match (op, shape.lane) {
            (LaneOp::Shl, Lane::B) => code.i8x16_shl(),
            (LaneOp::Shl, Lane::H) => code.i16x8_shl(),
            (LaneOp::Shl, Lane::S) => code.i32x4_shl(),
            (LaneOp::Shl, _) => code.i64x2_shl(),
            (LaneOp::Sshr, Lane::B) => code.i8x16_shr_s(),
            (LaneOp::Sshr, Lane::H) => code.i16x8_shr_s(),
            (LaneOp::Sshr, Lane::S) => code.i32x4_shr_s(),
            (LaneOp::Sshr, _) => code.i64x2_shr_s(),
            (_, Lane::B) => code.i8x16_shr_u(),
            (_, Lane::H) => code.i16x8_shr_u(),
            (_, Lane::S) => code.i32x4_shr_u(),
            (_, _) => code.i64x2_shr_u(),
        };
    }

    fn shifts(&mut self, op: LaneOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        match (op, o.v[0], o.v[1]) {
            (LaneOp::Shl | LaneOp::Sshr | LaneOp::Ushr, Some(a), _) => {
                self.shift(op, shape, imm, a);
            }
            (LaneOp::Ssra | LaneOp::Usra, Some(a), Some(b)) => {
                let by = if op == LaneOp::Ssra {
                    LaneOp::Sshr
                } else {
                    LaneOp::Ushr
                };
                self.vector(a);
                self.shift(by, shape, imm, b);
                if let Some(Some(add)) = binary(LaneOp::Add).map(|by| by[shape.lane as usize]) {
                    add(&mut self.code());
                }
            }
            (LaneOp::Sshll | LaneOp::Ushll, Some(a), _) if shape.bits() == 64 => {
                self.vector(a);
                let mut code = self.code();
                match (op, shape.lane) {
                    (LaneOp::Sshll, Lane::B) => code.i16x8_extend_low_i8x16_s(),
                    (LaneOp::Sshll, Lane::H) => code.i32x4_extend_low_i16x8_s(),
                    (LaneOp::Sshll, _) => code.i64x2_extend_low_i32x4_s(),
                    (_, Lane::B) => code.i16x8_extend_low_i8x16_u(),
                    (_, Lane::H) => code.i32x4_extend_low_i16x8_u(),
                    (_, _) => code.i64x2_extend_low_i32x4_u(),
                };
                if imm > 0 {
                    code.i32_const(imm as i32);
                    match shape.lane {
                        Lane::B => code.i16x8_shl(),
                        Lane::H => code.i32x4_shl(),
                        _ => code.i64x2_shl(),
                    };
                }
            }
            (LaneOp::Shrn | LaneOp::Xtn, Some(a), _) if shape.bits() == 64 => {
                let count = if op == LaneOp::Shrn { imm } else { 0 };
                let bytes = shape.lane.bits() as usize / 8;
                let mut lanes = [16; 16];
                for (at, lane) in lanes.iter_mut().enumerate().take(8) {
                    *lane = (at / bytes * 2 * bytes + at % bytes) as u8;
                }
                self.vector(a);
                let mut code = self.code();
                code.i32_const(count as i32);
                match shape.lane {
                    Lane::B => code.i16x8_shr_u(),
                    Lane::H => code.i32x4_shr_u(),
                    _ => code.i64x2_shr_u(),
                };
                code.v128_const(0).i8x16_shuffle(lanes);
            }
            _ => return false,
        }
        true
    }

    fn others(&mut self, op: LaneOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        let at = imm as u8;
        let lanes = 128 / shape.lane.bits();
        match (op, o.v, o.int) {
            (LaneOp::Orn, [Some(a), Some(b), _], _) => {
                self.vector(a);
                self.vector(b);
                self.code().v128_not().v128_or();
            }
            (LaneOp::Bsl, [Some(mask), Some(a), Some(b)], _) => {
                self.vector(a);
                self.vector(b);
                self.vector(mask);
                self.code().v128_bitselect();
            }
            (LaneOp::Cmtst, [Some(a), Some(b), _], _) => {
                self.vector(a);
                self.vector(b);
                let mut code = self.code();
                code.v128_and().v128_const(0);
                match shape.lane {
                    Lane::B => code.i8x16_ne(),
                    Lane::H => code.i16x8_ne(),
                    Lane::S => code.i32x4_ne(),
                    _ => code.i64x2_ne(),
                };
            }
            (LaneOp::Mla | LaneOp::Mls, [Some(sum), Some(a), Some(b)], _)
                if shape.lane != Lane::B =>
            {
                let then = if op == LaneOp::Mla {
                    LaneOp::Add
                } else {
                    LaneOp::Sub
                };
                self.vector(sum);
                self.vector(a);
                self.vector(b);
                for op in [LaneOp::Mul, then] {
                    if let Some(Some(instruction)) = binary(op).map(|by| by[shape.lane as usize]) {
                        instruction(&mut self.code());
                    }
                }
            }
            (LaneOp::Umov, [Some(a), ..], _) if imm < lanes => {
                self.vector(a);
                let mut code = self.code();
                match shape.lane {
                    Lane::B => code.i8x16_extract_lane_u(at).i64_extend_i32_u(),
                    Lane::H => code.i16x8_extract_lane_u(at).i64_extend_i32_u(),
                    Lane::S => code.i32x4_extract_lane(at).i64_extend_i32_u(),
                    _ => code.i64x2_extract_lane(at),
                };
            }
            (LaneOp::Smov, [Some(a), ..], _) if imm < lanes => {
                self.vector(a);
                let mut code = self.code();
                match shape.lane {
                    Lane::B => code.i8x16_extract_lane_s(at).i64_extend_i32_s(),
                    Lane::H => code.i16x8_extract_lane_s(at).i64_extend_i32_s(),
                    Lane::S => code.i32x4_extract_lane(at).i64_extend_i32_s(),
                    _ => code.i64x2_extract_lane(at),
                };
            }
            (LaneOp::InsInt, [Some(a), ..], Some(int)) if imm < lanes => {
                self.vector(a);
                self.int(int);
                let mut code = self.code();
                match shape.lane {
                    Lane::B => code.i32_wrap_i64().i8x16_replace_lane(at),
                    Lane::H => code.i32_wrap_i64().i16x8_replace_lane(at),
                    Lane::S => code.i32_wrap_i64().i32x4_replace_lane(at),
                    _ => code.i64x2_replace_lane(at),
                };
            }
            (LaneOp::DupInt, _, Some(int)) => {
                self.int(int);
                let mut code = self.code();
                match shape.lane {
                    Lane::B => code.i32_wrap_i64().i8x16_splat(),
                    Lane::H => code.i32_wrap_i64().i16x8_splat(),
                    Lane::S => code.i32_wrap_i64().i32x4_splat(),
                    _ => code.i64x2_splat(),
                };
            }
            _ => return false,
        }
        true
    }
}

/// Bits of an operation's result.
fn shape_of_result(op: LaneOp, shape: Shape) -> u32 {
    match op {
        LaneOp::Sshll | LaneOp::Ushll => 2 * shape.bits(),
        // It keeps the other lanes of what it inserts into.
        LaneOp::InsInt => 128,
        _ => shape.bits(),
    }
}
