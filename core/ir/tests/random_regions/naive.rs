//! A direct reading of the operations: values in maps, flags worked out at once.

use std::collections::HashMap;

use ferrite_ir::env::AtomicPlace;
use ferrite_ir::{
    AtomicOp, BinOp, BlockId, Cc, Condition, Env, FlagKind, HelperId, IndirectKind, Int, Leave,
    Mem, Op, Region, Sign, Size, Target, Terminator, UnOp, Value, VcpuBlock, Vector, Width, slot,
};
use ferrite_ram::GuestVirt;
use ferrite_simd::{FpEnv, WideArgs};

/// How a run ended.
#[derive(Debug, PartialEq)]
pub enum End {
    Direct,
    Indirect(IndirectKind),
    Lookup,
}

struct Machine<'a, E> {
    env: &'a mut E,
    cpu: &'a mut VcpuBlock,
    ints: HashMap<Int, u64>,
    vectors: HashMap<Vector, u128>,
    pc: u64,
    pc_is_set: bool,
}

pub fn run<E: Env>(region: &Region, env: &mut E, cpu: &mut VcpuBlock) -> End {
    let mut m = Machine {
        env,
        cpu,
        ints: HashMap::new(),
        vectors: HashMap::new(),
        pc: 0,
        pc_is_set: false,
    };
    let mut at = 0;
    loop {
        let block = &region.blocks[at];
        let insns = block
            .ops
            .iter()
            .filter(|op| matches!(op, Op::Insn { .. }))
            .count() as u64;
        let budget = m.cpu.get(slot::BUDGET);
        m.cpu.set(slot::BUDGET, budget.wrapping_sub(insns));
        let mut run = 0;
        for op in &block.ops {
            run += u64::from(matches!(op, Op::Insn { .. }));
            if m.op(op).is_err() {
                let to = if m.cpu.get(slot::BUDGET) as i64 > 0 {
                    slot::BUDGET
                } else {
                    slot::DEFERRED
                };
                m.cpu.set(to, m.cpu.get(to).wrapping_add(insns - run));
                return End::Lookup;
            }
        }
        let target = match block.end {
            Terminator::Goto(target) => target,
            Terminator::Branch { c, then, other } => {
                if m.ints[&c] != 0 {
                    then
                } else {
                    other
                }
            }
            Terminator::Indirect { to, kind } => {
                m.cpu.set(slot::PC, m.ints[&to]);
                return End::Indirect(kind);
            }
            Terminator::Exit => return End::Lookup,
        };
        match target {
            Target::Guest(pc) => {
                m.cpu.set(slot::PC, pc);
                return End::Direct;
            }
            Target::Block(BlockId(to)) => {
                let to = usize::from(to);
                if to <= at && m.cpu.get(slot::BUDGET) as i64 <= 0 {
                    let Some(Op::Insn { pc }) = region.blocks[to].ops.first() else {
                        panic!("a loop header starts with an instruction");
                    };
                    m.cpu.set(slot::PC, *pc);
                    return End::Lookup;
                }
                at = to;
            }
        }
    }
}

fn bits(w: Width) -> u32 {
    match w {
        Width::W32 => 32,
        Width::W64 => 64,
    }
}

/// The low bits as an unsigned number.
fn unsigned(value: u64, bits: u32) -> i128 {
    i128::from(value) & ((1 << bits) - 1)
}

/// The low bits as a signed number.
fn signed(value: u64, bits: u32) -> i128 {
    let u = unsigned(value, bits);
    if u >> (bits - 1) & 1 == 1 {
        u - (1 << bits)
    } else {
        u
    }
}

