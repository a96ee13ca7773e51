//! Floating-point arithmetic that wasm computes as well.
//!
//! As in `ferrite_simd::float`, the host's arithmetic does where rounding is to nearest, nothing is
//! flushed and results are well inside the normal range: then of all flags only the inexact one is
//! open. It is sticky: where it is not set yet the function decides, which is soon no more.

use ferrite_ir::{Value, Vector, slot};
use ferrite_simd::float::env::{control, status};
use ferrite_simd::{FloatOp, Lane, Shape, WideOp};
use wasm_encoder::{BlockType, InstructionSink, ValType};

use super::Emitter;
use super::wide::Operands;

/// Bits of a format.
struct Format {
    magnitude: u64,
    /// The smallest normal number.
    normal: u64,
    /// The first number that is not well below infinity.
    limit: u64,
}

const SINGLE: Format = Format {
    magnitude: 0x7fff_ffff,
    normal: 0x0080_0000,
    limit: 0x7f80_0000 - (2 << 23),
};

const DOUBLE: Format = Format {
    magnitude: 0x7fff_ffff_ffff_ffff,
    normal: 0x0010_0000_0000_0000,
    limit: 0x7ff0_0000_0000_0000 - (2 << 52),
};

/// The instructions of an operation, single and double.
type Pair = [fn(&mut InstructionSink<'_>); 2];

macro_rules! pair {
    ($single:ident $double:ident) => {
        [
            |code| {
                code.$single();
            },
            |code| {
                code.$double();
            },
        ]
    };
}

fn arithmetic(op: FloatOp) -> Option<Pair> {
    Some(match op {
        FloatOp::Add => pair!(f32x4_add f64x2_add),
        FloatOp::Sub => pair!(f32x4_sub f64x2_sub),
        FloatOp::Mul => pair!(f32x4_mul f64x2_mul),
        FloatOp::Div => pair!(f32x4_div f64x2_div),
        FloatOp::Sqrt => pair!(f32x4_sqrt f64x2_sqrt),
        _ => return None,
    })
}

impl Emitter<'_> {
    /// Pushes the result of an operation; false, with nothing written, where the function has to
    /// compute it.
    pub(super) fn float(&mut self, op: FloatOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        if !matches!(shape.lane, Lane::S | Lane::D) {
            return false;
        }
        match (op, o.v[0], o.d) {
            (FloatOp::Neg | FloatOp::Abs, Some(a), Value::Vector(_)) => {
                self.vector(a);
                let mut code = self.code();
                match (op, shape.lane) {
                    (FloatOp::Neg, Lane::S) => code.f32x4_neg(),
                    (FloatOp::Neg, _) => code.f64x2_neg(),
                    (_, Lane::S) => code.f32x4_abs(),
                    (_, _) => code.f64x2_abs(),
                };
                self.cut(shape.bits());
                true
            }
            (
                FloatOp::Compare
                | FloatOp::CompareSignalling
                | FloatOp::CompareZero
                | FloatOp::CompareZeroSignalling,
                Some(a),
                Value::Int(_),
            ) => {
                self.compare_floats(op, shape, imm, o, a);
                true
            }
            (
                FloatOp::MulAdd | FloatOp::MulSub | FloatOp::NegMulAdd | FloatOp::NegMulSub,
                ..,
                Value::Vector(_),
            ) => self.fused(op, shape, imm, o),
            (_, Some(a), Value::Vector(_)) => match arithmetic(op) {
                Some(instructions) if shape.count == 1 || shape.bits() == 128 => {
                    self.arithmetic(op, instructions, shape, imm, o, a);
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Pushes whether the control word asks for more than rounding to nearest; with `inexact`, also
    /// whether the status word does not say yet that something was inexact.
    pub(super) fn controlled(&mut self, inexact: bool) {
        self.load_slot(slot::FP_CONTROL);
        let mut code = self.code();
        code.i64_const((control::RMODE | control::FZ).into())
            .i64_and();
        if inexact {
            self.load_slot(slot::FP_STATUS);
            let mut code = self.code();
            code.i64_const(-1).i64_xor();
            code.i64_const(status::IXC.into()).i64_and().i64_or();
        }
        self.code().i64_const(0).i64_ne();
    }

    fn arithmetic(
        &mut self,
        op: FloatOp,
        instructions: Pair,
        shape: Shape,
        imm: u32,
        o: &Operands,
        a: Vector,
    ) {
        let result = self.locals.temporary(ValType::V128);
        self.code().block(BlockType::Result(ValType::V128));
        self.code().block(BlockType::Empty);
        self.controlled(true);
        self.code().br_if(0);
        self.vector(a);
        if let Some(b) = o.v[1] {
            self.vector(b);
        }
        instructions[usize::from(shape.lane == Lane::D)](&mut self.code());
        self.code().local_set(result);
        if matches!(op, FloatOp::Add | FloatOp::Sub) {
            self.outside(result, shape, true);
            self.code().br_if(0);
        } else {
            self.outside(result, shape, false);
            self.code().if_(BlockType::Empty);
            self.zeroes(
                result,
                shape,
                [Some(a), o.v[1].filter(|_| op == FloatOp::Mul)],
            );
            self.code().br_if(1).end();
        }
        self.code().local_get(result);
        self.cut(shape.bits());
        self.code().br(1).end();
        self.by_wide_function(WideOp::Float(op), shape, imm, o);
        self.code().end();
    }

    /// Pushes whether a lane is not well inside the normal range; sums may be zero, since then they
    /// are so exactly.
    fn outside(&mut self, result: u32, shape: Shape, zero: bool) {
        let format = match shape.lane {
            Lane::S => SINGLE,
            _ => DOUBLE,
        };
        let inside = format.limit - format.normal - 1;
        let size = self.locals.temporary(ValType::V128);
        let mut code = self.code();
        code.local_get(result);
        if shape.count == 1 {
            match shape.lane {
                Lane::S => code.i32x4_extract_lane(0).i64_extend_i32_u(),
                _ => code.i64x2_extract_lane(0),
            };
            code.i64_const(format.magnitude as i64).i64_and();
            if zero {
                // Zero is the one number that wraps below the range's start, next to its end.
                let magnitude = self.locals.temporary(ValType::I64);
                let mut code = self.code();
                code.local_tee(magnitude)
                    .i64_const(format.normal as i64 + 1)
                    .i64_sub();
                code.i64_const(inside as i64).i64_ge_u();
                code.local_get(magnitude).i64_const(0).i64_ne().i32_and();
            } else {
                code.i64_const(format.normal as i64 + 1).i64_sub();
                code.i64_const(inside as i64).i64_ge_u();
            }
            return;
        }
        match shape.lane {
            Lane::S => {
                code.f32x4_abs().local_tee(size);
                code.i32_const(format.normal as i32)
                    .i32x4_splat()
                    .i32x4_gt_s();
                code.local_get(size);
                code.i32_const(format.limit as i32)
                    .i32x4_splat()
                    .i32x4_lt_s();
                code.v128_and();
                if zero {
                    code.local_get(size).v128_const(0).i32x4_eq().v128_or();
                }
                code.i32x4_all_true().i32_eqz();
            }
            _ => {
                code.f64x2_abs().local_tee(size);
                code.i64_const(format.normal as i64)
                    .i64x2_splat()
                    .i64x2_gt_s();
                code.local_get(size);
                code.i64_const(format.limit as i64)
                    .i64x2_splat()
                    .i64x2_lt_s();
                code.v128_and();
                if zero {
                    code.local_get(size).v128_const(0).i64x2_eq().v128_or();
                }
                code.i64x2_all_true().i32_eqz();
            }
        }
    }

    /// Pushes whether a lane is neither well inside the normal range nor zero because an operand is,
    /// of a result that has lanes outside.
    fn zeroes(&mut self, result: u32, shape: Shape, operands: [Option<Vector>; 2]) {
        let single = shape.lane == Lane::S;
        let zero = |code: &mut InstructionSink<'_>| {
            code.v128_const(0);
            match single {
                true => code.f32x4_eq(),
                false => code.f64x2_eq(),
            };
        };
        self.code().v128_const(0);
        for operand in operands.into_iter().flatten() {
            self.vector(operand);
            zero(&mut self.code());
            self.code().v128_or();
        }
        let mut code = self.code();
        code.local_get(result);
        zero(&mut code);
        code.v128_and();
        if shape.count == 1 {
            code.i32x4_extract_lane(0).i32_eqz();
            return;
        }
        let size = self.locals.temporary(ValType::V128);
        let mut code = self.code();
        code.local_get(result);
        let inside: [fn(&mut InstructionSink<'_>); 3] = match single {
            true => [
                |code| {
                    code.f32x4_abs();
                },
                |code| {
                    code.i32_const(SINGLE.normal as i32);
                    code.i32x4_splat().i32x4_gt_s();
                },
                |code| {
                    code.i32_const(SINGLE.limit as i32);
                    code.i32x4_splat().i32x4_lt_s();
                },
            ],
            false => [
                |code| {
                    code.f64x2_abs();
                },
                |code| {
                    code.i64_const(DOUBLE.normal as i64);
                    code.i64x2_splat().i64x2_gt_s();
                },
                |code| {
                    code.i64_const(DOUBLE.limit as i64);
                    code.i64x2_splat().i64x2_lt_s();
                },
            ],
        };
        inside[0](&mut code);
        code.local_set(size);
        for bound in &inside[1..] {
            code.local_get(size);
            bound(&mut code);
        }
        code.v128_and().v128_or().v128_not().v128_any_true();
    }

    /// N, Z, C, V of a comparison of numbers.
    fn compare_floats(&mut self, op: FloatOp, shape: Shape, imm: u32, o: &Operands, a: Vector) {
        let x = self.locals.temporary(ValType::F64);
        let y = self.locals.temporary(ValType::F64);
        self.code().block(BlockType::Result(ValType::I64));
        self.code().block(BlockType::Empty);
        self.controlled(false);
        self.code().br_if(0);
        self.number(a, shape.lane);
        self.code().local_tee(x);
        match o.v[1] {
            Some(b) => self.number(b, shape.lane),
            None => {
                self.code().f64_const(0.0.into());
            }
        }
        self.code().local_tee(y).f64_lt();
        let less = self.locals.temporary(ValType::I32);
        let mut code = self.code();
        code.local_set(less);
        for n in [x, y] {
            code.local_get(n).local_get(n).f64_ne().br_if(0);
        }
        code.i64_const(0x8000_0000);
        code.i64_const(0x6000_0000).i64_const(0x2000_0000);
        code.local_get(x).local_get(y).f64_eq().select();
        code.local_get(less).select();
        code.br(1).end();
        self.by_wide_function(WideOp::Float(op), shape, imm, o);
        self.code().end();
    }

    /// Pushes the first lane as a double.
    fn number(&mut self, a: Vector, lane: Lane) {
        self.vector(a);
        let mut code = self.code();
        match lane {
            Lane::S => code.f32x4_extract_lane(0).f64_promote_f32(),
            _ => code.f64x2_extract_lane(0),
        };
    }
}
