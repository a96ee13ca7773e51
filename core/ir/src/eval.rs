//! What the integer operations compute: one definition for constant folding and the interpreter.

use crate::op::{AtomicOp, BinOp, Cc, Condition, FlagKind, Sign, Size, UnOp, Width};
use crate::state::{VcpuBlock, slot};

/// The result of [`Op::Bin`](crate::Op::Bin).
#[inline(always)]
#[must_use]
pub fn bin(op: BinOp, w: Width, a: u64, b: u64) -> u64 {
    match w {
        Width::W64 => bin64(op, a, b),
        Width::W32 => u64::from(bin32(op, a as u32, b as u32)),
    }
}

macro_rules! bin_at {
    ($name:ident, $u:ty, $i:ty, $wide_u:ty, $wide_i:ty) => {
        #[inline(always)]
        fn $name(op: BinOp, a: $u, b: $u) -> $u {
            const BITS: u32 = <$u>::BITS;
            match op {
                BinOp::Add => a.wrapping_add(b),
                BinOp::Sub => a.wrapping_sub(b),
                BinOp::Mul => a.wrapping_mul(b),
                BinOp::MulHighU => ((a as $wide_u * b as $wide_u) >> BITS) as $u,
                BinOp::MulHighS => ((a as $i as $wide_i * b as $i as $wide_i) >> BITS) as $u,
                BinOp::DivU => a.checked_div(b).unwrap_or(0),
                BinOp::DivS if b == 0 => 0,
                BinOp::DivS => (a as $i).wrapping_div(b as $i) as $u,
                BinOp::And => a & b,
                BinOp::Or => a | b,
                BinOp::Xor => a ^ b,
                BinOp::AndNot => a & !b,
                BinOp::OrNot => a | !b,
                BinOp::XorNot => a ^ !b,
                BinOp::Shl => a << (b as u32 & (BITS - 1)),
                BinOp::ShrU => a >> (b as u32 & (BITS - 1)),
                BinOp::ShrS => (a as $i >> (b as u32 & (BITS - 1))) as $u,
                BinOp::Ror => a.rotate_right(b as u32 & (BITS - 1)),
            }
        }
    };
}
bin_at!(bin64, u64, i64, u128, i128);
bin_at!(bin32, u32, i32, u64, i64);

/// `value` cut to the width.
#[inline(always)]
#[must_use]
pub const fn truncate(w: Width, value: u64) -> u64 {
    match w {
        Width::W64 => value,
        Width::W32 => value as u32 as u64,
    }
}

/// The result of [`Op::Un`](crate::Op::Un).
#[inline(always)]
#[must_use]
pub const fn un(op: UnOp, w: Width, a: u64) -> u64 {
    let narrow = matches!(w, Width::W32);
    let value = match op {
        UnOp::Mov => a,
        UnOp::Neg => a.wrapping_neg(),
        UnOp::Not => !a,
        UnOp::Clz if narrow => (a as u32).leading_zeros() as u64,
        UnOp::Clz => a.leading_zeros() as u64,
        UnOp::Cls if narrow => {
            let a = a as i32;
            (a ^ (a >> 31)).leading_zeros() as u64 - 1
        }
        UnOp::Cls => {
            let a = a as i64;
            (a ^ (a >> 63)).leading_zeros() as u64 - 1
        }
        UnOp::ReverseBits if narrow => (a as u32).reverse_bits() as u64,
        UnOp::ReverseBits => a.reverse_bits(),
        UnOp::ReverseBytes if narrow => (a as u32).swap_bytes() as u64,
        UnOp::ReverseBytes => a.swap_bytes(),
        UnOp::ReverseBytes16 => {
            const LOW: u64 = 0x00ff_00ff_00ff_00ff;
            (a & LOW) << 8 | (a >> 8) & LOW
        }
        UnOp::ReverseBytes32 => a.swap_bytes().rotate_right(32),
        UnOp::SignExtend8 => a as i8 as u64,
        UnOp::SignExtend16 => a as i16 as u64,
        UnOp::SignExtend32 => a as i32 as u64,
        UnOp::ZeroExtend8 => a as u8 as u64,
        UnOp::ZeroExtend16 => a as u16 as u64,
        UnOp::ZeroExtend32 => a as u32 as u64,
    };
    truncate(w, value)
}

/// The result of [`Op::Compare`](crate::Op::Compare).
#[inline(always)]
#[must_use]
pub const fn compare(cc: Cc, w: Width, a: u64, b: u64) -> bool {
    match w {
        Width::W64 => match cc {
            Cc::Eq => a == b,
            Cc::Ne => a != b,
            Cc::LtU => a < b,
            Cc::LeU => a <= b,
            Cc::LtS => (a as i64) < b as i64,
            Cc::LeS => a as i64 <= b as i64,
        },
        Width::W32 => match cc {
            Cc::Eq => a as u32 == b as u32,
            Cc::Ne => a as u32 != b as u32,
            Cc::LtU => (a as u32) < b as u32,
            Cc::LeU => a as u32 <= b as u32,
            Cc::LtS => (a as i32) < b as i32,
            Cc::LeS => a as i32 <= b as i32,
        },
    }
}

