//! The generic PCI Express host bridge: configuration space in memory (ECAM), two memory windows,
//! an I/O window, four interrupt lines.

mod decode;

use std::any::Any;

use ferrite_machine::{BusError, Cx, Device, Message, ResetKind, VirtualTime};

use self::decode::Decoded;
use super::config::{ConfigSpace, Identity};
use super::function::{BusKind, Outputs, PciCx, PciDevice};
use super::hotplug::Unplug;
use super::spec::{SUBSYSTEM_QEMU, VENDOR_QUMRANET, VENDOR_REDHAT, bridge, command, reg};
use super::topology::{Address, FunctionId, PlugError, Request, Topology};

/// The host bridge's register regions.
pub mod region {
    /// Configuration space: a megabyte per bus, 4 KiB per function.
    pub const ECAM: usize = 0;
    /// I/O ports; offsets are port numbers.
    pub const IO: usize = 1;
    /// Memory below 4 GiB.
    pub const MEMORY: usize = 2;
    /// Memory above 4 GiB.
    pub const HIGH_MEMORY: usize = 3;
}

/// Something that the host's owner is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PciEvent {
    /// A function is gone.
    Removed {
        /// The name that the user gave it.
        id: Option<String>,
        /// Its place in the object tree.
        path: String,
        /// Its type.
        kind: &'static str,
    },
}

/// What monitors tell of a function.
pub struct FunctionInfo<'a> {
    /// Its number.
    pub id: FunctionId,
    /// The name that the user gave it.
    pub name: Option<&'a str>,
    /// Its place in the object tree.
    pub path: &'a str,
    /// The number of its bus, as the guest set it.
    pub bus_number: u8,
    /// Its bus's name.
    pub bus_name: &'a str,
    /// Its place on the bus.
    pub address: Address,
    /// Its configuration space.
    pub config: &'a ConfigSpace,
    /// The device.
    pub device: &'a dyn PciDevice,
    /// The name of the bus below it.
    pub secondary: Option<&'a str>,
}

/// The host bridge with all that is below it.
pub struct PciHost {
    /// Where the memory windows are in guest-physical memory, which are bus addresses, too.
    memory_base: u64,
    high_base: u64,
    topology: Topology,
    decoded: Vec<Decoded>,
    /// Whether `decoded` has to be made anew.
    stale: bool,
    events: Vec<PciEvent>,
}

impl PciHost {
    /// A host bridge with the root bus `pcie.0`, whose memory windows start at these bus addresses.
    #[must_use]
    pub fn new(memory_base: u64, high_base: u64) -> Self {
        let mut topology = Topology::new("pcie.0");
        let root = Request {
            path: "/machine/unattached/gpex".into(),
            ..Request::default()
        };
        // The root bus is empty, so that there is room for its first device.
        let plugged = topology.plug(root, 0, Box::new(HostFunction));
        debug_assert!(plugged.is_ok());
        Self {
            memory_base,
            high_base,
            topology,
            decoded: Vec::new(),
            stale: true,
            events: Vec::new(),
        }
    }

    /// Puts a device in its place before the machine is started.
    pub fn plug(
        &mut self,
        request: Request,
        device: Box<dyn PciDevice>,
    ) -> Result<FunctionId, PlugError> {
        let bus = self.bus(request.bus.as_deref())?;
        self.stale = true;
        self.topology.plug(request, bus, device).map(FunctionId)
    }

    fn bus(&self, name: Option<&str>) -> Result<usize, PlugError> {
        let Some(name) = name else { return Ok(0) };
        let found = self.topology.bus_named(name);
        found.ok_or_else(|| PlugError::NoBus(name.to_owned()))
    }

