//! The round steps of AES (FIPS 197). Byte `4 * column + row` of a vector is that of the state.

use crate::WideArgs;

/// SubBytes, computed from its definition: inverse in GF(2^8), then an affine map.
const SBOX: [u8; 256] = sbox();
/// Its inverse.
const INVERSE_SBOX: [u8; 256] = invert(&SBOX);

/// Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.
const fn product(a: u8, b: u8) -> u8 {
    let mut sum = 0;
    let mut power = a;
    let mut i = 0;
    while i < 8 {
        if b >> i & 1 != 0 {
            sum ^= power;
        }
        power = double(power);
        i += 1;
    }
    sum
}

const fn double(a: u8) -> u8 {
    (a << 1) ^ if a & 0x80 != 0 { 0x1b } else { 0 }
}

const fn sbox() -> [u8; 256] {
    let mut table = [0; 256];
    // 3 generates the field's multiplicative group, and 0xf6 is its inverse.
    let (mut x, mut inverse) = (1u8, 1u8);
    loop {
        let affine = inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4);
        table[x as usize] = affine ^ 0x63;
        x = product(x, 3);
        inverse = product(inverse, 0xf6);
        if x == 1 {
            break;
        }
    }
    table[0] = 0x63;
    table
}

const fn invert(table: &[u8; 256]) -> [u8; 256] {
    let mut inverse = [0; 256];
    let mut i = 0;
    while i < 256 {
        inverse[table[i] as usize] = i as u8;
        i += 1;
    }
    inverse
}

/// Rows moved left by `step` times their number, then bytes substituted.
fn substitute(args: &WideArgs, step: usize, table: &[u8; 256]) -> u128 {
    let state = (args.v[0] ^ args.v[1]).to_le_bytes();
    let mut out = [0; 16];
    for (i, byte) in out.iter_mut().enumerate() {
        let (column, row) = (i / 4, i % 4);
        let from = (column + step * row) % 4;
        *byte = table[usize::from(state[4 * from + row])];
    }
    u128::from_le_bytes(out)
}

/// Each column multiplied by the polynomial with these coefficients, that of x^0 first.
fn mix(args: &WideArgs, coefficients: [u8; 4]) -> u128 {
    let state = args.v[0].to_le_bytes();
    let mut out = [0; 16];
    for (i, byte) in out.iter_mut().enumerate() {
        let (column, row) = (i / 4, i % 4);
        for (k, &coefficient) in coefficients.iter().enumerate() {
            *byte ^= product(state[4 * column + (row + 4 - k) % 4], coefficient);
        }
    }
    u128::from_le_bytes(out)
}

pub(super) fn aese(args: &WideArgs) -> u128 {
    substitute(args, 1, &SBOX)
}

pub(super) fn aesd(args: &WideArgs) -> u128 {
    substitute(args, 3, &INVERSE_SBOX)
}

pub(super) fn aesmc(args: &WideArgs) -> u128 {
    mix(args, [2, 1, 1, 3])
}

pub(super) fn aesimc(args: &WideArgs) -> u128 {
    mix(args, [14, 9, 13, 11])
}
