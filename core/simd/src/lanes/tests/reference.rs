//! What each operation means, written for plainness: lanes are lists of exact numbers, shifts are
//! multiplications and divisions, saturation is a comparison at the end.

use crate::lanes::LaneOp;
use crate::{Shape, WideArgs};

/// What becomes of an exact result.
#[derive(Clone, Copy)]
enum Cut {
    Wrap,
    Signed,
    Unsigned,
}
use Cut::{Signed as SS, Unsigned as US, Wrap as W};

/// The lanes of `v`, as unsigned numbers, the lowest first.
fn split(v: u128, bits: u32) -> Vec<i128> {
    (0..128 / bits)
        .map(|i| ((v >> (i * bits)) % (1 << bits)) as i128)
        .collect()
}

fn join(lanes: &[i128], bits: u32) -> u128 {
    let modulus = 1i128 << bits;
    (lanes.iter().rev()).fold(0, |v, a| {
        // Shifting by 128 is what a single lane of all bits would ask for; there is none.
        v << bits | a.rem_euclid(modulus) as u128
    })
}

/// An unsigned lane as the signed number of the same bits.
fn sign(a: i128, bits: u32) -> i128 {
    if a >= 1 << (bits - 1) {
        a - (1 << bits)
    } else {
        a
    }
}

fn cut(value: i128, bits: u32, cut: Cut, saturated: &mut bool) -> i128 {
    let (low, high) = match cut {
        W => return value,
        SS => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        US => (0, (1 << bits) - 1),
    };
    *saturated |= value < low || value > high;
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}

/// `a * 2^by` rounded down, or to nearest with halves up.
fn scale(a: i128, by: i128, round: bool) -> i128 {
    if by >= 0 {
        // Anything but zero is out of every range by then.
        return if by > 63 {
            a * (1 << 62) * 4
        } else {
            a * (1 << by)
        };
    }
    if by < -70 {
        return if round || a >= 0 { 0 } else { -1 };
    }
    let divisor = 1i128 << -by;
    if round {
        (2 * a + divisor).div_euclid(2 * divisor)
    } else {
        a.div_euclid(divisor)
    }
}

fn carryless(a: i128, b: i128, bits: u32) -> i128 {
    let mut product = vec![false; 2 * bits as usize];
    for i in 0..bits as usize {
        for k in 0..bits as usize {
            product[i + k] ^= a >> i & 1 == 1 && b >> k & 1 == 1;
        }
    }
    let bit = |(i, &set): (usize, &bool)| i128::from(set) << i;
    product.iter().enumerate().map(bit).sum()
}

/// `a` in binary, the highest bit first.
fn binary(a: i128, bits: u32) -> Vec<bool> {
    (0..bits).rev().map(|i| a >> i & 1 == 1).collect()
}

/// The signed and unsigned values of operands at one width.
struct Operands {
    u: Vec<Vec<i128>>,
    s: Vec<Vec<i128>>,
}

impl Operands {
    fn new(args: &WideArgs, bits: u32) -> Self {
        let u: Vec<_> = args.v.iter().map(|&v| split(v, bits)).collect();
        let s = u
            .iter()
            .map(|v| v.iter().map(|&a| sign(a, bits)).collect())
            .collect();
        Self { u, s }
    }
}

/// The result, and whether a lane was saturated.
pub fn compute(op: LaneOp, shape: Shape, args: &WideArgs) -> (u128, bool) {
    let mut saturated = false;
    let bits = shape.lane.bits();
    let count = usize::from(shape.count);
    if let Some(v) = moves(op, shape, args) {
        return (v, false);
    }
    if let Some(v) = folds(op, bits, count, args) {
        return (v, false);
    }
    let lanes = Operands::new(args, bits);
    let imm = i128::from(args.imm);
    let mut each = |f: &mut dyn FnMut(usize, &mut bool) -> i128, width| {
        let out: Vec<_> = (0..count).map(|i| f(i, &mut saturated)).collect();
        join(&out, width)
    };
    let v = if let Some(mode) = same_width(op, &lanes, 0, bits, imm).map(|r| r.1) {
        each(
            &mut |i, q| {
                let value = same_width(op, &lanes, i, bits, imm).map_or(0, |r| r.0);
                cut(value, bits, mode, q)
            },
            bits,
        )
    } else {
        let wide = Operands::new(args, 2 * bits);
        if narrows(op, &wide, 0, bits, imm).is_some() {
            each(
                &mut |i, q| {
                    let (value, mode) = narrows(op, &wide, i, bits, imm).unwrap_or((0, W));
                    cut(value, bits, mode, q)
                },
                bits,
            )
        } else {
            each(
                &mut |i, q| widens(op, &lanes, &wide, i, bits, imm, q).expect("some form"),
                2 * bits,
            )
        }
    };
    (v, saturated)
}