    /// Puts a device into a slot while the machine exists. Without a bus in the request it goes to
    /// the first port that is free.
    pub fn hot_plug(
        &mut self,
        cx: &mut Cx<'_>,
        request: Request,
        device: Box<dyn PciDevice>,
    ) -> Result<FunctionId, PlugError> {
        let bus = match &request.bus {
            Some(name) => self.bus(Some(name))?,
            None => self
                .free_port()
                .ok_or(PlugError::NoFreePort(device.kind()))?,
        };
        let Some(port) = self.port_above(bus) else {
            let name = self.topology.bus(bus).map(|bus| bus.name.clone());
            return Err(PlugError::NotHotpluggable(name.unwrap_or_default()));
        };
        let id = self.topology.plug(request, bus, device)?;
        self.stale = true;
        if let Some(function) = self.topology.functions[id].as_mut() {
            function.config.reset();
        }
        self.call(cx, id, |device, pci| device.reset(pci));
        self.call(cx, id, |device, pci| device.poll(pci));
        self.call(cx, port, |device, pci| {
            if let Some(slot) = device.slot() {
                slot.plugged(pci);
            }
        });
        Ok(FunctionId(id))
    }

    /// Checks whether a device of this kind could be plugged in now.
    pub fn check_hot_plug(
        &mut self,
        request: &Request,
        kind: &'static str,
    ) -> Result<(), PlugError> {
        let bus = match &request.bus {
            Some(name) => self.bus(Some(name))?,
            None => self.free_port().ok_or(PlugError::NoFreePort(kind))?,
        };
        if self.port_above(bus).is_none() {
            let name = self.topology.bus(bus).map(|bus| bus.name.clone());
            return Err(PlugError::NotHotpluggable(name.unwrap_or_default()));
        }
        self.topology.place(bus, request.address, kind).map(|_| ())
    }

    /// The bridge with a hot-plug slot above a bus.
    fn port_above(&mut self, bus: usize) -> Option<usize> {
        let owner = self.topology.bus(bus)?.owner?;
        let function = self.topology.functions.get_mut(owner)?.as_mut()?;
        function.device.slot().map(|_| owner)
    }

    /// The bus of the first port, in the order of their addresses, with nothing in its slot.
    fn free_port(&mut self) -> Option<usize> {
        let buses: Vec<_> = (self.topology.on_bus(0))
            .filter_map(|(_, function)| function.secondary)
            .collect();
        buses
            .into_iter()
            .find(|bus| self.port_above(*bus).is_some() && self.topology.on_bus(*bus).count() == 0)
    }

    /// Asks the guest to give a function up; it is gone at once where its slot has no power.
    pub fn unplug(&mut self, cx: &mut Cx<'_>, id: FunctionId) -> Result<(), PlugError> {
        let Some(function) = self.topology.get(id.0) else {
            return Ok(());
        };
        if function.leaving {
            let name = function.id.clone().unwrap_or_else(|| function.path.clone());
            return Err(PlugError::Pending(name));
        }
        let bus = function.bus;
        let Some(port) = self.port_above(bus) else {
            let name = self.topology.bus(bus).map(|bus| bus.name.clone());
            return Err(PlugError::NotUnpluggable(name.unwrap_or_default()));
        };
        let answer = self.call(cx, port, |device, pci| {
            device.slot().map(|slot| slot.ask_to_unplug(pci))
        });
        match answer.flatten() {
            Some(Unplug::Busy) => return Err(PlugError::Busy),
            Some(Unplug::Now) => self.empty(cx, port),
            Some(Unplug::Asked) | None => {
                if let Some(Some(function)) = self.topology.functions.get_mut(id.0) {
                    function.leaving = true;
                }
            }
        }
        Ok(())
    }

    /// Takes out whatever is in a port's slot.
    fn empty(&mut self, cx: &mut Cx<'_>, port: usize) {
        let Some(bus) = self.topology.get(port).and_then(|port| port.secondary) else {
            return;
        };
        let inside: Vec<_> = self.topology.on_bus(bus).map(|(id, _)| id).collect();
        for id in inside {
            for function in self.topology.remove(id) {
                self.events.push(PciEvent::Removed {
                    kind: function.device.kind(),
                    id: function.id,
                    path: function.path,
                });
            }
        }
        self.stale = true;
        self.call(cx, port, |device, pci| {
            if let Some(slot) = device.slot() {
                slot.emptied(pci);
            }
        });
    }

