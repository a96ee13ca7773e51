//! `a + b * c` in one rounding, which wasm has no instruction for.
//!
//! In double precision the product is the sum of two numbers, `high + low`, without an error (T. J.
//! Dekker, *A floating-point technique for extending the available precision*, 1971, with factors
//! halved by integer arithmetic); `sum + error` likewise is `a + high` (D. E. Knuth, TAOCP 2, 4.2.2).
//! The result is `sum` plus `rest = error + low`, each rounded. Where `error` is not zero, `rest` is at
//! most a few units of `sum`'s last place, so that between it and the exact rest there is at most one
//! point at which the result changes, halfway between two numbers; and rounding is monotonic. The two
//! roundings then are as good as one unless `rest` is that point, which has few significant bits. In
//! that case it is rounded to odd instead (S. Boldo and G. Melquiond, *Emulation of a FMA and
//! correctly rounded sums*, 2008). Where `error` is zero, so is that of `rest`.
//!
//! Single precision has its product exact as a double, and its sum rounded once more unless that is
//! halfway between two results.

use ferrite_ir::Vector;
use ferrite_simd::{FloatOp, Lane, Shape, WideOp};
use wasm_encoder::{BlockType, InstructionSink, ValType};

use super::Emitter;
use super::wide::Operands;

/// The signs that an operation changes: of the addend and of the product.
fn signs(op: FloatOp) -> Option<[bool; 2]> {
    Some(match op {
        FloatOp::MulAdd => [false, false],
        FloatOp::MulSub => [false, true],
        FloatOp::NegMulAdd => [true, true],
        FloatOp::NegMulSub => [true, false],
        _ => return None,
    })
}

/// Half a unit of a half factor's last place, and the bits that it has.
const HALF_UNIT: i64 = 1 << 26;
const HALF_FACTOR: i64 = !((1 << 27) - 1);

/// 2^-960: the low part of a product that is not less is a multiple of the smallest number.
const LEAST_PRODUCT: u64 = (1023 - 960) << 52;

/// The first double that is not well below single precision's infinity, and its smallest normal number.
const SINGLE_LIMIT: f64 = f32::MAX as f64 / 2.0;
const SINGLE_NORMAL: f64 = f32::MIN_POSITIVE as f64;

/// Bits of a double below single precision, and their value halfway between two numbers.
const BELOW_SINGLE: i64 = (1 << 29) - 1;
const HALFWAY: i64 = 1 << 28;

/// The same constant in both lanes.
fn both(code: &mut InstructionSink<'_>, bits: i64) {
    let lane = u128::from(bits as u64);
    code.v128_const((lane << 64 | lane) as i128);
}

fn both_doubles(code: &mut InstructionSink<'_>, number: f64) {
    both(code, number.to_bits() as i64);
}

