//! What the engine must keep to, on a toy guest whose instructions are words in memory.

use ferrite_ram::{GuestRam, GuestVirt, PAGE_SIZE, RamOffset};
use ferrite_simd::{CryptoOp, Lane, Shape, WideOp};

use super::{Engine, Limits};
use crate::env::{AtomicPlace, CodeKey, Env, Extent, Fetched, Leave};
use crate::op::{
    AtomicOp, BinOp, Global, HelperId, IndirectKind, Mem, Region, Size, Target, Terminator,
    VecGlobal, Width,
};
use crate::state::{TlbEntry, VcpuBlock, slot};
use crate::{BlockId, Builder};

/// Counts instructions of the toy guest.
const COUNT: Global = Global(slot::FIRST_GUEST);
/// The address that stores go to.
const ADDRESS: Global = Global(slot::FIRST_GUEST + 1);
/// The value that stores write, and where indirect jumps go.
const VALUE: Global = Global(slot::FIRST_GUEST + 2);
/// What an instruction on vectors works on.
const VECTOR_REGISTER: VecGlobal = VecGlobal(slot::FIRST_GUEST + 4);

/// Instructions: the code in the low byte, an operand in the upper 24 bits.
mod word {
    /// Adds the operand to COUNT.
    pub const ADD: u32 = 1;
    /// Goes to the operand.
    pub const JUMP: u32 = 2;
    /// Stores VALUE at ADDRESS.
    pub const STORE: u32 = 3;
    /// Calls the helper of that number.
    pub const CALL: u32 = 4;
    /// Goes to VALUE.
    pub const INDIRECT: u32 = 5;
    /// A loop within the region: back to the region's entry.
    pub const LOOP: u32 = 6;
    /// Ends the region without a link.
    pub const EXIT: u32 = 7;
    /// Becomes something that cannot be run, as does a region of more instructions with it.
    pub const UNRUNNABLE: u32 = 8;
}

const ENTER_OTHER_MAP: u16 = 1;
const REQUEST_EXIT: u16 = 2;
const FAULT: u16 = 3;

/// Faults land here, in a page of their own.
const VECTOR: u64 = 7 * PAGE_SIZE;

struct Toy {
    ram: GuestRam,
    /// Added to addresses to find memory, in pages.
    map: u64,
    fetches: u64,
}

impl Toy {
    fn new(code: &[(u64, u32, u32)]) -> Self {
        let ram = GuestRam::new(32 * PAGE_SIZE).unwrap();
        for &(at, op, operand) in code {
            ram.store(RamOffset(at), op | operand << 8).unwrap();
        }
        Self {
            ram,
            map: 0,
            fetches: 0,
        }
    }

    fn place(&self, at: GuestVirt) -> Option<RamOffset> {
        let at = RamOffset(at.0.wrapping_add(self.map * PAGE_SIZE));
        self.ram.load::<u32>(at).map(|_| at)
    }
}

impl Env for Toy {
    fn ram(&self) -> &GuestRam {
        &self.ram
    }

    fn call(&mut self, cpu: &mut VcpuBlock, helper: HelperId, _: [u64; 4]) -> Result<u64, Leave> {
        match helper.0 {
            ENTER_OTHER_MAP => self.map = 8,
            REQUEST_EXIT => cpu.request_exit(),
            _ => {
                cpu.set(slot::PC, VECTOR);
                return Err(Leave);
            }
        }
        Ok(0)
    }

    fn load(&mut self, _: &mut VcpuBlock, _: GuestVirt, _: Mem) -> Result<u64, Leave> {
        unreachable!("the toy guest has no loads")
    }

    fn store(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        value: u64,
        mem: Mem,
    ) -> Result<(), Leave> {
        assert_eq!(mem, Mem::plain(Size::B4));
        let Some(place) = self.place(at) else {
            cpu.set(slot::PC, VECTOR);
            return Err(Leave);
        };
        self.ram.store(place, value as u32).unwrap();
        if self.ram.is_code(place) {
            self.ram.note_code_write(place);
        } else {
            cpu.tlb_write[VcpuBlock::tlb_index(at)] = TlbEntry::new(at, place, 0);
        }
        Ok(())
    }

    fn load_vector(&mut self, _: &mut VcpuBlock, _: GuestVirt, _: Mem) -> Result<u128, Leave> {
        unreachable!("the toy guest has no vectors")
    }

    fn store_vector(
        &mut self,
        _: &mut VcpuBlock,
        _: GuestVirt,
        _: u128,
        _: Mem,
    ) -> Result<(), Leave> {
        unreachable!("the toy guest has no vectors")
    }

