//! Integer operations on lanes that the host has instructions for.

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::{Int, Value, Vector};
use ferrite_simd::{Lane, LaneOp, Shape};

use super::Emitter;
use super::wide::Operands;

/// An SSE instruction `66 0F op` or `66 0F 38 op` of two vector registers.
#[derive(Clone, Copy)]
pub(super) enum Sse {
    /// In the two-byte map.
    M(u8),
    /// In the three-byte map 38.
    M38(u8),
}
use Sse::{M, M38};

pub(super) const fn by_lane(lane: Lane, rows: [Option<Sse>; 4]) -> Option<Sse> {
    match lane {
        Lane::B => rows[0],
        Lane::H => rows[1],
        Lane::S => rows[2],
        Lane::D => rows[3],
        Lane::Q => None,
    }
}

const EQUAL: [Option<Sse>; 4] = [Some(M(0x74)), Some(M(0x75)), Some(M(0x76)), Some(M38(0x29))];
pub(super) const GREATER: [Option<Sse>; 4] =
    [Some(M(0x64)), Some(M(0x65)), Some(M(0x66)), Some(M38(0x37))];
pub(super) const MAX_UNSIGNED: [Option<Sse>; 4] =
    [Some(M(0xde)), Some(M38(0x3e)), Some(M38(0x3f)), None];
pub(super) const MIN_UNSIGNED: [Option<Sse>; 4] =
    [Some(M(0xda)), Some(M38(0x3a)), Some(M38(0x3b)), None];
pub(super) const ADD: [Option<Sse>; 4] =
    [Some(M(0xfc)), Some(M(0xfd)), Some(M(0xfe)), Some(M(0xd4))];
pub(super) const SUB: [Option<Sse>; 4] =
    [Some(M(0xf8)), Some(M(0xf9)), Some(M(0xfa)), Some(M(0xfb))];
const MUL: [Option<Sse>; 4] = [None, Some(M(0xd5)), Some(M38(0x40)), None];

/// The instruction that computes `v0 op v1` into `v0`, where there is one.
fn direct(op: LaneOp, shape: Shape) -> Option<Sse> {
    let whole = shape.bits() == 128;
    let rows = match op {
        LaneOp::Add => ADD,
        LaneOp::Sub => SUB,
        LaneOp::Mul => MUL,
        LaneOp::And => return Some(M(0xdb)),
        LaneOp::Orr => return Some(M(0xeb)),
        LaneOp::Eor => return Some(M(0xef)),
        LaneOp::Cmeq => EQUAL,
        LaneOp::Cmgt => GREATER,
        LaneOp::Smax => [Some(M38(0x3c)), Some(M(0xee)), Some(M38(0x3d)), None],
        LaneOp::Smin => [Some(M38(0x38)), Some(M(0xea)), Some(M38(0x39)), None],
        LaneOp::Umax => MAX_UNSIGNED,
        LaneOp::Umin => MIN_UNSIGNED,
        LaneOp::Urhadd => [Some(M(0xe0)), Some(M(0xe3)), None, None],
        LaneOp::Zip1 => [Some(M(0x60)), Some(M(0x61)), Some(M(0x62)), Some(M(0x6c))],
        LaneOp::Zip2 if whole => [Some(M(0x68)), Some(M(0x69)), Some(M(0x6a)), Some(M(0x6d))],
        LaneOp::Uzp1 | LaneOp::Trn1 if whole => [None, None, None, Some(M(0x6c))],
        LaneOp::Uzp2 | LaneOp::Trn2 if whole => [None, None, None, Some(M(0x6d))],
        LaneOp::Addp if whole => [None, Some(M38(0x01)), Some(M38(0x02)), None],
        _ => return None,
    };
    by_lane(shape.lane, rows)
}

/// Opcode and field of a shift by an immediate: left, right unsigned, right signed.
fn shift(op: LaneOp, lane: Lane) -> Option<(u8, u8)> {
    let code = match lane {
        Lane::H => 0x71,
        Lane::S => 0x72,
        Lane::D => 0x73,
        Lane::B | Lane::Q => return None,
    };
    match op {
        LaneOp::Shl => Some((code, 6)),
        LaneOp::Ushr => Some((code, 2)),
        LaneOp::Sshr if lane != Lane::D => Some((code, 4)),
        _ => None,
    }
}

