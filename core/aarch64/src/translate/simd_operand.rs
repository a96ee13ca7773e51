//! Operands and results of Advanced SIMD instructions.

use ferrite_ir::Vector;
use ferrite_simd::{Lane, LaneOp, Shape, WideOp};

use super::{Flow, Outcome, Translator, Undefined};

/// The lane of a two-bit `size` field.
#[must_use]
pub fn lane(size: u32) -> Lane {
    [Lane::B, Lane::H, Lane::S, Lane::D][size as usize & 3]
}

/// The shape that `q` and a lane give a vector. A single 64-bit lane (1D) is reserved.
pub fn vector(lane: Lane, q: u32) -> Result<Shape, Undefined> {
    if lane == Lane::D && q == 0 {
        return Err(Undefined);
    }
    Ok(Shape::vector(lane, q != 0))
}

/// The whole of 64 (`q` = 0) or 128 bits.
#[must_use]
pub fn bits(q: u32) -> Shape {
    Shape::vector(Lane::D, q != 0)
}

/// The low halves of registers: what operations that widen read and those that narrow write.
#[must_use]
pub fn narrow(lane: Lane) -> Shape {
    Shape::vector(lane, false)
}

impl Translator {
    /// An operation on lanes.
    pub fn lanes(&mut self, op: LaneOp, shape: Shape, imm: u32, v: &[Vector]) -> Vector {
        self.b.wide_vec(WideOp::Lanes(op), shape, imm, v, None)
    }

    /// An operation on lanes of `rd`, if it reads that, and `sources`.
    pub fn lanes_with(
        &mut self,
        rd: u32,
        op: LaneOp,
        shape: Shape,
        imm: u32,
        sources: &[Vector],
    ) -> Vector {
        if usize::from(WideOp::Lanes(op).signature().vecs) == sources.len() {
            return self.lanes(op, shape, imm, sources);
        }
        let mut v = vec![self.v(rd)];
        v.extend(sources);
        self.lanes(op, shape, imm, &v)
    }

    /// The same, written to `rd`.
    pub fn lanes_to(
        &mut self,
        rd: u32,
        op: LaneOp,
        shape: Shape,
        imm: u32,
        sources: &[Vector],
    ) -> Outcome {
        let d = self.lanes_with(rd, op, shape, imm, sources);
        self.set_v(rd, d);
        Ok(Flow::Next)
    }

    /// A register whose low half is the lower or, with `q`, the upper half of register `n`.
    pub fn half(&mut self, n: u32, q: u32) -> Vector {
        let a = self.v(n);
        if q == 0 {
            return a;
        }
        self.lanes(LaneOp::Dup, Shape::scalar(Lane::D), 1, &[a])
    }

    /// Writes a 64-bit result to `rd`, or with `q` to its upper half, keeping the lower.
    pub fn set_half(&mut self, rd: u32, q: u32, a: Vector) -> Outcome {
        if q == 0 {
            self.set_v(rd, a);
            return Ok(Flow::Next);
        }
        let old = self.v(rd);
        self.lanes_to(rd, LaneOp::Zip1, bits(1), 0, &[old, a])
    }

    /// A vector with `value` in every 64-bit lane.
    pub fn constant(&mut self, shape: Shape, value: u64) -> Vector {
        let value = self.b.iconst(value);
        self.splat(shape, value)
    }
}