    fn atomic_place(
        &mut self,
        _: &mut VcpuBlock,
        _: GuestVirt,
        _: u64,
        _: Mem,
        _: bool,
    ) -> Result<AtomicPlace, Leave> {
        unreachable!("the toy guest has no atomics")
    }

    fn atomic_device(
        &mut self,
        _: &mut VcpuBlock,
        _: GuestVirt,
        _: Option<AtomicOp>,
        _: [u64; 2],
        _: Mem,
    ) -> Result<u64, Leave> {
        unreachable!("the toy guest has no atomics")
    }

    fn code_key(&self, _: &VcpuBlock) -> CodeKey {
        CodeKey(0)
    }

    fn code_generation(&self, _: &VcpuBlock, _: bool) -> u64 {
        self.map
    }

    fn fetch(&mut self, cpu: &mut VcpuBlock, pc: GuestVirt) -> Result<Fetched, Leave> {
        self.fetches += 1;
        match self.place(pc) {
            Some(at) => Ok(Fetched { at }),
            None => {
                cpu.set(slot::PC, VECTOR);
                Err(Leave)
            }
        }
    }

    fn translate(&mut self, _: &VcpuBlock, pc: GuestVirt, at: Fetched, extent: Extent) -> Region {
        let mut b = Builder::new(pc.0);
        if extent == Extent::Refusal {
            b.insn(pc.0, 4);
            b.call_void(HelperId(FAULT), &[]);
            return b.finish(Terminator::Exit);
        }
        for n in 0.. {
            let here = pc.0 + 4 * n;
            if n == 1 && extent == Extent::Instruction {
                return b.finish(Terminator::Goto(Target::Guest(here)));
            }
            let word: u32 = self.ram.load(at.at.offset(4 * n)).unwrap();
            let operand = word >> 8;
            b.insn(here, 4);
            let end = match word & 0xff {
                word::ADD => {
                    let a = b.get(COUNT);
                    let a = b.bin_const(BinOp::Add, Width::W64, a, operand.into());
                    b.set(COUNT, a);
                    continue;
                }
                word::STORE => {
                    let (addr, a) = (b.get(ADDRESS), b.get(VALUE));
                    b.store(addr, 0, a, Mem::plain(Size::B4));
                    continue;
                }
                word::CALL => {
                    b.call_void(HelperId(operand as u16), &[]);
                    continue;
                }
                word::JUMP => Terminator::Goto(Target::Guest(operand.into())),
                word::INDIRECT => Terminator::Indirect {
                    to: b.get(VALUE),
                    kind: IndirectKind::Jump,
                },
                word::LOOP => Terminator::Goto(Target::Block(BlockId(0))),
                word::UNRUNNABLE => {
                    // SHA-1's rotation has no such shape, so there is no function to call.
                    let sum = WideOp::Crypto(CryptoOp::Sha1h);
                    let a = b.get_vec(VECTOR_REGISTER);
                    let a = b.wide_vec(sum, Shape::scalar(Lane::B), 0, &[a], None);
                    b.set_vec(VECTOR_REGISTER, a);
                    continue;
                }
                _ => {
                    let next = b.iconst(here + 4);
                    b.set(Global(slot::PC), next);
                    Terminator::Exit
                }
            };
            return b.finish(end);
        }
        unreachable!("a region ends")
    }

    fn protect_code(&mut self, cpu: &mut VcpuBlock, at: RamOffset) {
        let at = GuestVirt(at.0.wrapping_sub(self.map * PAGE_SIZE));
        cpu.tlb_write[VcpuBlock::tlb_index(at)] = TlbEntry::EMPTY;
    }
}

fn run(engine: &mut Engine, toy: &mut Toy, cpu: &mut VcpuBlock, budget: u64) {
    cpu.set(slot::BUDGET, budget);
    cpu.set(slot::DEFERRED, 0);
    engine.run(toy, cpu, 0);
}

/// Instructions still allowed.
fn left(cpu: &VcpuBlock) -> i64 {
    cpu.get(slot::BUDGET).wrapping_add(cpu.get(slot::DEFERRED)) as i64
}

#[test]
fn a_loop_runs_linked_until_the_budget_is_used_up() {
    let mut toy = Toy::new(&[
        (0x100, word::ADD, 1),
        (0x104, word::JUMP, 0x200),
        (0x200, word::ADD, 1),
        (0x204, word::JUMP, 0x100),
    ]);
    let (mut engine, mut cpu) = (Engine::default(), VcpuBlock::new());
    cpu.set(slot::PC, 0x100);
    run(&mut engine, &mut toy, &mut cpu, 1001);
    assert_eq!(cpu.get(COUNT.0), 501);
    assert_eq!((left(&cpu), cpu.get(slot::PC)), (-1, 0x200));
    assert_eq!(toy.fetches, 2);
    assert_eq!(engine.stats().lookups, 3);
    assert_eq!((engine.stats().regions, engine.stats().insns), (2, 4));
}

