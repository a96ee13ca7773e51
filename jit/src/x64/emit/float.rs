//! Floating-point arithmetic on the host's unit.
//!
//! With a control word of 0 (round to nearest, nothing flushed, NaNs propagated) the host computes
//! the same numbers. What may differ is left to the function that defines the operation, which is
//! called when the result is not a number, infinite or, where the guest would be told of an
//! underflow, subnormal or zero. Whether results were inexact the host's status word remembers: it is
//! joined to the guest's whenever somebody looks (`stubs`).

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::interp::WideEntry;
use ferrite_ir::{Value, Vector, Width, slot};
use ferrite_simd::float::{Rounding, RoundingImm};
use ferrite_simd::{FloatOp, Lane, Shape, WideOp};

use super::super::slot_at;
use super::super::stubs::Pool;
use super::wide::Operands;
use super::{Argument, Cold, Emitter, Into, RAX, RCX, atomic, cc};

/// A third scratch register, which values do not go to.
const EXTRA: u8 = 2;

/// Slots that an outlined operation works with.
const OPERANDS: [u16; 3] = [
    atomic::VALUES_END,
    atomic::VALUES_END + 2,
    atomic::VALUES_END + 4,
];
const INTEGER: u16 = atomic::VALUES_END + 6;
const RESULT: u16 = atomic::VALUES_END + 8;

/// Which results the host and the guest agree on, of those that are numbers.
#[derive(Clone, Copy, PartialEq)]
enum Agree {
    /// All finite ones: sums are exact where they are tiny.
    Finite,
    /// Normal ones.
    Normal,
    /// Normal ones, and those of products that are exactly zero.
    Product,
}

/// The arithmetic instructions, by the low byte of their opcode.
fn arithmetic(op: FloatOp) -> Option<(u8, Agree)> {
    Some(match op {
        FloatOp::Add => (0x58, Agree::Finite),
        FloatOp::Sub => (0x5c, Agree::Finite),
        FloatOp::Mul => (0x59, Agree::Product),
        FloatOp::Div => (0x5e, Agree::Normal),
        FloatOp::Sqrt => (0x51, Agree::Normal),
        _ => return None,
    })
}

/// The fused instructions of the form `d = d * b + c`, by the low byte of the opcode of their packed
/// form; the scalar one is 1 more.
fn fused(op: FloatOp) -> Option<u8> {
    Some(match op {
        // b * c + a
        FloatOp::MulAdd => 0x98,
        // -(b * c) + a
        FloatOp::MulSub => 0x9c,
        // -(b * c) - a
        FloatOp::NegMulAdd => 0x9e,
        // b * c - a
        FloatOp::NegMulSub => 0x9a,
        _ => return None,
    })
}

