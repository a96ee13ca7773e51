//! Operations that move lanes about, look bytes up, or work across a vector.

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::Vector;
use ferrite_simd::{Lane, LaneOp, Shape};

use super::lanes::Sse::{self, M, M38};
use super::lanes::{ADD, MAX_UNSIGNED, MIN_UNSIGNED, by_lane};
use super::wide::Operands;
use super::{Emitter, RAX};

/// For each low half of a byte, how many bits it has: bytes 0 to 7, and 8 to 15.
const BITS_SET: [u64; 2] = [0x0302_0201_0201_0100, 0x0403_0302_0302_0201];

impl Emitter<'_> {
    /// Writes code for an operation of 64 or 128 bits. False, with nothing written, where the
    /// function has to do it.
    pub(super) fn permute(&mut self, op: LaneOp, shape: Shape, imm: u32, o: &Operands) -> bool {
        match (op, o.v) {
            (LaneOp::Tbx, [Some(old), Some(index), Some(table)]) => {
                self.look_bytes_up([old, index, table], shape, imm, o)
            }
            (LaneOp::Rev16 | LaneOp::Rev32 | LaneOp::Rev64, [Some(a), ..]) => {
                self.reverse(op, a, shape, o)
            }
            (LaneOp::Cnt, [Some(a), ..]) => self.count_bits(a, shape, o),
            (_, [Some(a), Some(b), _]) => self.of_two(op, [a, b], shape, o),
            (_, [Some(a), ..]) => self.across(op, a, shape, o),
            _ => false,
        }
    }

    /// `x` = two constants. Changes `rax`.
    fn constants_to(&mut self, x: u8, [low, high]: [u64; 2]) {
        self.constant(RAX, low);
        dynasm!(self.asm ; .arch x64 ; movq Rx(x), rax);
        self.constant(RAX, high);
        dynasm!(self.asm ; .arch x64 ; pinsrq Rx(x), rax, BYTE 1);
    }

    fn look_bytes_up(&mut self, v: [Vector; 3], shape: Shape, imm: u32, o: &Operands) -> bool {
        self.compute_vector(o, shape, |e, to| {
            let [old, index, table] = v.map(|v| e.vector(v));
            e.copy_vector(2, index);
            if imm != 0 {
                e.splat_word(1, (imm & 0xff) * 0x0101_0101);
                e.sse(M(0xf8), 2, 1);
            }
            // Ones where the index is below 16.
            e.splat_word(to, 0x0f0f_0f0f);
            e.copy_vector(1, table);
            e.sse(M38(0x00), 1, 2);
            e.sse(M(0xda), to, 2);
            e.sse(M(0x74), to, 2);
            e.copy_vector(2, old);
            // By what is in `xmm0`.
            e.sse(M38(0x10), 2, 1);
            e.copy_vector(to, 2);
        })
    }

    fn reverse(&mut self, op: LaneOp, a: Vector, shape: Shape, o: &Operands) -> bool {
        let bytes = match op {
            LaneOp::Rev16 => 0x0607_0405_0203_0001,
            LaneOp::Rev32 => 0x0405_0607_0001_0203,
            _ => 0x0001_0203_0405_0607,
        };
        let lane = shape.lane;
        self.compute_vector(o, shape, |e, to| {
            let a = e.vector(a);
            match (op, lane) {
                (_, Lane::B) => {
                    e.copy_vector(to, a);
                    e.constants_to(1, [bytes, bytes + 0x0808_0808_0808_0808]);
                    e.sse(M38(0x00), to, 1);
                }
                (LaneOp::Rev64, Lane::S) => {
                    dynasm!(e.asm ; .arch x64 ; pshufd Rx(to), Rx(a), BYTE 0xb1_u8 as i8);
                }
                _ => {
                    let order = if op == LaneOp::Rev32 { 0xb1_u8 } else { 0x1b };
                    dynasm!(e.asm
                        ; .arch x64
                        ; pshuflw Rx(to), Rx(a), BYTE order as i8
                        ; pshufhw Rx(to), Rx(to), BYTE order as i8
                    );
                }
            }
        })
    }

    fn count_bits(&mut self, a: Vector, shape: Shape, o: &Operands) -> bool {
        self.compute_vector(o, shape, |e, to| {
            let a = e.vector(a);
            e.splat_word(2, 0x0f0f_0f0f);
            e.copy_vector(1, a);
            e.sse(M(0xdb), 1, 2);
            e.constants_to(to, BITS_SET);
            e.sse(M38(0x00), to, 1);
            e.copy_vector(1, a);
            dynasm!(e.asm ; .arch x64 ; psrlw xmm1, 4);
            e.sse(M(0xdb), 1, 2);
            e.constants_to(2, BITS_SET);
            e.sse(M38(0x00), 2, 1);
            e.sse(M(0xfc), to, 2);
        })
    }

    /// Even and odd lanes of two vectors, sums of neighbours.
    fn of_two(&mut self, op: LaneOp, v: [Vector; 2], shape: Shape, o: &Operands) -> bool {
        let (lane, whole) = (shape.lane, shape.bits() == 128);
        match (op, lane) {
            (LaneOp::Zip2, _) if !whole => {
                let rows = [Some(M(0x60)), Some(M(0x61)), Some(M(0x62)), None];
                let Some(zip) = by_lane(lane, rows) else {
                    return false;
                };
                self.compute_vector(o, shape, |e, to| {
                    let [a, b] = v.map(|v| e.vector(v));
                    e.copy_vector(to, a);
                    e.sse(zip, to, b);
                    dynasm!(e.asm ; .arch x64 ; psrldq Rx(to), 8);
                })
            }
            (LaneOp::Uzp1 | LaneOp::Uzp2, Lane::B | Lane::H) => self.unzip(op, v, shape, o),
            (LaneOp::Trn1 | LaneOp::Trn2, Lane::B | Lane::H) => self.transpose(op, v, shape, o),
            (LaneOp::Trn1 | LaneOp::Trn2, Lane::S) if whole => {
                let order = if op == LaneOp::Trn1 { 0x88 } else { 0xdd_u8 } as i8;
                self.compute_vector(o, shape, |e, to| {
                    let [a, b] = v.map(|v| e.vector(v));
                    e.copy_vector(to, a);
                    dynasm!(e.asm
                        ; .arch x64
                        ; shufps Rx(to), Rx(b), BYTE order
                        ; pshufd Rx(to), Rx(to), BYTE 0xd8_u8 as i8
                    );
                })
            }
            (LaneOp::Addp, Lane::H | Lane::S) if !whole => {
                let sum = M38(if lane == Lane::H { 0x01 } else { 0x02 });
                self.compute_vector(o, shape, |e, to| {
                    let [a, b] = v.map(|v| e.vector(v));
                    e.copy_vector(to, a);
                    e.sse(M(0x6c), to, b);
                    e.sse(sum, to, to);
                })
            }
            (LaneOp::Addp, Lane::D) => self.compute_vector(o, shape, |e, to| {
                let [a, b] = v.map(|v| e.vector(v));
                e.copy_vector(to, a);
                e.sse(M(0x6c), to, b);
                e.copy_vector(1, a);
                e.sse(M(0x6d), 1, b);
                e.sse(M(0xd4), to, 1);
            }),
            _ => false,
        }
    }

    /// Shifts the lanes of twice the width of a scratch register by the width.
    fn shift_pairs(&mut self, x: u8, lane: Lane, left: bool) {
        let (code, by) = match lane {
            Lane::B => (0x71, 8),
            _ => (0x72, 16),
        };
        let field = if left { 6 } else { 2 };
        self.asm
            .extend([0x66, 0x0f, code, 0xc0 | field << 3 | x, by]);
    }

    /// Leaves the even lanes, or the odd ones in the places of the even.
    fn every_second(&mut self, x: u8, lane: Lane, odd: bool) {
        if !odd {
            self.shift_pairs(x, lane, true);
        }
        self.shift_pairs(x, lane, false);
    }

    fn unzip(&mut self, op: LaneOp, v: [Vector; 2], shape: Shape, o: &Operands) -> bool {
        let lane = shape.lane;
        let odd = op == LaneOp::Uzp2;
        let pack = if lane == Lane::B { M(0x67) } else { M38(0x2b) };
        self.compute_vector(o, shape, |e, to| {
            let [a, b] = v.map(|v| e.vector(v));
            e.copy_vector(to, a);
            if shape.bits() == 64 {
                e.sse(M(0x6c), to, b);
                e.every_second(to, lane, odd);
                e.sse(pack, to, to);
            } else {
                e.copy_vector(1, b);
                e.every_second(to, lane, odd);
                e.every_second(1, lane, odd);
                e.sse(pack, to, 1);
            }
        })
    }

    fn transpose(&mut self, op: LaneOp, v: [Vector; 2], shape: Shape, o: &Operands) -> bool {
        let lane = shape.lane;
        self.compute_vector(o, shape, |e, to| {
            let [a, b] = v.map(|v| e.vector(v));
            e.copy_vector(to, a);
            e.copy_vector(1, b);
            if op == LaneOp::Trn1 {
                e.every_second(to, lane, false);
                e.shift_pairs(1, lane, true);
            } else {
                e.shift_pairs(to, lane, false);
                e.shift_pairs(1, lane, false);
                e.shift_pairs(1, lane, true);
            }
            e.sse(M(0xeb), to, 1);
        })
    }

    /// Sums and extremes of all lanes, sums of neighbours in lanes of twice the width.
    fn across(&mut self, op: LaneOp, a: Vector, shape: Shape, o: &Operands) -> bool {
        let lane = shape.lane;
        let rows = match op {
            LaneOp::Addv | LaneOp::Uaddlv if lane == Lane::B => {
                return self.sum_of_bytes(op == LaneOp::Addv, a, shape, o);
            }
            LaneOp::Saddlp | LaneOp::Uaddlp => return self.neighbours(op, a, shape, o),
            LaneOp::Addv => ADD,
            LaneOp::Umaxv => MAX_UNSIGNED,
            LaneOp::Uminv => MIN_UNSIGNED,
            LaneOp::Smaxv => [Some(M38(0x3c)), Some(M(0xee)), Some(M38(0x3d)), None],
            LaneOp::Sminv => [Some(M38(0x38)), Some(M(0xea)), Some(M38(0x39)), None],
            _ => return false,
        };
        let Some(sse) = by_lane(lane, rows).filter(|_| lane != Lane::D) else {
            return false;
        };
        self.compute_vector(o, shape, |e, to| {
            let a = e.vector(a);
            if shape.bits() == 128 {
                dynasm!(e.asm ; .arch x64 ; pshufd xmm1, Rx(a), BYTE 0x4e);
                e.copy_vector(to, a);
                e.sse(sse, to, 1);
            } else {
                e.copy_vector(to, a);
            }
            dynasm!(e.asm ; .arch x64 ; pshufd xmm1, Rx(to), BYTE 0xb1_u8 as i8);
            e.sse(sse, to, 1);
            e.fold_word(to, lane, sse);
        })
    }

    /// `x` = its first lane combined with the others of the same word, alone.
    fn fold_word(&mut self, x: u8, lane: Lane, sse: Sse) {
        for (narrower, by) in [(lane != Lane::S, 16), (lane == Lane::B, 8)] {
            if narrower {
                self.copy_vector(1, x);
                dynasm!(self.asm ; .arch x64 ; psrld xmm1, by);
                self.sse(sse, x, 1);
            }
        }
        dynasm!(self.asm ; .arch x64 ; movd eax, Rx(x));
        match lane {
            Lane::B => dynasm!(self.asm ; .arch x64 ; movzx eax, al),
            Lane::H => dynasm!(self.asm ; .arch x64 ; movzx eax, ax),
            _ => {}
        }
        dynasm!(self.asm ; .arch x64 ; movd Rx(x), eax);
    }

    fn sum_of_bytes(&mut self, cut: bool, a: Vector, shape: Shape, o: &Operands) -> bool {
        self.compute_vector(o, shape, |e, to| {
            let a = e.vector(a);
            dynasm!(e.asm ; .arch x64 ; pxor Rx(to), Rx(to));
            e.sse(M(0xf6), to, a);
            if shape.bits() == 128 {
                dynasm!(e.asm ; .arch x64 ; pshufd xmm1, Rx(to), BYTE 0x4e);
                e.sse(M(0xfe), to, 1);
            }
            dynasm!(e.asm ; .arch x64 ; movd eax, Rx(to));
            if cut {
                dynasm!(e.asm ; .arch x64 ; movzx eax, al);
            }
            dynasm!(e.asm ; .arch x64 ; movd Rx(to), eax);
        })
    }

    fn neighbours(&mut self, op: LaneOp, a: Vector, shape: Shape, o: &Operands) -> bool {
        let signed = op == LaneOp::Saddlp;
        match (shape.lane, signed) {
            (Lane::B, false) => self.compute_vector(o, shape, |e, to| {
                let a = e.vector(a);
                e.copy_vector(to, a);
                e.splat_word(1, 0x0101_0101);
                e.sse(M38(0x04), to, 1);
            }),
            (Lane::B, true) => self.compute_vector(o, shape, |e, to| {
                let a = e.vector(a);
                e.splat_word(to, 0x0101_0101);
                e.sse(M38(0x04), to, a);
            }),
            (Lane::H, true) => self.compute_vector(o, shape, |e, to| {
                let a = e.vector(a);
                e.splat_word(to, 0x0001_0001);
                e.sse(M(0xf5), to, a);
            }),
            (Lane::H, false) => self.compute_vector(o, shape, |e, to| {
                let a = e.vector(a);
                e.copy_vector(to, a);
                e.every_second(to, Lane::H, false);
                e.copy_vector(1, a);
                e.every_second(1, Lane::H, true);
                e.sse(M(0xfe), to, 1);
            }),
            _ => false,
        }
    }
}