impl Emitter<'_> {
    /// Writes code for an operation on lanes. False, with nothing written, where the function has to
    /// do it.
    pub(super) fn lanes(&mut self, op: LaneOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        // Narrower scalars would need their neighbours cleared.
        if !matches!(shape.bits(), 64 | 128) {
            return self.moves(op, shape, imm, o);
        }
        if let Some(sse) = direct(op, shape) {
            let (a, b) = (o.v[0], o.v[1]);
            return self.compute_vector(o, shape, |e, to| {
                let (Some(a), Some(b)) = (a, b) else { return };
                let (a, b) = (e.vector(a), e.vector(b));
                e.copy_vector(to, a);
                e.sse(sse, to, b);
            });
        }
        self.composed(op, shape, imm, o)
            || self.moves(op, shape, imm, o)
            || self.widths(op, shape, imm, o)
            || self.permute(op, shape, imm, o)
    }

    /// `to op= from`.
    pub(super) fn sse(&mut self, sse: Sse, to: u8, from: u8) {
        let rex = 0x40 | (to >> 3) << 2 | from >> 3;
        let modrm = 0xc0 | (to & 7) << 3 | (from & 7);
        match sse {
            M(op) => self.asm.extend([0x66, rex, 0x0f, op, modrm]),
            M38(op) => self.asm.extend([0x66, rex, 0x0f, 0x38, op, modrm]),
        }
    }

    pub(super) fn copy_vector(&mut self, to: u8, from: u8) {
        if to != from {
            dynasm!(self.asm ; .arch x64 ; movaps Rx(to), Rx(from));
        }
    }

    /// Has `write` compute into `xmm0`, and moves that to the result, cut to the shape.
    pub(super) fn compute_vector(
        &mut self,
        o: &Operands,
        shape: Shape,
        write: impl FnOnce(&mut Self, u8),
    ) -> bool {
        let Value::Vector(d) = o.d else {
            return false;
        };
        write(self, 0);
        self.finish_vector(d, shape.bits());
        true
    }

    /// `d` = the low bits of `xmm0`.
    fn finish_vector(&mut self, d: Vector, bits: u32) {
        let to = self.vector_result(d);
        if bits == 128 {
            self.copy_vector(to, 0);
        } else {
            dynasm!(self.asm ; .arch x64 ; movq Rx(to), xmm0);
        }
    }

    /// `x = ~x`, by way of `xmm1`.
    pub(super) fn complement(&mut self, x: u8) {
        dynasm!(self.asm ; .arch x64 ; pcmpeqd xmm1, xmm1 ; pxor Rx(x), xmm1);
    }

    /// Operations of two or three instructions.
    fn composed(&mut self, op: LaneOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        let [a, b, c] = o.v;
        let Some(a) = a else { return false };
        let lane = shape.lane;
        if let Some((code, field)) = shift(op, lane) {
            return self.compute_vector(o, shape, |e, to| {
                let a = e.vector(a);
                e.copy_vector(to, a);
                let modrm = 0xc0 | field << 3 | to;
                e.asm.extend([0x66, 0x0f, code, modrm, imm.min(255) as u8]);
            });
        }
        match (op, b) {
            (LaneOp::Bic, Some(b)) => self.compute_vector(o, shape, |e, to| {
                let (a, b) = (e.vector(a), e.vector(b));
                e.copy_vector(to, b);
                e.sse(M(0xdf), to, a);
            }),
            (LaneOp::Orn, Some(b)) => self.compute_vector(o, shape, |e, to| {
                let (a, b) = (e.vector(a), e.vector(b));
                e.copy_vector(to, b);
                e.complement(to);
                e.sse(M(0xeb), to, a);
            }),
            (LaneOp::Not, _) => self.compute_vector(o, shape, |e, to| {
                let a = e.vector(a);
                e.copy_vector(to, a);
                e.complement(to);
            }),
            (LaneOp::Bsl, Some(b)) => self.compute_vector(o, shape, |e, to| {
                let Some(c) = c else { return };
                let (a, b, c) = (e.vector(a), e.vector(b), e.vector(c));
                e.copy_vector(to, b);
                e.sse(M(0xef), to, c);
                e.sse(M(0xdb), to, a);
                e.sse(M(0xef), to, c);
            }),
            (LaneOp::Neg, _) => self.zero_first(by_lane(lane, SUB), a, shape, o),
            (LaneOp::Cmlt0, _) => self.zero_first(by_lane(lane, GREATER), a, shape, o),
            (LaneOp::Cmeq0, _) => self.zero_first(by_lane(lane, EQUAL), a, shape, o),
            (LaneOp::Cmgt0, _) => self.zero_second(by_lane(lane, GREATER), a, shape, o),
            (LaneOp::Cmge, Some(b)) => {
                let Some(greater) = by_lane(lane, GREATER) else {
                    return false;
                };
                self.compute_vector(o, shape, |e, to| {
                    let (a, b) = (e.vector(a), e.vector(b));
                    e.copy_vector(to, b);
                    e.sse(greater, to, a);
                    e.complement(to);
                })
            }
            (LaneOp::Cmhs, Some(b)) => self.against(by_lane(lane, MAX_UNSIGNED), a, b, shape, o),
            (LaneOp::Cmhi, Some(b)) => {
                // Not v1 >= v0.
                let Some(max) = by_lane(lane, MAX_UNSIGNED) else {
                    return false;
                };
                let Some(equal) = by_lane(lane, EQUAL) else {
                    return false;
                };
                self.compute_vector(o, shape, |e, to| {
                    let (a, b) = (e.vector(a), e.vector(b));
                    e.copy_vector(to, b);
                    e.sse(max, to, a);
                    e.sse(equal, to, b);
                    e.complement(to);
                })
            }
            (LaneOp::Cmtst, Some(b)) => {
                let Some(equal) = by_lane(lane, EQUAL) else {
                    return false;
                };
                self.compute_vector(o, shape, |e, to| {
                    let (a, b) = (e.vector(a), e.vector(b));
                    e.copy_vector(to, a);
                    e.sse(M(0xdb), to, b);
                    dynasm!(e.asm ; .arch x64 ; pxor xmm1, xmm1);
                    e.sse(equal, to, 1);
                    e.complement(to);
                })
            }
            (LaneOp::Mla | LaneOp::Mls, Some(b)) => {
                let (Some(mul), Some(c)) = (by_lane(lane, MUL), c) else {
                    return false;
                };
                let sum = if op == LaneOp::Mla { ADD } else { SUB };
                let Some(sum) = by_lane(lane, sum) else {
                    return false;
                };
                self.compute_vector(o, shape, |e, to| {
                    let (a, b, c) = (e.vector(a), e.vector(b), e.vector(c));
                    e.copy_vector(1, b);
                    e.sse(mul, 1, c);
                    e.copy_vector(to, a);
                    e.sse(sum, to, 1);
                })
            }
            (LaneOp::Ext, Some(b)) if shape.bits() == 128 => {
                let bytes = (imm * lane.bits() / 8) as u8 as i8;
                self.compute_vector(o, shape, |e, to| {
                    let (a, b) = (e.vector(a), e.vector(b));
                    e.copy_vector(to, b);
                    dynasm!(e.asm ; .arch x64 ; palignr Rx(to), Rx(a), BYTE bytes);
                })
            }
            (LaneOp::Umaxp | LaneOp::Uminp | LaneOp::Addp, Some(b))
                if lane == Lane::B && shape.bits() == 128 =>
            {
                let rows = match op {
                    LaneOp::Umaxp => MAX_UNSIGNED,
                    LaneOp::Uminp => MIN_UNSIGNED,
                    _ => ADD,
                };
                let Some(sse) = rows[0] else { return false };
                self.compute_vector(o, shape, |e, to| {
                    let (a, b) = (e.vector(a), e.vector(b));
                    e.pairs(sse, to, a);
                    e.pairs(sse, 1, b);
                    dynasm!(e.asm ; .arch x64 ; packuswb Rx(to), xmm1);
                })
            }
            (LaneOp::Shrn | LaneOp::Xtn, None) if shape.bits() == 64 => {
                let imm = if op == LaneOp::Shrn { imm } else { 0 };
                self.compute_vector(o, shape, |e, to| {
                    let a = e.vector(a);
                    e.copy_vector(to, a);
                    e.narrow(lane, imm as i8);
                })
            }
            (LaneOp::Uzp1 | LaneOp::Uzp2, Some(b)) if lane == Lane::S && shape.bits() == 128 => {
                let order = if op == LaneOp::Uzp1 { 0x88 } else { 0xdd_u8 } as i8;
                self.compute_vector(o, shape, |e, to| {
                    let (a, b) = (e.vector(a), e.vector(b));
                    e.copy_vector(to, a);
                    dynasm!(e.asm ; .arch x64 ; shufps Rx(to), Rx(b), BYTE order);
                })
            }
            _ => false,
        }
    }

    /// The words of `to` = adjacent bytes of `from` combined. Changes `xmm2`.
    fn pairs(&mut self, sse: Sse, to: u8, from: u8) {
        self.copy_vector(to, from);
        dynasm!(self.asm ; .arch x64 ; psrlw Rx(to), 8);
        self.sse(sse, to, from);
        dynasm!(self.asm
            ; .arch x64
            ; pcmpeqd xmm2, xmm2
            ; psrlw xmm2, 8
            ; pand Rx(to), xmm2
        );
    }

    /// The low half of `xmm0` = its lanes of twice the width, right by `imm` and cut.
    pub(super) fn narrow(&mut self, to: Lane, imm: i8) {
        match to {
            Lane::B => dynasm!(self.asm
                ; .arch x64
                ; psrlw xmm0, imm
                ; pcmpeqd xmm1, xmm1
                ; psrlw xmm1, 8
                ; pand xmm0, xmm1
                ; packuswb xmm0, xmm0
            ),
            Lane::H => dynasm!(self.asm
                ; .arch x64
                ; psrld xmm0, imm
                ; pcmpeqd xmm1, xmm1
                ; psrld xmm1, 16
                ; pand xmm0, xmm1
                ; packusdw xmm0, xmm0
            ),
            _ => dynasm!(self.asm
                ; .arch x64
                ; psrlq xmm0, imm
                ; pshufd xmm0, xmm0, 8
            ),
        }
    }

    /// `0 op v0`.
    fn zero_first(&mut self, sse: Option<Sse>, a: Vector, shape: Shape, o: &Operands) -> bool {
        let Some(sse) = sse else { return false };
        self.compute_vector(o, shape, |e, to| {
            let a = e.vector(a);
            dynasm!(e.asm ; .arch x64 ; pxor Rx(to), Rx(to));
            e.sse(sse, to, a);
        })
    }

    /// `v0 op 0`.
    fn zero_second(&mut self, sse: Option<Sse>, a: Vector, shape: Shape, o: &Operands) -> bool {
        let Some(sse) = sse else { return false };
        self.compute_vector(o, shape, |e, to| {
            let a = e.vector(a);
            e.copy_vector(to, a);
            dynasm!(e.asm ; .arch x64 ; pxor xmm1, xmm1);
            e.sse(sse, to, 1);
        })
    }

    /// Whether `v0` is the extreme of both, by lanes.
    fn against(
        &mut self,
        extreme: Option<Sse>,
        a: Vector,
        b: Vector,
        shape: Shape,
        o: &Operands,
    ) -> bool {
        let (Some(extreme), Some(equal)) = (extreme, by_lane(shape.lane, EQUAL)) else {
            return false;
        };
        self.compute_vector(o, shape, |e, to| {
            let (a, b) = (e.vector(a), e.vector(b));
            e.copy_vector(to, a);
            e.sse(extreme, to, b);
            e.sse(equal, to, a);
        })
    }

    /// Operations that move lanes, between vectors and to and from integers.
    fn moves(&mut self, op: LaneOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        let lane = shape.lane;
        match (op, o.v[0], o.int, o.d) {
            (LaneOp::Umov, Some(a), _, Value::Int(d)) => {
                let x = self.vector(a);
                let to = self.result(d);
                self.lane_to_int(to, x, lane, imm);
                true
            }
            (LaneOp::Smov, Some(a), _, Value::Int(d)) => {
                let x = self.vector(a);
                let to = self.result(d);
                self.lane_to_int(to, x, lane, imm);
                match lane {
                    Lane::B => dynasm!(self.asm ; .arch x64 ; movsx Rq(to), Rb(to)),
                    Lane::H => dynasm!(self.asm ; .arch x64 ; movsx Rq(to), Rw(to)),
                    Lane::S => dynasm!(self.asm ; .arch x64 ; movsxd Rq(to), Rd(to)),
                    Lane::D | Lane::Q => {}
                }
                true
            }
            (LaneOp::InsInt, Some(a), Some(int), Value::Vector(d)) => {
                let x = self.vector(a);
                let from = self.register(int);
                self.copy_vector(0, x);
                self.int_to_lane(0, from, lane, imm);
                self.finish_vector(d, 128);
                true
            }
            (LaneOp::Ins, Some(a), _, Value::Vector(d)) => {
                let Some(b) = o.v[1] else { return false };
                let (x, y) = (self.vector(a), self.vector(b));
                self.copy_vector(0, x);
                self.lane_to_int(super::RAX, y, lane, imm >> 8);
                self.int_to_lane(0, super::RAX, lane, imm & 0xff);
                self.finish_vector(d, 128);
                true
            }
            (LaneOp::DupInt, _, Some(int), Value::Vector(d)) => self.dup_int(d, int, shape),
            (LaneOp::Dup, Some(a), _, Value::Vector(d)) => {
                let x = self.vector(a);
                if shape.count == 1 {
                    self.lane_to_int(super::RAX, x, lane, imm);
                    dynasm!(self.asm ; .arch x64 ; movq xmm0, rax);
                } else {
                    self.lane_to_int(super::RAX, x, lane, imm);
                    self.spread(super::RAX, lane);
                }
                self.finish_vector(d, if shape.bits() == 128 { 128 } else { 64 });
                true
            }
            _ => false,
        }
    }

    fn dup_int(&mut self, d: Vector, int: Int, shape: Shape) -> bool {
        let from = self.register(int);
        match (shape.count, shape.lane) {
            (1, Lane::S) => dynasm!(self.asm ; .arch x64 ; movd xmm0, Rd(from)),
            (1, Lane::D) => dynasm!(self.asm ; .arch x64 ; movq xmm0, Rq(from)),
            (1, _) => return self.dup_narrow(d, from, shape.lane),
            (_, lane) => self.spread(from, lane),
        }
        self.finish_vector(d, if shape.bits() == 128 { 128 } else { 64 });
        true
    }

    fn dup_narrow(&mut self, d: Vector, from: u8, lane: Lane) -> bool {
        match lane {
            Lane::B => dynasm!(self.asm ; .arch x64 ; movzx eax, Rb(from)),
            _ => dynasm!(self.asm ; .arch x64 ; movzx eax, Rw(from)),
        }
        dynasm!(self.asm ; .arch x64 ; movd xmm0, eax);
        self.finish_vector(d, 64);
        true
    }

    /// The low lane of an integer register to every lane of `xmm0`. Changes `xmm1`.
    fn spread(&mut self, from: u8, lane: Lane) {
        match lane {
            Lane::B => dynasm!(self.asm
                ; .arch x64
                ; movd xmm0, Rd(from)
                ; pxor xmm1, xmm1
                ; pshufb xmm0, xmm1
            ),
            Lane::H => dynasm!(self.asm
                ; .arch x64
                ; movd xmm0, Rd(from)
                ; pshuflw xmm0, xmm0, 0
                ; pshufd xmm0, xmm0, 0
            ),
            Lane::S => dynasm!(self.asm
                ; .arch x64
                ; movd xmm0, Rd(from)
                ; pshufd xmm0, xmm0, 0
            ),
            Lane::D | Lane::Q => dynasm!(self.asm
                ; .arch x64
                ; movq xmm0, Rq(from)
                ; punpcklqdq xmm0, xmm0
            ),
        }
    }

    /// `to` = a lane, zero-extended.
    fn lane_to_int(&mut self, to: u8, x: u8, lane: Lane, n: u32) {
        let n = n as u8 as i8;
        match lane {
            Lane::B => dynasm!(self.asm ; .arch x64 ; pextrb Rd(to), Rx(x), BYTE n),
            Lane::H => dynasm!(self.asm ; .arch x64 ; pextrw Rd(to), Rx(x), BYTE n),
            Lane::S if n == 0 => dynasm!(self.asm ; .arch x64 ; movd Rd(to), Rx(x)),
            Lane::S => dynasm!(self.asm ; .arch x64 ; pextrd Rd(to), Rx(x), BYTE n),
            Lane::D | Lane::Q if n == 0 => dynasm!(self.asm ; .arch x64 ; movq Rq(to), Rx(x)),
            Lane::D | Lane::Q => dynasm!(self.asm ; .arch x64 ; pextrq Rq(to), Rx(x), BYTE n),
        }
    }

    /// A lane of `x` = the low bits of an integer register.
    fn int_to_lane(&mut self, x: u8, from: u8, lane: Lane, n: u32) {
        let n = n as u8 as i8;
        match lane {
            Lane::B => dynasm!(self.asm ; .arch x64 ; pinsrb Rx(x), Rd(from), BYTE n),
            Lane::H => dynasm!(self.asm ; .arch x64 ; pinsrw Rx(x), Rd(from), BYTE n),
            Lane::S => dynasm!(self.asm ; .arch x64 ; pinsrd Rx(x), Rd(from), BYTE n),
            Lane::D | Lane::Q => dynasm!(self.asm ; .arch x64 ; pinsrq Rx(x), Rq(from), BYTE n),
        }
    }
}