    /// Takes what happened since the last call.
    pub fn take_events(&mut self) -> Vec<PciEvent> {
        std::mem::take(&mut self.events)
    }

    /// Whether [`Self::take_events`] would return any.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Every function, a bridge before what is below it.
    #[must_use]
    pub fn functions(&self) -> Vec<FunctionInfo<'_>> {
        let mut list = Vec::new();
        self.list(0, &mut list);
        list
    }

    fn list<'a>(&'a self, bus: usize, list: &mut Vec<FunctionInfo<'a>>) {
        let name = |bus| self.topology.bus(bus).map(|bus| bus.name.as_str());
        for (id, function) in self.topology.on_bus(bus) {
            list.push(FunctionInfo {
                id: FunctionId(id),
                name: function.id.as_deref(),
                path: &function.path,
                bus_number: self.topology.number_of(bus),
                bus_name: name(bus).unwrap_or_default(),
                address: function.address,
                config: &function.config,
                device: function.device.as_ref(),
                secondary: function.secondary.and_then(name),
            });
            if let Some(below) = function.secondary {
                self.list(below, list);
            }
        }
    }

    /// Whether there is a bus of this name.
    #[must_use]
    pub fn has_bus(&self, name: &str) -> bool {
        self.topology.bus_named(name).is_some()
    }

    /// The device behind a function, by its concrete type.
    pub fn device_mut<T: PciDevice>(&mut self, id: FunctionId) -> Option<&mut T> {
        let function = self.topology.functions.get_mut(id.0)?.as_mut()?;
        let device: &mut dyn Any = function.device.as_mut();
        device.downcast_mut()
    }

    /// Calls a function in its context and passes on what it asks for.
    fn call<R>(
        &mut self,
        cx: &mut Cx<'_>,
        id: usize,
        act: impl FnOnce(&mut dyn PciDevice, &mut PciCx<'_>) -> R,
    ) -> Option<R> {
        let function = self.topology.functions.get_mut(id)?.as_mut()?;
        let before = function.config.intx_asserted();
        let mut pci = PciCx {
            now: cx.now,
            wall_ns: cx.wall_ns,
            dma: cx.dma,
            config: &mut function.config,
            outputs: &mut function.outputs,
        };
        let result = act(function.device.as_mut(), &mut pci);
        let changed = function.config.intx_asserted() != before;
        let bus = function.bus;
        let devfn = function.address.devfn();
        if let Some(request) = function.outputs.request.take() {
            cx.wiring.request = Some(request);
        }
        let messages = std::mem::take(&mut function.outputs.messages);
        let eject = std::mem::take(&mut function.outputs.eject);
        if !messages.is_empty() {
            let requester = u16::from(self.topology.number_of(bus)) << 8 | u16::from(devfn);
            let message = |(address, data)| Message {
                address,
                data,
                requester,
            };
            cx.wiring.messages.extend(messages.into_iter().map(message));
        }
        if changed {
            self.update_lines(cx);
        }
        if eject {
            self.empty(cx, id);
            self.update_lines(cx);
        }
        self.update_deadline(cx);
        Some(result)
    }

    fn update_lines(&self, cx: &mut Cx<'_>) {
        let mut lines = [false; 4];
        for (id, function) in self.topology.functions.iter().enumerate() {
            if function.as_ref().is_some_and(|f| f.config.intx_asserted())
                && let Some(line) = self.topology.interrupt_line(id)
            {
                lines[line as usize] = true;
            }
        }
        for (pin, level) in (0..).zip(lines) {
            cx.set_irq(pin, level);
        }
    }

    fn update_deadline(&self, cx: &mut Cx<'_>) {
        let functions = self.topology.functions.iter().flatten();
        cx.set_timer(functions.filter_map(|f| f.outputs.deadline).min());
    }

    fn numbers(&self) -> Vec<usize> {
        let functions = self.topology.functions.iter().enumerate();
        functions
            .filter_map(|(id, function)| function.as_ref().map(|_| id))
            .collect()
    }

    /// Resets a function and all below it.
    fn reset_function(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(Some(function)) = self.topology.functions.get_mut(id) else {
            return;
        };
        function.config.reset();
        function.outputs = Outputs::default();
        let leaving = std::mem::take(&mut function.leaving);
        let (bus, secondary) = (function.bus, function.secondary);
        self.stale = true;
        if leaving && let Some(port) = self.port_above(bus) {
            // A reset is a promise kept: what was asked to leave is gone.
            self.empty(cx, port);
            return;
        }
        self.call(cx, id, |device, pci| device.reset(pci));
        let Some(bus) = secondary else { return };
        self.reset_bus(cx, bus);
        let populated = self.topology.on_bus(bus).count() > 0;
        self.call(cx, id, |device, pci| {
            if let Some(slot) = device.slot() {
                slot.reset(pci, populated);
            }
        });
    }

    fn reset_bus(&mut self, cx: &mut Cx<'_>, bus: usize) {
        let below: Vec<_> = self.topology.on_bus(bus).map(|(id, _)| id).collect();
        for id in below {
            self.reset_function(cx, id);
        }
    }

    /// Reads 1, 2 or 4 bytes of what a base address register maps.
    fn bar_read(&mut self, cx: &mut Cx<'_>, io: bool, address: u64, bytes: u64) -> u32 {
        let Some((id, bar, offset)) = self.target(io, address, bytes) else {
            return u32::MAX >> (32 - 8 * bytes);
        };
        let value = self.call(cx, id, |device, pci| {
            match pci.config.msix().filter(|msix| msix.covers(bar, offset)) {
                Some(msix) => msix.read(offset & !3) >> (8 * (offset & 3)),
                None => device.read(pci, bar, offset, bytes),
            }
        });
        value.unwrap_or(u32::MAX) & u32::MAX >> (32 - 8 * bytes)
    }

    fn bar_write(&mut self, cx: &mut Cx<'_>, io: bool, address: u64, bytes: u64, value: u32) {
        let Some((id, bar, offset)) = self.target(io, address, bytes) else {
            return;
        };
        self.call(cx, id, |device, pci| {
            if pci
                .config
                .msix()
                .is_some_and(|msix| msix.covers(bar, offset))
            {
                // Software writes whole words only (section 6.8.2).
                if bytes == 4
                    && let Some(msix) = pci.config.msix_mut()
                {
                    msix.write(offset, value);
                }
                pci.release_messages();
            } else {
                device.write(pci, bar, offset, bytes, value);
            }
        });
    }

    /// The function and register that an offset of the configuration window names.
    fn config_target(&self, offset: u64) -> Option<(usize, usize)> {
        let bus = self.topology.numbered((offset >> 20) as u8)?;
        let address = Address::from_devfn((offset >> 12) as u8);
        Some((self.topology.at(bus, address)?, (offset & 0xfff) as usize))
    }

    fn config_read(&mut self, cx: &mut Cx<'_>, offset: u64, bytes: u64) -> u32 {
        let ones = u32::MAX >> (32 - 8 * bytes);
        let Some((id, register)) = self.config_target(offset) else {
            return ones;
        };
        let value = self.call(cx, id, |device, pci| {
            device.config_read(pci, register, bytes as usize)
        });
        value.unwrap_or(ones)
    }

    fn config_write(&mut self, cx: &mut Cx<'_>, offset: u64, bytes: u64, value: u32) {
        let Some((id, register)) = self.config_target(offset) else {
            return;
        };
        self.call(cx, id, |device, pci| {
            device.config_write(pci, register, bytes as usize, value);
            pci.release_messages();
        });
        // Command, base addresses and windows are in the header.
        if register < reg::HEADER_END {
            self.stale = true;
        }
        self.hold_reset(cx, id, register, bytes as usize);
    }

    /// Resets the bus below a bridge whose control register was just told to.
    fn hold_reset(&mut self, cx: &mut Cx<'_>, id: usize, register: usize, bytes: usize) {
        let touched = register <= bridge::CONTROL && register + bytes > bridge::CONTROL;
        let Some(function) = self.topology.get(id).filter(|_| touched) else {
            return;
        };
        let Some(bus) = function.secondary else {
            return;
        };
        if function.config.u16(bridge::CONTROL) & bridge::CONTROL_RESET != 0 {
            self.reset_bus(cx, bus);
        }
    }

    /// Where an offset of a region is on the bus.
    fn address(&self, region: usize, offset: u64) -> (bool, u64) {
        match region {
            region::IO => (true, offset),
            region::MEMORY => (false, self.memory_base + offset),
            _ => (false, self.high_base.wrapping_add(offset)),
        }
    }
}

