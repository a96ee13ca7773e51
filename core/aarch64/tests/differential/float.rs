//! Floating-point operands: special values and their neighbours, values near each other, fractions
//! with few bits, exponents where results underflow, overflow or fall between two numbers.

use ferrite_aarch64::decode::Row;

use crate::generate::Random;

/// A format, as the widths of an encoding and its fraction field.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    bits: u32,
    fraction: u32,
}

pub const HALF: Format = Format {
    bits: 16,
    fraction: 10,
};
pub const SINGLE: Format = Format {
    bits: 32,
    fraction: 23,
};
pub const DOUBLE: Format = Format {
    bits: 64,
    fraction: 52,
};

impl Format {
    fn exponents(self) -> u64 {
        1 << (self.bits - 1 - self.fraction)
    }

    fn magnitudes(self) -> u64 {
        (1 << (self.bits - 1)) - 1
    }

    fn fractions(self) -> u64 {
        (1 << self.fraction) - 1
    }

    fn infinity(self) -> u64 {
        (self.exponents() - 1) << self.fraction
    }

    /// One encoding.
    pub fn encoding(self, random: &mut Random) -> u64 {
        let sign = random.next() & 1 << (self.bits - 1);
        let value = random.next();
        let fraction = value & self.fractions();
        let bias = self.exponents() / 2 - 1;
        let near_one = |random: &mut Random, span: usize| {
            let exponent = bias + random.below(span) as u64 - span as u64 / 3;
            (exponent % self.exponents()) << self.fraction
        };
        let magnitude = match random.below(10) {
            0 | 1 => {
                let quiet = 1 << (self.fraction - 1);
                let special = random.of(&[
                    0,
                    1 << self.fraction,
                    bias << self.fraction,
                    self.infinity(),
                    self.infinity() | quiet,
                    self.infinity() | quiet | fraction,
                    self.infinity() | fraction >> 1,
                ]);
                special.wrapping_add(random.of(&[0, 0, 0, 1, u64::MAX]))
            }
            // A denormal.
            2 => fraction >> random.below(self.fraction as usize),
            // Exponents so near each other that sums are not just the larger one.
            3 | 4 => near_one(random, 12) | fraction,
            5 => near_one(random, self.fraction as usize + 4) | fraction,
            // Few bits, so that results are exact or ties.
            6 | 7 => {
                let kept = random.below(self.fraction as usize);
                near_one(random, 24) | fraction & !(self.fractions() >> kept)
            }
            // Products and quotients near either end of the range.
            8 => {
                (bias / 2 * random.of(&[1, 3])) << self.fraction ^ value & 7 << self.fraction
                    | fraction
            }
            _ => value,
        };
        sign | magnitude & self.magnitudes()
    }

    /// A register full of them.
    pub fn vector(self, random: &mut Random) -> u128 {
        (0..128 / self.bits).fold(0, |v, lane| {
            v | u128::from(self.encoding(random)) << (lane * self.bits)
        })
    }

    /// A register whose lanes are a step or none from another's, some with the sign changed: sums
    /// cancel, comparisons are close.
    fn near(self, vector: u128, random: &mut Random) -> u128 {
        (0..128 / self.bits).fold(0, |v, lane| {
            let bits = (vector >> (lane * self.bits)) as u64;
            let step = random.of(&[0, 0, 1, u64::MAX]);
            let sign = random.next() & 1 << (self.bits - 1);
            let bits = bits.wrapping_add(step) ^ sign;
            let bits = bits & (self.magnitudes() << 1 | 1);
            v | u128::from(bits) << (lane * self.bits)
        })
    }
}

/// The format that an instruction most likely reads.
fn format(row: &Row, word: u32, random: &mut Random) -> Format {
    if random.one_in(16) {
        return random.of(&[HALF, SINGLE, DOUBLE]);
    }
    let size = row.field("ptype").or_else(|| row.field("sz"));
    let immh = row.field("immh").map(|field| field.of(word) >> 3);
    match (row.name, size.map(|field| field.of(word)).or(immh)) {
        (_, Some(3)) | ("FCVTL_v", Some(0)) => HALF,
        ("FCVTL_v", _) | ("FCVTN_v", Some(0)) | (_, Some(0) | None) => SINGLE,
        _ => DOUBLE,
    }
}

/// Vector registers for a floating-point instruction: all of one format, every other one near its
/// neighbour.
pub fn registers(row: &Row, word: u32, random: &mut Random) -> [u128; 32] {
    let format = format(row, word, random);
    let mut last = 0;
    std::array::from_fn(|_| {
        last = if random.one_in(4) {
            format.near(last, random)
        } else {
            format.vector(random)
        };
        last
    })
}
