//! What device tests and fuzzers stand on: a context, and random numbers that repeat.

use std::sync::{Arc, RwLock};

use ferrite_machine::bus::MappedRegion;
use ferrite_machine::{
    AddressMap, BusError, Cx, Device, Dma, RegionKind, ResetKind, VirtualTime, Wiring,
};
use ferrite_ram::{GuestPhys, GuestRam, RamOffset};

/// Where [`Testbed`]'s RAM is in guest-physical memory.
pub const RAM_BASE: u64 = 0x4000_0000;

/// A machine with a mebibyte of RAM and one device.
pub struct Testbed<D> {
    /// The device.
    pub device: D,
    /// All of the RAM.
    pub ram: Arc<GuestRam>,
    /// The RAM as the device sees it.
    pub dma: Dma,
    /// What the device drives.
    pub wiring: Wiring,
    /// Virtual time.
    pub now: VirtualTime,
    /// Wall-clock time, nanoseconds since 1970.
    pub wall_ns: u64,
}

impl<D: Device> Testbed<D> {
    /// The device after power-on.
    ///
    /// # Panics
    /// When the host has no memory.
    pub fn new(device: D) -> Self {
        let ram = Arc::new(GuestRam::new(1 << 20).unwrap());
        Self::with_ram(device, ram)
    }

    /// The same with RAM that exists already.
    ///
    /// # Panics
    /// Never: the map has one region.
    pub fn with_ram(device: D, ram: Arc<GuestRam>) -> Self {
        let mut map = AddressMap::default();
        map.add(MappedRegion {
            name: "ram".into(),
            base: GuestPhys(RAM_BASE),
            len: ram.len(),
            kind: RegionKind::Ram(RamOffset(0)),
        })
        .unwrap();
        Self {
            device,
            dma: Dma::new(ram.clone(), Arc::new(RwLock::new(map))),
            ram,
            wiring: Wiring::default(),
            now: VirtualTime(0),
            wall_ns: 1_700_000_000_000_000_000,
        }
    }

    /// Calls the device in its context.
    pub fn run<T>(&mut self, act: impl FnOnce(&mut D, &mut Cx<'_>) -> T) -> T {
        let mut cx = Cx {
            now: self.now,
            wall_ns: self.wall_ns,
            dma: &self.dma,
            wiring: &mut self.wiring,
        };
        act(&mut self.device, &mut cx)
    }

    /// Reads a register of region 0.
    pub fn try_read(&mut self, offset: u64, bytes: u64) -> Result<u64, BusError> {
        self.run(|device, cx| device.read(cx, 0, offset, bytes))
    }

    /// Writes a register of region 0.
    pub fn try_write(&mut self, offset: u64, bytes: u64, value: u64) -> Result<(), BusError> {
        self.run(|device, cx| device.write(cx, 0, offset, bytes, value))
    }

    /// Reads a word that is there.
    ///
    /// # Panics
    /// When nothing answers.
    pub fn read(&mut self, offset: u64) -> u32 {
        self.try_read(offset, 4).unwrap() as u32
    }

    /// Writes a word that is there.
    ///
    /// # Panics
    /// When nothing answers.
    pub fn write(&mut self, offset: u64, value: u32) {
        self.try_write(offset, 4, value.into()).unwrap();
    }

    /// The host has news.
    pub fn poll(&mut self) {
        self.run(Device::poll);
    }

    /// The guest resets the machine.
    pub fn reset(&mut self) {
        self.run(|device, cx| device.reset(cx, ResetKind::Warm));
    }

    /// Lets time pass, with the timer going off on its way.
    pub fn pass(&mut self, ns: u64) {
        let end = self.now.after(ns);
        while let Some(deadline) = self.wiring.deadline.filter(|&deadline| deadline <= end) {
            self.wall_ns += deadline.0.saturating_sub(self.now.0);
            self.now = deadline.max(self.now);
            self.wiring.deadline = None;
            self.run(Device::timer);
        }
        self.wall_ns += end.0 - self.now.0;
        self.now = end;
    }

    /// The level of interrupt pin 0.
    pub fn irq(&self) -> bool {
        self.wiring.levels & 1 != 0
    }

    /// Hits the device's registers below `size` with random accesses; it must answer them all.
    ///
    /// # Panics
    /// When a value read is wider than the access.
    pub fn storm(&mut self, seed: u64, size: u64, accesses: usize) {
        let mut random = Random(seed);
        for _ in 0..accesses {
            let bytes = 1 << random.below(4);
            let offset = random.below(size) & !(if random.below(8) == 0 { 0 } else { bytes - 1 });
            if random.below(2) == 0 {
                if let Ok(value) = self.try_read(offset, bytes) {
                    assert!(bytes == 8 || value >> (bytes * 8) == 0, "{offset:#x}");
                }
            } else {
                let value = random.interesting();
                let _ = self.try_write(offset, bytes, value);
            }
            match random.below(64) {
                0 => self.poll(),
                1 => self.pass(random.below(1 << 40)),
                2 => self.reset(),
                _ => {}
            }
        }
    }
}

/// A repeatable sequence of random numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
    /// The next one.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_u64() % limit
    }

    /// True once in `one_in` times.
    pub fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    /// An element.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Small, sparse, full or random values.
    pub fn interesting(&mut self) -> u64 {
        let value = self.next_u64();
        match self.below(4) {
            0 => value & 0xff,
            1 => 1 << (value & 63),
            2 => 0_u64.wrapping_sub(value & 3),
            _ => value,
        }
    }
}
