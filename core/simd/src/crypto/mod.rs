//! AES, SHA-1, SHA-256, carry-less products and CRC-32.
//!
//! The meaning of Arm's cryptographic extension (Arm ARM C7.2: AESE to SHA256SU1, PMULL) and of its
//! CRC32 instructions. Each operation has one shape, [`CryptoOp::shape`].

mod aes;
mod crc;
mod pmull;
mod sha;

#[cfg(test)]
mod tests;

use crate::{Dest, FpEnv, Lane, Shape, Signature, WideArgs, WideFn};

macro_rules! crypto_ops {
    ($($(#[$doc:meta])* $op:ident = $module:ident::$f:ident, $lane:ident $count:literal, $dest:ident, $vecs:literal $($int:ident)?;)*) => {
        /// The table of these operations. Operands are numbered `v0` to `v2`; an old destination
        /// that an operation also reads comes first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CryptoOp {
            $($(#[$doc])* $op,)*
        }

        impl CryptoOp {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$op),*];

            /// The only shape of the operation.
            #[must_use]
            pub const fn shape(self) -> Shape {
                match self {
                    $(Self::$op => Shape { lane: Lane::$lane, count: $count },)*
                }
            }

            pub(crate) fn signature(self) -> Signature {
                match self {
                    $(Self::$op => Signature {
                        dest: Dest::$dest,
                        vecs: $vecs,
                        int: crypto_ops!(@int $($int)?),
                        fp_env: false,
                    },)*
                }
            }

            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$op => stringify!($f),)*
                }
            }
        }

        pub(crate) fn resolve(op: CryptoOp, shape: Shape) -> Option<WideFn> {
            let f: WideFn = match op {
                $(CryptoOp::$op => |_: &mut FpEnv, args: &WideArgs| $module::$f(args),)*
            };
            (shape == op.shape()).then_some(f)
        }
    };
    (@int) => { false };
    (@int int) => { true };
}

crypto_ops! {
    /// AES: `v0 ^ v1`, then ShiftRows and SubBytes.
    Aese = aes::aese, B 16, Vec, 2;
    /// AES: `v0 ^ v1`, then InvShiftRows and InvSubBytes.
    Aesd = aes::aesd, B 16, Vec, 2;
    /// AES: MixColumns.
    Aesmc = aes::aesmc, B 16, Vec, 1;
    /// AES: InvMixColumns.
    Aesimc = aes::aesimc, B 16, Vec, 1;
    /// SHA-1: four rounds with Ch; `v0` is A to D, the first lane of `v1` E, `v2` the words.
    Sha1c = sha::sha1c, S 4, Vec, 3;
    /// SHA-1: four rounds with Parity.
    Sha1p = sha::sha1p, S 4, Vec, 3;
    /// SHA-1: four rounds with Maj.
    Sha1m = sha::sha1m, S 4, Vec, 3;
    /// SHA-1: the first lane rotated left by 30.
    Sha1h = sha::sha1h, S 4, Vec, 1;
    /// SHA-1 message schedule, first part.
    Sha1su0 = sha::sha1su0, S 4, Vec, 3;
    /// SHA-1 message schedule, second part.
    Sha1su1 = sha::sha1su1, S 4, Vec, 2;
    /// SHA-256: four rounds, the new A to D; `v0` is A to D, `v1` E to H, `v2` the words.
    Sha256h = sha::sha256h, S 4, Vec, 3;
    /// SHA-256: four rounds, the new E to H; `v0` is E to H, `v1` A to D, `v2` the words.
    Sha256h2 = sha::sha256h2, S 4, Vec, 3;
    /// SHA-256 message schedule, first part.
    Sha256su0 = sha::sha256su0, S 4, Vec, 2;
    /// SHA-256 message schedule, second part.
    Sha256su1 = sha::sha256su1, S 4, Vec, 3;
    /// 128-bit product of the low halves as polynomials over {0, 1}.
    Pmull64 = pmull::pmull64, D 1, Vec, 2;
    /// CRC-32 (polynomial 0x04c11db7, reflected) without inversions. The integer operand holds the
    /// checksum so far in its low half and in its high half the data, of which the low `imm`
    /// (1, 2 or 4) bytes count.
    Crc32 = crc::crc32, S 1, Int, 0 int;
    /// The same for CRC-32C (polynomial 0x1edc6f41).
    Crc32c = crc::crc32c, S 1, Int, 0 int;
}
