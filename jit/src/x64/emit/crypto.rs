//! Cryptography and checksums on the host's instructions for them, where it has them.

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::{Int, Op, Value, Vector};
use ferrite_simd::{CryptoOp, WideOp};

use super::super::file::NONE;
use super::wide::Operands;
use super::{Emitter, RAX, RCX};

/// Operations between two that belong together, at most.
const NEAR: usize = 8;

/// For the remainder of 64 bits modulo the reflected CRC-32 polynomial with its x^32: the quotient of
/// x^64 by it, and itself (Intel, *Fast CRC computation for generic polynomials using PCLMULQDQ*).
const QUOTIENT: i64 = 0x1_f701_1641;
const POLYNOMIAL: i64 = 0x1_db71_0641;

/// What SHA-1 adds in its rounds with Ch, Parity and Maj, where the host's instruction does it by
/// itself. It counts kinds of rounds from 0, with Parity before and after Maj.
const SHA1_ROUNDS: [(CryptoOp, i8, u32); 3] = [
    (CryptoOp::Sha1c, 0, 0x5a82_7999),
    (CryptoOp::Sha1p, 1, 0x6ed9_eba1),
    (CryptoOp::Sha1m, 2, 0x8f1b_bcdc),
];

impl Emitter<'_> {
    /// Writes code for the operation. False, with nothing written, where the function has to do it.
    pub(super) fn crypto(&mut self, op: CryptoOp, imm: u32, o: &Operands) -> bool {
        match (op, o.d, o.int) {
            (CryptoOp::Crc32, Value::Int(d), Some(a)) => return self.crc32(d, a, imm),
            (CryptoOp::Crc32c, Value::Int(d), Some(a)) => return self.crc32c(d, a, imm),
            _ => {}
        }
        let Value::Vector(d) = o.d else { return false };
        let host = self.host;
        let done = match (op, o.v) {
            (CryptoOp::Aese | CryptoOp::Aesd, [Some(a), Some(b), _]) if host.aes => {
                self.substitute(op, d, a, b);
                true
            }
            (CryptoOp::Aesmc | CryptoOp::Aesimc, [Some(a), ..]) if host.aes => {
                self.mix_columns(op, a);
                true
            }
            (CryptoOp::Pmull64, [Some(a), Some(b), _]) if host.pclmul => {
                let (a, b) = (self.vector(a), self.vector(b));
                self.copy_vector(0, a);
                dynasm!(self.asm ; .arch x64 ; pclmulqdq xmm0, Rx(b), BYTE 0);
                true
            }
            (CryptoOp::Sha256h | CryptoOp::Sha256h2, [Some(a), Some(b), Some(w)]) if host.sha => {
                return self.sha256(op, d, [a, b, w]);
            }
            (_, [Some(a), Some(b), Some(c)]) => self.sha_of_three(op, [a, b, c]),
            (_, [Some(a), Some(b), _]) => self.sha_of_two(op, [a, b]),
            (CryptoOp::Sha1h, [Some(a), ..]) => {
                let a = self.vector(a);
                dynasm!(self.asm ; .arch x64 ; movd eax, Rx(a) ; rol eax, 30 ; movd xmm0, eax);
                true
            }
            _ => false,
        };
        if done {
            let to = self.vector_result(d);
            self.copy_vector(to, 0);
        }
        done
    }

    /// `xmm0` = a round of AES without MixColumns. Where that is all that comes of it, what goes into
    /// the round is left to it.
    fn substitute(&mut self, op: CryptoOp, d: Vector, a: Vector, b: Vector) {
        let (x, y) = (self.vector(a), self.vector(b));
        self.copy_vector(0, x);
        dynasm!(self.asm ; .arch x64 ; pxor xmm0, Rx(y));
        if self.is_mixed(op, d) {
            return;
        }
        dynasm!(self.asm ; .arch x64 ; pxor xmm1, xmm1);
        match op {
            CryptoOp::Aese => dynasm!(self.asm ; .arch x64 ; aesenclast xmm0, xmm1),
            _ => dynasm!(self.asm ; .arch x64 ; aesdeclast xmm0, xmm1),
        }
    }

    /// Whether only a MixColumns that follows soon reads `d`, which `op` defines here or has defined.
    fn is_mixed(&self, op: CryptoOp, d: Vector) -> bool {
        let value = self.vectors.value(d.0);
        let mix = match op {
            CryptoOp::Aese => CryptoOp::Aesmc,
            _ => CryptoOp::Aesimc,
        };
        let after = self.ops.get(value.def as usize..).unwrap_or(&[]);
        let mixes = |op: &Op| matches!(*op, Op::Wide { op: WideOp::Crypto(o), v, .. } if o == mix && v[0] == Some(d));
        value.uses == 1 && after.iter().take(NEAR).any(mixes)
    }

    /// `xmm0` = MixColumns, or with it the rest of its round.
    fn mix_columns(&mut self, op: CryptoOp, a: Vector) {
        let step = match op {
            CryptoOp::Aesmc => CryptoOp::Aese,
            _ => CryptoOp::Aesd,
        };
        let def = self.vectors.value(a.0).def as usize;
        let rest = matches!(self.ops.get(def), Some(&Op::Wide { op: WideOp::Crypto(o), d, .. })
            if o == step && d == Value::Vector(a))
            && self.is_mixed(step, a);
        let x = self.vector(a);
        if !rest && op == CryptoOp::Aesimc {
            return dynasm!(self.asm ; .arch x64 ; aesimc xmm0, Rx(x));
        }
        self.copy_vector(0, x);
        dynasm!(self.asm ; .arch x64 ; pxor xmm1, xmm1);
        match (rest, op) {
            (true, CryptoOp::Aesimc) => dynasm!(self.asm ; .arch x64 ; aesdec xmm0, xmm1),
            (true, _) => dynasm!(self.asm ; .arch x64 ; aesenc xmm0, xmm1),
            (false, _) => dynasm!(self.asm
                ; .arch x64
                ; aesdeclast xmm0, xmm1
                ; aesenc xmm0, xmm1
            ),
        }
    }

    /// Four rounds of SHA-256: one half of the state, and the other where the operation that gives it
    /// follows. The host has `[f, e, b, a]` and `[h, g, d, c]` where the guest has `[a, b, c, d]` and
    /// `[e, f, g, h]`, does two rounds and leaves the first as it was for the second to become.
    fn sha256(&mut self, op: CryptoOp, d: Vector, v: [Vector; 3]) -> bool {
        let value = *self.vectors.value(d.0);
        if value.register != NONE || value.slot != NONE {
            return true;
        }
        let first = op == CryptoOp::Sha256h;
        let [abcd, efgh] = if first { [v[0], v[1]] } else { [v[1], v[0]] };
        let (abcd, efgh, w) = (self.vector(abcd), self.vector(efgh), self.vector(v[2]));
        self.copy_vector(1, efgh);
        self.copy_vector(2, efgh);
        self.copy_vector(0, w);
        dynasm!(self.asm
            ; .arch x64
            ; shufps xmm1, Rx(abcd), BYTE 0x11
            ; shufps xmm2, Rx(abcd), BYTE 0xbb_u8 as i8
            ; sha256rnds2 xmm2, xmm1
            ; pshufd xmm0, xmm0, BYTE 0x0e
            ; sha256rnds2 xmm1, xmm2
        );
        let [mine, other] = if first { [0xbb, 0x11_u8] } else { [0x11, 0xbb] };
        let half = |e: &mut Self, order: u8| {
            e.copy_vector(0, 1);
            dynasm!(e.asm ; .arch x64 ; shufps xmm0, xmm2, BYTE order as i8);
        };
        if let Some(also) = self.other_half(op, v) {
            half(self, other);
            // Not where its global is: that is still looked at before it is set.
            let to = self.vector_result_apart(also);
            self.copy_vector(to, 0);
        }
        half(self, mine);
        let to = self.vector_result(d);
        self.copy_vector(to, 0);
        true
    }

    /// The result of the operation soon to follow that computes the other half of the same rounds.
    fn other_half(&self, op: CryptoOp, [a, b, w]: [Vector; 3]) -> Option<Vector> {
        let other = match op {
            CryptoOp::Sha256h => CryptoOp::Sha256h2,
            _ => CryptoOp::Sha256h,
        };
        let after = self.ops.get(self.at as usize + 1..)?;
        after.iter().take(NEAR).find_map(|op| match *op {
            Op::Wide {
                op: WideOp::Crypto(o),
                v,
                d: Value::Vector(d),
                ..
            } if o == other && v == [Some(b), Some(a), Some(w)] => {
                (self.vectors.value(d.0).uses > 0).then_some(d)
            }
            _ => None,
        })
    }

    /// `xmm0` = an operation of SHA of three operands; false where the host has no instruction.
    fn sha_of_three(&mut self, op: CryptoOp, v: [Vector; 3]) -> bool {
        let rounds = SHA1_ROUNDS.iter().find(|row| row.0 == op);
        if op != CryptoOp::Sha1su0 && !self.host.sha {
            return false;
        }
        let [a, b, c] = v.map(|v| self.vector(v));
        match (op, rounds) {
            (CryptoOp::Sha1su0, _) => {
                self.copy_vector(0, a);
                dynasm!(self.asm
                    ; .arch x64
                    ; shufpd xmm0, Rx(b), BYTE 1
                    ; pxor xmm0, Rx(a)
                    ; pxor xmm0, Rx(c)
                );
            }
            (CryptoOp::Sha256su1, _) => {
                self.copy_vector(0, c);
                dynasm!(self.asm
                    ; .arch x64
                    ; palignr xmm0, Rx(b), BYTE 4
                    ; paddd xmm0, Rx(a)
                    ; sha256msg2 xmm0, Rx(c)
                );
            }
            (_, Some(&(_, kind, constant))) => {
                // The host has everything in the opposite order.
                self.constant(RAX, constant.into());
                dynasm!(self.asm
                    ; .arch x64
                    ; movd xmm0, eax
                    ; pshufd xmm0, xmm0, BYTE 0
                    ; movd eax, Rx(b)
                    ; movd xmm1, eax
                    ; paddd xmm1, Rx(c)
                    ; psubd xmm1, xmm0
                    ; pshufd xmm1, xmm1, BYTE 0x1b
                    ; pshufd xmm0, Rx(a), BYTE 0x1b
                    ; sha1rnds4 xmm0, xmm1, BYTE kind
                    ; pshufd xmm0, xmm0, BYTE 0x1b
                );
            }
            _ => return false,
        }
        true
    }

    /// The same of two operands.
    fn sha_of_two(&mut self, op: CryptoOp, v: [Vector; 2]) -> bool {
        match op {
            CryptoOp::Sha256su0 if self.host.sha => {
                let [a, b] = v.map(|v| self.vector(v));
                self.copy_vector(0, a);
                dynasm!(self.asm ; .arch x64 ; sha256msg1 xmm0, Rx(b));
            }
            CryptoOp::Sha1su1 => {
                let [a, b] = v.map(|v| self.vector(v));
                self.copy_vector(0, b);
                dynasm!(self.asm ; .arch x64 ; psrldq xmm0, 4 ; pxor xmm0, Rx(a));
                self.rotate_words(0, 1);
                dynasm!(self.asm ; .arch x64 ; movaps xmm1, xmm0 ; pslldq xmm1, 12);
                self.rotate_words(1, 2);
                dynasm!(self.asm ; .arch x64 ; pxor xmm0, xmm1);
            }
            _ => return false,
        }
        true
    }

    /// Rotates the words of `x` left by 1.
    fn rotate_words(&mut self, x: u8, scratch: u8) {
        self.copy_vector(scratch, x);
        dynasm!(self.asm
            ; .arch x64
            ; paddd Rx(x), Rx(x)
            ; psrld Rx(scratch), 31
            ; por Rx(x), Rx(scratch)
        );
    }

    /// `eax` = the checksum so far, `ecx` = the data, of an operand that holds both.
    fn checksum_and_data(&mut self, a: Int) {
        self.copy_value(RCX, a);
        dynasm!(self.asm ; .arch x64 ; mov eax, ecx ; shr rcx, 32);
    }

    fn crc32c(&mut self, d: Int, a: Int, bytes: u32) -> bool {
        self.checksum_and_data(a);
        match bytes {
            1 => dynasm!(self.asm ; .arch x64 ; crc32 eax, cl),
            2 => dynasm!(self.asm ; .arch x64 ; crc32 eax, cx),
            _ => dynasm!(self.asm ; .arch x64 ; crc32 eax, ecx),
        }
        let to = self.result(d);
        self.copy(to, RAX);
        true
    }

    fn crc32(&mut self, d: Int, a: Int, bytes: u32) -> bool {
        if !self.host.pclmul {
            return false;
        }
        self.checksum_and_data(a);
        let rest = 8 * bytes.clamp(1, 4) as i8;
        dynasm!(self.asm ; .arch x64 ; xor ecx, eax);
        if rest < 32 {
            dynasm!(self.asm ; .arch x64 ; shr eax, BYTE rest ; shl ecx, BYTE 32 - rest);
        }
        dynasm!(self.asm
            ; .arch x64
            ; movd xmm0, ecx
            ; mov rcx, QWORD QUOTIENT
            ; movq xmm1, rcx
            ; pclmulqdq xmm0, xmm1, BYTE 0
            ; mov rcx, QWORD POLYNOMIAL
            ; movq xmm1, rcx
            ; movd ecx, xmm0
            ; movd xmm0, ecx
            ; pclmulqdq xmm0, xmm1, BYTE 0
            ; pextrd ecx, xmm0, BYTE 1
        );
        if rest < 32 {
            dynasm!(self.asm ; .arch x64 ; xor eax, ecx);
        }
        let to = self.result(d);
        self.copy(to, if rest < 32 { RAX } else { RCX });
        true
    }
}
