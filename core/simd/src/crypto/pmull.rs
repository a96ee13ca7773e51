//! Products of polynomials over {0, 1}.

use crate::WideArgs;

pub(super) fn pmull64(args: &WideArgs) -> u128 {
    let a = u128::from(args.v[0] as u64);
    let b = args.v[1] as u64;
    (0..64).fold(0, |sum, i| {
        let keep = u128::from(b >> i & 1).wrapping_neg();
        sum ^ (a << i & keep)
    })
}
