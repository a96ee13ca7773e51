//! Speed of the interpreter and engine on steady loops, in guest instructions a second.
//!
//! `cargo bench -p ferrite-ir`. The regions are what a front end makes of the A64 code in the
//! comments; each ends at a taken branch, as single-block translations do.

use std::collections::HashMap;
use std::time::Instant;

use ferrite_ir::env::AtomicPlace;
use ferrite_ir::{
    AtomicOp, BinOp, Builder, Cc, CodeKey, Condition, Engine, Env, Extent, Fetched, FlagKind,
    Global, HelperId, IndirectKind, Int, Leave, Mem, Region, Size, Target, Terminator, TlbEntry,
    VcpuBlock, Width, slot,
};
use ferrite_ram::{GuestRam, GuestVirt, RamOffset};

struct Program {
    ram: GuestRam,
    regions: HashMap<u64, Region>,
}

impl Env for Program {
    fn ram(&self) -> &GuestRam {
        &self.ram
    }
    fn call(&mut self, _: &mut VcpuBlock, _: HelperId, _: [u64; 4]) -> Result<u64, Leave> {
        Ok(0)
    }
    fn load(&mut self, cpu: &mut VcpuBlock, at: GuestVirt, mem: Mem) -> Result<u64, Leave> {
        fill(cpu, at);
        let mut bytes = [0; 8];
        let n = mem.size.bytes() as usize;
        self.ram
            .read_bytes(RamOffset(at.0), &mut bytes[..n])
            .ok_or(Leave)?;
        Ok(u64::from_le_bytes(bytes))
    }
    fn store(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        value: u64,
        mem: Mem,
    ) -> Result<(), Leave> {
        fill(cpu, at);
        let n = mem.size.bytes() as usize;
        self.ram
            .write_bytes(RamOffset(at.0), &value.to_le_bytes()[..n])
            .ok_or(Leave)
    }
    fn load_vector(&mut self, _: &mut VcpuBlock, _: GuestVirt, _: Mem) -> Result<u128, Leave> {
        Err(Leave)
    }
    fn store_vector(
        &mut self,
        _: &mut VcpuBlock,
        _: GuestVirt,
        _: u128,
        _: Mem,
    ) -> Result<(), Leave> {
        Err(Leave)
    }
    fn atomic_place(
        &mut self,
        _: &mut VcpuBlock,
        at: GuestVirt,
        _: u64,
        _: Mem,
        _: bool,
    ) -> Result<AtomicPlace, Leave> {
        Ok(AtomicPlace::Ram(RamOffset(at.0)))
    }
    fn atomic_device(
        &mut self,
        _: &mut VcpuBlock,
        _: GuestVirt,
        _: Option<AtomicOp>,
        _: [u64; 2],
        _: Mem,
    ) -> Result<u64, Leave> {
        Err(Leave)
    }
    fn code_key(&self, _: &VcpuBlock) -> CodeKey {
        CodeKey(0)
    }
    fn code_generation(&self, _: &VcpuBlock, _: bool) -> u64 {
        1
    }
    fn fetch(&mut self, _: &mut VcpuBlock, pc: GuestVirt) -> Result<Fetched, Leave> {
        Ok(Fetched {
            at: RamOffset(pc.0),
        })
    }
    fn translate(&mut self, _: &VcpuBlock, pc: GuestVirt, _: Fetched, _: Extent) -> Region {
        self.regions[&pc.0].clone()
    }
    fn protect_code(&mut self, _: &mut VcpuBlock, _: RamOffset) {}
}

fn fill(cpu: &mut VcpuBlock, at: GuestVirt) {
    let entry = TlbEntry::new(at, RamOffset(at.0), 0);
    cpu.tlb_read[VcpuBlock::tlb_index(at)] = entry;
    cpu.tlb_write[VcpuBlock::tlb_index(at)] = entry;
}

fn x(n: u16) -> Global {
    Global(slot::FIRST_GUEST + n)
}

/// Emits A64-like instructions.
struct Asm {
    b: Builder,
    pc: u64,
}