/// Operations whose lanes have one width.
fn same_width(op: LaneOp, v: &Operands, i: usize, bits: u32, imm: i128) -> Option<(i128, Cut)> {
    use LaneOp::*;
    let [u0, u1, u2] = [0, 1, 2].map(|k: usize| v.u[k][i]);
    let [s0, s1, s2] = [0, 1, 2].map(|k: usize| v.s[k][i]);
    let ones = (1i128 << bits) - 1;
    let all = |c: bool| if c { ones } else { 0 };
    let half = |sum: i128| sum.div_euclid(2);
    // The low byte of a lane, signed.
    let by = sign(u1 % 256, 8);
    let bitwise = |f: &dyn Fn(bool, bool, bool) -> bool| {
        (0..bits).fold(0, |d, b| {
            let bit = |a: i128| a >> b & 1 == 1;
            d | i128::from(f(bit(u0), bit(u1), bit(u2))) << b
        })
    };
    let leading = |want: bool| binary(u0, bits).iter().take_while(|&&b| b == want).count() as i128;
    let doubled = |extra: i128| (extra + 2 * s0 * s1).div_euclid(1 << bits);
    let accumulated =
        |product: i128| (s0 * (1 << bits) + 2 * product + (1 << (bits - 1))).div_euclid(1 << bits);
    Some(match op {
        Add => (u0 + u1, W),
        Sub => (u0 - u1, W),
        Mul => (u0.wrapping_mul(u1), W),
        Mla => (u0.wrapping_add(u1.wrapping_mul(u2)), W),
        Mls => (u0.wrapping_sub(u1.wrapping_mul(u2)), W),
        Neg => (-u0, W),
        Abs => (if s0 < 0 { -s0 } else { s0 }, W),
        And => (bitwise(&|a, b, _| a && b), W),
        Orr => (bitwise(&|a, b, _| a || b), W),
        Eor => (bitwise(&|a, b, _| a != b), W),
        Bic => (bitwise(&|a, b, _| a && !b), W),
        Orn => (bitwise(&|a, b, _| a || !b), W),
        Not => (bitwise(&|a, _, _| !a), W),
        Bsl => (bitwise(&|a, b, c| if a { b } else { c }), W),
        Smax => (if s0 > s1 { s0 } else { s1 }, W),
        Smin => (if s0 < s1 { s0 } else { s1 }, W),
        Umax => (if u0 > u1 { u0 } else { u1 }, W),
        Umin => (if u0 < u1 { u0 } else { u1 }, W),
        Cmeq => (all(u0 == u1), W),
        Cmgt => (all(s0 > s1), W),
        Cmge => (all(s0 >= s1), W),
        Cmhi => (all(u0 > u1), W),
        Cmhs => (all(u0 >= u1), W),
        Cmtst => (all((0..bits).any(|b| u0 >> b & u1 >> b & 1 == 1)), W),
        Cmeq0 => (all(u0 == 0), W),
        Cmgt0 => (all(s0 > 0), W),
        Cmge0 => (all(s0 >= 0), W),
        Cmlt0 => (all(s0 < 0), W),
        Cmle0 => (all(s0 <= 0), W),
        Shadd => (half(s0 + s1), W),
        Uhadd => (half(u0 + u1), W),
        Srhadd => (half(s0 + s1 + 1), W),
        Urhadd => (half(u0 + u1 + 1), W),
        Shsub => (half(s0 - s1), W),
        Uhsub => (half(u0 - u1), W),
        Sabd => ((s0 - s1).abs(), W),
        Uabd => ((u0 - u1).abs(), W),
        Saba => (u0 + (s1 - s2).abs(), W),
        Uaba => (u0 + (u1 - u2).abs(), W),
        Pmul => (carryless(u0, u1, bits), W),
        Sqadd => (s0 + s1, SS),
        Uqadd => (u0 + u1, US),
        Sqsub => (s0 - s1, SS),
        Uqsub => (u0 - u1, US),
        Suqadd => (s0 + u1, SS),
        Usqadd => (u0 + s1, US),
        Sqabs => (s0.abs(), SS),
        Sqneg => (-s0, SS),
        Sqdmulh => (doubled(0), SS),
        Sqrdmulh => (doubled(1 << (bits - 1)), SS),
        Sqrdmlah => (accumulated(s1 * s2), SS),
        Sqrdmlsh => (accumulated(-s1 * s2), SS),
        Sshl => (shifted(s0, by, bits), W),
        Ushl => (shifted(u0, by, bits), W),
        Srshl if by < 0 => (scale(s0, by, true), W),
        Srshl => (shifted(s0, by, bits), W),
        Urshl if by < 0 => (scale(u0, by, true), W),
        Urshl => (shifted(u0, by, bits), W),
        Sqshl => (scale(s0, by.min(62), false), SS).wider(s0, by, bits),
        Uqshl => (scale(u0, by.min(62), false), US).wider(u0, by, bits),
        Sqrshl => (scale(s0, by.min(62), true), SS).wider(s0, by, bits),
        Uqrshl => (scale(u0, by.min(62), true), US).wider(u0, by, bits),
        Shl => (scale(u0, imm, false), W),
        Sli => (scale(u1, imm, false) + u0 % (1 << imm), W),
        SqshlImm => (scale(s0, imm, false), SS),
        UqshlImm => (scale(u0, imm, false), US),
        Sqshlu => (scale(s0, imm, false), US),
        Sshr => (scale(s0, -imm, false), W),
        Ushr => (scale(u0, -imm, false), W),
        Srshr => (scale(s0, -imm, true), W),
        Urshr => (scale(u0, -imm, true), W),
        Ssra => (u0 + scale(s1, -imm, false), W),
        Usra => (u0 + scale(u1, -imm, false), W),
        Srsra => (u0 + scale(s1, -imm, true), W),
        Ursra => (u0 + scale(u1, -imm, true), W),
        Sri => {
            let kept = 1i128 << (i128::from(bits) - imm);
            (u0 / kept * kept + scale(u1, -imm, false), W)
        }
        Cnt => (binary(u0, bits).iter().filter(|&&b| b).count() as i128, W),
        Clz => (leading(false), W),
        Cls => (leading(s0 < 0) - 1, W),
        Rbit => (
            binary(u0, bits)
                .iter()
                .enumerate()
                .map(|(k, &set)| i128::from(set) << k)
                .sum(),
            W,
        ),
        Urecpe => (reciprocal(u0), W),
        Ursqrte => (reciprocal_root(u0), W),
        _ => return None,
    })
}

