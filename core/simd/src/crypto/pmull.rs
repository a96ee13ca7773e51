//! Products of polynomials over {0, 1}.

use crate::WideArgs;

pub(super) fn pmull64(args: &WideArgs) -> u128 {
    let (a, b) = (args.v[0] as u64, args.v[1] as u64);
    let low = low_product(a, b);
    // Coefficient `k` of the product of the mirrored operands is coefficient `126 - k`.
    let high = low_product(a.reverse_bits(), b.reverse_bits()).reverse_bits() >> 1;
    u128::from(high) << 64 | u128::from(low)
}

/// The low 64 coefficients, by integer multiplication of operands of which only every fourth bit is
/// kept: at most 16 products are added at any bit, so that carries reach the next bit that counts
/// only beyond the 64th.
fn low_product(a: u64, b: u64) -> u64 {
    const FOURTH: u64 = 0x1111_1111_1111_1111;
    let parts = |x: u64| [0, 1, 2, 3].map(|i| x & FOURTH << i);
    let (a, b) = (parts(a), parts(b));
    (0..4).fold(0, |product, r| {
        let sum = (0..4).fold(0, |sum, i| sum ^ a[i].wrapping_mul(b[(r + 4 - i) % 4]));
        product | sum & FOURTH << r
    })
}