impl Asm {
    fn at(pc: u64) -> Self {
        Self {
            b: Builder::new(pc),
            pc,
        }
    }
    fn insn(&mut self) {
        self.b.insn(self.pc, 4);
        self.pc += 4;
    }
    fn x(&mut self, n: u16) -> Int {
        if n == 31 {
            self.b.iconst(0)
        } else {
            self.b.get(x(n))
        }
    }
    fn imm(&mut self, op: BinOp, w: Width, d: u16, n: u16, imm: u64) {
        self.insn();
        let a = self.x(n);
        let v = self.b.bin_const(op, w, a, imm);
        self.b.set(x(d), v);
    }
    fn reg(&mut self, op: BinOp, w: Width, d: u16, n: u16, m: u16) {
        self.insn();
        let (a, b) = (self.x(n), self.x(m));
        let v = self.b.bin(op, w, a, b);
        self.b.set(x(d), v);
    }
    fn shifted(&mut self, op: BinOp, d: u16, n: u16, m: u16, by: (BinOp, u64)) {
        self.insn();
        let (a, b) = (self.x(n), self.x(m));
        let b = self.b.bin_const(by.0, Width::W64, b, by.1);
        let v = self.b.bin(op, Width::W64, a, b);
        self.b.set(x(d), v);
    }
    fn mov(&mut self, d: u16, m: u16) {
        self.insn();
        let v = self.x(m);
        self.b.set(x(d), v);
    }
    fn subs_imm(&mut self, w: Width, d: u16, n: u16, imm: u64) {
        self.insn();
        let a = self.x(n);
        let b = self.b.iconst(imm);
        self.b.set_flags(FlagKind::Sub(w), a, b, a);
        if d != 31 {
            let v = self.b.bin(BinOp::Sub, w, a, b);
            self.b.set(x(d), v);
        }
    }
    fn cmp(&mut self, w: Width, n: u16, m: u16) {
        self.insn();
        let (a, b) = (self.x(n), self.x(m));
        self.b.set_flags(FlagKind::Sub(w), a, b, a);
    }
    fn post_load(&mut self, size: Size, t: u16, n: u16, imm: u64) {
        self.insn();
        let base = self.x(n);
        let v = self.b.load(base, 0, Mem::plain(size));
        let next = self.b.bin_const(BinOp::Add, Width::W64, base, imm);
        self.b.set(x(n), next);
        self.b.set(x(t), v);
    }
    fn post_store(&mut self, size: Size, t: u16, n: u16, imm: u64) {
        self.insn();
        let base = self.x(n);
        let v = self.x(t);
        self.b.store(base, 0, v, Mem::plain(size));
        let next = self.b.bin_const(BinOp::Add, Width::W64, base, imm);
        self.b.set(x(n), next);
    }
    fn load_index(&mut self, size: Size, t: u16, n: u16, m: u16, shift: u64) {
        self.insn();
        let (a, i) = (self.x(n), self.x(m));
        let i = self.b.bin_const(BinOp::Shl, Width::W64, i, shift);
        let addr = self.b.bin(BinOp::Add, Width::W64, a, i);
        let v = self.b.load(addr, 0, Mem::plain(size));
        self.b.set(x(t), v);
    }
    fn branch(mut self, cond: Condition, to: u64) -> Region {
        self.insn();
        let c = self.b.test(cond);
        self.b.finish(Terminator::Branch {
            c,
            then: Target::Guest(to),
            other: Target::Guest(self.pc),
        })
    }
    fn cbnz(mut self, n: u16, to: u64) -> Region {
        self.insn();
        let a = self.x(n);
        let zero = self.b.iconst(0);
        let c = self.b.compare(Cc::Ne, Width::W64, a, zero);
        self.b.finish(Terminator::Branch {
            c,
            then: Target::Guest(to),
            other: Target::Guest(self.pc),
        })
    }
    fn goto(mut self, to: u64) -> Region {
        self.insn();
        self.b.finish(Terminator::Goto(Target::Guest(to)))
    }
    fn bl(mut self, to: u64) -> Region {
        self.insn();
        let ret = self.b.iconst(self.pc);
        self.b.set(x(30), ret);
        self.b.finish(Terminator::Goto(Target::Guest(to)))
    }
    fn ret(mut self) -> Region {
        self.insn();
        let to = self.x(30);
        self.b.finish(Terminator::Indirect {
            to,
            kind: IndirectKind::Return,
        })
    }
}