#[test]
fn a_loop_within_a_region_sees_the_budget() {
    let mut toy = Toy::new(&[(0x100, word::ADD, 1), (0x104, word::LOOP, 0)]);
    let (mut engine, mut cpu) = (Engine::default(), VcpuBlock::new());
    cpu.set(slot::PC, 0x100);
    run(&mut engine, &mut toy, &mut cpu, 100);
    assert_eq!(
        (cpu.get(COUNT.0), left(&cpu), cpu.get(slot::PC)),
        (50, 0, 0x100)
    );
}

#[test]
fn instructions_after_a_fault_do_not_count() {
    let mut toy = Toy::new(&[
        (0x100, word::ADD, 1),
        (0x104, word::CALL, FAULT.into()),
        (0x108, word::ADD, 100),
        (0x10c, word::ADD, 100),
        (0x110, word::EXIT, 0),
        (VECTOR as u32 as u64, word::CALL, REQUEST_EXIT.into()),
        (VECTOR + 4, word::EXIT, 0),
    ]);
    let (mut engine, mut cpu) = (Engine::default(), VcpuBlock::new());
    cpu.set(slot::PC, 0x100);
    run(&mut engine, &mut toy, &mut cpu, 50);
    assert_eq!(cpu.get(COUNT.0), 1);
    // Two before and with the fault, two in its handler; the request left the rest deferred.
    assert_eq!(left(&cpu), 46);
    assert_eq!(cpu.get(slot::BUDGET), 0);
    assert_eq!(cpu.get(slot::PC), VECTOR + 8);
}

#[test]
fn a_request_holds_though_its_region_is_left_at_once() {
    let mut toy = Toy::new(&[
        (0x100, word::CALL, REQUEST_EXIT.into()),
        (0x104, word::CALL, FAULT.into()),
        (0x108, word::ADD, 1),
        (0x10c, word::EXIT, 0),
        (VECTOR, word::ADD, 1),
        (VECTOR + 4, word::EXIT, 0),
    ]);
    for budget in [2, 3, 4, 5, 100] {
        let (mut engine, mut cpu) = (Engine::default(), VcpuBlock::new());
        cpu.set(slot::PC, 0x100);
        run(&mut engine, &mut toy, &mut cpu, budget);
        assert_eq!((cpu.get(COUNT.0), cpu.get(slot::PC)), (0, VECTOR));
        assert_eq!(left(&cpu), budget as i64 - 2);
    }
}

#[test]
fn fetch_faults_without_end_use_up_the_budget() {
    let mut toy = Toy::new(&[]);
    toy.map = 1000;
    let (mut engine, mut cpu) = (Engine::default(), VcpuBlock::new());
    run(&mut engine, &mut toy, &mut cpu, 100);
    assert_eq!((left(&cpu), toy.fetches), (0, 100));
}

#[test]
fn what_cannot_be_run_is_an_unknown_instruction_to_the_guest() {
    let mut toy = Toy::new(&[
        (0x100, word::ADD, 1),
        (0x104, word::UNRUNNABLE, 0),
        (0x108, word::EXIT, 0),
        (VECTOR, word::ADD, 10),
        (VECTOR + 4, word::LOOP, 0),
    ]);
    let (mut engine, mut cpu) = (Engine::default(), VcpuBlock::new());
    cpu.set(slot::PC, 0x100);
    run(&mut engine, &mut toy, &mut cpu, 4);
    // The instruction before it runs, and the handler after it.
    assert_eq!((cpu.get(COUNT.0), cpu.get(slot::PC)), (11, VECTOR));
    // The region of both, the region of the second, that instruction alone.
    assert_eq!(engine.stats().narrowed, 3);
}

#[test]
fn code_that_was_written_to_is_translated_anew() {
    let mut toy = Toy::new(&[
        (0x100, word::ADD, 1),
        (0x104, word::JUMP, 0x200),
        (0x200, word::STORE, 0),
        (0x204, word::JUMP, 0x100),
        (0x2000, word::ADD, 3),
        (0x2004, word::JUMP, 0x100),
    ]);
    let (mut engine, mut cpu) = (Engine::default(), VcpuBlock::new());
    // Rewrites its own first instruction.
    cpu.set(ADDRESS.0, 0x100);
    cpu.set(VALUE.0, u64::from(word::ADD | 10 << 8));
    cpu.set(slot::PC, 0x100);
    run(&mut engine, &mut toy, &mut cpu, 16);
    assert_eq!(cpu.get(COUNT.0), 1 + 3 * 10);
    assert!(engine.stats().invalidations >= 2);
    // A device's write counts as well; another page's translations stay.
    cpu.set(ADDRESS.0, 0x5000);
    cpu.set(slot::PC, 0x2000);
    run(&mut engine, &mut toy, &mut cpu, 6);
    let before = engine.stats().regions;
    cpu.set(COUNT.0, 0);
    toy.ram
        .write_bytes(RamOffset(0x100), &(word::ADD | 7 << 8).to_le_bytes())
        .unwrap();
    cpu.set(slot::PC, 0x2000);
    run(&mut engine, &mut toy, &mut cpu, 4);
    assert_eq!(cpu.get(COUNT.0), 10);
    assert_eq!(engine.stats().regions, before + 1);
}

