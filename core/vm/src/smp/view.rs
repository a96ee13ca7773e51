//! The board as the CPU of one thread sees it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use ferrite_aarch64::platform::{
    BusError, Conduit, FirmwareResult, InterruptLines, Maintenance, PhysPage, Platform,
};
use ferrite_machine::trace::{Point, Trace};
use ferrite_machine::{AddressMap, VirtualTime};
use ferrite_ram::{GuestPhys, GuestRam};

use super::mailbox::{Mailbox, news};
use super::shared::Shared;
use crate::clock::Clock;
use crate::virt::{Board, board};

/// Waits for others this often without letting other threads run.
const SPINS: u32 = 64;

/// A CPU's way to the board. What does not change while CPUs run is here without the lock.
pub(super) struct View {
    pub(super) shared: Arc<Shared>,
    ram: Arc<GuestRam>,
    map: Arc<RwLock<AddressMap>>,
    generation: Arc<AtomicU64>,
    clock: Clock,
    has_gic_registers: bool,
    trace: Trace,
    /// Whether this CPU has asked others for maintenance since its last DSB.
    asked: bool,
}

impl View {
    /// A view of `board`, which `shared` is made from.
    pub fn new(board: &ViewParts, shared: Arc<Shared>) -> Self {
        let ViewParts {
            ram,
            map,
            generation,
            clock,
            has_gic_registers,
            trace,
        } = board.clone();
        Self {
            shared,
            ram,
            map,
            generation,
            clock,
            has_gic_registers,
            trace,
            asked: false,
        }
    }

    /// The machine's trace points.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Virtual time now.
    pub fn now(&self) -> VirtualTime {
        self.clock.now()
    }
}

/// What a view takes from a board before that is locked away.
#[derive(Clone)]
pub(crate) struct ViewParts {
    pub ram: Arc<GuestRam>,
    pub map: Arc<RwLock<AddressMap>>,
    pub generation: Arc<AtomicU64>,
    pub clock: Clock,
    pub has_gic_registers: bool,
    pub trace: Trace,
}

impl Platform for View {
    fn ram(&self) -> &Arc<GuestRam> {
        &self.ram
    }

    fn page(&self, at: GuestPhys) -> PhysPage {
        let map = self.map.read().unwrap_or_else(|poison| poison.into_inner());
        board::page_of(&map, at)
    }

    fn map_generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn read(&mut self, cpu: usize, at: GuestPhys, bytes: u64) -> Result<u64, BusError> {
        let access = |board: &mut Board| Platform::read(board, cpu, at, bytes);
        self.shared.with_board(access).unwrap_or(Err(BusError))
    }

    fn write(&mut self, cpu: usize, at: GuestPhys, bytes: u64, value: u64) -> Result<(), BusError> {
        let access = |board: &mut Board| Platform::write(board, cpu, at, bytes, value);
        self.shared.with_board(access).unwrap_or(Err(BusError))
    }

    fn counter(&self) -> u64 {
        board::time_to_counter(self.now())
    }

    fn counter_frequency(&self) -> u64 {
        board::COUNTER_FREQUENCY
    }

    fn gic_read(&mut self, cpu: usize, register: u32) -> Option<u64> {
        self.shared
            .with_board(|board| board.gic_read(cpu, register))?
    }

    fn gic_write(&mut self, cpu: usize, register: u32, value: u64) -> Option<()> {
        self.shared
            .with_board(|board| board.gic_write(cpu, register, value))?
    }

    fn has_gic_registers(&self) -> bool {
        self.has_gic_registers
    }

    fn interrupts(&self, cpu: usize) -> Option<InterruptLines> {
        self.shared.mailbox(cpu).map(Mailbox::lines)
    }

    fn firmware_call(
        &mut self,
        cpu: usize,
        conduit: Conduit,
        arguments: [u64; 4],
    ) -> Option<FirmwareResult> {
        self.shared.with_board(|board| {
            let result = board.firmware_call(cpu, conduit, arguments);
            self.shared.publish_power(board);
            result
        })?
    }

    fn send_event(&mut self, cpu: usize) {
        for (other, _) in self.shared.others(cpu) {
            self.shared.tell(other, news::EVENT);
        }
    }

    fn broadcast(&mut self, cpu: usize, maintenance: Maintenance) {
        self.trace.tell(Point::TlbMaintenance, || {
            format!("cpu {cpu} {maintenance:?}")
        });
        for (_, mailbox) in self.shared.others(cpu) {
            mailbox.ask(maintenance);
            // One that sleeps sees it in time: nobody is woken.
            let _ = mailbox.tell(news::MAINTENANCE);
        }
        self.asked = true;
    }

    fn synchronise(&mut self, cpu: usize) -> Vec<Maintenance> {
        let Some(own) = self.shared.mailbox(cpu) else {
            return Vec::new();
        };
        let mut todo = Vec::new();
        if !std::mem::take(&mut self.asked) {
            return todo;
        }
        let mut spins = 0;
        for (_, mailbox) in self.shared.others(cpu) {
            let asked = mailbox.asked();
            while mailbox.is_behind(asked) {
                todo.append(&mut own.take_maintenance());
                spins += 1;
                if spins % SPINS == 0 {
                    self.shared.pause();
                }
                std::hint::spin_loop();
            }
        }
        todo
    }
}
