//! The translation context as a code key.
//!
//! Bits 0 to 9 hold what the code is specialised for, bits 16 and up the features.

use ferrite_ir::CodeKey;

use crate::features::Features;
use crate::translate::Context;

/// The bits that change while a CPU runs.
pub const SPECIALISATION: u64 = 0xfff;

const FEATURES: u32 = 16;
const SINGLE_STEP: u64 = 1 << 9;

/// Packs a context.
pub fn pack(cx: &Context) -> CodeKey {
    let flag = |set: bool, bit: u32| u64::from(set) << bit;
    // Trapping to EL0 does not exist: 0 stands for no trap.
    let fp_trap = u64::from(cx.fp_trap.unwrap_or(0)) << 2;
    CodeKey(
        u64::from(cx.el)
            | fp_trap
            | flag(cx.align_check, 4)
            | flag(cx.sp_check, 5)
            | flag(cx.big_endian, 6)
            | flag(cx.plain_unprivileged, 7)
            | flag(cx.breakpoints, 8)
            | flag(cx.single_step, 9)
            | cx.features.bits() << FEATURES,
    )
}

/// The key with the single-step bit as given.
pub const fn with_step(key: CodeKey, stepping: bool) -> CodeKey {
    if stepping {
        CodeKey(key.0 | SINGLE_STEP)
    } else {
        CodeKey(key.0 & !SINGLE_STEP)
    }
}

/// Unpacks a key.
pub fn unpack(key: CodeKey) -> Context {
    let flag = |bit: u32| key.0 >> bit & 1 != 0;
    let fp_trap = (key.0 >> 2 & 3) as u8;
    Context {
        el: (key.0 & 3) as u8,
        features: Features::from_bits_truncate(key.0 >> FEATURES),
        fp_trap: (fp_trap != 0).then_some(fp_trap),
        align_check: flag(4),
        sp_check: flag(5),
        big_endian: flag(6),
        plain_unprivileged: flag(7),
        single_step: flag(9),
        breakpoints: flag(8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_context_survives() {
        for bits in 0..1_u64 << 10 {
            if bits & 3 > 1 {
                continue;
            }
            let key = CodeKey(bits | Features::all().bits() << FEATURES);
            assert_eq!(pack(&unpack(key)), key);
        }
    }
}