use Width::{W32, W64};

/// Table-driven CRC: 8 instructions a byte.
fn crc() -> Vec<Region> {
    let mut a = Asm::at(0x1000);
    a.post_load(Size::B1, 3, 1, 1); //          ldrb w3, [x1], #1
    a.reg(BinOp::Xor, W32, 3, 3, 0); //         eor  w3, w3, w0
    a.imm(BinOp::And, W64, 3, 3, 0xff); //      and  x3, x3, #0xff
    a.load_index(Size::B4, 3, 2, 3, 2); //      ldr  w3, [x2, x3, lsl #2]
    a.shifted(BinOp::Xor, 0, 3, 0, (BinOp::ShrU, 8)); // eor x0, x3, x0, lsr #8
    a.imm(BinOp::And, W64, 1, 1, 0x1ffff); //   and  x1, x1, #0x1ffff
    a.subs_imm(W64, 4, 4, 1); //                subs x4, x4, #1
    vec![
        a.branch(Condition::Ne, 0x1000),
        Asm::at(0x1020).goto(0x1000),
    ]
}

/// Copy by 8 bytes: 6 instructions.
fn copy() -> Vec<Region> {
    let mut a = Asm::at(0x1000);
    a.post_load(Size::B8, 3, 1, 8); //          ldr  x3, [x1], #8
    a.post_store(Size::B8, 3, 2, 8); //         str  x3, [x2], #8
    a.imm(BinOp::And, W64, 1, 1, 0x1ffff); //   and  x1, x1, #0x1ffff
    a.imm(BinOp::And, W64, 2, 2, 0x1ffff); //   and  x2, x2, #0x1ffff
    a.subs_imm(W64, 4, 4, 1); //                subs x4, x4, #1
    vec![
        a.branch(Condition::Ne, 0x1000),
        Asm::at(0x1018).goto(0x1000),
    ]
}

/// Three short blocks an iteration.
fn branches() -> Vec<Region> {
    let mut a = Asm::at(0x1000);
    a.imm(BinOp::Add, W64, 0, 0, 1); //         add  x0, x0, #1
    a.cmp(W32, 0, 1); //                        cmp  w0, w1
    let a = a.branch(Condition::Lt, 0x1010); // b.lt 0x1010
    let mut b = Asm::at(0x100c);
    b.mov(0, 31); //                            mov  x0, #0
    let mut c = Asm::at(0x1010);
    c.reg(BinOp::Add, W64, 2, 2, 0); //         add  x2, x2, x0
    c.subs_imm(W32, 31, 2, 7); //               cmp  w2, #7
    let c2 = c.branch(Condition::Hi, 0x1020); //  b.hi 0x1020
    let mut d = Asm::at(0x101c);
    d.imm(BinOp::Add, W64, 3, 3, 1); //         add  x3, x3, #1
    let mut e = Asm::at(0x1020);
    e.shifted(BinOp::Add, 3, 3, 2, (BinOp::Shl, 3)); // add x3, x3, x2, lsl #3
    e.imm(BinOp::Xor, W64, 3, 3, 5); //         eor  x3, x3, #5
    let e = e.cbnz(3, 0x1000); //               cbnz x3, 0x1000
    b.reg(BinOp::Add, W64, 2, 2, 0);
    b.subs_imm(W32, 31, 2, 7);
    d.shifted(BinOp::Add, 3, 3, 2, (BinOp::Shl, 3));
    d.imm(BinOp::Xor, W64, 3, 3, 5);
    vec![
        a,
        b.branch(Condition::Hi, 0x1020),
        c2,
        d.cbnz(3, 0x1000),
        e,
        Asm::at(0x102c).goto(0x1000),
    ]
}