/// The low `len` bits set; all of them for 64 and more.
#[inline(always)]
#[must_use]
pub const fn mask(len: u8) -> u64 {
    if len >= 64 { u64::MAX } else { (1 << len) - 1 }
}

/// The result of [`Op::Extract`](crate::Op::Extract), for `len` from 1.
#[inline(always)]
#[must_use]
pub const fn extract(w: Width, a: u64, lsb: u8, len: u8, signed: bool) -> u64 {
    let field = a >> (lsb & 63) & mask(len);
    if signed {
        let up = 64u32.wrapping_sub(len as u32) & 63;
        truncate(w, ((field << up) as i64 >> up) as u64)
    } else {
        field
    }
}

/// The result of [`Op::Insert`](crate::Op::Insert).
#[inline(always)]
#[must_use]
pub const fn insert(w: Width, a: u64, b: u64, lsb: u8, len: u8) -> u64 {
    let field = mask(len) << (lsb & 63);
    truncate(w, (a & !field) | (b << (lsb & 63) & field))
}

/// The result of [`Op::Funnel`](crate::Op::Funnel).
#[inline(always)]
#[must_use]
pub const fn funnel(w: Width, high: u64, low: u64, lsb: u8) -> u64 {
    match w {
        Width::W64 => (((high as u128) << 64 | low as u128) >> (lsb & 63)) as u64,
        Width::W32 => (high << 32 | low as u32 as u64) >> (lsb & 31) & 0xffff_ffff,
    }
}

/// What a load of `size` makes of the loaded bytes.
#[inline(always)]
#[must_use]
pub const fn extend(size: Size, sign: Sign, value: u64) -> u64 {
    let wide = match (sign, size) {
        (Sign::Zero, _) | (_, Size::B8 | Size::B16) => return value,
        (_, Size::B1) => value as i8 as u64,
        (_, Size::B2) => value as i16 as u64,
        (_, Size::B4) => value as i32 as u64,
    };
    match sign {
        Sign::To32 => wide as u32 as u64,
        _ => wide,
    }
}

/// `value`, of `size`, with its bytes reversed if `swap`.
#[inline(always)]
#[must_use]
pub const fn swap(size: Size, swap: bool, value: u64) -> u64 {
    if !swap {
        return value;
    }
    match size {
        Size::B1 => value & 0xff,
        Size::B2 => (value as u16).swap_bytes() as u64,
        Size::B4 => (value as u32).swap_bytes() as u64,
        Size::B8 | Size::B16 => value.swap_bytes(),
    }
}

/// What an atomic operation of `size` leaves in memory. Operands are zero-extended.
#[must_use]
pub fn atomic(op: AtomicOp, size: Size, old: u64, a: u64) -> u64 {
    let a = a & mask(8 << size as u8);
    let signed = |v| extend(size, Sign::To64, v) as i64;
    let new = match op {
        AtomicOp::Add => old.wrapping_add(a),
        AtomicOp::Clear => old & !a,
        AtomicOp::Xor => old ^ a,
        AtomicOp::Set => old | a,
        AtomicOp::MaxS => signed(old).max(signed(a)) as u64,
        AtomicOp::MinS => signed(old).min(signed(a)) as u64,
        AtomicOp::MaxU => old.max(a),
        AtomicOp::MinU => old.min(a),
        AtomicOp::Swap => a,
    };
    new & mask(8 << size as u8)
}

/// Negative, in flag words.
pub const N: u32 = 1 << 31;
/// Zero, in flag words.
pub const Z: u32 = 1 << 30;
/// Carry, in flag words.
pub const C: u32 = 1 << 29;
/// Overflow, in flag words.
pub const V: u32 = 1 << 28;

/// The flags of a sum with carry in, as `AddWithCarry()` of the Arm ARM (shared/functions/integer).
const fn sum(w: Width, a: u64, b: u64, carry: u64) -> u32 {
    let (result, carry_out, overflow) = match w {
        Width::W64 => {
            let wide = a as u128 + b as u128 + carry as u128;
            let r = wide as u64;
            (r as i64, wide >> 64 != 0, (a ^ r) & (b ^ r))
        }
        Width::W32 => {
            let (a, b) = (a as u32, b as u32);
            let wide = a as u64 + b as u64 + carry;
            let r = wide as u32;
            (
                r as i32 as i64,
                wide >> 32 != 0,
                (((a ^ r) & (b ^ r)) as u64) << 32,
            )
        }
    };
    pack(result, carry_out, overflow >> 63 != 0)
}

