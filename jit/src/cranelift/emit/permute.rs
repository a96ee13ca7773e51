//! Permutations of lanes, as shuffles of bytes.

use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use ferrite_simd::{Lane, LaneOp, Shape};

use super::Emitter;
use super::lanes::has_binary;
use super::wide::Operands;

/// Which lane of `v1:v0`, of `n` lanes each, goes to lane `i`.
fn source(op: LaneOp, i: usize, n: usize) -> Option<usize> {
    let (half, odd) = (i / 2, i % 2 == 1);
    let from = |second: bool, lane: usize| if second { n + lane } else { lane };
    Some(match op {
        LaneOp::Zip1 => from(odd, half),
        LaneOp::Zip2 => from(odd, n / 2 + half),
        LaneOp::Uzp1 => 2 * i,
        LaneOp::Uzp2 => 2 * i + 1,
        LaneOp::Trn1 => from(odd, i & !1),
        LaneOp::Trn2 => from(odd, i | 1),
        _ => return None,
    })
}

/// For reversals, the bytes that are reversed together.
fn reversed(op: LaneOp) -> Option<usize> {
    Some(match op {
        LaneOp::Rev16 => 2,
        LaneOp::Rev32 => 4,
        LaneOp::Rev64 => 8,
        _ => return None,
    })
}

/// The operation of the lanes that a pairwise one brings together.
fn paired(op: LaneOp) -> Option<LaneOp> {
    Some(match op {
        LaneOp::Addp => LaneOp::Add,
        LaneOp::Smaxp => LaneOp::Smax,
        LaneOp::Sminp => LaneOp::Smin,
        LaneOp::Umaxp => LaneOp::Umax,
        LaneOp::Uminp => LaneOp::Umin,
        _ => return None,
    })
}

/// Bytes of a lane.
fn bytes(lane: Lane) -> usize {
    lane.bits() as usize / 8
}

/// The mask that takes byte `source(i)` to byte `i` of the shape, where bytes of `v1` are numbered on
/// from those of `v0` that the shape covers.
fn mask(shape: Shape, source: impl Fn(usize) -> usize) -> [u8; 16] {
    let covered = shape.bits() as usize / 8;
    std::array::from_fn(|i| {
        if i >= covered {
            return 0;
        }
        let from = source(i);
        if from < covered {
            from as u8
        } else {
            (16 + from - covered) as u8
        }
    })
}

impl Emitter<'_> {
    /// The result of a permutation, not yet cut to the shape. `None` where there is no shuffle for
    /// it.
    pub(super) fn permute(
        &mut self,
        op: LaneOp,
        shape: Shape,
        ty: Type,
        imm: u32,
        o: &Operands,
    ) -> Option<Value> {
        let size = bytes(shape.lane);
        let count = usize::from(shape.count);
        let a = o.v[0]?;
        if let Some(b) = o.v[1] {
            if let Some(single) = paired(op) {
                if !has_binary(single, shape.lane) {
                    return None;
                }
                let even = self.permute(LaneOp::Uzp1, shape, ty, 0, o)?;
                let odd = self.permute(LaneOp::Uzp2, shape, ty, 0, o)?;
                let (even, odd) = (self.cast(ty, even), self.cast(ty, odd));
                return Some(self.binary(single, even, odd));
            }
            let mask = if op == LaneOp::Ext {
                let by = imm as usize * size;
                mask(shape, |i| i + by)
            } else {
                source(op, 0, count)?;
                mask(shape, |i| {
                    source(op, i / size, count).unwrap_or(0) * size + i % size
                })
            };
            let (a, b) = (self.typed(types::I8X16, a), self.typed(types::I8X16, b));
            return Some(self.shuffle(a, b, mask));
        }
        let a = self.typed(types::I8X16, a);
        if let Some(unit) = reversed(op) {
            if shape.bits() as usize / 8 < unit {
                return None;
            }
            // Lanes change places within the unit; their bytes stay in order.
            let mask = mask(shape, |i| {
                i / unit * unit + (unit - size - i % unit / size * size) + i % size
            });
            return Some(self.shuffle(a, a, mask));
        }
        match op {
            LaneOp::Xtn => Some(self.low_halves(a, size)),
            LaneOp::Shrn => {
                let wide = match shape.lane {
                    Lane::B => types::I16X8,
                    Lane::H => types::I32X4,
                    Lane::S => types::I64X2,
                    Lane::D | Lane::Q => return None,
                };
                let a = self.cast(wide, a);
                let count = self.b.ins().iconst(types::I32, i64::from(imm));
                let down = self.b.ins().ushr(a, count);
                let down = self.cast(types::I8X16, down);
                Some(self.low_halves(down, size))
            }
            _ => None,
        }
    }

    /// The low `size` bytes of units of twice as many.
    fn low_halves(&mut self, a: Value, size: usize) -> Value {
        let mask = std::array::from_fn(|i| (i / size * 2 * size + i % size) as u8 & 15);
        self.shuffle(a, a, mask)
    }

    fn shuffle(&mut self, a: Value, b: Value, mask: [u8; 16]) -> Value {
        let mask = self.b.func.dfg.immediates.push(mask.as_slice().into());
        self.b.ins().shuffle(a, b, mask)
    }
}
