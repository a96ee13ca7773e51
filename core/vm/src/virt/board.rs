//! The board: devices behind the memory map, wired to the interrupt controller.
//!
//! [`platform`] is what its CPUs see of it, [`signals`] what its devices drive.

mod platform;
mod signals;

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use ferrite_aarch64::platform::{Maintenance, PhysPage};
use ferrite_devices::cfi_flash::CfiFlash;
use ferrite_devices::gic::Gic;
use ferrite_devices::gicv2m::GicV2m;
use ferrite_devices::its::Its;
use ferrite_devices::pci::PciHost;
use ferrite_devices::pl061::Pl061;
use ferrite_machine::device::MachineRequest;
use ferrite_machine::trace::{Point, Trace};
use ferrite_machine::{
    AddressMap, Cx, Device, DeviceId, Dma, RegionKind, ResetKind, VirtualTime, Wiring,
};
use ferrite_ram::{GuestPhys, GuestRam, PAGE_SIZE, RamOffset};

use super::memory_map::{FLASH, spi};
use super::watch::Watched;
use crate::clock::Clock;
use crate::psci::{Power, Psci};
use crate::smp::ViewParts;

/// Nanoseconds per tick of the system counter: 62.5 MHz, as QEMU's.
const NS_PER_TICK: u64 = 16;
/// Ticks a second of the system counter.
pub(crate) const COUNTER_FREQUENCY: u64 = 1_000_000_000 / NS_PER_TICK;

/// The device number under which the GIC's frames are in the memory map.
pub(super) const GIC: DeviceId = DeviceId(usize::MAX);

/// The GIC's frames, by their region number in the memory map.
pub(super) mod frame {
    /// Distributor.
    pub const DISTRIBUTOR: usize = 0;
    /// GICv2's CPU interface.
    pub const CPU_INTERFACE: usize = 1;
    /// GICv3's redistributors.
    pub const REDISTRIBUTORS: usize = 2;
    /// GICv2m's message frame.
    pub const MESSAGES: usize = 3;
    /// GICv3's interrupt translation service.
    pub const ITS: usize = 4;
}

/// A device in its place on the board.
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) device: Box<dyn Device>,
    pub(super) wiring: Wiring,
    /// Interrupt levels that the GIC was told last.
    pub(super) driven: u32,
    /// The SPI of each interrupt pin.
    pub(super) spis: Vec<u32>,
}

/// What monitors tell of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its name on the board.
    pub name: String,
    /// Its type.
    pub kind: &'static str,
    /// The shared interrupt that each of its pins drives.
    pub spis: Vec<u32>,
}

/// Everything of the machine but its CPUs.
pub struct Board {
    pub(super) ram: Arc<GuestRam>,
    pub(super) map: Arc<RwLock<AddressMap>>,
    pub(super) dma: Dma,
    pub(super) slots: Vec<Slot>,
    pub(super) gic: Gic,
    pub(super) v2m: GicV2m,
    its: Its,
    pub(crate) clock: Clock,
    pub(crate) psci: Psci,
    pub(super) power_key: DeviceId,
    pub(super) flash: Vec<DeviceId>,
    pub(super) pci: DeviceId,
    /// The generation of the map.
    generation: Arc<AtomicU64>,
    /// When the owner will look at timers by itself.
    looked_for: Option<VirtualTime>,
    /// Whether the owner has something to look at before that.
    owner_due: bool,
    requests: Vec<MachineRequest>,
    events: bool,
    maintenance: Vec<(usize, Maintenance)>,
    trace: Trace,
    pub(super) watched: Option<Watched>,
}

/// The parts that a board is assembled from.
pub(super) struct Parts {
    pub(super) ram: Arc<GuestRam>,
    pub(super) map: AddressMap,
    pub(super) slots: Vec<Slot>,
    pub(super) gic: Gic,
    pub(super) clock: Clock,
    pub(super) psci: Psci,
    pub(super) power_key: DeviceId,
    pub(super) flash: Vec<DeviceId>,
    pub(super) pci: DeviceId,
}

