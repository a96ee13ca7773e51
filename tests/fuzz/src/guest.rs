//! A CPU on a board with a program of the fuzzer's.

use std::sync::Arc;

use ferrite_aarch64::cpu::{Cpu, CpuConfig, Halt};
use ferrite_aarch64::model::MODELS;
use ferrite_ir::Accelerator;
use ferrite_ram::{GuestRam, RamOffset};

use crate::board::{RAM_BASE, RAM_LEN};
use crate::{Board, Input};

/// Where exceptions lead to.
const VECTORS: u64 = RAM_LEN / 2;
/// `WFI`.
const WAIT: u32 = 0xd503_207f;

/// The machine.
pub struct Guest {
    /// The CPU.
    pub cpu: Cpu,
    /// What is around it.
    pub board: Board,
    ram: Arc<GuestRam>,
}

impl Guest {
    /// Puts code at the start of RAM; the input chooses model, registers and interrupt masks. Every
    /// exception leads to an instruction that waits.
    #[must_use]
    pub fn new(code: &[u32], input: &mut Input) -> Self {
        let ram = Arc::new(GuestRam::new(RAM_LEN).expect("1 MiB"));
        for (n, word) in code.iter().enumerate() {
            ram.store(RamOffset(4 * n as u64), *word).expect("in RAM");
        }
        for vector in 0..16 {
            ram.store(RamOffset(VECTORS + 0x80 * vector), WAIT)
                .expect("in RAM");
        }
        let model = &MODELS[usize::from(input.u8()) % MODELS.len()];
        let mut cpu = Cpu::new(CpuConfig::new(0, model, 8, true));
        cpu.reset(RAM_BASE);
        for n in 0..31 {
            // Addresses in RAM as often as anything.
            let value = u64::from(input.u8());
            cpu.set_x(n, RAM_BASE + (value << 8 | value));
            cpu.set_v(
                n,
                u128::from(value) * 0x1_0001_0000_0003_8000_0000_0000_0001,
            );
        }
        cpu.set_sp(RAM_BASE + 0x8000);
        let mut board = Board::new(Arc::clone(&ram));
        cpu.set_system_register(&mut board, "VBAR_EL1", RAM_BASE + VECTORS);
        cpu.set_system_register(&mut board, "CPACR_EL1", 3 << 20);
        if input.u8() & 1 != 0 {
            cpu.set_pstate(0x3c0);
        }
        Self { cpu, board, ram }
    }

    /// Runs for at most about `budget` instructions, or until the CPU waits for an interrupt: whether
    /// it does.
    pub fn run_to_wait(&mut self, engine: &mut Accelerator, budget: u64) -> bool {
        let mut left = budget;
        while left > 0 {
            left = left.saturating_sub(self.cpu.run(engine, &mut self.board, left).executed.max(1));
            if self.cpu.halted() == Some(Halt::Interrupt) {
                return true;
            }
            self.cpu.resume();
        }
        false
    }

    /// Where this guest's state differs from another's.
    pub fn differences(&mut self, other: &mut Self) -> Vec<String> {
        let mut list = Vec::new();
        let mut compare = |name: &str, a: u128, b: u128| {
            if a != b {
                list.push(format!("{name}: {a:#x}, {b:#x}"));
            }
        };
        let (a, b) = (&mut self.cpu, &mut other.cpu);
        for n in 0..31 {
            compare(&format!("x{n}"), a.x(n).into(), b.x(n).into());
        }
        for n in 0..32 {
            compare(&format!("v{n}"), a.v(n), b.v(n));
        }
        compare("sp", a.sp().into(), b.sp().into());
        compare("pc", a.pc().into(), b.pc().into());
        compare("pstate", a.pstate().into(), b.pstate().into());
        let systems = a.system_registers(&mut self.board);
        let others = b.system_registers(&mut other.board);
        for ((name, a), (_, b)) in systems.into_iter().zip(others) {
            compare(name, a.into(), b.into());
        }
        let words = RAM_LEN / 8;
        for at in (0..words).map(|n| RamOffset(8 * n)) {
            let (a, b) = (self.ram.load::<u64>(at), other.ram.load::<u64>(at));
            compare(
                "memory",
                a.expect("in RAM").into(),
                b.expect("in RAM").into(),
            );
        }
        list
    }
}