const fn pack(result: i64, c: bool, v: bool) -> u32 {
    (if result < 0 { N } else { 0 })
        | (if result == 0 { Z } else { 0 })
        | (if c { C } else { 0 })
        | (if v { V } else { 0 })
}

/// The flags of `kind` over its operands, N, Z, C, V in bits 31 to 28.
#[must_use]
pub const fn nzcv(kind: FlagKind, a: u64, b: u64, c: u64) -> u32 {
    match kind {
        FlagKind::Nzcv => a as u32 & (N | Z | C | V),
        FlagKind::Add(w) => sum(w, a, b, 0),
        FlagKind::Sub(w) => sum(w, a, !b, 1),
        FlagKind::AddCarry(w) => sum(w, a, b, c & 1),
        FlagKind::Logic(Width::W64) => pack(a as i64, false, false),
        FlagKind::Logic(Width::W32) => pack(a as i32 as i64, false, false),
    }
}

/// Whether a flag word meets a condition (`ConditionHolds()` of the Arm ARM).
#[must_use]
pub const fn holds(cond: Condition, nzcv: u32) -> bool {
    let (n, z) = (nzcv & N != 0, nzcv & Z != 0);
    let (c, v) = (nzcv & C != 0, nzcv & V != 0);
    match cond {
        Condition::Eq => z,
        Condition::Ne => !z,
        Condition::Cs => c,
        Condition::Cc => !c,
        Condition::Mi => n,
        Condition::Pl => !n,
        Condition::Vs => v,
        Condition::Vc => !v,
        Condition::Hi => c && !z,
        Condition::Ls => !c || z,
        Condition::Ge => n == v,
        Condition::Lt => n != v,
        Condition::Gt => !z && n == v,
        Condition::Le => z || n != v,
        Condition::Al | Condition::Nv => true,
    }
}

/// What a condition over known flags comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It always or never holds.
    Always(bool),
    /// It holds if this comparison of the flags' first operand does, or does not where the `bool`
    /// is false: with their second operand, or with 0 where `zero` is set.
    Compare {
        /// The comparison.
        cc: Cc,
        /// Its width.
        w: Width,
        /// Whether it is with 0.
        zero: bool,
        /// Whether the condition holds when the comparison does.
        sense: bool,
    },
}

/// What `cond` means for flags of `kind`, where it is as simple as a comparison.
#[must_use]
pub const fn simplify(cond: Condition, kind: FlagKind) -> Option<Known> {
    use Condition as Q;
    const fn compare(cc: Cc, w: Width, zero: bool, sense: bool) -> Option<Known> {
        Some(Known::Compare { cc, w, zero, sense })
    }
    if matches!(cond, Q::Al | Q::Nv) {
        return Some(Known::Always(true));
    }
    match kind {
        FlagKind::Sub(w) => match cond {
            Q::Eq => compare(Cc::Eq, w, false, true),
            Q::Ne => compare(Cc::Ne, w, false, true),
            Q::Cs => compare(Cc::LtU, w, false, false),
            Q::Cc => compare(Cc::LtU, w, false, true),
            Q::Hi => compare(Cc::LeU, w, false, false),
            Q::Ls => compare(Cc::LeU, w, false, true),
            Q::Ge => compare(Cc::LtS, w, false, false),
            Q::Lt => compare(Cc::LtS, w, false, true),
            Q::Gt => compare(Cc::LeS, w, false, false),
            Q::Le => compare(Cc::LeS, w, false, true),
            _ => None,
        },
        FlagKind::Logic(w) => match cond {
            Q::Eq => compare(Cc::Eq, w, true, true),
            Q::Ne => compare(Cc::Ne, w, true, true),
            Q::Mi | Q::Lt => compare(Cc::LtS, w, true, true),
            Q::Pl | Q::Ge => compare(Cc::LtS, w, true, false),
            Q::Le => compare(Cc::LeS, w, true, true),
            Q::Gt => compare(Cc::LeS, w, true, false),
            Q::Cs | Q::Vs | Q::Hi => Some(Known::Always(false)),
            _ => Some(Known::Always(true)),
        },
        _ => None,
    }
}

impl VcpuBlock {
    /// The flags that the lazy flag slots stand for, N, Z, C, V in bits 31 to 28.
    #[must_use]
    pub fn nzcv(&self) -> u32 {
        let kind = FlagKind::from_code(self.get(slot::FLAG_KIND)).unwrap_or(FlagKind::Nzcv);
        nzcv(
            kind,
            self.get(slot::FLAG_A),
            self.get(slot::FLAG_B),
            self.get(slot::FLAG_C),
        )
    }

    /// Sets the flags literally, from bits 31 to 28.
    pub fn set_nzcv(&mut self, nzcv: u32) {
        self.set(slot::FLAG_KIND, FlagKind::Nzcv.code());
        self.set(slot::FLAG_A, u64::from(nzcv));
    }
}
