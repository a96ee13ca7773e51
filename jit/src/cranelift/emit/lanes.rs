//! Integer operations on lanes that the code generator has, computed on the whole vector and cut to
//! the shape.

use cranelift_codegen::ir::{InstBuilder, Type, Value, condcodes::IntCC, types};
use ferrite_simd::{Lane, LaneOp, Shape};

use super::Emitter;
use super::wide::Operands;

/// The type of a whole vector of such lanes.
pub(super) fn vector_type(lane: Lane) -> Option<Type> {
    Some(match lane {
        Lane::B => types::I8X16,
        Lane::H => types::I16X8,
        Lane::S => types::I32X4,
        Lane::D => types::I64X2,
        Lane::Q => return None,
    })
}

impl Emitter<'_> {
    /// The result of an operation on lanes. `None`, with nothing written, where the function has to
    /// compute it.
    pub(super) fn lanes(
        &mut self,
        op: LaneOp,
        shape: Shape,
        imm: u32,
        o: &Operands,
    ) -> Option<Value> {
        let ty = vector_type(shape.lane)?;
        if let Some(value) = self.moves(op, shape, ty, imm, o) {
            return Some(value);
        }
        if let Some(value) = self.permute(op, shape, ty, imm, o) {
            return Some(self.cut_vector(value, shape.bits()));
        }
        let wide = shape.lane == Lane::D;
        let [a, b, c] = o.v;
        let value = match (a, b, c) {
            (Some(a), None, None) if has_unary(op) => {
                let a = self.typed(ty, a);
                self.unary(op, a, imm)
            }
            (Some(a), Some(b), None) if has_binary(op, shape.lane) => {
                let (a, b) = (self.typed(ty, a), self.typed(ty, b));
                self.binary(op, a, b)
            }
            (Some(a), Some(b), Some(c)) => {
                let product = shape.lane != Lane::B;
                match op {
                    LaneOp::Bsl if wide => {
                        let (a, b, c) = (self.vector(a), self.vector(b), self.vector(c));
                        self.b.ins().bitselect(a, b, c)
                    }
                    LaneOp::Mla | LaneOp::Mls if product => {
                        let (b, c) = (self.typed(ty, b), self.typed(ty, c));
                        let a = self.typed(ty, a);
                        let product = self.b.ins().imul(b, c);
                        match op {
                            LaneOp::Mla => self.b.ins().iadd(a, product),
                            _ => self.b.ins().isub(a, product),
                        }
                    }
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(self.cut_vector(value, shape.bits()))
    }

    /// An operand as lanes.
    pub(super) fn typed(&mut self, ty: Type, a: ferrite_ir::Vector) -> Value {
        let a = self.vector(a);
        self.cast(ty, a)
    }

    fn unary(&mut self, op: LaneOp, a: Value, imm: u32) -> Value {
        let bits = self.b.func.dfg.value_type(a).lane_bits();
        // Shifts by the whole width, which the host's instructions do not have.
        let most = i64::from(imm.min(bits - 1));
        match op {
            LaneOp::Neg => self.b.ins().ineg(a),
            LaneOp::Abs => self.b.ins().iabs(a),
            LaneOp::Not => self.b.ins().bnot(a),
            LaneOp::Shl => self.shifted(a, most, |b, a, n| b.ishl(a, n)),
            LaneOp::Sshr => self.shifted(a, most, |b, a, n| b.sshr(a, n)),
            LaneOp::Ushr => {
                let part = self.shifted(a, most, |b, a, n| b.ushr(a, n));
                if imm < bits {
                    part
                } else {
                    self.b.ins().bxor(part, part)
                }
            }
            _ => {
                let zero = self.b.ins().bxor(a, a);
                self.compare_lanes(op, a, zero)
            }
        }
    }

    fn shifted(
        &mut self,
        a: Value,
        count: i64,
        shift: impl FnOnce(cranelift_frontend::FuncInstBuilder<'_, '_>, Value, Value) -> Value,
    ) -> Value {
        let count = self.b.ins().iconst(types::I32, count);
        shift(self.b.ins(), a, count)
    }

    fn compare_lanes(&mut self, op: LaneOp, a: Value, b: Value) -> Value {
        let code = match op {
            LaneOp::Cmeq | LaneOp::Cmeq0 => IntCC::Equal,
            LaneOp::Cmgt | LaneOp::Cmgt0 => IntCC::SignedGreaterThan,
            LaneOp::Cmge | LaneOp::Cmge0 => IntCC::SignedGreaterThanOrEqual,
            LaneOp::Cmlt0 => IntCC::SignedLessThan,
            LaneOp::Cmle0 => IntCC::SignedLessThanOrEqual,
            LaneOp::Cmhi => IntCC::UnsignedGreaterThan,
            _ => IntCC::UnsignedGreaterThanOrEqual,
        };
        self.b.ins().icmp(code, a, b)
    }

    pub(super) fn binary(&mut self, op: LaneOp, a: Value, b: Value) -> Value {
        match op {
            LaneOp::Add => self.b.ins().iadd(a, b),
            LaneOp::Sub => self.b.ins().isub(a, b),
            LaneOp::Mul => self.b.ins().imul(a, b),
            LaneOp::And => self.b.ins().band(a, b),
            LaneOp::Orr => self.b.ins().bor(a, b),
            LaneOp::Eor => self.b.ins().bxor(a, b),
            LaneOp::Bic => self.b.ins().band_not(a, b),
            LaneOp::Orn => {
                let b = self.b.ins().bnot(b);
                self.b.ins().bor(a, b)
            }
            LaneOp::Smax => self.b.ins().smax(a, b),
            LaneOp::Smin => self.b.ins().smin(a, b),
            LaneOp::Umax => self.b.ins().umax(a, b),
            LaneOp::Umin => self.b.ins().umin(a, b),
            LaneOp::Urhadd => self.b.ins().avg_round(a, b),
            LaneOp::Cmtst => {
                let both = self.b.ins().band(a, b);
                let zero = self.b.ins().bxor(both, both);
                let none = self.b.ins().icmp(IntCC::Equal, both, zero);
                self.b.ins().bnot(none)
            }
            _ => self.compare_lanes(op, a, b),
        }
    }

    /// Operations that move lanes between vectors and integers.
    fn moves(
        &mut self,
        op: LaneOp,
        shape: Shape,
        ty: Type,
        imm: u32,
        o: &Operands,
    ) -> Option<Value> {
        let count = ty.lane_count();
        let lane = ty.lane_type();
        let at = (imm % count) as u8;
        match (op, o.v[0], o.int) {
            (LaneOp::Umov | LaneOp::Smov, Some(a), _) => {
                let a = self.typed(ty, a);
                let value = self.b.ins().extractlane(a, at);
                Some(match op {
                    _ if lane == types::I64 => value,
                    LaneOp::Umov => self.b.ins().uextend(types::I64, value),
                    _ => self.b.ins().sextend(types::I64, value),
                })
            }
            (LaneOp::InsInt, Some(a), Some(int)) => {
                let a = self.typed(ty, a);
                let value = self.lane_of(lane, int);
                let value = self.b.ins().insertlane(a, value, at);
                Some(self.cast(types::I64X2, value))
            }
            (LaneOp::Ins, Some(a), _) => {
                let (a, b) = (self.typed(ty, a), self.typed(ty, o.v[1]?));
                let value = self.b.ins().extractlane(b, ((imm >> 8) % count) as u8);
                let value = self
                    .b
                    .ins()
                    .insertlane(a, value, (imm & 0xff) as u8 % count as u8);
                Some(self.cast(types::I64X2, value))
            }
            (LaneOp::DupInt, _, Some(int)) => {
                let value = self.lane_of(lane, int);
                let value = self.b.ins().splat(ty, value);
                Some(self.cut_vector(value, shape.bits()))
            }
            (LaneOp::Dup, Some(a), _) => {
                let a = self.typed(ty, a);
                let value = self.b.ins().extractlane(a, at);
                let value = self.b.ins().splat(ty, value);
                Some(self.cut_vector(value, shape.bits()))
            }
            _ => None,
        }
    }

    fn lane_of(&mut self, lane: Type, int: ferrite_ir::Int) -> Value {
        let value = self.int(int);
        if lane == types::I64 {
            value
        } else {
            self.b.ins().ireduce(lane, value)
        }
    }
}

fn has_unary(op: LaneOp) -> bool {
    matches!(
        op,
        LaneOp::Neg
            | LaneOp::Abs
            | LaneOp::Not
            | LaneOp::Shl
            | LaneOp::Sshr
            | LaneOp::Ushr
            | LaneOp::Cmeq0
            | LaneOp::Cmgt0
            | LaneOp::Cmge0
            | LaneOp::Cmlt0
            | LaneOp::Cmle0
    )
}

/// Whether every target has the operation on such lanes.
pub(super) fn has_binary(op: LaneOp, lane: Lane) -> bool {
    match op {
        LaneOp::Add
        | LaneOp::Sub
        | LaneOp::And
        | LaneOp::Orr
        | LaneOp::Eor
        | LaneOp::Bic
        | LaneOp::Orn
        | LaneOp::Cmeq
        | LaneOp::Cmgt
        | LaneOp::Cmge
        | LaneOp::Cmtst => true,
        LaneOp::Mul => lane != Lane::B,
        LaneOp::Smax | LaneOp::Smin | LaneOp::Umax | LaneOp::Umin | LaneOp::Cmhi | LaneOp::Cmhs => {
            lane != Lane::D
        }
        LaneOp::Urhadd => matches!(lane, Lane::B | Lane::H),
        _ => false,
    }
}