fn binary(op: BinOp, w: Width, a: u64, b: u64) -> u64 {
    let n = bits(w);
    let (ua, ub, sa, sb) = (unsigned(a, n), unsigned(b, n), signed(a, n), signed(b, n));
    let count = (ub % i128::from(n)) as u32;
    let result = match op {
        BinOp::Add => ua + ub,
        BinOp::Sub => ua - ub,
        BinOp::Mul => (ua as u128).wrapping_mul(ub as u128) as i128,
        BinOp::MulHighU => ((ua as u128 * ub as u128) >> n) as i128,
        BinOp::MulHighS => (sa * sb) >> n,
        BinOp::DivU => {
            if ub == 0 {
                0
            } else {
                ua / ub
            }
        }
        BinOp::DivS => {
            if sb == 0 {
                0
            } else {
                sa / sb
            }
        }
        BinOp::And => ua & ub,
        BinOp::Or => ua | ub,
        BinOp::Xor => ua ^ ub,
        BinOp::AndNot => ua & !ub,
        BinOp::OrNot => ua | !ub,
        BinOp::XorNot => ua ^ !ub,
        BinOp::Shl => ((ua as u128) << count) as i128,
        BinOp::ShrU => ua >> count,
        BinOp::ShrS => sa >> count,
        BinOp::Ror => ua >> count | ((ua as u128) << (n - count)) as i128,
    };
    (result as u64) & unsigned(u64::MAX, n) as u64
}

fn unary(op: UnOp, w: Width, a: u64) -> u64 {
    let n = bits(w);
    let bit = |i: u32| a >> i & 1;
    let permute = |f: &dyn Fn(u32) -> u32| (0..n).map(|i| bit(f(i)) << i).sum::<u64>();
    let leading = |wanted: u64| (0..n).rev().take_while(|&i| bit(i) == wanted).count() as u64;
    let value = match op {
        UnOp::Mov => a,
        UnOp::Neg => 0u64.wrapping_sub(a),
        UnOp::Not => u64::MAX - a,
        UnOp::Clz => leading(0),
        UnOp::Cls => leading(bit(n - 1)) - 1,
        UnOp::ReverseBits => permute(&|i| n - 1 - i),
        UnOp::ReverseBytes => permute(&|i| n - 8 - i / 8 * 8 + i % 8),
        UnOp::ReverseBytes16 => permute(&|i| i ^ 8),
        UnOp::ReverseBytes32 if n == 64 => permute(&|i| i / 32 * 32 + 24 - i % 32 / 8 * 8 + i % 8),
        UnOp::ReverseBytes32 => permute(&|i| 24 - i / 8 * 8 + i % 8),
        UnOp::SignExtend8 => signed(a, 8) as u64,
        UnOp::SignExtend16 => signed(a, 16) as u64,
        UnOp::SignExtend32 => signed(a, 32) as u64,
        UnOp::ZeroExtend8 => unsigned(a, 8) as u64,
        UnOp::ZeroExtend16 => unsigned(a, 16) as u64,
        UnOp::ZeroExtend32 => unsigned(a, 32) as u64,
    };
    unsigned(value, n) as u64
}

fn compares(cc: Cc, w: Width, a: u64, b: u64) -> bool {
    let n = bits(w);
    let (ua, ub, sa, sb) = (unsigned(a, n), unsigned(b, n), signed(a, n), signed(b, n));
    match cc {
        Cc::Eq => ua == ub,
        Cc::Ne => ua != ub,
        Cc::LtU => ua < ub,
        Cc::LeU => ua <= ub,
        Cc::LtS => sa < sb,
        Cc::LeS => sa <= sb,
    }
}

