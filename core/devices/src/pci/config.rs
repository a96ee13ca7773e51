//! A function's configuration space: bytes, which of them software may write, base address
//! registers, capabilities.

use ferrite_ram::GuestPhys;

use super::msix::Msix;
use super::spec::{
    CONVENTIONAL_LEN, EXPRESS_LEN, HEADER_BRIDGE, bridge, cap, command, reg, status,
};

/// What a function says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Revision.
    pub revision: u8,
    /// Class, subclass and programming interface: `0xCCSSPP`.
    pub class: u32,
    /// Subsystem vendor ID and subsystem ID.
    pub subsystem: (u16, u16),
}

/// The address space of a base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB.
    Memory32,
    /// Memory anywhere, prefetchable; takes two registers.
    Memory64Prefetchable,
    /// Memory anywhere; takes two registers.
    Memory64,
}

impl BarKind {
    /// The low bits that tell software what it is.
    const fn flags(self) -> u32 {
        match self {
            Self::Io => 1,
            Self::Memory32 => 0,
            Self::Memory64 => 4,
            Self::Memory64Prefetchable => 0xc,
        }
    }

    /// Whether it is in the I/O space.
    #[must_use]
    pub const fn is_io(self) -> bool {
        matches!(self, Self::Io)
    }

    /// Whether it takes two registers.
    #[must_use]
    pub const fn is_wide(self) -> bool {
        matches!(self, Self::Memory64 | Self::Memory64Prefetchable)
    }
}

/// A base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its address space.
    pub kind: BarKind,
    /// Bytes: a power of two.
    pub size: u64,
}

/// Which addresses a bridge passes on, first and last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// I/O ports.
    pub io: Option<(u64, u64)>,
    /// Memory.
    pub memory: Option<(u64, u64)>,
    /// Prefetchable memory.
    pub prefetchable: Option<(u64, u64)>,
}

/// A configuration space.
#[derive(Clone, Debug)]
pub struct ConfigSpace {
    // Fixed.
    initial: Box<[u8]>,
    writable: Box<[u8]>,
    clearable: Box<[u8]>,
    bars: [Option<Bar>; 6],
    last_capability: Option<usize>,
    last_extended: Option<usize>,
    msi: Option<usize>,
    // Guest-visible.
    bytes: Box<[u8]>,
    msix: Option<Msix>,
    intx: bool,
}

impl ConfigSpace {
    /// The space of a device (header type 0), 4 KiB long for PCI Express.
    #[must_use]
    pub fn endpoint(identity: Identity, express: bool) -> Self {
        let mut config = Self::new(identity, express);
        config.put_u16(reg::SUBSYSTEM_VENDOR, identity.subsystem.0);
        config.put_u16(reg::SUBSYSTEM, identity.subsystem.1);
        config
    }

    /// The space of a bridge (header type 1), with 16-bit I/O and 64-bit prefetchable windows.
    #[must_use]
    pub fn bridge(identity: Identity, express: bool) -> Self {
        let mut config = Self::new(identity, express);
        config.put(reg::HEADER_TYPE, &[HEADER_BRIDGE]);
        let commands = command::WRITABLE | command::PARITY;
        config.allow(reg::COMMAND, &commands.to_le_bytes());
        for offset in [
            bridge::PRIMARY,
            bridge::SECONDARY,
            bridge::SUBORDINATE,
            bridge::SECONDARY_LATENCY,
        ] {
            config.allow(offset, &[0xff]);
        }
        config.allow(bridge::IO_BASE, &[0xf0, 0xf0]);
        config.allow(bridge::MEMORY_BASE, &[0xf0, 0xff, 0xf0, 0xff]);
        config.put(bridge::PREFETCH_BASE, &[1, 0, 1, 0]);
        config.allow(bridge::PREFETCH_BASE, &[0xf0, 0xff, 0xf0, 0xff]);
        config.allow(bridge::PREFETCH_BASE_HIGH, &[0xff; 8]);
        config.allow(bridge::CONTROL, &[0x5f, 0]);
        config.clear_on_write(bridge::SECONDARY_STATUS, &status::CLEARABLE.to_le_bytes());
        config
    }

