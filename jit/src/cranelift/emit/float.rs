//! Floating-point arithmetic on the host's unit.
//!
//! With a control word of 0 (round to nearest, nothing flushed, NaNs propagated) the host computes
//! the same numbers, and with the guest's inexact flag set already there is nothing to tell the guest
//! about those results that are normal numbers. All else is left to the function that defines the
//! operation: while the flag is clear, results that are not numbers, infinite or, where the guest
//! would be told of an underflow, subnormal or zero.

use cranelift_codegen::ir::{
    self, InstBuilder, Type, Value,
    condcodes::{FloatCC, IntCC},
    types,
};
use ferrite_ir::{Value as Defined, Vector, slot};
use ferrite_simd::float::{Rounding, RoundingImm};
use ferrite_simd::{FloatOp, Lane, Shape, WideOp};

use super::Emitter;
use super::wide::Operands;

/// The guest's flag for an inexact result (FPSR.IXC).
const IXC: u64 = 0x10;

/// Which results the host and the guest agree on, of those that are numbers.
#[derive(Clone, Copy, PartialEq)]
enum Agree {
    /// All finite ones: sums are exact where they are tiny.
    Finite,
    /// Normal ones. The least may have been rounded up from below, so it does not count.
    Normal,
}

/// A format: its number type, that of its bits, and where its exponent is.
#[derive(Clone, Copy)]
struct Format {
    number: Type,
    bits: Type,
    fraction: u32,
    /// The exponent of what is not finite.
    top: u64,
}

const SINGLE: Format = Format {
    number: types::F32,
    bits: types::I32,
    fraction: 23,
    top: 0xff,
};
const DOUBLE: Format = Format {
    number: types::F64,
    bits: types::I64,
    fraction: 52,
    top: 0x7ff,
};

fn format(lane: Lane) -> Option<Format> {
    match lane {
        Lane::S => Some(SINGLE),
        Lane::D => Some(DOUBLE),
        Lane::B | Lane::H | Lane::Q => None,
    }
}

/// An operation with a fast path: where that gives up, and where both ways meet.
struct Paths {
    slow: ir::Block,
    done: ir::Block,
}