impl Device for PciHost {
    fn kind(&self) -> &'static str {
        "gpex-pcihost"
    }

    fn read(
        &mut self,
        cx: &mut Cx<'_>,
        region: usize,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, BusError> {
        let mut part = |offset, bytes| -> u64 {
            if region == region::ECAM {
                return self.config_read(cx, offset, bytes).into();
            }
            let (io, address) = self.address(region, offset);
            self.bar_read(cx, io, address, bytes).into()
        };
        // Nothing here is wider than 32 bits: eight bytes take two accesses.
        match bytes {
            1 | 2 | 4 => Ok(part(offset, bytes)),
            8 => Ok(part(offset, 4) | part(offset + 4, 4) << 32),
            _ => Err(BusError),
        }
    }

    fn write(
        &mut self,
        cx: &mut Cx<'_>,
        region: usize,
        offset: u64,
        bytes: u64,
        value: u64,
    ) -> Result<(), BusError> {
        let mut part = |offset, bytes, value: u64| {
            if region == region::ECAM {
                return self.config_write(cx, offset, bytes, value as u32);
            }
            let (io, address) = self.address(region, offset);
            self.bar_write(cx, io, address, bytes, value as u32);
        };
        match bytes {
            1 | 2 | 4 => part(offset, bytes, value),
            8 => {
                part(offset, 4, value);
                part(offset + 4, 4, value >> 32);
            }
            _ => return Err(BusError),
        }
        Ok(())
    }

    fn reset(&mut self, cx: &mut Cx<'_>, _kind: ResetKind) {
        self.reset_bus(cx, 0);
        self.update_lines(cx);
        self.update_deadline(cx);
    }

    fn timer(&mut self, cx: &mut Cx<'_>) {
        let now: VirtualTime = cx.now;
        for id in self.numbers() {
            let Some(Some(function)) = self.topology.functions.get_mut(id) else {
                continue;
            };
            if function.outputs.deadline.is_some_and(|at| at <= now) {
                function.outputs.deadline = None;
                self.call(cx, id, |device, pci| device.timer(pci));
            }
        }
        self.update_deadline(cx);
    }

    fn poll(&mut self, cx: &mut Cx<'_>) {
        for id in self.numbers() {
            self.call(cx, id, |device, pci| device.poll(pci));
        }
    }
}

/// The host bridge as a function of its own root bus.
struct HostFunction;

impl PciDevice for HostFunction {
    fn kind(&self) -> &'static str {
        "gpex-root"
    }

    fn config(&mut self, _bus: BusKind) -> ConfigSpace {
        let identity = Identity {
            vendor: VENDOR_REDHAT,
            device: 8,
            revision: 0,
            class: 0x06_0000,
            subsystem: (VENDOR_QUMRANET, SUBSYSTEM_QEMU),
        };
        let mut config = ConfigSpace::endpoint(identity, false);
        config.allow(reg::COMMAND, &command::WRITABLE.to_le_bytes());
        config
    }

    fn reset(&mut self, _cx: &mut PciCx<'_>) {}
}