/// `a` shifted by a count that may exceed the width, modulo the lane.
fn shifted(a: i128, by: i128, bits: u32) -> i128 {
    if by >= i128::from(bits) {
        0
    } else {
        scale(a, by, false)
    }
}

/// A saturating shift to the left so far that an `i128` might not hold the result.
trait Wider {
    fn wider(self, a: i128, by: i128, bits: u32) -> Self;
}

impl Wider for (i128, Cut) {
    fn wider(self, a: i128, by: i128, bits: u32) -> Self {
        if by >= i128::from(bits) {
            (a.signum() * (1 << 100), self.1)
        } else if by > 62 {
            (a * (1 << by), self.1)
        } else {
            self
        }
    }
}

/// The nearest 9-bit fraction to the reciprocal of the middle of the interval that the operand's
/// first nine bits leave.
fn reciprocal(a: i128) -> i128 {
    let a = a as f64 / 4_294_967_296.0;
    if a < 0.5 {
        return 0xffff_ffff;
    }
    let middle = ((a * 512.0).floor() + 0.5) / 512.0;
    let estimate = (256.0 / middle + 0.5).floor() as i128;
    estimate << 23
}

/// The same for the reciprocal square root; above 0.5 only eight bits of the operand count.
fn reciprocal_root(a: i128) -> i128 {
    let a = a as f64 / 4_294_967_296.0;
    if a < 0.25 {
        return 0xffff_ffff;
    }
    let unit = if a < 0.5 { 512.0 } else { 256.0 };
    let middle = ((a * unit).floor() + 0.5) / unit;
    let estimate = (256.0 / middle.sqrt() + 0.5).floor() as i128;
    estimate << 23
}