    fn new(identity: Identity, express: bool) -> Self {
        let len = if express {
            EXPRESS_LEN
        } else {
            CONVENTIONAL_LEN
        };
        let zeros = || vec![0; len].into_boxed_slice();
        let mut config = Self {
            initial: zeros(),
            writable: zeros(),
            clearable: zeros(),
            bars: [None; 6],
            last_capability: None,
            last_extended: None,
            msi: None,
            bytes: zeros(),
            msix: None,
            intx: false,
        };
        config.put_u16(reg::VENDOR, identity.vendor);
        config.put_u16(reg::DEVICE, identity.device);
        config.put(reg::REVISION, &[identity.revision]);
        let class = identity.class.to_le_bytes();
        config.put(reg::CLASS, &class[..3]);
        config.allow(reg::COMMAND, &command::WRITABLE.to_le_bytes());
        config.clear_on_write(reg::STATUS, &status::CLEARABLE.to_le_bytes());
        config.allow(reg::CACHE_LINE, &[0xff]);
        config.allow(reg::INTERRUPT_LINE, &[0xff]);
        config
    }

    /// Sets what bytes are now and after a reset. What lies beyond the space is dropped.
    pub fn put(&mut self, offset: usize, bytes: &[u8]) {
        for target in [&mut self.initial, &mut self.bytes] {
            copy(target, offset, bytes);
        }
    }

    /// Sets a register of 16 bits, now and after a reset.
    pub fn put_u16(&mut self, offset: usize, value: u16) {
        self.put(offset, &value.to_le_bytes());
    }

    /// Sets a register of 32 bits, now and after a reset.
    pub fn put_u32(&mut self, offset: usize, value: u32) {
        self.put(offset, &value.to_le_bytes());
    }

    /// Says which bits software may write.
    pub fn allow(&mut self, offset: usize, mask: &[u8]) {
        copy(&mut self.writable, offset, mask);
    }

    /// Says which bits software clears by writing ones.
    pub fn clear_on_write(&mut self, offset: usize, mask: &[u8]) {
        copy(&mut self.clearable, offset, mask);
    }

    /// Gives the function an interrupt pin, 1 to 4 for INTA to INTD.
    pub fn set_interrupt_pin(&mut self, pin: u8) {
        self.put(reg::INTERRUPT_PIN, &[pin]);
    }

    /// Adds a base address register of `size` bytes, a power of two; bridges have the first two.
    pub fn add_bar(&mut self, index: usize, kind: BarKind, size: u64) {
        debug_assert!(size.is_power_of_two() && size >= 4, "a BAR of {size} bytes");
        let Some(bar) = self.bars.get_mut(index) else {
            return;
        };
        *bar = Some(Bar { kind, size });
        let offset = reg::BAR0 + 4 * index;
        self.put_u32(offset, kind.flags());
        let mask = !(size - 1);
        let low = mask as u32 & !if kind.is_io() { 3 } else { 15 };
        self.allow(offset, &low.to_le_bytes());
        if kind.is_wide() {
            self.allow(offset + 4, &((mask >> 32) as u32).to_le_bytes());
        }
    }

    /// The base address registers.
    #[must_use]
    pub fn bars(&self) -> [Option<Bar>; 6] {
        self.bars
    }

    /// Adds a capability at `offset`, a multiple of 4; `body` follows its ID and link. The list runs
    /// from the capability added last to the one added first.
    pub fn add_capability(&mut self, offset: usize, id: u8, body: &[u8]) {
        let next = self.last_capability.replace(offset).unwrap_or(0);
        self.put(offset, &[id, next as u8]);
        self.put(offset + 2, body);
        self.put(reg::CAPABILITIES, &[offset as u8]);
        self.put_u16(reg::STATUS, self.u16(reg::STATUS) | status::CAPABILITIES);
    }

    /// Adds an extended capability at `offset`; the first goes to 0x100.
    pub fn add_extended_capability(&mut self, offset: usize, id: u16, version: u8, body: &[u8]) {
        let header = |next: u32| u32::from(id) | u32::from(version) << 16 | next << 20;
        if let Some(last) = self.last_extended.replace(offset) {
            let linked = self.u32(last) & 0xf_ffff | (offset as u32) << 20;
            self.put_u32(last, linked);
        }
        self.put_u32(offset, header(0));
        self.put(offset + 4, body);
    }

