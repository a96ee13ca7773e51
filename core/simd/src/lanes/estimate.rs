//! Arm's reciprocal estimates on fixed-point fractions.

use crate::float::{recip_estimate, recip_sqrt_estimate};

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