/// A call to another page and back.
fn calls() -> Vec<Region> {
    let mut a = Asm::at(0x1000);
    a.mov(0, 1); //                             mov  x0, x1
    a.imm(BinOp::Add, W64, 1, 1, 1); //         add  x1, x1, #1
    let a = a.bl(0x2000); //                    bl   0x2000
    let mut b = Asm::at(0x2000);
    b.imm(BinOp::Sub, W64, 29, 29, 16); //      sub  x29, x29, #16
    b.insn(); //                                stp  x0, x30, [x29]
    let base = b.x(29);
    let (p, q) = (b.x(0), b.x(30));
    b.b.store(base, 0, p, Mem::plain(Size::B8));
    b.b.store(base, 8, q, Mem::plain(Size::B8));
    b.reg(BinOp::Add, W64, 2, 2, 0); //         add  x2, x2, x0
    b.insn(); //                                ldp  x0, x30, [x29]
    let base = b.x(29);
    let p = b.b.load(base, 0, Mem::plain(Size::B8));
    let q = b.b.load(base, 8, Mem::plain(Size::B8));
    b.b.set(x(0), p);
    b.b.set(x(30), q);
    b.imm(BinOp::Add, W64, 29, 29, 16); //      add  x29, x29, #16
    let b = b.ret(); //                         ret
    let mut c = Asm::at(0x100c);
    c.reg(BinOp::Xor, W64, 3, 3, 2); //         eor  x3, x3, x2
    vec![a, b, c.goto(0x1000)] //               b    0x1000
}

/// Straight arithmetic: 16 instructions and a branch.
fn arithmetic() -> Vec<Region> {
    let mut a = Asm::at(0x1000);
    for _ in 0..4 {
        a.reg(BinOp::Add, W64, 0, 0, 1); //     add  x0, x0, x1
        a.imm(BinOp::Xor, W64, 1, 1, 0x55); //  eor  x1, x1, #0x55
        a.shifted(BinOp::Add, 2, 2, 0, (BinOp::Shl, 2)); // add x2, x2, x0, lsl #2
        a.imm(BinOp::ShrU, W64, 3, 2, 7); //    lsr  x3, x2, #7
    }
    vec![a.cbnz(1, 0x1000), Asm::at(0x1044).goto(0x1000)]
}

/// What optimising and lowering cost, without the front end.
fn translation(programs: &[Source]) {
    let regions: Vec<Region> = programs.iter().flat_map(|(_, build)| build()).collect();
    let insns: u32 = regions.iter().map(|r| r.insns).sum();
    let mut best = f64::MAX;
    for _ in 0..300 {
        let copies = regions.clone();
        let start = Instant::now();
        for mut region in copies {
            ferrite_ir::opt::optimise(&mut region);
            std::hint::black_box(ferrite_ir::interp::lower(&region).is_ok());
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let ns = best * 1e9;
    println!(
        "optimise + lower: {:.0} ns a region, {:.0} ns an instruction",
        ns / regions.len() as f64,
        ns / f64::from(insns)
    );
}

/// A program's name and what makes its regions.
type Source = (&'static str, fn() -> Vec<Region>);

fn main() {
    let programs: [Source; 5] = [
        ("arithmetic", arithmetic),
        ("crc", crc),
        ("copy", copy),
        ("branches", branches),
        ("calls", calls),
    ];
    translation(&programs);
    for (name, build) in programs {
        let regions = build().into_iter().map(|r| (r.entry, r)).collect();
        let ram = match GuestRam::new(1 << 20) {
            Ok(ram) => ram,
            Err(error) => panic!("{error}"),
        };
        let mut program = Program { ram, regions };
        let mut cpu = VcpuBlock::new();
        let mut engine = Engine::default();
        cpu.set(slot::PC, 0x1000);
        cpu.set(x(1).0, 64);
        cpu.set(x(2).0, 0x4_0000);
        cpu.set(x(4).0, 100_000);
        cpu.set(x(29).0, 0x8_0000);
        let mut best = f64::MAX;
        const INSNS: u64 = 300_000;
        for _ in 0..1000 {
            cpu.set(slot::BUDGET, INSNS);
            let start = Instant::now();
            engine.run(&mut program, &mut cpu, 0);
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!(
            "{name:12} {:6.0} M guest instructions/s",
            INSNS as f64 / best / 1e6
        );
    }
}