impl Emitter<'_> {
    /// Writes code for a floating-point operation. False, with nothing written, where the function
    /// has to do it.
    pub(super) fn float(&mut self, op: FloatOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        if !matches!(shape.lane, Lane::S | Lane::D) {
            return false;
        }
        match (op, o.v[0], o.d) {
            (FloatOp::Neg | FloatOp::Abs, Some(a), Value::Vector(d)) => {
                self.sign(op, a, d, shape);
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
            (FloatOp::FromS64 | FloatOp::FromS32, ..) if imm >> 8 == 0 => {
                self.convert_from_integer(op, shape, imm, o)
            }
            (FloatOp::ToS64 | FloatOp::ToS32, Some(a), Value::Int(_))
                if imm == RoundingImm::by(Rounding::ToZero).encode() =>
            {
                self.convert_to_integer(op, shape, imm, o, a)
            }
            (FloatOp::Widen | FloatOp::Narrow, Some(a), Value::Vector(d))
                if shape == Shape::scalar(Lane::S) && imm == 0 =>
            {
                self.convert(op, shape, o, a, d)
            }
            (_, Some(a), Value::Vector(d)) => match (arithmetic(op), fused(op)) {
                (Some((code, agree)), _) => self.arithmetic(op, code, agree, shape, o, a, d),
                (_, Some(code)) if self.host.fma => self.fused(op, code, shape, o, a, d),
                _ => false,
            },
            _ => false,
        }
    }

    fn sign(&mut self, op: FloatOp, a: Vector, d: Vector, shape: Shape) {
        let x = self.vector(a);
        let mask = match shape.lane {
            Lane::S => Pool::SIGN_S,
            _ => Pool::SIGN_D,
        };
        self.pool_to(0, mask);
        match op {
            FloatOp::Neg => dynasm!(self.asm ; .arch x64 ; xorps xmm0, Rx(x)),
            _ => dynasm!(self.asm ; .arch x64 ; andnps xmm0, Rx(x)),
        }
        self.cut_vector(d, shape);
    }

    /// `x` = a constant of the pool.
    fn pool_to(&mut self, x: u8, at: u32) {
        // movaps x, [rip + distance]
        let rex = 0x40 | (x >> 3) << 2;
        self.asm.extend([rex, 0x0f, 0x28, 0x05 | (x & 7) << 3]);
        self.distance_to(self.stubs.pool + at);
    }

    /// `d` = `xmm0`, cut to a shape.
    fn cut_vector(&mut self, d: Vector, shape: Shape) {
        let to = self.vector_result(d);
        self.cut_into(to, shape);
    }

    fn cut_into(&mut self, to: u8, shape: Shape) {
        match shape.bits() {
            128 => self.copy_vector(to, 0),
            64 => dynasm!(self.asm ; .arch x64 ; movq Rx(to), xmm0),
            // Lane 0, and zeros.
            _ => dynasm!(self.asm ; .arch x64 ; insertps Rx(to), xmm0, 0b1110),
        }
    }

    /// Leaves for the function unless the control word is 0.
    fn controlled(&mut self) -> usize {
        dynasm!(self.asm ; .arch x64 ; cmp DWORD [rbp + slot_at(slot::FP_CONTROL)], 0);
        self.branch(cc::NOT_EQUAL)
    }

    /// Operands in registers, cut to the lanes that count where there are others that would raise
    /// flags of their own.
    fn lanes_of(&mut self, x: u8, scratch: u8, shape: Shape) -> u8 {
        if shape.count > 1 && shape.bits() == 64 {
            dynasm!(self.asm ; .arch x64 ; movq Rx(scratch), Rx(x));
            scratch
        } else {
            x
        }
    }

    #[expect(clippy::too_many_arguments, reason = "an operation and its parts")]
    fn arithmetic(
        &mut self,
        op: FloatOp,
        code: u8,
        agree: Agree,
        shape: Shape,
        o: &Operands,
        a: Vector,
        d: Vector,
    ) -> bool {
        if shape.count > 1 && shape.bits() == 64 && agree != Agree::Finite {
            return false;
        }
        let x = self.vector(a);
        let y = o.v[1].map_or(x, |b| self.vector(b));
        let mut slow = vec![self.controlled()];
        // The prefix of packed and scalar, single and double.
        let prefix = match (shape.count, shape.lane) {
            (1, Lane::S) => Some(0xf3),
            (1, _) => Some(0xf2),
            (_, Lane::S) => None,
            _ => Some(0x66),
        };
        let y = self.lanes_of(y, 1, shape);
        let x_cut = self.lanes_of(x, 0, shape);
        if op != FloatOp::Sqrt {
            self.copy_vector(0, x_cut);
        } else if shape.count == 1 {
            dynasm!(self.asm ; .arch x64 ; xorps xmm0, xmm0);
        }
        self.asm.extend(prefix);
        let rex = 0x40 | y >> 3;
        self.asm.extend([rex, 0x0f, code, 0xc0 | (y & 7)]);
        self.check(agree, shape, &mut slow);
        self.allow_zero_product(agree, shape, [x, y], &mut slow);
        self.cut_vector(d, shape);
        self.outline(WideOp::Float(op), shape, 0, o, slow);
        true
    }

    /// Lets a result pass that failed the last check, if it is finite and a factor is zero.
    fn allow_zero_product(
        &mut self,
        agree: Agree,
        shape: Shape,
        factors: [u8; 2],
        slow: &mut Vec<usize>,
    ) {
        if agree != Agree::Product || shape.count != 1 {
            return;
        }
        if let Some(from) = slow.pop() {
            self.cold.push(Cold::ZeroProduct {
                from,
                back: self.here(),
                double: shape.lane == Lane::D,
                factors,
            });
        }
    }

    /// The code for that; what does not pass goes on to the call that comes next.
    pub(super) fn cold_zero_product(&mut self, double: bool, factors: [u8; 2]) -> [usize; 2] {
        let top = if double { 0x7ff_u64 << 53 } else { 0xff << 24 };
        let twice = |e: &mut Self, x: u8| {
            if double {
                dynasm!(e.asm ; .arch x64 ; movq rax, Rx(x) ; add rax, rax);
            } else {
                dynasm!(e.asm ; .arch x64 ; movd eax, Rx(x) ; add eax, eax);
            }
        };
        twice(self, 0);
        self.constant(RCX, top);
        dynasm!(self.asm ; .arch x64 ; cmp rax, rcx);
        let infinite = self.branch(cc::NOT_BELOW);
        twice(self, factors[0]);
        let zero = self.skip(cc::EQUAL);
        twice(self, factors[1]);
        let other = self.branch(cc::NOT_EQUAL);
        self.land_short(zero);
        [infinite, other]
    }

    fn fused(
        &mut self,
        op: FloatOp,
        code: u8,
        shape: Shape,
        o: &Operands,
        a: Vector,
        d: Vector,
    ) -> bool {
        let (Some(b), Some(c)) = (o.v[1], o.v[2]) else {
            return false;
        };
        if shape.count > 1 && shape.bits() == 64 {
            return false;
        }
        let (a, b, c) = (self.vector(a), self.vector(b), self.vector(c));
        let mut slow = vec![self.controlled()];
        self.copy_vector(0, b);
        // vfm..132 xmm0, a, c: xmm0 = xmm0 * c + a
        let scalar = u8::from(shape.count == 1);
        let w = u8::from(shape.lane == Lane::D) << 7;
        let b_bit = if c >= 8 { 0 } else { 0x20 };
        self.asm.extend([
            0xc4,
            0xc2 | b_bit,
            w | (!a & 15) << 3 | 1,
            code + scalar,
            0xc0 | (c & 7),
        ]);
        self.check(Agree::Product, shape, &mut slow);
        self.allow_zero_product(Agree::Product, shape, [b, c], &mut slow);
        self.cut_vector(d, shape);
        self.outline(WideOp::Float(op), shape, 0, o, slow);
        true
    }

    /// Leaves for the function unless the result in `xmm0` is one that both agree on.
    fn check(&mut self, agree: Agree, shape: Shape, slow: &mut Vec<usize>) {
        match (shape.count, shape.lane) {
            (1, Lane::S) => {
                dynasm!(self.asm
                    ; .arch x64
                    ; movd eax, xmm0
                    ; shr eax, 23
                    ; movzx eax, al
                );
                slow.push(self.check_exponent(agree, 0xff));
            }
            (1, _) => {
                dynasm!(self.asm
                    ; .arch x64
                    ; movq rax, xmm0
                    ; shr rax, 52
                    ; and eax, 0x7ff
                );
                slow.push(self.check_exponent(agree, 0x7ff));
            }
            _ => slow.push(self.check_exponents(agree, shape)),
        }
    }

    fn check_exponent(&mut self, agree: Agree, top: i32) -> usize {
        match agree {
            Agree::Finite => {
                dynasm!(self.asm ; .arch x64 ; cmp eax, top);
                self.branch(cc::EQUAL)
            }
            Agree::Normal | Agree::Product => {
                // The least normal number may have been rounded up from below.
                dynasm!(self.asm ; .arch x64 ; sub eax, 2 ; cmp eax, top - 3);
                self.branch(cc::ABOVE)
            }
        }
    }

    /// The same for every lane. Changes `xmm1`.
    fn check_exponents(&mut self, agree: Agree, shape: Shape) -> usize {
        let (top, least) = match shape.lane {
            Lane::S => (Pool::EXPONENT_S, Pool::LEAST_S),
            _ => (Pool::EXPONENT_D, Pool::LEAST_D),
        };
        // Lanes whose exponent is all ones.
        self.pool_to(EXTRA, top);
        dynasm!(self.asm ; .arch x64 ; movaps xmm1, xmm0 ; pand xmm1, Rx(EXTRA));
        match shape.lane {
            Lane::S => dynasm!(self.asm ; .arch x64 ; pcmpeqd xmm1, Rx(EXTRA)),
            _ => dynasm!(self.asm ; .arch x64 ; pcmpeqq xmm1, Rx(EXTRA)),
        }
        dynasm!(self.asm ; .arch x64 ; pmovmskb eax, xmm1);
        if agree != Agree::Finite {
            // Those whose exponent is not above the least.
            dynasm!(self.asm ; .arch x64 ; movaps xmm1, xmm0 ; pand xmm1, Rx(EXTRA));
            self.pool_to(EXTRA, least);
            match shape.lane {
                Lane::S => dynasm!(self.asm ; .arch x64 ; pcmpgtd xmm1, Rx(EXTRA)),
                _ => dynasm!(self.asm ; .arch x64 ; pcmpgtq xmm1, Rx(EXTRA)),
            }
            dynasm!(self.asm
                ; .arch x64
                ; pmovmskb ecx, xmm1
                ; xor ecx, 0xffff
                ; or eax, ecx
            );
        }
        dynasm!(self.asm ; .arch x64 ; test eax, eax);
        self.branch(cc::NOT_EQUAL)
    }

    /// Lets the function do the operation where the inline code gives up. The result's register is
    /// the one that the inline code has written.
    fn outline(&mut self, op: WideOp, shape: Shape, imm: u32, o: &Operands, from: Vec<usize>) {
        let slots = |n: usize| OPERANDS[n];
        let entry = WideEntry {
            d: RESULT,
            v: std::array::from_fn(|n| o.v[n].map_or(u16::MAX, |_| slots(n))),
            int: o.int.map_or(u16::MAX, |_| INTEGER),
            ..self.blank_entry(op, shape, imm, o)
        };
        let entry = self.wide_entry(entry);
        let vectors =
            o.v.map(|v| v.map(|v| self.vectors.value(v.0).register as u8));
        let integer = o.int.map(|a| self.ints.value(a.0).register as u8);
        let result = match o.d {
            Value::Int(d) => Into::Slot(self.ints.value(d.0).register as u8, RESULT),
            Value::Vector(d) => Into::VectorSlot(self.vectors.value(d.0).register as u8, RESULT),
        };
        let back = self.here();
        self.cold.push(Cold::Call {
            from,
            back,
            stub: self.stubs.wide_x,
            site: entry,
            argument: Argument::Wide { vectors, integer },
            result,
            stores: Vec::new(),
        });
    }

    /// Puts the operands of an outlined operation where its entry says.
    pub(super) fn store_wide_operands(&mut self, vectors: [Option<u8>; 3], integer: Option<u8>) {
        for (x, slot) in vectors.into_iter().zip(OPERANDS) {
            if let Some(x) = x {
                self.store_vector_slot(slot, x);
            }
        }
        if let Some(register) = integer {
            self.store_slot(INTEGER, register);
        }
    }

    /// The flags of a comparison, for numbers.
    fn compare_floats(&mut self, op: FloatOp, shape: Shape, imm: u32, o: &Operands, a: Vector) {
        let x = self.vector(a);
        let y = match o.v[1] {
            Some(b) => self.vector(b),
            None => 1,
        };
        let Value::Int(d) = o.d else { return };
        let to = self.result(d);
        let mut slow = vec![self.controlled()];
        if y == 1 {
            dynasm!(self.asm ; .arch x64 ; xorps xmm1, xmm1);
        }
        self.constant(RAX, 0x2000_0000);
        match shape.lane {
            Lane::S => dynasm!(self.asm ; .arch x64 ; ucomiss Rx(x), Rx(y)),
            _ => dynasm!(self.asm ; .arch x64 ; ucomisd Rx(x), Rx(y)),
        }
        slow.push(self.branch(cc::PARITY));
        self.constant(RCX, 0x6000_0000);
        dynasm!(self.asm ; .arch x64 ; cmove eax, ecx);
        self.constant(RCX, 0x8000_0000);
        dynasm!(self.asm ; .arch x64 ; cmovb eax, ecx);
        self.copy(to, RAX);
        self.outline(WideOp::Float(op), shape, imm, o, slow);
    }

    fn convert_from_integer(&mut self, op: FloatOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        let (Some(int), Value::Vector(d)) = (o.int, o.d) else {
            return false;
        };
        let from = self.register(int);
        let slow = vec![self.controlled()];
        dynasm!(self.asm ; .arch x64 ; xorps xmm0, xmm0);
        let w = match op {
            FloatOp::FromS64 => Width::W64,
            _ => Width::W32,
        };
        match (w, shape.lane) {
            (Width::W64, Lane::S) => dynasm!(self.asm ; .arch x64 ; cvtsi2ss xmm0, Rq(from)),
            (Width::W64, _) => dynasm!(self.asm ; .arch x64 ; cvtsi2sd xmm0, Rq(from)),
            (Width::W32, Lane::S) => dynasm!(self.asm ; .arch x64 ; cvtsi2ss xmm0, Rd(from)),
            (Width::W32, _) => dynasm!(self.asm ; .arch x64 ; cvtsi2sd xmm0, Rd(from)),
        }
        self.cut_vector(d, shape);
        self.outline(WideOp::Float(op), shape, imm, o, slow);
        true
    }

    fn convert_to_integer(
        &mut self,
        op: FloatOp,
        shape: Shape,
        imm: u32,
        o: &Operands,
        a: Vector,
    ) -> bool {
        let Value::Int(d) = o.d else { return false };
        let x = self.vector(a);
        let to = self.result(d);
        let mut slow = vec![self.controlled()];
        let w = match op {
            FloatOp::ToS64 => Width::W64,
            _ => Width::W32,
        };
        match (w, shape.lane) {
            (Width::W64, Lane::S) => dynasm!(self.asm ; .arch x64 ; cvttss2si rax, Rx(x)),
            (Width::W64, _) => dynasm!(self.asm ; .arch x64 ; cvttsd2si rax, Rx(x)),
            (Width::W32, Lane::S) => dynasm!(self.asm ; .arch x64 ; cvttss2si eax, Rx(x)),
            (Width::W32, _) => dynasm!(self.asm ; .arch x64 ; cvttsd2si eax, Rx(x)),
        }
        // The most negative number stands for all that do not fit: 1 less overflows from it only.
        match w {
            Width::W64 => dynasm!(self.asm ; .arch x64 ; cmp rax, 1),
            Width::W32 => dynasm!(self.asm ; .arch x64 ; cmp eax, 1),
        }
        slow.push(self.branch(cc::OVERFLOW));
        self.copy(to, RAX);
        self.outline(WideOp::Float(op), shape, imm, o, slow);
        true
    }

    fn convert(&mut self, op: FloatOp, shape: Shape, o: &Operands, a: Vector, d: Vector) -> bool {
        let x = self.vector(a);
        let mut slow = vec![self.controlled()];
        dynasm!(self.asm ; .arch x64 ; xorps xmm0, xmm0);
        let result = match op {
            FloatOp::Widen => {
                dynasm!(self.asm ; .arch x64 ; cvtss2sd xmm0, Rx(x));
                let wide = Shape::scalar(Lane::D);
                self.check(Agree::Finite, wide, &mut slow);
                wide
            }
            _ => {
                dynasm!(self.asm ; .arch x64 ; cvtsd2ss xmm0, Rx(x));
                self.check(Agree::Normal, shape, &mut slow);
                shape
            }
        };
        self.cut_vector(d, result);
        self.outline(WideOp::Float(op), shape, 0, o, slow);
        true
    }
}
