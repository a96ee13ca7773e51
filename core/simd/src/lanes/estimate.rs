//! Arm's reciprocal estimates on fixed-point fractions (Arm ARM, shared pseudocode:
//! RecipEstimate, RecipSqrtEstimate).

/// About `2^17 / a`, 256 to 511, for a fraction `a / 512` with `a` 256 to 511.
fn recip_estimate(a: u32) -> u32 {
    ((1 << 19) / (2 * a + 1)).div_ceil(2)
}

/// The same for the reciprocal square root of `a / 512`, with `a` 128 to 511.
fn recip_sqrt_estimate(a: u32) -> u32 {
    let midpoint = if a < 256 {
        2 * a + 1
    } else {
        2 * ((a & !1) + 1)
    };
    let mut root = 512;
    while midpoint * (root + 1) * (root + 1) < 1 << 28 {
        root += 1;
    }
    root.div_ceil(2)
}

/// UnsignedRecipEstimate of the fraction 0.`a` (32 bits): all ones below 0.5.
pub(super) fn reciprocal(a: u64) -> u64 {
    if a >> 31 == 0 {
        return 0xffff_ffff;
    }
    u64::from(recip_estimate((a >> 23) as u32)) << 23
}

/// UnsignedRSqrtEstimate of the fraction 0.`a` (32 bits): all ones below 0.25.
pub(super) fn reciprocal_root(a: u64) -> u64 {
    if a >> 30 == 0 {
        return 0xffff_ffff;
    }
    u64::from(recip_sqrt_estimate((a >> 23) as u32)) << 23
}
