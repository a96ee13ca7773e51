//! The round steps of SHA-1 and SHA-256 (FIPS 180-4), four rounds at a time.

use crate::WideArgs;

/// Four words, the first in the low bits.
type Words = [u32; 4];

fn words(v: u128) -> Words {
    std::array::from_fn(|i| (v >> (32 * i)) as u32)
}

fn vector(words: Words) -> u128 {
    words.iter().rev().fold(0, |v, &w| v << 32 | u128::from(w))
}

fn choose(x: u32, y: u32, z: u32) -> u32 {
    (x & y) | (!x & z)
}

fn parity(x: u32, y: u32, z: u32) -> u32 {
    x ^ y ^ z
}

fn majority(x: u32, y: u32, z: u32) -> u32 {
    (x & y) | (x & z) | (y & z)
}

fn sha1(args: &WideArgs, f: fn(u32, u32, u32) -> u32) -> u128 {
    let [mut a, mut b, mut c, mut d] = words(args.v[0]);
    let mut e = args.v[1] as u32;
    for word in words(args.v[2]) {
        let t = (a.rotate_left(5))
            .wrapping_add(f(b, c, d))
            .wrapping_add(e)
            .wrapping_add(word);
        (a, b, c, d, e) = (t, a, b.rotate_left(30), c, d);
    }
    vector([a, b, c, d])
}

pub(super) fn sha1c(args: &WideArgs) -> u128 {
    sha1(args, choose)
}

pub(super) fn sha1p(args: &WideArgs) -> u128 {
    sha1(args, parity)
}

pub(super) fn sha1m(args: &WideArgs) -> u128 {
    sha1(args, majority)
}

pub(super) fn sha1h(args: &WideArgs) -> u128 {
    (args.v[0] as u32).rotate_left(30).into()
}

pub(super) fn sha1su0(args: &WideArgs) -> u128 {
    let [d, n, m] = args.v;
    (n << 64 | d >> 64) ^ d ^ m
}

pub(super) fn sha1su1(args: &WideArgs) -> u128 {
    let t = words(args.v[0] ^ args.v[1] >> 32);
    let mut out = t.map(|w| w.rotate_left(1));
    out[3] ^= t[0].rotate_left(2);
    vector(out)
}

/// New A to D and new E to H.
fn sha256(abcd: u128, efgh: u128, schedule: u128) -> (u128, u128) {
    let [mut a, mut b, mut c, mut d] = words(abcd);
    let [mut e, mut f, mut g, mut h] = words(efgh);
    for word in words(schedule) {
        let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t1 = (h.wrapping_add(big1))
            .wrapping_add(choose(e, f, g))
            .wrapping_add(word);
        let t2 = big0.wrapping_add(majority(a, b, c));
        (h, g, f, e) = (g, f, e, d.wrapping_add(t1));
        (d, c, b, a) = (c, b, a, t1.wrapping_add(t2));
    }
    (vector([a, b, c, d]), vector([e, f, g, h]))
}

pub(super) fn sha256h(args: &WideArgs) -> u128 {
    sha256(args.v[0], args.v[1], args.v[2]).0
}

pub(super) fn sha256h2(args: &WideArgs) -> u128 {
    sha256(args.v[1], args.v[0], args.v[2]).1
}

pub(super) fn sha256su0(args: &WideArgs) -> u128 {
    let d = words(args.v[0]);
    let next = [d[1], d[2], d[3], args.v[1] as u32];
    vector(std::array::from_fn(|i| {
        let w = next[i];
        d[i].wrapping_add(w.rotate_right(7) ^ w.rotate_right(18) ^ w >> 3)
    }))
}

pub(super) fn sha256su1(args: &WideArgs) -> u128 {
    let [d, n, m] = args.v.map(words);
    let middle = [n[1], n[2], n[3], m[0]];
    let mut out = [0; 4];
    for i in 0..4 {
        let w = if i < 2 { m[i + 2] } else { out[i - 2] };
        out[i] = (d[i])
            .wrapping_add(middle[i])
            .wrapping_add(w.rotate_right(17) ^ w.rotate_right(19) ^ w >> 10);
    }
    vector(out)
}
