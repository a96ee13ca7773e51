//! Known answers of the standards.

use super::CryptoOp;
use crate::{FpEnv, WideArgs, WideOp, resolve};

fn run(op: CryptoOp, v: &[u128]) -> u128 {
    let mut args = WideArgs::default();
    args.v[..v.len()].copy_from_slice(v);
    let f = resolve(WideOp::Crypto(op), op.shape()).expect("its own shape");
    f(&mut FpEnv::default(), &args)
}

fn bytes(hex: &str) -> u128 {
    u128::from_str_radix(hex, 16).expect("hex").swap_bytes()
}

/// FIPS 197, appendix B: the state and round keys of rounds 0 to 2.
#[test]
fn aes_rounds_match_fips_197() {
    let input = bytes("3243f6a8885a308d313198a2e0370734");
    let key0 = bytes("2b7e151628aed2a6abf7158809cf4f3c");
    let key1 = bytes("a0fafe1788542cb123a339392a6c7605");
    let shifted = bytes("d4bf5d30e0b452aeb84111f11e2798e5");
    let mixed = bytes("046681e5e0cb199a48f8d37a2806264c");
    let start2 = bytes("a49c7ff2689f352b6b5bea43026a5049");
    assert_eq!(run(CryptoOp::Aese, &[input, key0]), shifted);
    assert_eq!(run(CryptoOp::Aesmc, &[shifted]), mixed);
    assert_eq!(mixed ^ key1, start2);
    assert_eq!(run(CryptoOp::Aesimc, &[mixed]), shifted);
    assert_eq!(run(CryptoOp::Aesd, &[shifted, 0]), input ^ key0);
}

/// `lanes` words of a message schedule, as vectors.
fn pack(words: &[u32]) -> u128 {
    words.iter().rev().fold(0, |v, &w| v << 32 | u128::from(w))
}

/// The one block of the padded message "abc".
fn abc() -> [u128; 4] {
    let mut block = [0u32; 16];
    block[0] = 0x6162_6380;
    block[15] = 24;
    std::array::from_fn(|i| pack(&block[4 * i..4 * i + 4]))
}

/// Lane by lane sum.
fn add(a: u128, b: u128) -> u128 {
    let word = |v: u128, i: u32| (v >> (32 * i)) as u32;
    let sums: Vec<u32> = (0..4)
        .map(|i| word(a, i).wrapping_add(word(b, i)))
        .collect();
    pack(&sums)
}

/// FIPS 180, SHA-1 example 1, computed as the instructions are meant to be used.
#[test]
fn sha1_of_abc() {
    let mut w = abc();
    let start = pack(&[0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]);
    let (mut abcd, mut e) = (start, 0xc3d2_e1f0);
    for round in 0..20 {
        let (op, k) = match round / 5 {
            0 => (CryptoOp::Sha1c, 0x5a82_7999),
            1 => (CryptoOp::Sha1p, 0x6ed9_eba1),
            2 => (CryptoOp::Sha1m, 0x8f1b_bcdc),
            _ => (CryptoOp::Sha1p, 0xca62_c1d6),
        };
        let next = run(CryptoOp::Sha1h, &[abcd]);
        abcd = run(op, &[abcd, e, add(w[0], pack(&[k; 4]))]);
        e = next;
        let new = run(CryptoOp::Sha1su0, &[w[0], w[1], w[2]]);
        let new = run(CryptoOp::Sha1su1, &[new, w[3]]);
        w = [w[1], w[2], w[3], new];
    }
    assert_eq!(
        add(abcd, start),
        pack(&[0xa999_3e36, 0x4706_816a, 0xba3e_2571, 0x7850_c26c])
    );
    assert_eq!((e as u32).wrapping_add(0xc3d2_e1f0), 0x9cd0_d89d);
}

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
fn sha256_constants() -> Vec<u32> {
    let primes = (2u128..).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0));
    primes
        .take(64)
        .map(|p| {
            let scaled = p << 96;
            let (mut low, mut high) = (0u128, 1 << 36);
            while high - low > 1 {
                let middle = (low + high) / 2;
                if middle * middle * middle <= scaled {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            low as u32
        })
        .collect()
}

/// FIPS 180, SHA-256 example 1.
#[test]
fn sha256_of_abc() {
    let constants = sha256_constants();
    assert_eq!(constants[0], 0x428a_2f98);
    let mut w = abc();
    let start = [
        pack(&[0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a]),
        pack(&[0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19]),
    ];
    let [mut abcd, mut efgh] = start;
    for round in 0..16 {
        let words = add(w[0], pack(&constants[4 * round..4 * round + 4]));
        let new = run(CryptoOp::Sha256h, &[abcd, efgh, words]);
        efgh = run(CryptoOp::Sha256h2, &[efgh, abcd, words]);
        abcd = new;
        let new = run(CryptoOp::Sha256su0, &[w[0], w[1]]);
        let new = run(CryptoOp::Sha256su1, &[new, w[2], w[3]]);
        w = [w[1], w[2], w[3], new];
    }
    assert_eq!(
        add(abcd, start[0]),
        pack(&[0xba78_16bf, 0x8f01_cfea, 0x4141_40de, 0x5dae_2223])
    );
    assert_eq!(
        add(efgh, start[1]),
        pack(&[0xb003_61a3, 0x9617_7a9c, 0xb410_ff61, 0xf200_15ad])
    );
}

/// (x^63 + 1)(x^63 + x) and a product with a carry-less square.
#[test]
fn pmull_multiplies_polynomials() {
    let a = 1 << 63 | 1;
    let b = 1 << 63 | 2;
    let expected = 1u128 << 126 | 1 << 64 | 1 << 63 | 2;
    assert_eq!(run(CryptoOp::Pmull64, &[a, b]), expected);
    assert_eq!(run(CryptoOp::Pmull64, &[0xff, 0xff]), 0x5555);
}

/// Against one bit after the other.
#[test]
fn pmull_is_a_sum_of_shifts() {
    let number = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ i << 40;
    let corners = [0, 1, u64::MAX, 1 << 63, 0x1111_1111_1111_1111];
    let numbers: Vec<u64> = (1..60).map(number).chain(corners).collect();
    for &a in &numbers {
        for &b in &numbers {
            let shifts = (0..64).filter(|i| b >> i & 1 != 0);
            let expected = shifts.fold(0, |sum, i| sum ^ u128::from(a) << i);
            let garbage = 0xabcd << 64;
            let v = [u128::from(a) | garbage, u128::from(b) | garbage];
            assert_eq!(run(CryptoOp::Pmull64, &v), expected, "{a:#x} {b:#x}");
        }
    }
}

fn crc(op: CryptoOp, data: &[u8], unit: usize) -> u32 {
    let f = resolve(WideOp::Crypto(op), op.shape()).expect("its own shape");
    let sum = data.chunks(unit).fold(u32::MAX, |sum, chunk| {
        let mut word = [0xee; 4]; // bytes beyond the unit do not count
        word[..chunk.len()].copy_from_slice(chunk);
        let args = WideArgs {
            int: u64::from(sum) | u64::from(u32::from_le_bytes(word)) << 32,
            imm: chunk.len() as u32,
            ..WideArgs::default()
        };
        f(&mut FpEnv::default(), &args) as u32
    });
    !sum
}

/// The check values of the CRC catalogue, for "123456789".
#[test]
fn crc_check_values() {
    for unit in [1, 2, 4] {
        assert_eq!(crc(CryptoOp::Crc32, b"123456789", unit), 0xcbf4_3926);
        assert_eq!(crc(CryptoOp::Crc32c, b"123456789", unit), 0xe306_9283);
    }
}