impl Emitter<'_> {
    /// The result of a floating-point operation. `None`, with nothing written, where the function has
    /// to compute it.
    pub(super) fn float(
        &mut self,
        op: FloatOp,
        shape: Shape,
        imm: u32,
        o: &Operands,
    ) -> Option<Value> {
        let f = format(shape.lane)?;
        if shape.count == 1 {
            self.scalar(op, f, shape, imm, o)
        } else {
            self.packed(op, f, shape, o)
        }
    }

    fn scalar(
        &mut self,
        op: FloatOp,
        f: Format,
        shape: Shape,
        imm: u32,
        o: &Operands,
    ) -> Option<Value> {
        let to_zero = imm == RoundingImm::by(Rounding::ToZero).encode();
        match (op, o.v[0]) {
            (FloatOp::Neg | FloatOp::Abs, Some(a)) => Some(self.sign(op, f, shape, a)),
            (FloatOp::Compare | FloatOp::CompareSignalling, Some(a)) => {
                Some(self.compare_floats(op, f, shape, imm, o, a))
            }
            (FloatOp::CompareZero | FloatOp::CompareZeroSignalling, Some(a)) => {
                Some(self.compare_floats(op, f, shape, imm, o, a))
            }
            (FloatOp::FromS64 | FloatOp::FromS32 | FloatOp::FromU64 | FloatOp::FromU32, _)
                if imm >> 8 == 0 =>
            {
                self.convert_from_integer(op, f, shape, imm, o)
            }
            (FloatOp::ToS64 | FloatOp::ToS32 | FloatOp::ToU64 | FloatOp::ToU32, Some(a))
                if to_zero =>
            {
                Some(self.convert_to_integer(op, f, shape, imm, o, a))
            }
            (FloatOp::Widen | FloatOp::Narrow, Some(a)) if shape.lane == Lane::S && imm == 0 => {
                Some(self.convert(op, shape, o, a))
            }
            _ => self.arithmetic(op, f, shape, o),
        }
    }

    /// Starts a fast path, which needs the control word to be 0 and, if `inexact`, the flag for
    /// inexact results to be set.
    fn fast_path(&mut self, result: Type, inexact: bool) -> Paths {
        let paths = Paths {
            slow: self.cold_block(),
            done: self.new_block(&[result]),
        };
        let mut refusal = self.load_slot(types::I64, slot::FP_CONTROL);
        if inexact {
            let clear = self.inexact_clear();
            refusal = self.b.ins().bor(refusal, clear);
        }
        let fast = self.new_block(&[]);
        self.branch(refusal, paths.slow, fast);
        self.enter(fast);
        paths
    }

    /// Not zero while the flag for inexact results is clear.
    fn inexact_clear(&mut self) -> Value {
        let status = self.load_slot(types::I64, slot::FP_STATUS);
        let flag = self.b.ins().band_imm_u(status, IXC as i64);
        self.b.ins().bxor_imm_u(flag, IXC as i64)
    }

    /// Ends the fast path with a result, and writes the slow one.
    fn end(
        &mut self,
        paths: &Paths,
        value: Value,
        (op, shape, imm): (FloatOp, Shape, u32),
        o: &Operands,
    ) -> Value {
        self.jump(paths.done, &[value]);
        self.enter(paths.slow);
        let value = self.outlined(WideOp::Float(op), shape, imm, o);
        self.jump(paths.done, &[value]);
        self.enter(paths.done);
        self.b.block_params(paths.done)[0]
    }

    /// Goes on if `holds`, else takes the slow path.
    fn demand(&mut self, paths: &Paths, holds: Value) {
        let on = self.new_block(&[]);
        self.branch(holds, on, paths.slow);
        self.enter(on);
    }

    fn number(&mut self, f: Format, a: Vector) -> Value {
        let ty = vector_of(f.number);
        let a = self.typed(ty, a);
        self.b.ins().extractlane(a, 0)
    }

    fn vector_from(&mut self, f: Format, number: Value) -> Value {
        let vector = self.b.ins().scalar_to_vector(vector_of(f.number), number);
        self.cast(types::I64X2, vector)
    }

    /// Twice the magnitude's bits: the sign is gone.
    fn magnitude(&mut self, f: Format, number: Value) -> Value {
        let bits = self.cast(f.bits, number);
        self.b.ins().ishl_imm_u(bits, 1)
    }

    /// Whether a number is one of those that both agree on.
    fn agrees(&mut self, agree: Agree, f: Format, number: Value) -> Value {
        let magnitude = self.magnitude(f, number);
        let up = f.fraction + 1;
        let (least, count) = match agree {
            Agree::Finite => (0, f.top),
            Agree::Normal => (2, f.top - 2),
        };
        let least = self.b.ins().iconst(f.bits, signed(f, least << up));
        let above = self.b.ins().isub(magnitude, least);
        let end = self.b.ins().iconst(f.bits, signed(f, count << up));
        self.b.ins().icmp(IntCC::UnsignedLessThan, above, end)
    }

    fn sign(&mut self, op: FloatOp, f: Format, shape: Shape, a: Vector) -> Value {
        let lanes = match f.bits {
            types::I32 => types::I32X4,
            _ => types::I64X2,
        };
        let a = self.typed(lanes, a);
        let bit = 1u64 << (f.bits.bits() - 1);
        let value = match op {
            FloatOp::Neg => {
                let bit = self.b.ins().iconst(f.bits, signed(f, bit));
                let mask = self.b.ins().splat(lanes, bit);
                self.b.ins().bxor(a, mask)
            }
            _ => {
                let rest = self.b.ins().iconst(f.bits, signed(f, bit - 1));
                let mask = self.b.ins().splat(lanes, rest);
                self.b.ins().band(a, mask)
            }
        };
        self.cut_vector(value, shape.bits())
    }

    fn arithmetic(&mut self, op: FloatOp, f: Format, shape: Shape, o: &Operands) -> Option<Value> {
        let fused = is_fused(op);
        if agreement(op).is_none() && !(fused && self.host.fma) {
            return None;
        }
        let operands = o.v.iter().flatten().copied().collect::<Vec<_>>();
        let paths = self.fast_path(types::I64X2, true);
        let numbers: Vec<Value> = operands.iter().map(|&a| self.number(f, a)).collect();
        let value = self.compute(op, &numbers)?;
        let agree = agreement(op).unwrap_or(Agree::Normal);
        let agrees = self.agrees(agree, f, value);
        let result = self.vector_from(f, value);
        let factors = match numbers[..] {
            [a, b] if matches!(op, FloatOp::Mul | FloatOp::NMul) => Some([a, b]),
            [_, b, c] => Some([b, c]),
            _ => None,
        };
        match factors {
            None => self.demand(&paths, agrees),
            Some(factors) => self.allow_zero_product(&paths, agrees, f, value, factors, result),
        }
        Some(self.end(&paths, result, (op, shape, 0), o))
    }

    /// Lets a result pass that is not normal, if it is finite and a factor is zero.
    fn allow_zero_product(
        &mut self,
        paths: &Paths,
        agrees: Value,
        f: Format,
        value: Value,
        factors: [Value; 2],
        result: Value,
    ) {
        let (on, look) = (self.new_block(&[]), self.cold_block());
        self.branch(agrees, on, look);
        self.enter(look);
        let finite = self.agrees(Agree::Finite, f, value);
        let [b, c] = factors.map(|factor| {
            let magnitude = self.magnitude(f, factor);
            self.is_zero(magnitude)
        });
        let zero = self.b.ins().bor(b, c);
        let exact = self.b.ins().band(finite, zero);
        let pass = self.cold_block();
        self.branch(exact, pass, paths.slow);
        self.enter(pass);
        self.jump(paths.done, &[result]);
        self.enter(on);
    }

    fn compute(&mut self, op: FloatOp, operands: &[Value]) -> Option<Value> {
        Some(match (op, operands) {
            (FloatOp::Add, &[a, b]) => self.b.ins().fadd(a, b),
            (FloatOp::Sub, &[a, b]) => self.b.ins().fsub(a, b),
            (FloatOp::Mul, &[a, b]) => self.b.ins().fmul(a, b),
            (FloatOp::NMul, &[a, b]) => {
                let product = self.b.ins().fmul(a, b);
                self.b.ins().fneg(product)
            }
            (FloatOp::Div, &[a, b]) => self.b.ins().fdiv(a, b),
            (FloatOp::Sqrt, &[a]) => self.b.ins().sqrt(a),
            (FloatOp::MulAdd, &[a, b, c]) => self.b.ins().fma(b, c, a),
            (FloatOp::MulSub, &[a, b, c]) => {
                let b = self.b.ins().fneg(b);
                self.b.ins().fma(b, c, a)
            }
            (FloatOp::NegMulAdd, &[a, b, c]) => {
                let (a, b) = (self.b.ins().fneg(a), self.b.ins().fneg(b));
                self.b.ins().fma(b, c, a)
            }
            (FloatOp::NegMulSub, &[a, b, c]) => {
                let a = self.b.ins().fneg(a);
                self.b.ins().fma(b, c, a)
            }
            _ => return None,
        })
    }

    /// Whole vectors, all of whose lanes have to agree.
    fn packed(&mut self, op: FloatOp, f: Format, shape: Shape, o: &Operands) -> Option<Value> {
        if let (FloatOp::Neg | FloatOp::Abs, Some(a)) = (op, o.v[0]) {
            return Some(self.sign(op, f, shape, a));
        }
        let agree = match agreement(op) {
            Some(agree) => agree,
            None if is_fused(op) && self.host.fma => Agree::Normal,
            None => return None,
        };
        let whole = shape.bits() == 128;
        if !whole && agree != Agree::Finite {
            return None;
        }
        let operands = o.v.iter().flatten().copied().collect::<Vec<_>>();
        let paths = self.fast_path(types::I64X2, true);
        let lanes: Vec<Value> = operands
            .iter()
            .map(|&a| {
                let a = self.vector(a);
                // What else is in the registers would have to agree, too.
                let a = self.cut_vector(a, shape.bits());
                self.cast(vector_of(f.number), a)
            })
            .collect();
        let value = self.compute(op, &lanes)?;
        let agrees = self.all_agree(agree, f, value);
        self.demand(&paths, agrees);
        let result = self.cast(types::I64X2, value);
        Some(self.end(&paths, result, (op, shape, 0), o))
    }

    /// Whether every lane is one of those that both agree on.
    fn all_agree(&mut self, agree: Agree, f: Format, value: Value) -> Value {
        let lanes = match f.bits {
            types::I32 => types::I32X4,
            _ => types::I64X2,
        };
        let value = self.cast(lanes, value);
        let mut all = |exponent: u64| {
            let lane = self
                .b
                .ins()
                .iconst(f.bits, signed(f, exponent << f.fraction));
            self.b.ins().splat(lanes, lane)
        };
        let (top, least) = (all(f.top), all(1));
        let exponents = self.b.ins().band(value, top);
        let mut good = self.b.ins().icmp(IntCC::SignedGreaterThan, top, exponents);
        if agree == Agree::Normal {
            let code = IntCC::SignedGreaterThan;
            let normal = self.b.ins().icmp(code, exponents, least);
            good = self.b.ins().band(good, normal);
        }
        self.b.ins().vall_true(good)
    }

    fn compare_floats(
        &mut self,
        op: FloatOp,
        f: Format,
        shape: Shape,
        imm: u32,
        o: &Operands,
        a: Vector,
    ) -> Value {
        let paths = self.fast_path(types::I64, false);
        let x = self.number(f, a);
        let y = match o.v[1] {
            Some(b) => self.number(f, b),
            None => self.float_constant(f, 0.0),
        };
        let ordered = self.b.ins().fcmp(FloatCC::Ordered, x, y);
        self.demand(&paths, ordered);
        let [less, equal, greater] =
            [0x8000_0000, 0x6000_0000, 0x2000_0000].map(|word| self.constant(word));
        let is_less = self.b.ins().fcmp(FloatCC::LessThan, x, y);
        let is_equal = self.b.ins().fcmp(FloatCC::Equal, x, y);
        let word = self.b.ins().select(is_equal, equal, greater);
        let word = self.b.ins().select(is_less, less, word);
        self.end(&paths, word, (op, shape, imm), o)
    }

    fn float_constant(&mut self, f: Format, value: f64) -> Value {
        match f.number {
            types::F32 => self.b.ins().f32const(value as f32),
            _ => self.b.ins().f64const(value),
        }
    }

    fn convert_from_integer(
        &mut self,
        op: FloatOp,
        f: Format,
        shape: Shape,
        imm: u32,
        o: &Operands,
    ) -> Option<Value> {
        let narrow = matches!(op, FloatOp::FromS32 | FloatOp::FromU32);
        let int = o.int?;
        // Every 32-bit integer is a double-precision number.
        let exact = narrow && f.number == types::F64;
        let paths = self.fast_path(types::I64X2, !exact);
        let mut int = self.int(int);
        if narrow {
            int = self.b.ins().ireduce(types::I32, int);
        }
        let number = match op {
            FloatOp::FromS64 | FloatOp::FromS32 => self.b.ins().fcvt_from_sint(f.number, int),
            _ => self.b.ins().fcvt_from_uint(f.number, int),
        };
        let result = self.vector_from(f, number);
        Some(self.end(&paths, result, (op, shape, imm), o))
    }

    fn convert_to_integer(
        &mut self,
        op: FloatOp,
        f: Format,
        shape: Shape,
        imm: u32,
        o: &Operands,
        a: Vector,
    ) -> Value {
        let paths = self.fast_path(types::I64, false);
        let x = self.number(f, a);
        let bits = match op {
            FloatOp::ToS64 | FloatOp::ToU64 => 64,
            _ => 32,
        };
        let is_signed = matches!(op, FloatOp::ToS64 | FloatOp::ToS32);
        let (least, end) = match is_signed {
            true => (-2f64.powi(bits - 1), 2f64.powi(bits - 1)),
            false => (0.0, 2f64.powi(bits)),
        };
        let (least, end) = (self.float_constant(f, least), self.float_constant(f, end));
        let above = self.b.ins().fcmp(FloatCC::GreaterThanOrEqual, x, least);
        let below = self.b.ins().fcmp(FloatCC::LessThan, x, end);
        let fits = self.b.ins().band(above, below);
        self.demand(&paths, fits);
        let ty = if bits == 64 { types::I64 } else { types::I32 };
        let (value, back) = if is_signed {
            let value = self.b.ins().fcvt_to_sint_sat(ty, x);
            (value, self.b.ins().fcvt_from_sint(f.number, value))
        } else {
            let value = self.b.ins().fcvt_to_uint_sat(ty, x);
            (value, self.b.ins().fcvt_from_uint(f.number, value))
        };
        // Inexact results pass if the guest has been told of such.
        let exact = self.b.ins().fcmp(FloatCC::Equal, back, x);
        let clear = self.inexact_clear();
        let told = self.is_zero(clear);
        let pass = self.b.ins().bor(exact, told);
        self.demand(&paths, pass);
        let value = if bits == 64 {
            value
        } else {
            self.b.ins().uextend(types::I64, value)
        };
        self.end(&paths, value, (op, shape, imm), o)
    }

    fn convert(&mut self, op: FloatOp, shape: Shape, o: &Operands, a: Vector) -> Value {
        let widen = op == FloatOp::Widen;
        let paths = self.fast_path(types::I64X2, !widen);
        let result = if widen {
            let x = self.number(SINGLE, a);
            let value = self.b.ins().fpromote(types::F64, x);
            let agrees = self.agrees(Agree::Finite, DOUBLE, value);
            self.demand(&paths, agrees);
            self.vector_from(DOUBLE, value)
        } else {
            let x = self.number(DOUBLE, a);
            let value = self.b.ins().fdemote(types::F32, x);
            let agrees = self.agrees(Agree::Normal, SINGLE, value);
            self.demand(&paths, agrees);
            self.vector_from(SINGLE, value)
        };
        debug_assert!(matches!(o.d, Defined::Vector(_)));
        self.end(&paths, result, (op, shape, 0), o)
    }
}

fn agreement(op: FloatOp) -> Option<Agree> {
    Some(match op {
        FloatOp::Add | FloatOp::Sub => Agree::Finite,
        FloatOp::Mul | FloatOp::NMul | FloatOp::Div | FloatOp::Sqrt => Agree::Normal,
        _ => return None,
    })
}

fn is_fused(op: FloatOp) -> bool {
    matches!(
        op,
        FloatOp::MulAdd | FloatOp::MulSub | FloatOp::NegMulAdd | FloatOp::NegMulSub
    )
}

fn vector_of(number: Type) -> Type {
    match number {
        types::F32 => types::F32X4,
        _ => types::F64X2,
    }
}

/// An immediate of a format's width.
fn signed(f: Format, bits: u64) -> i64 {
    match f.bits {
        types::I32 => i64::from(bits as u32),
        _ => bits as i64,
    }
}
