//! Runs a case by translation and the interpreter, and as compiled code where the host can, in a flat
//! memory that is the case's scratch. All ways must lead to the same state.

use ferrite_aarch64::decode::Features;
use ferrite_aarch64::state;
use ferrite_aarch64::translate::{Context, Scope, helper, region};
use ferrite_ir::env::AtomicPlace;
use ferrite_ir::interp::{self, BlockEnd};
use ferrite_ir::opt;
use ferrite_ir::{
    Align, AtomicOp, CodeKey, Env, Extent, Fetched, HelperId, Leave, Mem, Region, VcpuBlock, slot,
};
use ferrite_ram::{GuestRam, GuestVirt, RamOffset};

use crate::case::{
    After, Case, End, Registers, SCRATCH_BYTES, SIGBUS, SIGILL, SIGSEGV, SIGTRAP, layout,
};

/// Why an instruction was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// A signal that the program would get.
    Signal(u32),
    /// It needs a helper, which this environment does not have.
    Helper(HelperId),
    /// It goes round and round.
    Loop,
}

/// The first access that an instruction makes.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub at: u64,
    /// Whether it has to be aligned.
    pub aligned: bool,
}

/// What a run shows.
pub struct Run {
    pub after: After,
    pub helper: Option<HelperId>,
    pub access: Option<Access>,
}

/// Runs cases one after the other.
pub struct Runner {
    /// What instructions are translated for.
    pub context: Context,
    /// Whether regions are optimised before they run.
    pub optimised: bool,
    cpu: Box<VcpuBlock>,
    env: Flat,
    compiler: Option<Compiler>,
    /// Whether the compiler's turn has come.
    compiled: bool,
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
type Compiler = ferrite_jit::x64::Engine;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
type Compiler = std::convert::Infallible;

/// Bytes of code for one case, with room to spare.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
const CODE_BYTES: usize = 1 << 20;

struct Flat {
    ram: GuestRam,
    /// Address of the scratch memory, which is at offset 0 of `ram`.
    scratch: u64,
    access: Option<Access>,
    left: Option<Left>,
}

impl Runner {
    pub fn new() -> Self {
        Self {
            context: context(),
            optimised: true,
            cpu: VcpuBlock::new(),
            env: Flat {
                ram: GuestRam::new(4096).expect("a page of memory"),
                scratch: 0,
                access: None,
                left: None,
            },
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            compiler: Compiler::new(CODE_BYTES).ok(),
            #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
            compiler: None,
            compiled: false,
        }
    }

    pub fn run(&mut self, case: &Case) -> Run {
        self.compiled = false;
        let run = self.run_one_way(case);
        if self.compiler.is_some() {
            self.compiled = true;
            let other = self.run_one_way(case);
            assert_eq!(
                other.after, run.after,
                "compiled and interpreted: {:08x} after {:08x?}",
                case.word, case.prefix
            );
            assert_eq!(other.helper, run.helper);
        }
        run
    }

    fn run_one_way(&mut self, case: &Case) -> Run {
        self.env.scratch = layout::scratch(case.number);
        self.env.access = None;
        self.env.left = None;
        let ram = &self.env.ram;
        ram.write_bytes(RamOffset(0), &case.scratch)
            .expect("scratch is in memory");
        self.load(&case.before);
        let end = self.instructions(case);
        let mut scratch = vec![0; SCRATCH_BYTES];
        let ram = &self.env.ram;
        ram.read_bytes(RamOffset(0), &mut scratch)
            .expect("scratch is in memory");
        let (end, helper) = match end {
            Ok(pc) => (pad(case, pc), None),
            Err(Left::Signal(signal)) => (End::Signal(signal), None),
            Err(Left::Helper(helper)) => (End::Signal(0), Some(helper)),
            Err(Left::Loop) => (End::Signal(0), None),
        };
        Run {
            after: After {
                registers: self.store(),
                scratch,
                end,
            },
            helper,
            access: self.env.access,
        }
    }