fn flags(kind: FlagKind, a: u64, b: u64, c: u64) -> u32 {
    let (w, u, s) = match kind {
        FlagKind::Nzcv => return a as u32 & 0xf000_0000,
        FlagKind::Logic(w) => {
            let n = bits(w);
            return u32::from(signed(a, n) < 0) << 31 | u32::from(signed(a, n) == 0) << 30;
        }
        FlagKind::Add(w) => {
            let n = bits(w);
            (
                w,
                unsigned(a, n) + unsigned(b, n),
                signed(a, n) + signed(b, n),
            )
        }
        FlagKind::AddCarry(w) => {
            let (n, c) = (bits(w), i128::from(c));
            (
                w,
                unsigned(a, n) + unsigned(b, n) + c,
                signed(a, n) + signed(b, n) + c,
            )
        }
        FlagKind::Sub(w) => {
            let n = bits(w);
            (
                w,
                unsigned(a, n) - unsigned(b, n),
                signed(a, n) - signed(b, n),
            )
        }
    };
    let n = bits(w);
    let result = signed(s as u64, n);
    let carry = match kind {
        FlagKind::Sub(_) => u >= 0,
        _ => u >> n != 0,
    };
    u32::from(result < 0) << 31
        | u32::from(result == 0) << 30
        | u32::from(carry) << 29
        | u32::from(result != s) << 28
}

fn holds(cond: Condition, f: u32) -> bool {
    let [n, z, c, v] = [31, 30, 29, 28].map(|i| f >> i & 1 == 1);
    let number = cond as u8;
    let base = match number >> 1 {
        0 => z,
        1 => c,
        2 => n,
        3 => v,
        4 => c && !z,
        5 => n == v,
        6 => n == v && !z,
        _ => return true,
    };
    base != (number & 1 == 1)
}

fn extended(value: u64, mem: Mem) -> u64 {
    let n = 8 * mem.size.bytes() as u32;
    match mem.sign {
        Sign::Zero => value,
        Sign::To32 => unsigned(signed(value, n) as u64, 32.max(n)) as u64,
        Sign::To64 => signed(value, n) as u64,
    }
}

