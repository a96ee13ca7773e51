//! Operations on lanes that widen, narrow, saturate or round.

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::{Vector, slot};
use ferrite_simd::{Lane, LaneOp, Shape};

use super::super::slot_at;
use super::Emitter;
use super::lanes::Sse::{self, M, M38};
use super::lanes::{ADD, GREATER, MAX_UNSIGNED, MIN_UNSIGNED, SUB, by_lane};
use super::wide::Operands;

const MAX_SIGNED: [Option<Sse>; 4] = [Some(M38(0x3c)), Some(M(0xee)), Some(M38(0x3d)), None];
const MIN_SIGNED: [Option<Sse>; 4] = [Some(M38(0x38)), Some(M(0xea)), Some(M38(0x39)), None];
const ABSOLUTE: [Option<Sse>; 4] = [Some(M38(0x1c)), Some(M38(0x1d)), Some(M38(0x1e)), None];
/// Of lanes that have been extended to the width.
const PRODUCT_SIGNED: [Option<Sse>; 4] = [None, Some(M(0xd5)), Some(M38(0x40)), Some(M38(0x28))];
const PRODUCT_UNSIGNED: [Option<Sse>; 4] = [None, Some(M(0xd5)), Some(M38(0x40)), Some(M(0xf4))];

/// FPSR.QC: some result was saturated.
const QC: i32 = 1 << 27;

/// Two vectors that fill a register.
const WHOLE: Shape = Shape {
    lane: Lane::D,
    count: 2,
};

/// Fields of the shifts by an immediate.
const RIGHT: u8 = 2;
const RIGHT_SIGNED: u8 = 4;
const LEFT: u8 = 6;

const fn wider(lane: Lane) -> Lane {
    match lane {
        Lane::B => Lane::H,
        Lane::H => Lane::S,
        _ => Lane::D,
    }
}

/// Where the operands of a widening operation are.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// Both are narrow.
    Both,
    /// The second is.
    Second,
    /// The second and the third are, and the first is added to or taken from.
    Accumulate,
}

/// Whether lanes are signed, the operands, and what is done with them once they are wide.
fn widening(op: LaneOp, wide: Lane) -> Option<(bool, Form, Sse)> {
    use Form::{Accumulate, Both, Second};
    let (signed, form, rows) = match op {
        LaneOp::Saddl => (true, Both, ADD),
        LaneOp::Uaddl => (false, Both, ADD),
        LaneOp::Ssubl | LaneOp::Sabdl => (true, Both, SUB),
        LaneOp::Usubl | LaneOp::Uabdl => (false, Both, SUB),
        LaneOp::Saddw => (true, Second, ADD),
        LaneOp::Uaddw => (false, Second, ADD),
        LaneOp::Ssubw => (true, Second, SUB),
        LaneOp::Usubw => (false, Second, SUB),
        LaneOp::Sabal => (true, Accumulate, SUB),
        LaneOp::Uabal => (false, Accumulate, SUB),
        LaneOp::Smull => (true, Both, PRODUCT_SIGNED),
        LaneOp::Umull => (false, Both, PRODUCT_UNSIGNED),
        LaneOp::Smlal | LaneOp::Smlsl => (true, Accumulate, PRODUCT_SIGNED),
        LaneOp::Umlal | LaneOp::Umlsl => (false, Accumulate, PRODUCT_UNSIGNED),
        _ => return None,
    };
    Some((signed, form, by_lane(wide, rows)?))
}

/// How wide lanes are made narrow.
#[derive(Clone, Copy)]
enum Cut {
    Low,
    Signed,
    /// Signed lanes to unsigned ones.
    SignedToUnsigned,
    Unsigned,
}

/// Whether the immediate counts bits to shift by first, whether that is rounded, and the cut.
fn narrowing(op: LaneOp) -> Option<(bool, bool, Cut)> {
    Some(match op {
        LaneOp::Rshrn => (true, true, Cut::Low),
        LaneOp::Sqxtn => (false, false, Cut::Signed),
        LaneOp::Sqshrn => (true, false, Cut::Signed),
        LaneOp::Sqrshrn => (true, true, Cut::Signed),
        LaneOp::Sqxtun => (false, false, Cut::SignedToUnsigned),
        LaneOp::Sqshrun => (true, false, Cut::SignedToUnsigned),
        LaneOp::Sqrshrun => (true, true, Cut::SignedToUnsigned),
        LaneOp::Uqxtn => (false, false, Cut::Unsigned),
        LaneOp::Uqshrn => (true, false, Cut::Unsigned),
        LaneOp::Uqrshrn => (true, true, Cut::Unsigned),
        _ => return None,
    })
}