impl Emitter<'_> {
    /// Pushes the result of a fused operation; false, with nothing written, where the function has to
    /// compute it.
    pub(super) fn fused(&mut self, op: FloatOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        let (Some([minus_a, minus_b]), [Some(a), Some(b), Some(c)]) = (signs(op), o.v) else {
            return false;
        };
        if shape.count != 1 && shape.bits() != 128 {
            return false;
        }
        self.code().block(BlockType::Result(ValType::V128));
        self.code().block(BlockType::Empty);
        self.controlled(true);
        self.code().br_if(0);
        let operands = [(a, minus_a), (b, minus_b), (c, false)];
        if shape.lane == Lane::D {
            self.fused_doubles(operands, shape.count);
        } else {
            self.fused_singles(operands, shape.count);
        }
        self.cut(shape.bits());
        self.code().br(1).end();
        self.by_wide_function(WideOp::Float(op), shape, imm, o);
        self.code().end();
        true
    }

    /// Pops a mask of lanes and pushes whether one that counts is set.
    fn any(&mut self, lanes: u8) {
        let mut code = self.code();
        match lanes {
            1 => code.i64x2_extract_lane(0).i64_const(0).i64_ne(),
            _ => code.v128_any_true(),
        };
    }

    fn doubles<const N: usize>(&mut self) -> [u32; N] {
        std::array::from_fn(|_| self.locals.temporary(ValType::V128))
    }

    /// Pushes the result on doubles; branches out of the block around it where that is not certain.
    fn fused_doubles(&mut self, operands: [(Vector, bool); 3], lanes: u8) {
        let [a, b, c, high, low] = self.doubles();
        for ((v, minus), local) in operands.into_iter().zip([a, b, c]) {
            self.vector(v);
            let mut code = self.code();
            if minus {
                code.f64x2_neg();
            }
            code.local_set(local);
        }
        self.product([b, c], [high, low], lanes);
        let [sum, rest, part] = self.doubles();
        let mut code = self.code();
        code.local_get(a).local_get(high).f64x2_add().local_set(sum);
        // The negative error of the sum: ((sum - part) - a) + (part - high), where part = sum - a.
        code.local_get(sum).local_get(a).f64x2_sub();
        code.local_set(part);
        code.local_get(sum).local_get(part).f64x2_sub();
        code.local_get(a).f64x2_sub();
        code.local_get(part).local_get(high).f64x2_sub();
        // That is +0 rather than -0, and so is the rest: the difference below keeps a zero's sign.
        code.f64x2_add().local_tee(a);
        code.local_get(low).f64x2_add().local_tee(rest);
        // Few significant bits: only the high word is not zero.
        code.v128_const(0).i32x4_eq();
        both(&mut code, 0xffff_ffff);
        code.i64x2_eq();
        self.any(lanes);
        self.code().if_(BlockType::Empty);
        self.round_to_odd([a, low], rest);
        let mut code = self.code();
        code.end();
        code.local_get(sum).local_get(rest).f64x2_sub();
        code.local_tee(sum).f64x2_abs();
        both_doubles(&mut code, f64::INFINITY);
        code.f64x2_lt().v128_not();
        self.any(lanes);
        self.code().br_if(0).local_get(sum);
    }

    /// `high` and the negative of `low`, which are together the product of two numbers.
    fn product(&mut self, factors: [u32; 2], [high, low]: [u32; 2], lanes: u8) {
        let [b, c] = factors;
        let mut code = self.code();
        code.local_get(b).local_get(c).f64x2_mul();
        code.local_tee(high).f64x2_abs();
        both(&mut code, LEAST_PRODUCT as i64);
        code.f64x2_lt();
        self.any(lanes);
        // So small a product has to be zero.
        let mut code = self.code();
        code.if_(BlockType::Empty);
        code.local_get(high).f64x2_abs();
        both(&mut code, LEAST_PRODUCT as i64);
        code.f64x2_lt();
        for factor in factors {
            code.local_get(factor).v128_const(0);
            code.f64x2_ne().v128_and();
        }
        self.any(lanes);
        self.code().br_if(1).end();
        let halves: [[u32; 2]; 2] = factors.map(|factor| {
            let [upper, lower] = self.doubles();
            let mut code = self.code();
            code.local_get(factor);
            both(&mut code, HALF_UNIT);
            code.i64x2_add();
            both(&mut code, HALF_FACTOR);
            code.v128_and().local_set(upper);
            code.local_get(factor).local_get(upper).f64x2_sub();
            code.local_set(lower);
            [upper, lower]
        });
        let [[b, b_low], [c, c_low]] = halves;
        let mut code = self.code();
        code.local_get(high);
        for (b, c) in [(b, c), (b, c_low), (b_low, c), (b_low, c_low)] {
            code.local_get(b).local_get(c).f64x2_mul().f64x2_sub();
        }
        code.local_set(low);
    }

    /// The sum of two numbers, which is there as it is rounded to nearest, rounded to odd.
    fn round_to_odd(&mut self, [x, y]: [u32; 2], sum: u32) {
        let [part, error] = self.doubles();
        let mut code = self.code();
        code.local_get(sum).local_get(x).f64x2_sub().local_set(part);
        code.local_get(x);
        code.local_get(sum).local_get(part).f64x2_sub();
        code.f64x2_sub();
        code.local_get(y).local_get(part).f64x2_sub();
        code.f64x2_add().local_set(error);
        code.local_get(sum);
        // Away from zero where the error has the sum's sign, else towards it: 1 or -1.
        code.local_get(sum).local_get(error).v128_xor();
        code.i32_const(63).i64x2_shr_s();
        both(&mut code, 1);
        code.v128_or();
        // Only where there is one, and the sum is even.
        code.local_get(error).v128_const(0).f64x2_ne();
        code.v128_and();
        code.local_get(sum);
        both(&mut code, 1);
        code.v128_and();
        both(&mut code, 1);
        code.i64x2_sub().v128_and();
        code.i64x2_add().local_set(sum);
    }

    /// The same as [`fused_doubles`](Self::fused_doubles) on singles.
    fn fused_singles(&mut self, operands: [(Vector, bool); 3], lanes: u8) {
        const UPPER: [u8; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];
        const LOWER_OF_EACH: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
        let halves = if lanes == 1 { 1 } else { 2 };
        for half in 0..halves {
            let wide = |e: &mut Self, (v, minus): (Vector, bool)| {
                e.vector(v);
                if half == 1 {
                    e.vector(v);
                    e.code().i8x16_shuffle(UPPER);
                }
                let mut code = e.code();
                code.f64x2_promote_low_f32x4();
                if minus {
                    code.f64x2_neg();
                }
            };
            let [a, b, c] = operands;
            wide(self, b);
            wide(self, c);
            self.code().f64x2_mul();
            wide(self, a);
            let [sum, size] = self.doubles();
            let mut code = self.code();
            code.f64x2_add().local_tee(sum);
            // Halfway between two results.
            both(&mut code, BELOW_SINGLE);
            code.v128_and();
            both(&mut code, HALFWAY);
            code.i64x2_eq();
            // Neither well inside the normal range nor zero.
            code.local_get(sum).f64x2_abs().local_tee(size);
            both_doubles(&mut code, SINGLE_NORMAL);
            code.f64x2_gt();
            code.local_get(size);
            both_doubles(&mut code, SINGLE_LIMIT);
            code.f64x2_lt().v128_and();
            code.local_get(sum).v128_const(0);
            code.f64x2_eq().v128_or().v128_not();
            code.v128_or();
            self.any(lanes.min(2));
            let mut code = self.code();
            code.br_if(0);
            code.local_get(sum).f32x4_demote_f64x2_zero();
        }
        if halves == 2 {
            self.code().i8x16_shuffle(LOWER_OF_EACH);
        }
    }
}