impl<E: Env> Machine<'_, E> {
    fn int(&self, a: Int) -> u64 {
        self.ints[&a]
    }

    fn sync(&mut self) {
        if !self.pc_is_set {
            self.cpu.set(slot::PC, self.pc);
        }
    }

    fn set_flags(&mut self, kind: FlagKind, a: Int, b: Int, c: Int) {
        let c = if matches!(kind, FlagKind::AddCarry(_)) {
            self.int(c)
        } else {
            0
        };
        let b = if matches!(kind, FlagKind::Logic(_) | FlagKind::Nzcv) {
            0
        } else {
            self.int(b)
        };
        let f = flags(kind, self.int(a), b, c);
        self.cpu.set_nzcv(f);
    }

    /// One unit of memory at `va`, as the guest sees it.
    fn load(&mut self, va: u64, mem: Mem) -> Result<u64, Leave> {
        self.sync();
        Ok(extended(self.env.load(self.cpu, GuestVirt(va), mem)?, mem))
    }

    fn place(&mut self, va: u64, units: u64, mem: Mem, write: bool) -> Result<u64, Leave> {
        self.sync();
        let bytes = units * mem.size.bytes();
        match self
            .env
            .atomic_place(self.cpu, GuestVirt(va), bytes, mem, write)?
        {
            AtomicPlace::Ram(at) => Ok(at.0),
            AtomicPlace::Device => Err(Leave),
        }
    }

    fn reserve(&mut self, at: u64, values: [u64; 2], units: usize, mem: Mem) {
        let mut bytes = Vec::new();
        for value in &values[..units] {
            let mut unit = value.to_le_bytes()[..mem.size.bytes() as usize].to_vec();
            if mem.swap {
                unit.reverse();
            }
            bytes.extend(unit);
        }
        bytes.resize(16, 0);
        self.cpu.set(slot::EXCLUSIVE_AT, at);
        let half = |i: usize| u64::from_le_bytes(bytes[i..i + 8].try_into().expect("8 bytes"));
        self.cpu.set(slot::EXCLUSIVE_LOW, half(0));
        self.cpu.set(slot::EXCLUSIVE_HIGH, half(8));
    }

    /// Nothing else writes memory here, so a reservation that is there holds.
    fn store_exclusive(&mut self, va: u64, values: &[u64], mem: Mem) -> Result<u64, Leave> {
        let reserved = self.cpu.get(slot::EXCLUSIVE_AT);
        if reserved == slot::NO_EXCLUSIVE {
            return Ok(1);
        }
        let at = self.place(va, values.len() as u64, mem, true)?;
        self.cpu.set(slot::EXCLUSIVE_AT, slot::NO_EXCLUSIVE);
        if at != reserved {
            return Ok(1);
        }
        let size = mem.size.bytes();
        let expected = u128::from(self.cpu.get(slot::EXCLUSIVE_LOW))
            | u128::from(self.cpu.get(slot::EXCLUSIVE_HIGH)) << 64;
        let mut now = [0; 16];
        let bytes = (size * values.len() as u64) as usize;
        self.env
            .ram()
            .read_bytes(ferrite_ram::RamOffset(at), &mut now[..bytes])
            .expect("in bounds");
        let mask = if bytes == 16 {
            u128::MAX
        } else {
            (1 << (8 * bytes)) - 1
        };
        if u128::from_le_bytes(now) != expected & mask {
            return Ok(1);
        }
        let mem = Mem {
            align: ferrite_ir::Align::Any,
            ..mem
        };
        for (i, &value) in values.iter().enumerate() {
            let va = va + i as u64 * size;
            self.env.store(self.cpu, GuestVirt(va), value, mem)?;
        }
        Ok(0)
    }

    fn vector_load(&mut self, va: u64, mem: Mem) -> Result<u128, Leave> {
        self.sync();
        self.env.load_vector(self.cpu, GuestVirt(va), mem)
    }

    fn call(&mut self, helper: HelperId, args: [u64; 4]) -> Result<u64, Leave> {
        self.sync();
        self.env.call(self.cpu, helper, args)
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each operation")]
    fn op(&mut self, op: &Op) -> Result<(), Leave> {
        match *op {
            Op::Insn { pc } => {
                self.pc = pc;
                self.pc_is_set = false;
            }
            Op::Const { d, value } => {
                self.ints.insert(d, value);
            }
            Op::Get { d, from } => {
                self.ints.insert(d, self.cpu.get(from.0));
            }
            Op::Set { to, a } => {
                self.cpu.set(to.0, self.int(a));
                self.pc_is_set |= to.0 == slot::PC;
            }
            Op::GetVec { d, from } => {
                self.vectors.insert(d, self.cpu.get_vector(from.0));
            }
            Op::SetVec { to, a } => self.cpu.set_vector(to.0, self.vectors[&a]),
            Op::Bin { op, w, d, a, b } => {
                let v = binary(op, w, self.int(a), self.int(b));
                self.ints.insert(d, v);
            }
            Op::Un { op, w, d, a } => {
                let v = unary(op, w, self.int(a));
                self.ints.insert(d, v);
            }
            Op::Extract {
                d,
                w,
                a,
                lsb,
                len,
                signed: s,
            } => {
                let field = self.int(a) >> lsb;
                let v = if s {
                    unsigned(signed(field, len.into()) as u64, bits(w)) as u64
                } else {
                    unsigned(field, len.into()) as u64
                };
                self.ints.insert(d, v);
            }
            Op::Insert {
                d,
                w,
                a,
                b,
                lsb,
                len,
            } => {
                let mut v = self.int(a);
                for i in 0..u32::from(len) {
                    let to = 1 << (u32::from(lsb) + i);
                    v = if self.int(b) >> i & 1 == 1 {
                        v | to
                    } else {
                        v & !to
                    };
                }
                self.ints.insert(d, unsigned(v, bits(w)) as u64);
            }
            Op::Funnel {
                d,
                w,
                high,
                low,
                lsb,
            } => {
                let n = bits(w);
                let (h, l) = (unsigned(self.int(high), n), unsigned(self.int(low), n));
                let v = ((h as u128) << n | l as u128) >> lsb;
                self.ints.insert(d, unsigned(v as u64, n) as u64);
            }
            Op::Compare { cc, w, d, a, b } => {
                let v = compares(cc, w, self.int(a), self.int(b));
                self.ints.insert(d, v.into());
            }
            Op::Select { d, c, a, b } => {
                let v = if self.int(c) != 0 {
                    self.int(a)
                } else {
                    self.int(b)
                };
                self.ints.insert(d, v);
            }
            Op::SetFlags { kind, a, b, c } => self.set_flags(kind, a, b, c),
            Op::SetFlagsIf {
                c,
                kind,
                a,
                b,
                otherwise,
            } => {
                if self.int(c) != 0 {
                    self.set_flags(kind, a, b, a);
                } else {
                    self.cpu.set_nzcv(otherwise);
                }
            }
            Op::Test { d, cond } => {
                let v = holds(cond, self.cpu.nzcv());
                self.ints.insert(d, v.into());
            }
            Op::GetNzcv { d } => {
                let v = self.cpu.nzcv();
                self.ints.insert(d, v.into());
            }
            Op::Load { d, addr, disp, mem } => {
                let va = self.int(addr).wrapping_add_signed(disp.into());
                let v = self.load(va, mem)?;
                self.ints.insert(d, v);
            }
            Op::Store { addr, disp, a, mem } => {
                let va = self.int(addr).wrapping_add_signed(disp.into());
                let value = self.int(a);
                self.sync();
                self.env.store(self.cpu, GuestVirt(va), value, mem)?;
            }
            Op::LoadVec { d, addr, disp, mem } => {
                let va = self.int(addr).wrapping_add_signed(disp.into());
                let v = self.vector_load(va, mem)?;
                self.vectors.insert(d, v);
            }
            Op::StoreVec { addr, disp, a, mem } => {
                let va = self.int(addr).wrapping_add_signed(disp.into());
                let value = self.vectors[&a];
                self.sync();
                self.env.store_vector(self.cpu, GuestVirt(va), value, mem)?;
            }
            Op::LoadExclusive { d, addr, mem } => {
                let va = self.int(addr);
                self.cpu.set(slot::EXCLUSIVE_AT, slot::NO_EXCLUSIVE);
                let at = self.place(va, 1, mem, false)?;
                let raw = self.env.load(self.cpu, GuestVirt(va), mem)?;
                self.reserve(at, [raw, 0], 1, mem);
                self.ints.insert(d, extended(raw, mem));
            }
            Op::LoadExclusivePair { d, addr, mem } => {
                let va = self.int(addr);
                self.cpu.set(slot::EXCLUSIVE_AT, slot::NO_EXCLUSIVE);
                let at = self.place(va, 2, mem, false)?;
                let unit = Mem {
                    align: ferrite_ir::Align::Any,
                    ..mem
                };
                let low = self.env.load(self.cpu, GuestVirt(va), unit)?;
                let high = self
                    .env
                    .load(self.cpu, GuestVirt(va + mem.size.bytes()), unit)?;
                self.reserve(at, [low, high], 2, mem);
                self.ints.insert(d[0], extended(low, mem));
                self.ints.insert(d[1], extended(high, mem));
            }
            Op::StoreExclusive { d, addr, a, mem } => {
                let (va, value) = (self.int(addr), self.int(a));
                let v = self.store_exclusive(va, &[value], mem)?;
                self.ints.insert(d, v);
            }
            Op::StoreExclusivePair { d, addr, a, mem } => {
                let (va, values) = (self.int(addr), a.map(|a| self.int(a)));
                let v = self.store_exclusive(va, &values, mem)?;
                self.ints.insert(d, v);
            }
            Op::ClearExclusive => self.cpu.set(slot::EXCLUSIVE_AT, slot::NO_EXCLUSIVE),
            Op::AtomicRmw {
                op,
                d,
                addr,
                a,
                mem,
            } => {
                let (va, a) = (self.int(addr), self.int(a));
                self.place(va, 1, mem, true)?;
                let old = self.env.load(self.cpu, GuestVirt(va), mem)?;
                let n = 8 * mem.size.bytes() as u32;
                let (so, sa) = (signed(old, n), signed(a, n));
                let (uo, ua) = (unsigned(old, n), unsigned(a, n));
                let new = match op {
                    AtomicOp::Add => uo + ua,
                    AtomicOp::Clear => uo & !ua,
                    AtomicOp::Xor => uo ^ ua,
                    AtomicOp::Set => uo | ua,
                    AtomicOp::MaxS => so.max(sa),
                    AtomicOp::MinS => so.min(sa),
                    AtomicOp::MaxU => uo.max(ua),
                    AtomicOp::MinU => uo.min(ua),
                    AtomicOp::Swap => ua,
                };
                self.env.store(self.cpu, GuestVirt(va), new as u64, mem)?;
                self.ints.insert(d, extended(old, mem));
            }
            Op::AtomicCas {
                d,
                addr,
                old,
                new,
                mem,
            } => {
                let (va, old, new) = (self.int(addr), self.int(old), self.int(new));
                self.place(va, 1, mem, true)?;
                let was = self.env.load(self.cpu, GuestVirt(va), mem)?;
                if was == unsigned(old, 8 * mem.size.bytes() as u32) as u64 {
                    self.env.store(self.cpu, GuestVirt(va), new, mem)?;
                }
                self.ints.insert(d, extended(was, mem));
            }
            Op::AtomicCasPair {
                d,
                addr,
                old,
                new,
                mem,
            } => {
                let va = self.int(addr);
                let (old, new) = (old.map(|a| self.int(a)), new.map(|a| self.int(a)));
                self.place(va, 2, mem, true)?;
                let unit = Mem {
                    align: ferrite_ir::Align::Any,
                    ..mem
                };
                let at = [GuestVirt(va), GuestVirt(va + mem.size.bytes())];
                let was = [
                    self.env.load(self.cpu, at[0], unit)?,
                    self.env.load(self.cpu, at[1], unit)?,
                ];
                let n = 8 * mem.size.bytes() as u32;
                if was == old.map(|v| unsigned(v, n) as u64) {
                    self.env.store(self.cpu, at[0], new[0], unit)?;
                    self.env.store(self.cpu, at[1], new[1], unit)?;
                }
                for (d, was) in d.into_iter().zip(was) {
                    self.ints.insert(d, extended(was, mem));
                }
            }
            Op::Fence(_) => {}
            Op::Wide {
                op,
                shape,
                imm,
                d,
                v,
                int,
            } => {
                let f = ferrite_simd::resolve(op, shape).expect("verified");
                let args = WideArgs {
                    v: v.map(|v| v.map_or(0, |v| self.vectors[&v])),
                    int: int.map_or(0, |a| self.int(a)),
                    imm,
                };
                let mut fp = FpEnv {
                    control: self.cpu.get(slot::FP_CONTROL) as u32,
                    status: self.cpu.get(slot::FP_STATUS) as u32,
                };
                let result = f(&mut fp, &args);
                if op.signature().fp_env {
                    self.cpu.set(slot::FP_STATUS, fp.status.into());
                }
                match d {
                    Value::Int(d) => {
                        self.ints.insert(d, result as u64);
                    }
                    Value::Vector(d) => {
                        self.vectors.insert(d, result);
                    }
                }
            }
            Op::Call { helper, args, d } => {
                let args = args.map(|a| a.map_or(0, |a| self.int(a)));
                let v = self.call(helper, args)?;
                if let Some(d) = d {
                    self.ints.insert(d, v);
                }
            }
            Op::Guard { a, mask, helper } => {
                if self.int(a) & mask != 0 {
                    let a = self.int(a);
                    let _ = self.call(helper, [a, 0, 0, 0]);
                    return Err(Leave);
                }
            }
        }
        let _ = Size::B1;
        Ok(())
    }
}