#[test]
fn another_mapping_is_other_code() {
    let other = 8 * PAGE_SIZE;
    let mut toy = Toy::new(&[
        (0x100, word::CALL, ENTER_OTHER_MAP.into()),
        (0x104, word::EXIT, 0),
        (0x108, word::ADD, 1),
        (0x10c, word::JUMP, 0x108),
        (other + 0x108, word::ADD, 1000),
        (other + 0x10c, word::JUMP, 0x108),
    ]);
    let (mut engine, mut cpu) = (Engine::default(), VcpuBlock::new());
    cpu.set(slot::PC, 0x108);
    run(&mut engine, &mut toy, &mut cpu, 4);
    assert_eq!(cpu.get(COUNT.0), 2);
    cpu.set(slot::PC, 0x100);
    run(&mut engine, &mut toy, &mut cpu, 6);
    assert_eq!(cpu.get(COUNT.0), 2002);
}

#[test]
fn computed_addresses_are_found_in_the_jump_cache() {
    let mut toy = Toy::new(&[
        (0x100, word::ADD, 1),
        (0x104, word::INDIRECT, 0),
        (0x3100, word::ADD, 1),
        (0x3104, word::JUMP, 0x100),
    ]);
    let (mut engine, mut cpu) = (Engine::default(), VcpuBlock::new());
    cpu.set(VALUE.0, 0x3100);
    cpu.set(slot::PC, 0x100);
    run(&mut engine, &mut toy, &mut cpu, 4000);
    assert_eq!(cpu.get(COUNT.0), 2000);
    assert_eq!((engine.stats().lookups, engine.stats().misses), (2000, 2));
}

#[test]
fn a_full_cache_starts_over() {
    let code: Vec<(u64, u32, u32)> = (0..64)
        .flat_map(|n: u32| {
            let at = u64::from(0x100 + 16 * n);
            [
                (at, word::ADD, 1),
                (at + 4, word::JUMP, 0x100 + 16 * ((n + 1) % 64)),
            ]
        })
        .collect();
    let mut toy = Toy::new(&code);
    let limits = Limits {
        regions: 10,
        ..Limits::default()
    };
    let (mut engine, mut cpu) = (Engine::new(limits), VcpuBlock::new());
    cpu.set(slot::PC, 0x100);
    run(&mut engine, &mut toy, &mut cpu, 512);
    assert_eq!(cpu.get(COUNT.0), 256);
    assert!(engine.regions() <= 10);
    assert_eq!(engine.stats().flushes, 25);
    engine.flush();
    assert_eq!(engine.regions(), 0);
}

#[test]
fn another_vcpu_loses_fast_writes_to_what_became_code() {
    let mut toy = Toy::new(&[
        (0x100, word::STORE, 0),
        (0x104, word::JUMP, 0x100),
        (0x3100, word::ADD, 1),
        (0x3104, word::JUMP, 0x3100),
    ]);
    let mut engine = Engine::default();
    let (mut writer, mut other) = (VcpuBlock::new(), VcpuBlock::new());
    writer.set(slot::PC, 0x100);
    writer.set(ADDRESS.0, 0x3100);
    writer.set(VALUE.0, u64::from(word::ADD | 1 << 8));
    writer.set(slot::BUDGET, 4);
    engine.run(&mut toy, &mut writer, 0);
    assert_ne!(
        writer.tlb_write[VcpuBlock::tlb_index(GuestVirt(0x3100))],
        TlbEntry::EMPTY
    );
    other.set(slot::PC, 0x3100);
    other.set(slot::BUDGET, 4);
    engine.run(&mut toy, &mut other, 1);
    writer.set(VALUE.0, u64::from(word::ADD | 50 << 8));
    writer.set(slot::BUDGET, 2);
    engine.run(&mut toy, &mut writer, 0);
    other.set(slot::BUDGET, 2);
    engine.run(&mut toy, &mut other, 1);
    assert_eq!(other.get(COUNT.0), 52);
}
