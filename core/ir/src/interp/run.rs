//! The dispatch loop.

use super::code::{Code, NO_SLOT, tables};
use super::lowered::Lowered;
use super::slow::{
    call, guard, slow_load, slow_load_vector, slow_store, slow_store_vector, with_pc,
};
use super::{memory, rare};
use crate::env::{Env, Leave};
use crate::eval;
use crate::op::{BinOp, Cc, FlagKind, IndirectKind, Mem, Sign, Size, UnOp, Width};
use crate::state::{VcpuBlock, slot};

/// How a run through a region ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockEnd {
    /// By this exit of [`Lowered::exits`]; `slot::PC` is *not* set to its address yet.
    Direct(u16),
    /// At a computed address, which `slot::PC` holds.
    Indirect(IndirectKind),
    /// At the address in `slot::PC`, to be looked up anew: the code asked for it, an operation left,
    /// or the budget ran out at a back edge.
    Lookup,
}

macro_rules! define_run {
    (
        bin { $($bin_r:ident $bin_i:ident $bin_op:ident $bin_w:ident,)* }
        un { $($un:ident $un_op:ident $un_w:ident,)* }
        compare { $($set_r:ident $set_i:ident $br_r:ident $br_i:ident $flags_r:ident $flags_i:ident
                    $subs_i:ident $sel_r:ident $sel_i:ident $cc:ident $cc_w:ident,)* }
        shifted { $($sh:ident $sh_op:ident $sh_by:ident $sh_w:ident,)* }
        load { $($load:ident $load_x:ident $load_t:ident $load_size:ident $load_sign:ident,)* }
        store { $($store:ident $store_x:ident $store_t:ident $store_size:ident,)* }
        pair { $($pair_l:ident $pair_s:ident $pair_t:ident $pair_size:ident,)* }
    ) => {
        /// Runs a region from its entry to its end. Charges the budget for each block entered;
        /// what does not run of a block because the region is left is given back, so that the
        /// count of instructions is exact. The instruction that leaves counts as run.
        #[inline(always)]
        pub fn run<E: Env + ?Sized>(code: &Lowered, env: &mut E, cpu: &mut VcpuBlock) -> BlockEnd {
            cpu.charge(code.entry_insns);
            let mut rest = code.code.iter();
            macro_rules! here {
                () => { code.code.len() - rest.as_slice().len() - 1 };
            }
            macro_rules! attempt {
                ($result:expr) => {
                    match $result {
                        Ok(value) => value,
                        Err(Leave) => return BlockEnd::Lookup,
                    }
                };
            }
            macro_rules! exit {
                ($n:expr) => {{
                    let n: u16 = $n;
                    if !code.has_inner_exits {
                        return BlockEnd::Direct(n);
                    }
                    match code.tables.exits.get(n as usize) {
                        Some(exit) if !exit.leaves() => {
                            if exit.back && cpu.budget() <= 0 {
                                cpu.set(slot::PC, exit.pc);
                                return BlockEnd::Lookup;
                            }
                            cpu.charge(exit.insns);
                            rest = code.code.get(exit.start as usize..).unwrap_or(&[]).iter();
                        }
                        _ => return BlockEnd::Direct(n),
                    }
                }};
            }
            macro_rules! branch {
                ($i:ident, $taken:expr) => { exit!(if $taken { $i.c } else { $i.c + 1 }) };
            }
            macro_rules! flags {
                ($kind:expr, $a:expr, $b:expr) => {{
                    let (a, b) = ($a, $b);
                    cpu.set(slot::FLAG_KIND, $kind);
                    cpu.set(slot::FLAG_A, a);
                    cpu.set(slot::FLAG_B, b);
                }};
            }
            macro_rules! arith_flags {
                ($i:ident, $kind:ident, $op:ident, $w:ident, $b:expr) => {{
                    let (a, b) = (cpu.get($i.b), $b);
                    flags!(FlagKind::$kind(Width::$w).code(), a, b);
                    cpu.set($i.a, eval::bin(BinOp::$op, Width::$w, a, b));
                }};
            }
            macro_rules! load {
                ($i:ident, $t:ty, $size:ident, $sign:ident, $va:expr) => {{
                    let va: u64 = $va;
                    let value = match memory::load::<E, $t>(env, cpu, va) {
                        Some(raw) => eval::extend(Size::$size, Sign::$sign, u64::from(raw)),
                        None => {
                            let mem = Mem { sign: Sign::$sign, ..Mem::plain(Size::$size) };
                            attempt!(slow_load(code, here!(), env, cpu, va, mem))
                        }
                    };
                    cpu.set($i.a, value);
                }};
            }
            macro_rules! store {
                ($i:ident, $t:ty, $size:ident, $va:expr) => {{
                    let va: u64 = $va;
                    let value = cpu.get($i.a);
                    if memory::store::<E, $t>(env, cpu, va, value as $t).is_none() {
                        let mem = Mem::plain(Size::$size);
                        attempt!(slow_store(code, here!(), env, cpu, va, value, mem));
                    }
                }};
            }
            macro_rules! load_vec {
                ($i:ident, $t:ty, $size:ident) => {{
                    let va = cpu.get($i.b).wrapping_add($i.imm);
                    let value = match memory::load::<E, $t>(env, cpu, va) {
                        Some(raw) => u128::from(raw),
                        None => attempt!(slow_load_vector(code, here!(), env, cpu, va, Mem::plain(Size::$size))),
                    };
                    cpu.set_vector($i.a, value);
                }};
            }
            macro_rules! store_vec {
                ($i:ident, $t:ty, $size:ident) => {{
                    let va = cpu.get($i.b).wrapping_add($i.imm);
                    let value = cpu.get_vector($i.a);
                    if memory::store::<E, $t>(env, cpu, va, value as $t).is_none() {
                        attempt!(slow_store_vector(code, here!(), env, cpu, va, value, Mem::plain(Size::$size)));
                    }
                }};
            }
            while let Some(&i) = rest.next() {
                match i.code {
                    $(
                        Code::$bin_r => cpu.set(
                            i.a,
                            eval::bin(BinOp::$bin_op, Width::$bin_w, cpu.get(i.b), cpu.get(i.c)),
                        ),
                        Code::$bin_i => cpu.set(
                            i.a,
                            eval::bin(BinOp::$bin_op, Width::$bin_w, cpu.get(i.b), i.imm),
                        ),
                    )*
                    $(
                        Code::$un => cpu.set(i.a, eval::un(UnOp::$un_op, Width::$un_w, cpu.get(i.b))),
                    )*
                    $(
                        Code::$set_r => cpu.set(
                            i.a,
                            u64::from(eval::compare(Cc::$cc, Width::$cc_w, cpu.get(i.b), cpu.get(i.c))),
                        ),
                        Code::$set_i => cpu.set(
                            i.a,
                            u64::from(eval::compare(Cc::$cc, Width::$cc_w, cpu.get(i.b), i.imm)),
                        ),
                        Code::$br_r => {
                            branch!(i, eval::compare(Cc::$cc, Width::$cc_w, cpu.get(i.a), cpu.get(i.b)));
                        }
                        Code::$br_i => {
                            branch!(i, eval::compare(Cc::$cc, Width::$cc_w, cpu.get(i.a), i.imm));
                        }
                        Code::$flags_r => {
                            let (a, b) = (cpu.get(i.a), cpu.get(i.b));
                            flags!(FlagKind::Sub(Width::$cc_w).code(), a, b);
                            branch!(i, eval::compare(Cc::$cc, Width::$cc_w, a, b));
                        }
                        Code::$flags_i => {
                            let a = cpu.get(i.a);
                            flags!(FlagKind::Sub(Width::$cc_w).code(), a, i.imm);
                            branch!(i, eval::compare(Cc::$cc, Width::$cc_w, a, i.imm));
                        }
                        Code::$subs_i => {
                            let a = cpu.get(i.a);
                            flags!(FlagKind::Sub(Width::$cc_w).code(), a, i.imm);
                            cpu.set(i.b, eval::bin(BinOp::Sub, Width::$cc_w, a, i.imm));
                            branch!(i, eval::compare(Cc::$cc, Width::$cc_w, a, i.imm));
                        }
                        Code::$sel_r => {
                            let (x, y) = (cpu.get(i.imm as u16), cpu.get((i.imm >> 16) as u16));
                            let take = eval::compare(Cc::$cc, Width::$cc_w, x, y);
                            cpu.set(i.a, cpu.get(if take { i.b } else { i.c }));
                        }
                        Code::$sel_i => {
                            let (x, y) = (cpu.get(i.imm as u16), (i.imm as i64 >> 32) as u64);
                            let take = eval::compare(Cc::$cc, Width::$cc_w, x, y);
                            cpu.set(i.a, cpu.get(if take { i.b } else { i.c }));
                        }
                    )*
                    $(
                        Code::$sh => {
                            let c = eval::bin(BinOp::$sh_by, Width::$sh_w, cpu.get(i.c), i.imm);
                            cpu.set(i.a, eval::bin(BinOp::$sh_op, Width::$sh_w, cpu.get(i.b), c));
                        }
                    )*
                    $(
                        Code::$load => load!(
                            i, $load_t, $load_size, $load_sign, cpu.get(i.b).wrapping_add(i.imm)
                        ),
                        Code::$load_x => load!(
                            i, $load_t, $load_size, $load_sign,
                            cpu.get(i.b).wrapping_add(cpu.get(i.c) << (i.imm & 63))
                        ),
                    )*
                    $(
                        Code::$store => store!(
                            i, $store_t, $store_size, cpu.get(i.b).wrapping_add(i.imm)
                        ),
                        Code::$store_x => store!(
                            i, $store_t, $store_size,
                            cpu.get(i.b).wrapping_add(cpu.get(i.c) << (i.imm & 63))
                        ),
                    )*
                    $(
                        Code::$pair_l => {
                            let va = cpu.get(i.b).wrapping_add(i.imm);
                            let (x, y) = match memory::load_pair::<E, $pair_t>(env, cpu, va) {
                                Some((x, y)) => (u64::from(x), u64::from(y)),
                                None => {
                                    let mem = Mem::plain(Size::$pair_size);
                                    let next = va.wrapping_add(mem.size.bytes());
                                    let x = attempt!(slow_load(code, here!(), env, cpu, va, mem));
                                    (x, attempt!(slow_load(code, here!(), env, cpu, next, mem)))
                                }
                            };
                            cpu.set(i.a, x);
                            cpu.set(i.c, y);
                        }
                        Code::$pair_s => {
                            let va = cpu.get(i.b).wrapping_add(i.imm);
                            let (x, y) = (cpu.get(i.a), cpu.get(i.c));
                            let values = (x as $pair_t, y as $pair_t);
                            if memory::store_pair::<E, $pair_t>(env, cpu, va, values).is_none() {
                                let mem = Mem::plain(Size::$pair_size);
                                let next = va.wrapping_add(mem.size.bytes());
                                attempt!(slow_store(code, here!(), env, cpu, va, x, mem));
                                attempt!(slow_store(code, here!(), env, cpu, next, y, mem));
                            }
                        }
                    )*
                    Code::Mov => cpu.set(i.a, cpu.get(i.b)),
                    Code::MovI => cpu.set(i.a, i.imm),
                    Code::MovVec => cpu.set_vector(i.a, cpu.get_vector(i.b)),
                    Code::ExtractU => {
                        let (lsb, len) = (i.imm as u8, (i.imm >> 8) as u8);
                        cpu.set(i.a, eval::extract(Width::W64, cpu.get(i.b), lsb, len, false));
                    }
                    Code::ExtractS64 => {
                        let (lsb, len) = (i.imm as u8, (i.imm >> 8) as u8);
                        cpu.set(i.a, eval::extract(Width::W64, cpu.get(i.b), lsb, len, true));
                    }
                    Code::ExtractS32 => {
                        let (lsb, len) = (i.imm as u8, (i.imm >> 8) as u8);
                        cpu.set(i.a, eval::extract(Width::W32, cpu.get(i.b), lsb, len, true));
                    }
                    Code::Insert64 => {
                        let (lsb, len) = (i.imm as u8, (i.imm >> 8) as u8);
                        cpu.set(i.a, eval::insert(Width::W64, cpu.get(i.b), cpu.get(i.c), lsb, len));
                    }
                    Code::Insert32 => {
                        let (lsb, len) = (i.imm as u8, (i.imm >> 8) as u8);
                        cpu.set(i.a, eval::insert(Width::W32, cpu.get(i.b), cpu.get(i.c), lsb, len));
                    }
                    Code::Funnel64 => {
                        cpu.set(i.a, eval::funnel(Width::W64, cpu.get(i.b), cpu.get(i.c), i.imm as u8));
                    }
                    Code::Funnel32 => {
                        cpu.set(i.a, eval::funnel(Width::W32, cpu.get(i.b), cpu.get(i.c), i.imm as u8));
                    }
                    Code::Select => {
                        cpu.set(i.a, cpu.get(if cpu.get(i.imm as u16) != 0 { i.b } else { i.c }));
                    }
                    Code::MulAdd64 => {
                        let product = cpu.get(i.b).wrapping_mul(cpu.get(i.c));
                        cpu.set(i.a, cpu.get(i.imm as u16).wrapping_add(product));
                    }
                    Code::MulAdd32 => {
                        let product = cpu.get(i.b).wrapping_mul(cpu.get(i.c));
                        let sum = cpu.get(i.imm as u16).wrapping_add(product);
                        cpu.set(i.a, u64::from(sum as u32));
                    }
                    Code::MulSub64 => {
                        let product = cpu.get(i.b).wrapping_mul(cpu.get(i.c));
                        cpu.set(i.a, cpu.get(i.imm as u16).wrapping_sub(product));
                    }
                    Code::MulSub32 => {
                        let product = cpu.get(i.b).wrapping_mul(cpu.get(i.c));
                        let difference = cpu.get(i.imm as u16).wrapping_sub(product);
                        cpu.set(i.a, u64::from(difference as u32));
                    }
                    Code::FlagsR => flags!(u64::from(i.a), cpu.get(i.b), cpu.get(i.c)),
                    Code::FlagsI => flags!(u64::from(i.a), cpu.get(i.b), i.imm),
                    Code::FlagsCarry => {
                        let carry = cpu.get(i.imm as u16);
                        flags!(u64::from(i.a), cpu.get(i.b), cpu.get(i.c));
                        cpu.set(slot::FLAG_C, carry);
                    }
                    Code::AddsR64 => arith_flags!(i, Add, Add, W64, cpu.get(i.c)),
                    Code::AddsI64 => arith_flags!(i, Add, Add, W64, i.imm),
                    Code::SubsR64 => arith_flags!(i, Sub, Sub, W64, cpu.get(i.c)),
                    Code::SubsI64 => arith_flags!(i, Sub, Sub, W64, i.imm),
                    Code::AddsR32 => arith_flags!(i, Add, Add, W32, cpu.get(i.c)),
                    Code::AddsI32 => arith_flags!(i, Add, Add, W32, i.imm),
                    Code::SubsR32 => arith_flags!(i, Sub, Sub, W32, cpu.get(i.c)),
                    Code::SubsI32 => arith_flags!(i, Sub, Sub, W32, i.imm),
                    Code::FlagsIf => {
                        if cpu.get(i.a) != 0 {
                            flags!(i.imm & 0xff, cpu.get(i.b), cpu.get(i.c));
                        } else {
                            cpu.set_nzcv((i.imm >> 32) as u32);
                        }
                    }
                    Code::Test => {
                        let value = rare::test(cpu, i.b);
                        cpu.set(i.a, u64::from(value));
                    }
                    Code::BrTest => branch!(i, rare::test(cpu, i.a)),
                    Code::BrMask => branch!(i, cpu.get(i.a) & i.imm != 0),
                    Code::GetNzcv => cpu.set(i.a, u64::from(cpu.nzcv())),
                    Code::LoadVecB1 => load_vec!(i, u8, B1),
                    Code::LoadVecB2 => load_vec!(i, u16, B2),
                    Code::LoadVecB4 => load_vec!(i, u32, B4),
                    Code::LoadVecB8 => load_vec!(i, u64, B8),
                    Code::LoadVecB16 => {
                        let va = cpu.get(i.b).wrapping_add(i.imm);
                        let value = match memory::load_16(env, cpu, va) {
                            Some(value) => value,
                            None => attempt!(slow_load_vector(code, here!(), env, cpu, va, Mem::plain(Size::B16))),
                        };
                        cpu.set_vector(i.a, value);
                    }
                    Code::StoreVecB1 => store_vec!(i, u8, B1),
                    Code::StoreVecB2 => store_vec!(i, u16, B2),
                    Code::StoreVecB4 => store_vec!(i, u32, B4),
                    Code::StoreVecB8 => store_vec!(i, u64, B8),
                    Code::StoreVecB16 => {
                        let va = cpu.get(i.b).wrapping_add(i.imm);
                        let value = cpu.get_vector(i.a);
                        if memory::store_16(env, cpu, va, value).is_none() {
                            attempt!(slow_store_vector(code, here!(), env, cpu, va, value, Mem::plain(Size::B16)));
                        }
                    }
                    Code::LoadMem => {
                        let va = cpu.get(i.b).wrapping_add(i.imm);
                        let mem = code.tables.mems[i.c as usize];
                        let value = match memory::load_any(env, cpu, va, mem) {
                            Some(value) => eval::extend(mem.size, mem.sign, value),
                            None => attempt!(slow_load(code, here!(), env, cpu, va, mem)),
                        };
                        memory::after_load(mem.order);
                        cpu.set(i.a, value);
                    }
                    Code::StoreMem => {
                        let va = cpu.get(i.b).wrapping_add(i.imm);
                        let value = cpu.get(i.a);
                        let mem = code.tables.mems[i.c as usize];
                        memory::before_store(mem.order);
                        if memory::store_any(env, cpu, va, value, mem).is_none() {
                            attempt!(slow_store(code, here!(), env, cpu, va, value, mem));
                        }
                        memory::after_store(mem.order);
                    }
                    Code::LoadVecMem => {
                        let va = cpu.get(i.b).wrapping_add(i.imm);
                        let mem = code.tables.mems[i.c as usize];
                        let value = match memory::load_vector_any(env, cpu, va, mem) {
                            Some(value) => value,
                            None => attempt!(slow_load_vector(code, here!(), env, cpu, va, mem)),
                        };
                        memory::after_load(mem.order);
                        cpu.set_vector(i.a, value);
                    }
                    Code::StoreVecMem => {
                        let va = cpu.get(i.b).wrapping_add(i.imm);
                        let value = cpu.get_vector(i.a);
                        let mem = code.tables.mems[i.c as usize];
                        memory::before_store(mem.order);
                        if memory::store_vector_any(env, cpu, va, value, mem).is_none() {
                            attempt!(slow_store_vector(code, here!(), env, cpu, va, value, mem));
                        }
                        memory::after_store(mem.order);
                    }
                    Code::Atomic => {
                        let entry = &code.tables.atomics[i.a as usize];
                        attempt!(with_pc(code, here!(), cpu, |cpu| rare::atomic(entry, env, cpu)));
                    }
                    Code::ClearExclusive => cpu.set(slot::EXCLUSIVE_AT, slot::NO_EXCLUSIVE),
                    Code::Wide => rare::wide(&code.tables.wides[i.a as usize], cpu),
                    Code::Fence => rare::fence(i.a),
                    Code::Call => {
                        let mark = code.tables.marks[i.c as usize];
                        let value = attempt!(call(mark, env, cpu, i.b, i.imm));
                        if i.a != NO_SLOT {
                            cpu.set(i.a, value);
                        }
                    }
                    Code::Guard => {
                        if cpu.get(i.a) & i.imm != 0 {
                            guard(code.tables.marks[i.c as usize], env, cpu, i.b, i.a);
                            return BlockEnd::Lookup;
                        }
                    }
                    Code::Goto => exit!(i.a),
                    Code::Indirect => {
                        cpu.set(slot::PC, cpu.get(i.a));
                        return BlockEnd::Indirect(match i.b {
                            0 => IndirectKind::Jump,
                            1 => IndirectKind::Call,
                            _ => IndirectKind::Return,
                        });
                    }
                    Code::Exit => return BlockEnd::Lookup,
                }
            }
            // Every block ends in a branch or an exit, so the end of the code is never reached.
            BlockEnd::Lookup
        }
    };
}
tables!(define_run);
