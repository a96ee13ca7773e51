//! Tests against a second implementation (`rustc_apfloat`), the manual's rules, and exhaustive or
//! naive renderings of them.

mod against_apfloat;
mod estimates;
mod fast_path;
mod rules;
mod shapes;

use super::env::{FpEnv, Rounding};
use super::format::Format;

/// A small generator (xorshift64*), so that failures repeat.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }

    /// An encoding: often a special value or its neighbour, or with a sparse fraction, or with an
    /// exponent near the middle, so that operands meet in every way.
    pub fn encoding<F: Format>(&mut self) -> u64 {
        let sign = if self.next() >> 63 != 0 { F::SIGN } else { 0 };
        let random = self.next();
        let magnitude = match self.below(8) {
            0 => {
                let specials = [
                    0,
                    F::MIN_NORMAL,
                    F::INFINITY,
                    F::INFINITY | F::QUIET,
                    F::INFINITY | 1,
                    F::ONE_AND_HALF ^ F::QUIET,
                    F::TWO,
                    F::MIN_NORMAL * 2,
                ];
                let near = self.below(5).wrapping_sub(2);
                specials[self.below(8) as usize].wrapping_add(near)
            }
            1 => random & F::FRAC_MASK >> self.below(u64::from(F::FRAC)),
            2 | 3 => {
                let middle = (F::BIAS as u64 + self.below(16) - 8) << F::FRAC;
                middle | random & F::FRAC_MASK
            }
            4 => {
                let exponent = (F::BIAS as u64 + self.below(64) - 12) % F::EXP_MAX;
                let keep = self.below(u64::from(F::FRAC));
                exponent << F::FRAC | random & F::FRAC_MASK & !(F::FRAC_MASK >> keep)
            }
            5 => {
                let half = F::MIN_NORMAL >> self.below(u64::from(F::FRAC) + 1);
                (random & F::INFINITY)
                    .wrapping_add(half)
                    .wrapping_sub(self.below(2))
            }
            _ => random,
        };
        sign | magnitude & F::MAGNITUDE
    }
}

pub fn is_nan<F: Format>(bits: u64) -> bool {
    bits & F::MAGNITUDE > F::INFINITY
}

/// The rounding modes of the control word.
pub const MODES: [Rounding; 4] = [
    Rounding::TiesToEven,
    Rounding::Up,
    Rounding::Down,
    Rounding::ToZero,
];

pub fn env_with(mode: Rounding, control: u32) -> FpEnv {
    FpEnv {
        control: control | (mode as u32) << super::env::control::RMODE_SHIFT,
        status: 0,
    }
}