impl Board {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            ram,
            map,
            slots,
            gic,
            clock,
            psci,
            power_key,
            flash,
            pci,
        } = parts;
        let generation = Arc::new(AtomicU64::new(map.generation()));
        let map = Arc::new(RwLock::new(map));
        let dma = Dma::new(ram.clone(), map.clone());
        Self {
            ram,
            map,
            dma,
            slots,
            gic,
            its: Its::default(),
            v2m: GicV2m::new(32 + spi::V2M_BASE, spi::V2M_COUNT),
            clock,
            psci,
            power_key,
            flash,
            pci,
            generation,
            looked_for: None,
            owner_due: false,
            requests: Vec::new(),
            events: false,
            maintenance: Vec::new(),
            trace: Trace::default(),
            watched: None,
        }
    }

    /// The machine's trace points.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Tells what happens there from now on.
    pub(crate) fn set_trace(&mut self, trace: Trace) {
        self.dma.set_trace(trace.clone());
        self.trace = trace;
    }

    /// Guest-physical memory.
    #[must_use]
    pub fn dma(&self) -> &Dma {
        &self.dma
    }

    /// The physical memory map as it is now.
    #[must_use]
    pub fn map(&self) -> AddressMap {
        self.map
            .read()
            .unwrap_or_else(|poison| poison.into_inner())
            .clone()
    }

    /// The devices, by their number in the map.
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceInfo> {
        self.slots
            .iter()
            .map(|s| DeviceInfo {
                name: s.name.clone(),
                kind: s.device.kind(),
                spis: s.spis.clone(),
            })
            .collect()
    }

    /// Virtual time now.
    #[must_use]
    pub fn now(&self) -> VirtualTime {
        self.clock.now()
    }

    /// Resets every device; memory keeps its contents.
    pub(crate) fn reset(&mut self, kind: ResetKind) {
        for n in 0..self.slots.len() {
            self.with_device(DeviceId(n), |device, cx| device.reset(cx, kind));
        }
        self.gic.reset();
        self.its.reset();
        self.psci.reset();
        self.requests.clear();
        self.maintenance.clear();
        self.events = false;
        self.update_flash();
    }

    /// Presses and releases the power key.
    pub(crate) fn press_power_key(&mut self) {
        let Some(slot) = self.slots.get_mut(self.power_key.0) else {
            return;
        };
        let device: &mut dyn Any = slot.device.as_mut();
        if let Some(gpio) = device.downcast_mut::<Pl061>() {
            let mut cx = Cx {
                now: self.clock.now(),
                wall_ns: self.clock.wall_ns(),
                dma: &self.dma,
                wiring: &mut slot.wiring,
            };
            gpio.pulse(&mut cx, super::POWER_KEY_PIN);
        }
        self.settle(self.power_key);
    }

    /// The PCI Express host.
    #[must_use]
    pub fn pci(&self) -> Option<&PciHost> {
        let device: &dyn Any = self.slots.get(self.pci.0)?.device.as_ref();
        device.downcast_ref()
    }

    /// Runs `act` on the PCI Express host and passes on what it asks for.
    pub fn with_pci<R>(&mut self, act: impl FnOnce(&mut PciHost, &mut Cx<'_>) -> R) -> Option<R> {
        let host = |device: &mut dyn Device, cx: &mut Cx<'_>| {
            let device: &mut dyn Any = device;
            device.downcast_mut().map(|host| act(host, cx))
        };
        self.with_device(self.pci, host).flatten()
    }

    /// Lets every device look at its host side.
    pub(crate) fn poll_devices(&mut self) {
        for n in 0..self.slots.len() {
            self.with_device(DeviceId(n), |device, cx| device.poll(cx));
        }
    }

    /// Calls the devices whose time has come, and returns the next time that one asks for.
    pub(crate) fn run_timers(&mut self) -> Option<VirtualTime> {
        let now = self.clock.now();
        for n in 0..self.slots.len() {
            if self.slots[n].wiring.deadline.is_some_and(|at| at <= now) {
                self.slots[n].wiring.deadline = None;
                self.with_device(DeviceId(n), |device, cx| device.timer(cx));
            }
        }
        self.looked_for = self.slots.iter().filter_map(|s| s.wiring.deadline).min();
        self.looked_for
    }

    /// Whether the owner has had something to look at since the last call: a timer that is due before
    /// the time that [`Self::run_timers`] told it, a request, news for monitors.
    pub(crate) fn take_owner_due(&mut self) -> bool {
        std::mem::take(&mut self.owner_due)
    }

    /// Whether there is something that takes the whole machine: a request, or news for monitors.
    pub(crate) fn needs_owner(&self) -> bool {
        !self.requests.is_empty() || self.pci().is_some_and(PciHost::has_events)
    }

    /// Takes the CPUs whose interrupt inputs changed.
    pub(crate) fn take_changed_outputs(&mut self) -> impl Iterator<Item = usize> + use<> {
        self.gic.take_changed().iter()
    }

    /// What CPUs with threads of their own see without the board.
    pub(crate) fn view_parts(&self) -> ViewParts {
        ViewParts {
            ram: Arc::clone(&self.ram),
            map: Arc::clone(&self.map),
            generation: Arc::clone(&self.generation),
            clock: self.clock.clone(),
            has_gic_registers: self.gic.has_system_registers(),
            trace: self.trace.clone(),
        }
    }

    /// Turns on a CPU that firmware was asked to turn on: where it starts, and X0 there.
    pub(crate) fn start_of(&mut self, cpu: usize) -> Option<(u64, u64)> {
        let power = self.psci.power.get_mut(cpu)?;
        let Power::Pending { entry, context } = *power else {
            return None;
        };
        *power = Power::On;
        self.trace.tell(Point::GuestCpuReset, || {
            format!("cpu {cpu} entry {entry:#x}")
        });
        Some((entry, context))
    }

    /// Takes what the guest or a device asked of the machine.
    pub(crate) fn take_requests(&mut self) -> Vec<MachineRequest> {
        std::mem::take(&mut self.requests)
    }

    /// Takes maintenance that CPUs asked of the others, with who asked.
    pub(crate) fn take_maintenance(&mut self) -> Vec<(usize, Maintenance)> {
        std::mem::take(&mut self.maintenance)
    }

    /// Whether an event was sent since the last call.
    pub(crate) fn take_event(&mut self) -> bool {
        std::mem::take(&mut self.events)
    }

    /// Runs `act` on a device and passes on what it asks for.
    fn with_device<R>(
        &mut self,
        id: DeviceId,
        act: impl FnOnce(&mut dyn Device, &mut Cx<'_>) -> R,
    ) -> Option<R> {
        let slot = self.slots.get_mut(id.0)?;
        let mut cx = Cx {
            now: self.clock.now(),
            wall_ns: self.clock.wall_ns(),
            dma: &self.dma,
            wiring: &mut slot.wiring,
        };
        let result = act(slot.device.as_mut(), &mut cx);
        self.settle(id);
        Some(result)
    }

    /// Maps each flash bank as memory while it reads as an array, as registers otherwise.
    fn update_flash(&mut self) {
        let mut map = self
            .map
            .write()
            .unwrap_or_else(|poison| poison.into_inner());
        for (bank, id) in self.flash.iter().enumerate() {
            let device: &dyn Any = self.slots[id.0].device.as_ref();
            let Some(flash) = device.downcast_ref::<CfiFlash>() else {
                continue;
            };
            let at = GuestPhys(FLASH.base + bank as u64 * FLASH.len);
            let kind = match flash.read_mode() {
                true => RegionKind::Rom(RamOffset(bank as u64 * FLASH.len), Some((*id, 0))),
                false => RegionKind::Device(*id, 0),
            };
            if map.find(at).is_some_and(|(region, _)| region.kind != kind) {
                map.set_kind(at, kind);
            }
        }
        self.generation.store(map.generation(), Ordering::Release);
    }

    /// The type of a device.
    pub(super) fn kind_of(&self, id: DeviceId) -> &'static str {
        self.slots.get(id.0).map_or("", |slot| slot.device.kind())
    }
}

/// What the page of `at` leads to.
pub(crate) fn page_of(map: &AddressMap, at: GuestPhys) -> PhysPage {
    let Some((region, offset)) = map.find(at.page()) else {
        return PhysPage::Device;
    };
    let whole = region.len - offset >= PAGE_SIZE;
    match region.kind {
        RegionKind::Ram(base) if whole => PhysPage::Ram {
            at: base.offset(offset),
            writable: true,
        },
        RegionKind::Rom(base, _) if whole => PhysPage::Ram {
            at: base.offset(offset),
            writable: false,
        },
        _ => PhysPage::Device,
    }
}

/// The counter's value at a virtual time.
pub(crate) fn time_to_counter(time: VirtualTime) -> u64 {
    time.0 / NS_PER_TICK
}

/// The virtual time at which the counter reaches a value.
pub(crate) fn counter_to_time(counter: u64) -> VirtualTime {
    VirtualTime(counter.saturating_mul(NS_PER_TICK))
}