    /// Adds MSI-X with `vectors` vectors (1 to 2048), capability at `offset`, table and pending bits
    /// at these offsets of a memory BAR.
    pub fn add_msix(&mut self, offset: usize, vectors: u16, bar: u8, table: u32, pending: u32) {
        let mut body = [0; 10];
        body[..2].copy_from_slice(&(vectors - 1).to_le_bytes());
        body[2..6].copy_from_slice(&(table | u32::from(bar)).to_le_bytes());
        body[6..].copy_from_slice(&(pending | u32::from(bar)).to_le_bytes());
        self.add_capability(offset, cap::MSIX, &body);
        self.allow(offset + 3, &[0xc0]);
        let (table, pending) = (table.into(), pending.into());
        self.msix = Some(Msix::new(
            offset,
            vectors.into(),
            bar.into(),
            table,
            pending,
        ));
    }

    /// Adds MSI (PCI Local Bus 3.0, section 6.8.1) with one vector and a 64-bit address, capability at
    /// `offset`.
    pub fn add_msi(&mut self, offset: usize) {
        self.add_capability(offset, cap::MSI, &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.allow(offset + 2, &[1]);
        self.allow(
            offset + 4,
            &[0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        );
        self.allow(offset + 12, &[0xff, 0xff]);
        self.msi = Some(offset);
    }

    /// The message of MSI, if software switched that on.
    pub(super) fn msi_message(&self) -> Option<(GuestPhys, u32)> {
        let at = self.msi.filter(|at| self.u16(at + 2) & 1 != 0)?;
        let address = u64::from(self.u32(at + 8)) << 32 | u64::from(self.u32(at + 4));
        Some((GuestPhys(address), self.u16(at + 12).into()))
    }

    /// MSI-X, if the function has it.
    #[must_use]
    pub fn msix(&self) -> Option<&Msix> {
        self.msix.as_ref()
    }

    pub(super) fn msix_mut(&mut self) -> Option<&mut Msix> {
        self.msix.as_mut()
    }

    /// Back to the state after power-on.
    pub fn reset(&mut self) {
        self.bytes.copy_from_slice(&self.initial);
        self.intx = false;
        if let Some(msix) = &mut self.msix {
            msix.reset();
        }
    }

    /// Bytes in the space.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a space has at least a header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Reads up to 4 bytes; all ones beyond the end.
    #[must_use]
    pub fn read(&self, offset: usize, bytes: usize) -> u32 {
        let mut value = [0xff; 4];
        for (n, byte) in value.iter_mut().enumerate().take(bytes) {
            if let Some(there) = self.bytes.get(offset + n) {
                *byte = *there;
            }
        }
        let mut value = u32::from_le_bytes(value);
        if bytes < 4 {
            value &= (1 << (8 * bytes)) - 1;
        }
        value
    }

    /// Software writes up to 4 bytes: only what it may change does.
    pub fn write(&mut self, offset: usize, bytes: usize, value: u32) {
        for (n, new) in value.to_le_bytes().into_iter().enumerate().take(bytes) {
            let at = offset + n;
            if let (Some(old), Some(writable), Some(clearable)) = (
                self.bytes.get_mut(at),
                self.writable.get(at),
                self.clearable.get(at),
            ) {
                *old = (*old & !writable | new & writable) & !(new & clearable);
            }
        }
    }

    /// A register of 8 bits; all ones beyond the end.
    #[must_use]
    pub fn u8(&self, offset: usize) -> u8 {
        self.read(offset, 1) as u8
    }

    /// A register of 16 bits.
    #[must_use]
    pub fn u16(&self, offset: usize) -> u16 {
        self.read(offset, 2) as u16
    }

    /// A register of 32 bits.
    #[must_use]
    pub fn u32(&self, offset: usize) -> u32 {
        self.read(offset, 4)
    }

    /// The device changes a register of 16 bits; a reset undoes it.
    pub fn change_u16(&mut self, offset: usize, value: u16) {
        copy(&mut self.bytes, offset, &value.to_le_bytes());
    }

    /// The device changes a register of 32 bits; a reset undoes it.
    pub fn change_u32(&mut self, offset: usize, value: u32) {
        copy(&mut self.bytes, offset, &value.to_le_bytes());
    }

    /// Whether all of these bits of the command register are set.
    #[must_use]
    pub fn commanded(&self, bits: u16) -> bool {
        self.u16(reg::COMMAND) & bits == bits
    }

    /// Where a base address register points; `None` if there is none, software only measures it, or
    /// the function does not answer in that space.
    #[must_use]
    pub fn bar_address(&self, index: usize) -> Option<u64> {
        let bar = (*self.bars.get(index)?)?;
        let space = if bar.kind.is_io() {
            command::IO
        } else {
            command::MEMORY
        };
        if !self.commanded(space) {
            return None;
        }
        self.bar_value(index)
    }

    /// The address in a base address register, whether or not the function answers there; `None`
    /// where there is no such register or it holds no address.
    #[must_use]
    pub fn bar_value(&self, index: usize) -> Option<u64> {
        let bar = (*self.bars.get(index)?)?;
        let offset = reg::BAR0 + 4 * index;
        let low = u64::from(self.u32(offset));
        let address = match bar.kind {
            BarKind::Io => low & !3,
            BarKind::Memory32 => low & !15,
            _ => low & !15 | u64::from(self.u32(offset + 4)) << 32,
        };
        let last = address.checked_add(bar.size - 1)?;
        let limit = if bar.kind.is_wide() {
            u64::MAX
        } else {
            u32::MAX.into()
        };
        // All ones are what measuring leaves.
        (last < limit).then_some(address)
    }

    /// Whether the header is a bridge's.
    #[must_use]
    pub fn is_bridge(&self) -> bool {
        self.u8(reg::HEADER_TYPE) & !super::spec::HEADER_MULTIFUNCTION == HEADER_BRIDGE
    }

    /// What a bridge passes on, as its windows say.
    #[must_use]
    pub fn windows(&self) -> Windows {
        let window = |base: u64, limit: u64| (base <= limit).then_some((base, limit));
        let io = |low, high| u64::from(self.u8(low) & 0xf0) << 8 | u64::from(self.u16(high)) << 16;
        let memory = |at| u64::from(self.u16(at) & 0xfff0) << 16;
        let high = |at| u64::from(self.u32(at)) << 32;
        let gate = |bit, window: Option<_>| window.filter(|_| self.commanded(bit));
        Windows {
            io: gate(
                command::IO,
                window(
                    io(bridge::IO_BASE, bridge::IO_BASE_HIGH),
                    io(bridge::IO_LIMIT, bridge::IO_LIMIT_HIGH) | 0xfff,
                ),
            ),
            memory: gate(
                command::MEMORY,
                window(
                    memory(bridge::MEMORY_BASE),
                    memory(bridge::MEMORY_LIMIT) | 0xf_ffff,
                ),
            ),
            prefetchable: gate(
                command::MEMORY,
                window(
                    memory(bridge::PREFETCH_BASE) | high(bridge::PREFETCH_BASE_HIGH),
                    memory(bridge::PREFETCH_LIMIT) | high(bridge::PREFETCH_LIMIT_HIGH) | 0xf_ffff,
                ),
            ),
        }
    }

    /// Notes what the interrupt pin is to be.
    pub fn set_intx(&mut self, level: bool) {
        self.intx = level;
        let status = self.u16(reg::STATUS) & !status::INTX;
        let bit = if level { status::INTX } else { 0 };
        self.change_u16(reg::STATUS, status | bit);
    }

    /// Whether the interrupt pin is asserted.
    #[must_use]
    pub fn intx_asserted(&self) -> bool {
        self.intx && !self.commanded(command::INTX_DISABLE)
    }

    /// Whether software switched MSI-X on.
    #[must_use]
    pub fn msix_enabled(&self) -> bool {
        self.msix.as_ref().is_some_and(|msix| msix.enabled(self))
    }
}

fn copy(into: &mut [u8], offset: usize, bytes: &[u8]) {
    for (n, byte) in bytes.iter().enumerate() {
        if let Some(place) = into.get_mut(offset + n) {
            *place = *byte;
        }
    }
}