    /// Where control goes from a case's instructions.
    fn instructions(&mut self, case: &Case) -> Result<u64, Left> {
        let mut at = case.start();
        // Each region but those after a branch back into the sequence has an instruction of it.
        for _ in 0..=case.prefix.len() {
            at = self.region(case, at)?;
            if !(case.start()..=case.pc()).contains(&at) {
                return Ok(at);
            }
        }
        Err(Left::Loop)
    }

    /// Where control goes from the region at `pc`.
    fn region(&mut self, case: &Case, pc: u64) -> Result<u64, Left> {
        let words = case.prefix.iter().chain([&case.word]);
        let words: Vec<u32> = words.copied().collect();
        let mut region = region(self.context, pc, Scope::Block, &mut |at| {
            words
                .get((at.wrapping_sub(case.start()) / 4) as usize)
                .copied()
        });
        if self.optimised {
            opt::optimise(&mut region);
        }
        if self.compiled {
            self.compile(&region);
            return self.env.left.map_or(Ok(self.cpu.get(slot::PC)), Err);
        }
        let code = interp::lower(&region).expect("a translated instruction can be lowered");
        let end = interp::run(&code, &mut self.env, &mut self.cpu);
        if let Some(left) = self.env.left {
            return Err(left);
        }
        Ok(match end {
            BlockEnd::Direct(n) => code.exits()[usize::from(n)].pc,
            BlockEnd::Indirect(_) | BlockEnd::Lookup => self.cpu.get(slot::PC),
        })
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn compile(&mut self, region: &Region) {
        if let Some(engine) = &mut self.compiler {
            ferrite_ir::CodeEngine::flush(engine);
            engine.run_once(region, &mut self.env, &mut self.cpu);
        }
    }

    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    fn compile(&mut self, _: &Region) {}

    fn load(&mut self, from: &Registers) {
        let cpu = &mut self.cpu;
        for (n, x) in from.x.iter().enumerate() {
            cpu.set(state::x(n as u32).0, *x);
        }
        for (n, v) in from.v.iter().enumerate() {
            cpu.set_vector(state::v(n as u32).0, *v);
        }
        cpu.set(state::SP.0, from.sp);
        cpu.set(state::FPCR.0, from.fpcr);
        cpu.set(state::FPSR.0, from.fpsr);
        cpu.set_nzcv(from.nzcv as u32);
        cpu.set(slot::BUDGET, 1 << 32);
        cpu.set(slot::EXCLUSIVE_AT, slot::NO_EXCLUSIVE);
    }

    fn store(&self) -> Registers {
        let cpu = &self.cpu;
        Registers {
            x: std::array::from_fn(|n| cpu.get(state::x(n as u32).0)),
            sp: cpu.get(state::SP.0),
            v: std::array::from_fn(|n| cpu.get_vector(state::v(n as u32).0)),
            nzcv: u64::from(cpu.nzcv()),
            fpcr: cpu.get(state::FPCR.0),
            fpsr: cpu.get(state::FPSR.0),
        }
    }
}

fn pad(case: &Case, pc: u64) -> End {
    match layout::pads(case.pc()).iter().position(|&pad| pad == pc) {
        Some(n) => End::Pad(n),
        None => End::Signal(SIGSEGV),
    }
}

/// An application's view of a processor.
fn context() -> Context {
    Context {
        el: 0,
        features: Features::all(),
        fp_trap: None,
        align_check: false,
        sp_check: false,
        big_endian: false,
        plain_unprivileged: true,
        single_step: false,
        breakpoints: false,
    }
}

impl Flat {
    /// The offset in memory of an access of `bytes`, which must be aligned to `aligned`.
    fn place(&mut self, at: GuestVirt, bytes: u64, mem: Mem) -> Result<RamOffset, Leave> {
        let aligned = mem.align != Align::Any;
        self.access.get_or_insert(Access { at: at.0, aligned });
        let unit = match mem.align {
            Align::Any => 1,
            Align::Natural => mem.size.bytes(),
            Align::Pair => 2 * mem.size.bytes(),
        };
        let offset = at.0.wrapping_sub(self.scratch);
        if at.0 & (unit - 1) != 0 {
            self.leave(Left::Signal(SIGBUS))
        } else if offset > SCRATCH_BYTES as u64 - bytes {
            self.leave(Left::Signal(SIGSEGV))
        } else {
            Ok(RamOffset(offset))
        }
    }