/// Operations whose operands are lanes of twice the width.
fn narrows(op: LaneOp, v: &Operands, i: usize, bits: u32, imm: i128) -> Option<(i128, Cut)> {
    use LaneOp::*;
    if i >= v.u[0].len() {
        return None;
    }
    let (u0, s0, u1) = (v.u[0][i], v.s[0][i], v.u[1][i]);
    let high = |a: i128| a.rem_euclid(1 << (2 * bits)).div_euclid(1 << bits);
    let half = 1i128 << (bits - 1);
    Some(match op {
        Shrn => (scale(u0, -imm, false), W),
        Rshrn => (scale(u0, -imm, true), W),
        Sqshrn => (scale(s0, -imm, false), SS),
        Sqrshrn => (scale(s0, -imm, true), SS),
        Sqshrun => (scale(s0, -imm, false), US),
        Sqrshrun => (scale(s0, -imm, true), US),
        Uqshrn => (scale(u0, -imm, false), US),
        Uqrshrn => (scale(u0, -imm, true), US),
        Xtn => (u0, W),
        Sqxtn => (s0, SS),
        Sqxtun => (s0, US),
        Uqxtn => (u0, US),
        Addhn => (high(u0 + u1), W),
        Raddhn => (high(u0 + u1 + half), W),
        Subhn => (high(u0 - u1), W),
        Rsubhn => (high(u0 - u1 + half), W),
        _ => return None,
    })
}

/// Operations whose results, and some operands, are lanes of twice the width.
fn widens(
    op: LaneOp,
    v: &Operands,
    wide: &Operands,
    i: usize,
    bits: u32,
    imm: i128,
    saturated: &mut bool,
) -> Option<i128> {
    use LaneOp::*;
    let [u0, u1, u2] = [0, 1, 2].map(|k: usize| v.u[k][i]);
    let [s0, s1, s2] = [0, 1, 2].map(|k: usize| v.s[k][i]);
    let (d, ds) = (wide.u[0][i], wide.s[0][i]);
    let mut doubled = |a: i128, b: i128| cut(2 * a * b, 2 * bits, SS, saturated);
    Some(match op {
        Sshll => scale(s0, imm, false),
        Ushll => scale(u0, imm, false),
        Shll => u0 * (1 << bits),
        Saddl => s0 + s1,
        Uaddl => u0 + u1,
        Ssubl => s0 - s1,
        Usubl => u0 - u1,
        Saddw => d + s1,
        Uaddw => d + u1,
        Ssubw => d - s1,
        Usubw => d - u1,
        Sabdl => (s0 - s1).abs(),
        Uabdl => (u0 - u1).abs(),
        Sabal => d + (s1 - s2).abs(),
        Uabal => d + (u1 - u2).abs(),
        Smull => s0 * s1,
        Umull => u0 * u1,
        Smlal => d + s1 * s2,
        Umlal => d + u1 * u2,
        Smlsl => d - s1 * s2,
        Umlsl => d - u1 * u2,
        Pmull => carryless(u0, u1, bits),
        Sqdmull => doubled(s0, s1),
        Sqdmlal => {
            let product = doubled(s1, s2);
            cut(ds + product, 2 * bits, SS, saturated)
        }
        Sqdmlsl => {
            let product = doubled(s1, s2);
            cut(ds - product, 2 * bits, SS, saturated)
        }
        _ => return None,
    })
}