impl Emitter<'_> {
    /// Writes code for an operation of 64 or 128 bits. False, with nothing written, where the
    /// function has to do it.
    pub(super) fn widths(&mut self, op: LaneOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        self.widen(op, shape, imm, o)
            || self.narrowed(op, shape, imm, o)
            || self.saturated(op, shape, o)
            || self.shifted(op, shape, imm, o)
            || self.distance(op, shape, o)
    }

    /// `to` = the low lanes of `from` at twice the width.
    fn extend(&mut self, to: u8, from: u8, lane: Lane, signed: bool) {
        let step = match lane {
            Lane::B => 0,
            Lane::H => 3,
            _ => 5,
        };
        let base = if signed { 0x20 } else { 0x30 };
        self.sse(M38(base + step), to, from);
    }

    /// Shifts the lanes of a scratch register; there is no such shift of bytes, nor a signed one of
    /// 64 bits.
    fn shift_lanes(&mut self, x: u8, lane: Lane, field: u8, by: u32) {
        let code = match lane {
            Lane::H => 0x71,
            Lane::S => 0x72,
            _ => 0x73,
        };
        let modrm = 0xc0 | field << 3 | x;
        self.asm
            .extend([0x66, 0x0f, code, modrm, by.min(255) as u8]);
    }

    /// `x` = a word in each of its four places.
    pub(super) fn splat_word(&mut self, x: u8, word: u32) {
        self.constant(super::RAX, word.into());
        dynasm!(self.asm ; .arch x64 ; movd Rx(x), eax ; pshufd Rx(x), Rx(x), 0);
    }

    /// Notes that something was saturated if there is a bit in `x`.
    fn note_saturation(&mut self, x: u8) {
        dynasm!(self.asm ; .arch x64 ; ptest Rx(x), Rx(x));
        let none = self.skip(super::cc::EQUAL);
        dynasm!(self.asm ; .arch x64 ; or DWORD [rbp + slot_at(slot::FP_STATUS)], QC);
        self.land_short(none);
    }

    /// The sum of lanes, where one of `by` bits of `from` counts: what rounding adds to a shift right
    /// by `by`. Changes `xmm1`.
    fn round(&mut self, to: u8, from: u8, lane: Lane, by: u32) {
        let Some(add) = by_lane(lane, ADD) else {
            return;
        };
        self.copy_vector(1, from);
        self.shift_lanes(1, lane, LEFT, lane.bits() - by);
        self.shift_lanes(1, lane, RIGHT, lane.bits() - 1);
        self.sse(add, to, 1);
    }

    fn widen(&mut self, op: LaneOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        if shape.bits() != 64 {
            return false;
        }
        let (lane, wide) = (shape.lane, wider(shape.lane));
        if let (LaneOp::Sshll | LaneOp::Ushll | LaneOp::Shll, [Some(a), ..]) = (op, o.v) {
            return self.compute_vector(o, WHOLE, |e, to| {
                let a = e.vector(a);
                e.extend(to, a, lane, op == LaneOp::Sshll);
                let by = if op == LaneOp::Shll { lane.bits() } else { imm };
                e.shift_lanes(to, wide, LEFT, by);
            });
        }
        let Some((signed, form, core)) = widening(op, wide) else {
            return false;
        };
        let is_distance = matches!(
            op,
            LaneOp::Sabdl | LaneOp::Uabdl | LaneOp::Sabal | LaneOp::Uabal
        );
        let absolute = by_lane(wide, ABSOLUTE);
        if is_distance && absolute.is_none() {
            return false;
        }
        let (Some(a), Some(b)) = (o.v[0], o.v[1]) else {
            return false;
        };
        let taken = matches!(op, LaneOp::Smlsl | LaneOp::Umlsl);
        self.compute_vector(o, WHOLE, |e, to| {
            let x = e.vector(a);
            let y = e.vector(b);
            match form {
                Form::Both => {
                    e.extend(to, x, lane, signed);
                    e.extend(1, y, lane, signed);
                }
                Form::Second => {
                    e.copy_vector(to, x);
                    e.extend(1, y, lane, signed);
                }
                Form::Accumulate => {
                    let Some(c) = o.v[2] else { return };
                    let z = e.vector(c);
                    e.extend(to, y, lane, signed);
                    e.extend(1, z, lane, signed);
                }
            }
            e.sse(core, to, 1);
            if let (true, Some(absolute)) = (is_distance, absolute) {
                e.sse(absolute, to, to);
            }
            if form == Form::Accumulate {
                let rows = if taken { SUB } else { ADD };
                let Some(sum) = by_lane(wide, rows) else {
                    return;
                };
                e.copy_vector(1, x);
                e.sse(sum, 1, to);
                e.copy_vector(to, 1);
            }
        })
    }

    fn narrowed(&mut self, op: LaneOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        let (lane, wide) = (shape.lane, wider(shape.lane));
        let Some(a) = o.v[0].filter(|_| shape.bits() == 64) else {
            return false;
        };
        if let (LaneOp::Addhn | LaneOp::Subhn, Some(b)) = (op, o.v[1]) {
            let rows = if op == LaneOp::Addhn { ADD } else { SUB };
            let Some(sum) = by_lane(wide, rows) else {
                return false;
            };
            return self.compute_vector(o, shape, |e, to| {
                let (a, b) = (e.vector(a), e.vector(b));
                e.copy_vector(to, a);
                e.sse(sum, to, b);
                e.narrow(lane, lane.bits() as i8);
            });
        }
        let Some((shifts, rounds, cut)) = narrowing(op) else {
            return false;
        };
        if lane == Lane::S && !matches!(cut, Cut::Low) {
            return false;
        }
        self.compute_vector(o, shape, |e, to| {
            let a = e.vector(a);
            e.copy_vector(to, a);
            if shifts {
                let by = imm.clamp(1, lane.bits());
                let signed = matches!(cut, Cut::Signed | Cut::SignedToUnsigned);
                e.shift_lanes(to, wide, if signed { RIGHT_SIGNED } else { RIGHT }, by);
                if rounds {
                    e.round(to, a, wide, by);
                }
            }
            e.cut(lane, cut);
        })
    }

    /// The low half of `xmm0` = its wide lanes, cut to `lane`.
    fn cut(&mut self, lane: Lane, cut: Cut) {
        let bytes = lane == Lane::B;
        let pack = match cut {
            Cut::Low => return self.narrow(lane, 0),
            Cut::Signed => M(if bytes { 0x63 } else { 0x6b }),
            Cut::SignedToUnsigned | Cut::Unsigned if bytes => M(0x67),
            Cut::SignedToUnsigned | Cut::Unsigned => M38(0x2b),
        };
        self.copy_vector(1, 0);
        if let Cut::Unsigned = cut {
            self.splat_word(2, if bytes { 0x00ff_00ff } else { 0xffff });
            self.sse(M38(if bytes { 0x3a } else { 0x3b }), 0, 2);
            self.copy_vector(2, 0);
            self.sse(pack, 0, 0);
        } else {
            self.sse(pack, 0, 0);
            self.extend(2, 0, lane, matches!(cut, Cut::Signed));
        }
        // What is wide again differs where it was saturated.
        self.sse(M(0xef), 2, 1);
        self.note_saturation(2);
    }

    fn saturated(&mut self, op: LaneOp, shape: Shape, o: &Operands) -> bool {
        let (Some(a), Some(b)) = (o.v[0], o.v[1]) else {
            return false;
        };
        let (rows, plain) = match op {
            LaneOp::Sqadd => ([0xec, 0xed], ADD),
            LaneOp::Uqadd => ([0xdc, 0xdd], ADD),
            LaneOp::Sqsub => ([0xe8, 0xe9], SUB),
            LaneOp::Uqsub => ([0xd8, 0xd9], SUB),
            LaneOp::Sqdmulh | LaneOp::Sqrdmulh if shape.lane == Lane::H => {
                return self.high_product(op == LaneOp::Sqrdmulh, a, b, shape, o);
            }
            LaneOp::Sqdmull if shape.lane == Lane::H && shape.bits() == 64 => {
                return self.doubled_product(a, b, o);
            }
            _ => return false,
        };
        let (row, Some(plain)) = (
            match shape.lane {
                Lane::B => rows[0],
                Lane::H => rows[1],
                _ => return false,
            },
            by_lane(shape.lane, plain),
        ) else {
            return false;
        };
        self.compute_vector(o, shape, |e, to| {
            let (a, b) = (e.vector(a), e.vector(b));
            e.copy_vector(to, a);
            e.sse(M(row), to, b);
            e.copy_vector(1, a);
            e.sse(plain, 1, b);
            e.sse(M(0xef), 1, to);
            e.cut_to(1, shape);
            e.note_saturation(1);
        })
    }

    /// Clears what is above the shape's bits.
    fn cut_to(&mut self, x: u8, shape: Shape) {
        if shape.bits() == 64 {
            dynasm!(self.asm ; .arch x64 ; movq Rx(x), Rx(x));
        }
    }

    /// The high halves of twice the products: out of range if both factors are the least.
    fn high_product(
        &mut self,
        rounds: bool,
        a: Vector,
        b: Vector,
        shape: Shape,
        o: &Operands,
    ) -> bool {
        self.compute_vector(o, shape, |e, to| {
            let (a, b) = (e.vector(a), e.vector(b));
            e.copy_vector(to, a);
            if rounds {
                e.sse(M38(0x0b), to, b);
            } else {
                e.sse(M(0xe5), to, b);
                e.copy_vector(1, a);
                e.sse(M(0xd5), 1, b);
                e.shift_lanes(to, Lane::H, LEFT, 1);
                e.shift_lanes(1, Lane::H, RIGHT, 15);
                e.sse(M(0xeb), to, 1);
            }
            e.splat_word(1, 0x8000_8000);
            e.sse(M(0x75), 1, to);
            e.sse(M(0xef), to, 1);
            e.cut_to(1, shape);
            e.note_saturation(1);
        })
    }

    /// Twice the wide products, likewise.
    fn doubled_product(&mut self, a: Vector, b: Vector, o: &Operands) -> bool {
        self.compute_vector(o, WHOLE, |e, to| {
            let (a, b) = (e.vector(a), e.vector(b));
            e.extend(to, a, Lane::H, true);
            e.extend(1, b, Lane::H, true);
            e.sse(M38(0x40), to, 1);
            e.splat_word(1, 0x4000_0000);
            e.sse(M(0x76), 1, to);
            e.sse(M(0xfe), to, to);
            e.sse(M(0xef), to, 1);
            e.note_saturation(1);
        })
    }

    /// Shifts by the immediate that round, accumulate or insert, and those of bytes.
    fn shifted(&mut self, op: LaneOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        let lane = shape.lane;
        let (bits, Some(first)) = (lane.bits(), o.v[0]) else {
            return false;
        };
        if lane == Lane::B {
            return self.shifted_bytes(op, shape, imm, first, o);
        }
        let (signed, rounds, accumulates) = match op {
            LaneOp::Srshr => (true, true, false),
            LaneOp::Urshr => (false, true, false),
            LaneOp::Ssra => (true, false, true),
            LaneOp::Usra => (false, false, true),
            LaneOp::Srsra => (true, true, true),
            LaneOp::Ursra => (false, true, true),
            LaneOp::Sri | LaneOp::Sli => return self.inserted(op, shape, imm, o),
            _ => return false,
        };
        let source = if accumulates { o.v[1] } else { o.v[0] };
        let (Some(source), Some(add)) = (source, by_lane(lane, ADD)) else {
            return false;
        };
        if signed && lane == Lane::D {
            return false;
        }
        let by = imm.clamp(1, bits);
        self.compute_vector(o, shape, |e, to| {
            let from = e.vector(source);
            e.copy_vector(to, from);
            e.shift_lanes(to, lane, if signed { RIGHT_SIGNED } else { RIGHT }, by);
            if rounds {
                e.round(to, from, lane, by);
            }
            if accumulates {
                let sum = e.vector(first);
                e.sse(add, to, sum);
            }
        })
    }

    /// A shift into lanes that keep the bits that nothing is shifted to.
    fn inserted(&mut self, op: LaneOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        let (lane, bits) = (shape.lane, shape.lane.bits());
        let (Some(d), Some(a)) = (o.v[0], o.v[1]) else {
            return false;
        };
        let right = op == LaneOp::Sri;
        let by = if right {
            imm.clamp(1, bits)
        } else {
            imm % bits
        };
        self.compute_vector(o, shape, |e, to| {
            let (d, a) = (e.vector(d), e.vector(a));
            let [one, other] = if right { [RIGHT, LEFT] } else { [LEFT, RIGHT] };
            e.copy_vector(to, a);
            e.shift_lanes(to, lane, one, by);
            // The others stay where they were.
            e.copy_vector(1, d);
            e.shift_lanes(1, lane, one, bits - by);
            e.shift_lanes(1, lane, other, bits - by);
            e.sse(M(0xeb), to, 1);
        })
    }

    /// Bytes are shifted as parts of words, from which what crosses is cleared.
    fn shifted_bytes(
        &mut self,
        op: LaneOp,
        shape: Shape,
        imm: u32,
        a: Vector,
        o: &Operands,
    ) -> bool {
        let (field, by) = match op {
            LaneOp::Shl => (LEFT, imm % 8),
            LaneOp::Ushr => (RIGHT, imm.clamp(1, 8)),
            // By 8 the sign is everywhere, as it is by 7.
            LaneOp::Sshr => (RIGHT, imm.clamp(1, 7)),
            _ => return false,
        };
        let kept = match op {
            LaneOp::Shl => 0xff << by & 0xff,
            _ => 0xff_u32 >> by,
        };
        self.compute_vector(o, shape, |e, to| {
            let a = e.vector(a);
            e.copy_vector(to, a);
            e.shift_lanes(to, Lane::H, field, by);
            e.splat_word(1, kept * 0x0101_0101);
            e.sse(M(0xdb), to, 1);
            if op == LaneOp::Sshr {
                e.splat_word(1, (0x80 >> by) * 0x0101_0101);
                e.sse(M(0xef), to, 1);
                e.sse(M(0xf8), to, 1);
            }
        })
    }

    /// Absolute values and differences, and comparisons with zero of two steps.
    fn distance(&mut self, op: LaneOp, shape: Shape, o: &Operands) -> bool {
        let lane = shape.lane;
        let Some(a) = o.v[0] else { return false };
        if let (LaneOp::Abs, Some(absolute)) = (op, by_lane(lane, ABSOLUTE)) {
            return self.compute_vector(o, shape, |e, to| {
                let a = e.vector(a);
                e.sse(absolute, to, a);
            });
        }
        if let (LaneOp::Cmge0 | LaneOp::Cmle0, Some(greater)) = (op, by_lane(lane, GREATER)) {
            return self.compute_vector(o, shape, |e, to| {
                let a = e.vector(a);
                dynasm!(e.asm ; .arch x64 ; pxor xmm1, xmm1);
                let [left, right] = if op == LaneOp::Cmge0 { [1, a] } else { [a, 1] };
                e.copy_vector(to, left);
                e.sse(greater, to, right);
                e.complement(to);
            });
        }
        let (accumulates, max, min) = match op {
            LaneOp::Uabd => (false, MAX_UNSIGNED, MIN_UNSIGNED),
            LaneOp::Sabd => (false, MAX_SIGNED, MIN_SIGNED),
            LaneOp::Uaba => (true, MAX_UNSIGNED, MIN_UNSIGNED),
            LaneOp::Saba => (true, MAX_SIGNED, MIN_SIGNED),
            _ => return false,
        };
        let [max, min, sub, add] = [max, min, SUB, ADD].map(|rows| by_lane(lane, rows));
        let operands = if accumulates {
            [o.v[1], o.v[2]]
        } else {
            [o.v[0], o.v[1]]
        };
        let (Some(max), Some(min), Some(sub), Some(add), [Some(x), Some(y)]) =
            (max, min, sub, add, operands)
        else {
            return false;
        };
        self.compute_vector(o, shape, |e, to| {
            let (x, y) = (e.vector(x), e.vector(y));
            e.copy_vector(to, x);
            e.sse(max, to, y);
            e.copy_vector(1, x);
            e.sse(min, 1, y);
            e.sse(sub, to, 1);
            if accumulates {
                let sum = e.vector(a);
                e.sse(add, to, sum);
            }
        })
    }
}