    fn leave<T>(&mut self, why: Left) -> Result<T, Leave> {
        self.left = Some(why);
        Err(Leave)
    }
}

impl Env for Flat {
    fn ram(&self) -> &GuestRam {
        &self.ram
    }

    fn call(&mut self, _: &mut VcpuBlock, helper: HelperId, _: [u64; 4]) -> Result<u64, Leave> {
        self.leave(match helper {
            helper::YIELD | helper::WFE | helper::SEV | helper::SEVL => return Ok(0),
            // There is one processor, which changes no code that has run.
            helper::DSB | helper::ISB => return Ok(0),
            helper::UNDEFINED => Left::Signal(SIGILL),
            helper::BRK => Left::Signal(SIGTRAP),
            _ => Left::Helper(helper),
        })
    }

    fn load(&mut self, _: &mut VcpuBlock, at: GuestVirt, mem: Mem) -> Result<u64, Leave> {
        let bytes = mem.size.bytes();
        let place = self.place(at, bytes, mem)?;
        let mut value = [0; 8];
        let part = &mut value[..bytes as usize];
        self.ram.read_bytes(place, part).expect("a checked place");
        if mem.swap {
            part.reverse();
        }
        Ok(u64::from_le_bytes(value))
    }

    fn store(
        &mut self,
        _: &mut VcpuBlock,
        at: GuestVirt,
        value: u64,
        mem: Mem,
    ) -> Result<(), Leave> {
        let bytes = mem.size.bytes();
        let place = self.place(at, bytes, mem)?;
        let part = &mut value.to_le_bytes()[..bytes as usize];
        if mem.swap {
            part.reverse();
        }
        self.ram.write_bytes(place, part).expect("a checked place");
        Ok(())
    }

    fn load_vector(&mut self, _: &mut VcpuBlock, at: GuestVirt, mem: Mem) -> Result<u128, Leave> {
        let bytes = mem.size.bytes();
        let place = self.place(at, bytes, mem)?;
        let mut value = [0; 16];
        let part = &mut value[..bytes as usize];
        self.ram.read_bytes(place, part).expect("a checked place");
        if mem.swap {
            part.reverse();
        }
        Ok(u128::from_le_bytes(value))
    }

    fn store_vector(
        &mut self,
        _: &mut VcpuBlock,
        at: GuestVirt,
        value: u128,
        mem: Mem,
    ) -> Result<(), Leave> {
        let bytes = mem.size.bytes();
        let place = self.place(at, bytes, mem)?;
        let part = &mut value.to_le_bytes()[..bytes as usize];
        if mem.swap {
            part.reverse();
        }
        self.ram.write_bytes(place, part).expect("a checked place");
        Ok(())
    }

    fn atomic_place(
        &mut self,
        _: &mut VcpuBlock,
        at: GuestVirt,
        bytes: u64,
        mem: Mem,
        _: bool,
    ) -> Result<AtomicPlace, Leave> {
        self.place(at, bytes, mem).map(AtomicPlace::Ram)
    }

    fn atomic_device(
        &mut self,
        _: &mut VcpuBlock,
        _: GuestVirt,
        _: Option<AtomicOp>,
        _: [u64; 2],
        _: Mem,
    ) -> Result<u64, Leave> {
        unreachable!("all memory is RAM")
    }

    fn code_key(&self, _: &VcpuBlock) -> CodeKey {
        CodeKey(0)
    }

    fn code_generation(&self, _: &VcpuBlock, _: bool) -> u64 {
        0
    }

    fn fetch(&mut self, _: &mut VcpuBlock, _: GuestVirt) -> Result<Fetched, Leave> {
        unreachable!("regions are run one by one")
    }

    fn translate(&mut self, _: &VcpuBlock, _: GuestVirt, _: Fetched, _: Extent) -> Region {
        unreachable!("regions are run one by one")
    }

    fn protect_code(&mut self, _: &mut VcpuBlock, _: RamOffset) {}
}
