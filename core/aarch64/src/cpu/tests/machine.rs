//! The machine that the tests run on.

use std::sync::Arc;

use ferrite_ir::Accelerator;
use ferrite_ram::{GuestPhys, GuestRam, RamOffset};

use crate::cpu::{Cpu, CpuConfig, RunOutcome};
use crate::model::Model;
use crate::platform::{
    AfterCall, BusError, Conduit, FirmwareResult, InterruptLines, Maintenance, PhysPage, Platform,
};

/// RAM starts here; below is a device page at 0x1000 and nothing else.
pub const RAM: u64 = 0x4000_0000;
pub const DEVICE: u64 = 0x1000;
const SIZE: u64 = 16 << 20;

/// RAM, and a page of device registers: writes are logged, the register at offset 8 drives the IRQ
/// line.
pub struct Board {
    pub ram: Arc<GuestRam>,
    pub writes: Vec<(u64, u64, u64)>,
    pub irq: bool,
    pub counter: u64,
    pub broadcasts: Vec<Maintenance>,
    pub firmware: bool,
}

impl Platform for Board {
    fn ram(&self) -> &Arc<GuestRam> {
        &self.ram
    }

    fn page(&self, at: GuestPhys) -> PhysPage {
        match at.0.checked_sub(RAM) {
            Some(offset) if offset < SIZE => PhysPage::Ram {
                at: RamOffset(offset).page(),
                writable: true,
            },
            _ => PhysPage::Device,
        }
    }

    fn map_generation(&self) -> u64 {
        1
    }

    fn read(&mut self, _: usize, at: GuestPhys, _: u64) -> Result<u64, BusError> {
        if at.page().0 == DEVICE {
            Ok(0x1122_3344_5566_7788)
        } else {
            Err(BusError)
        }
    }

    fn write(&mut self, _: usize, at: GuestPhys, bytes: u64, value: u64) -> Result<(), BusError> {
        if at.page().0 != DEVICE {
            return Err(BusError);
        }
        if at.in_page() == 8 {
            self.irq = value != 0;
        }
        self.writes.push((at.in_page(), bytes, value));
        Ok(())
    }

    fn counter(&self) -> u64 {
        self.counter
    }

    fn counter_frequency(&self) -> u64 {
        62_500_000
    }

    fn gic_read(&mut self, _: usize, _: u32) -> Option<u64> {
        None
    }

    fn gic_write(&mut self, _: usize, _: u32, _: u64) -> Option<()> {
        None
    }

    fn has_gic_registers(&self) -> bool {
        false
    }

    fn firmware_call(
        &mut self,
        _: usize,
        _: Conduit,
        arguments: [u64; 4],
    ) -> Option<FirmwareResult> {
        self.firmware.then_some(FirmwareResult {
            x0: arguments[1] + 1,
            then: if arguments[0] == 1 {
                AfterCall::Stop
            } else {
                AfterCall::Continue
            },
        })
    }

    fn interrupts(&self, _: usize) -> Option<InterruptLines> {
        Some(InterruptLines {
            irq: self.irq,
            fiq: false,
        })
    }

    fn send_event(&mut self, _: usize) {}

    fn broadcast(&mut self, _: usize, maintenance: Maintenance) {
        self.broadcasts.push(maintenance);
    }
}

/// The engine that `FERRITE_BACKEND` names as `-accel tcg,backend=` does, so that the tests run on
/// each; without it, the one-pass emitter where the host has it.
fn engine() -> Accelerator {
    let backend = std::env::var("FERRITE_BACKEND").unwrap_or_default();
    #[cfg(target_os = "linux")]
    if backend == "cranelift" {
        use ferrite_jit::cranelift::{Engine, Mode};
        let engine = Engine::new(1 << 20, Mode::Synchronous).expect("a host with Cranelift");
        return Accelerator::Code(Box::new(engine));
    }
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if backend != "interp"
        && let Ok(engine) = ferrite_jit::x64::Engine::new(1 << 20)
    {
        return Accelerator::Code(Box::new(engine));
    }
    Accelerator::default()
}

/// A CPU on that board, with an engine.
pub struct Machine {
    pub cpu: Cpu,
    pub engine: Accelerator,
    pub board: Board,
}

impl Machine {
    pub fn new(model: &str) -> Self {
        let model = Model::find(model).unwrap();
        let mut cpu = Cpu::new(CpuConfig::new(0, model, 8, false));
        cpu.reset(RAM);
        Self {
            cpu,
            engine: engine(),
            board: Board {
                ram: Arc::new(GuestRam::new(SIZE).unwrap()),
                writes: Vec::new(),
                irq: false,
                counter: 0,
                broadcasts: Vec::new(),
                firmware: false,
            },
        }
    }

    /// Puts words at a physical address.
    pub fn code(&mut self, at: u64, words: &[u32]) {
        for (n, &word) in words.iter().enumerate() {
            let place = RamOffset(at - RAM + 4 * n as u64);
            self.board
                .ram
                .write_bytes(place, &word.to_le_bytes())
                .unwrap();
        }
    }

    pub fn word(&self, at: u64) -> u64 {
        self.board.ram.load::<u64>(RamOffset(at - RAM)).unwrap()
    }

    pub fn set_word(&mut self, at: u64, value: u64) {
        self.board
            .ram
            .write_bytes(RamOffset(at - RAM), &value.to_le_bytes())
            .unwrap();
    }

    pub fn run(&mut self, budget: u64) -> RunOutcome {
        self.cpu.run(&mut self.engine, &mut self.board, budget)
    }

    /// Runs until (the next) WFI.
    pub fn run_to_wfi(&mut self) {
        self.cpu.resume();
        for _ in 0..1000 {
            if self.run(1000).state == crate::cpu::RunState::WaitForInterrupt {
                return;
            }
        }
        panic!("no WFI; at {:#x}", self.cpu.pc());
    }

    pub fn system(&mut self, name: &str) -> u64 {
        self.cpu.system_register(&mut self.board, name).unwrap()
    }

    pub fn set_system(&mut self, name: &str, value: u64) {
        assert!(self.cpu.set_system_register(&mut self.board, name, value));
    }

    /// Vectors at `RAM + 0x8000`, each a WFI.
    pub fn vectors(&mut self) -> u64 {
        let base = RAM + 0x8000;
        for n in 0..16 {
            self.code(base + 0x80 * n, &[super::WFI]);
        }
        self.set_system("VBAR_EL1", base);
        base
    }
}
