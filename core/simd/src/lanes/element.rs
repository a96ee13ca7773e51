//! Lanes as integers: how a vector is taken apart and what a lane function sees.

use crate::FpEnv;

/// FPSR.QC: some result was saturated.
pub(super) const QC: u32 = 1 << 27;

/// A lane width. Lane values travel as `u64`, zero-extended; what a lane function returns is cut to
/// the width when it is stored.
pub(super) trait Element {
    /// Bits in a lane.
    const BITS: u32;
    /// The element of twice the width (itself at 64 bits, where nothing widens).
    type Wide: Element;
    /// Lane `i` of the vector whose bytes, lowest first, are given.
    fn get(v: &[u8; 16], i: usize) -> u64;
    /// Replaces lane `i`.
    fn set(v: &mut [u8; 16], i: usize, value: u64);
}

macro_rules! element {
    ($($lane:ident, $wide:ident;)*) => {$(
        impl Element for $lane {
            const BITS: u32 = $lane::BITS;
            type Wide = $wide;
            #[inline(always)]
            fn get(v: &[u8; 16], i: usize) -> u64 {
                const SIZE: usize = size_of::<$lane>();
                let mut bytes = [0; SIZE];
                bytes.copy_from_slice(&v[i * SIZE..(i + 1) * SIZE]);
                $lane::from_le_bytes(bytes).into()
            }
            #[inline(always)]
            fn set(v: &mut [u8; 16], i: usize, value: u64) {
                const SIZE: usize = size_of::<$lane>();
                v[i * SIZE..(i + 1) * SIZE].copy_from_slice(&(value as $lane).to_le_bytes());
            }
        }
    )*};
}

element! {
    u8, u16;
    u16, u32;
    u32, u64;
    u64, u64;
}

/// What a lane function may read and report besides its lanes.
pub(super) struct Cx {
    /// The operation's immediate.
    pub imm: u32,
    /// Set by a lane function that saturated.
    pub saturated: bool,
}

impl Cx {
    pub fn new(imm: u32) -> Self {
        Self {
            imm,
            saturated: false,
        }
    }

    /// Adds what happened to the status word.
    #[inline(always)]
    pub fn report(self, env: &mut FpEnv) {
        if self.saturated {
            env.status |= QC;
        }
    }

    /// `v` cut to the signed range of `bits` bits (at most 64).
    #[inline(always)]
    pub fn signed(&mut self, v: i128, bits: u32) -> u64 {
        let max = (1i128 << (bits - 1)) - 1;
        let cut = v.clamp(-max - 1, max);
        self.saturated |= cut != v;
        cut as u64
    }

    /// `v` cut to the unsigned range of `bits` bits (at most 64).
    #[inline(always)]
    pub fn unsigned(&mut self, v: i128, bits: u32) -> u64 {
        let cut = v.clamp(0, (1i128 << bits) - 1);
        self.saturated |= cut != v;
        cut as u64
    }
}

/// The lane value `a` of `bits` bits as a signed integer.
#[inline(always)]
pub(super) fn signed(a: u64, bits: u32) -> i64 {
    (a << (64 - bits)) as i64 >> (64 - bits)
}

/// The lane value `a` as a signed integer.
#[inline(always)]
pub(super) fn sx<E: Element>(a: u64) -> i64 {
    signed(a, E::BITS)
}

/// The value `a` of a lane twice as wide as `E` as a signed integer.
#[inline(always)]
pub(super) fn sx_wide<E: Element>(a: u64) -> i64 {
    signed(a, <E::Wide as Element>::BITS)
}