/// Operations on neighbouring lanes.
fn folds(op: LaneOp, bits: u32, count: usize, args: &WideArgs) -> Option<u128> {
    use LaneOp::*;
    let v = Operands::new(args, bits);
    let pairs = |from: &[Vec<i128>]| -> Vec<(i128, i128)> {
        let both: Vec<_> = [&from[0][..count], &from[1][..count]].concat();
        both.chunks_exact(2).map(|p| (p[0], p[1])).collect()
    };
    let own = |from: &[Vec<i128>], f: fn(i128, i128) -> i128| -> Vec<i128> {
        let pairs = from[0][..count].chunks_exact(2);
        pairs.map(|p| f(p[0], p[1])).collect()
    };
    let map = |pairs: Vec<(i128, i128)>, f: fn(i128, i128) -> i128| -> Vec<i128> {
        pairs.into_iter().map(|(a, b)| f(a, b)).collect()
    };
    let (u, s) = (&v.u[0][..count], &v.s[0][..count]);
    let (lanes, width) = match op {
        Addp => (map(pairs(&v.u), |a, b| a + b), bits),
        Smaxp => (map(pairs(&v.s), i128::max), bits),
        Sminp => (map(pairs(&v.s), i128::min), bits),
        Umaxp => (map(pairs(&v.u), i128::max), bits),
        Uminp => (map(pairs(&v.u), i128::min), bits),
        Saddlp => (own(&v.s, |a, b| a + b), 2 * bits),
        Uaddlp => (own(&v.u, |a, b| a + b), 2 * bits),
        Addv => (vec![u.iter().sum()], bits),
        Smaxv => (vec![*s.iter().max()?], bits),
        Sminv => (vec![*s.iter().min()?], bits),
        Umaxv => (vec![*u.iter().max()?], bits),
        Uminv => (vec![*u.iter().min()?], bits),
        Saddlv => (vec![s.iter().sum()], 2 * bits),
        Uaddlv => (vec![u.iter().sum()], 2 * bits),
        _ => return None,
    };
    Some(join(&lanes, width))
}

/// Operations that put lanes elsewhere.
fn moves(op: LaneOp, shape: Shape, args: &WideArgs) -> Option<u128> {
    use LaneOp::*;
    let bits = shape.lane.bits();
    let n = usize::from(shape.count);
    let imm = args.imm as usize;
    let whole: Vec<Vec<i128>> = args.v.iter().map(|&v| split(v, bits)).collect();
    let [a, b, c] = [0, 1, 2].map(|k: usize| whole[k][..n].to_vec());
    let both = [a.clone(), b.clone()].concat();
    let all = [a.clone(), b.clone(), c.clone()].concat();
    let alternate = |x: &[i128], y: &[i128]| -> Vec<i128> {
        let mut mixed: Vec<i128> = x.iter().zip(y).flat_map(|(x, y)| [*x, *y]).collect();
        mixed.truncate(n);
        mixed
    };
    let every = |from: &[i128], first: usize, step: usize| -> Vec<i128> {
        from.iter().skip(first).step_by(step).copied().collect()
    };
    let reversed = |unit: u32| -> Vec<i128> {
        let group = (unit / bits) as usize;
        let whole = whole[0].chunks(group);
        whole
            .flat_map(|g| g.iter().rev().copied())
            .take(n)
            .collect()
    };
    let int = i128::from(args.int);
    let lanes = match op {
        Dup => vec![whole[0][imm]; n],
        Ins => {
            let mut d = a;
            d[imm % 256] = whole[1][imm / 256];
            d
        }
        Ext => both[imm..imm + n].to_vec(),
        Zip1 => alternate(&a, &b),
        Zip2 => {
            let mixed: Vec<i128> = a.iter().zip(&b).flat_map(|(x, y)| [*x, *y]).collect();
            mixed[n..].to_vec()
        }
        Uzp1 => every(&both, 0, 2),
        Uzp2 => every(&both, 1, 2),
        Trn1 => alternate(&every(&a, 0, 2), &every(&b, 0, 2)),
        Trn2 => alternate(&every(&a, 1, 2), &every(&b, 1, 2)),
        Rev16 => reversed(16),
        Rev32 => reversed(32),
        Rev64 => reversed(64),
        Deinterleave3 => every(&all, imm, 3),
        Interleave3 => {
            let mixed: Vec<i128> = (0..n).flat_map(|i| [a[i], b[i], c[i]]).collect();
            mixed[imm * n..(imm + 1) * n].to_vec()
        }
        DupInt => vec![int; n],
        InsInt => {
            let mut d = a;
            d[imm] = int;
            d
        }
        Umov => return Some(whole[0][imm] as u128),
        Smov => return Some(u128::from(sign(whole[0][imm], bits) as u64)),
        Tbx => {
            let mut table = vec![None; imm];
            table.extend(whole[2].iter().map(|&t| Some(t)));
            (0..n)
                .map(|i| table.get(b[i] as usize).copied().flatten().unwrap_or(a[i]))
                .collect()
        }
        _ => return None,
    };
    Some(join(&lanes, bits))
}
