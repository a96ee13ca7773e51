//! A guest with a driver for virtio-mmio, for tests: written after the spec's driver sections, it
//! shares no code with the device side.

use std::sync::{Arc, RwLock};

use ferrite_machine::bus::MappedRegion;
use ferrite_machine::device::Wiring;
use ferrite_machine::{AddressMap, Cx, Device, Dma, RegionKind, ResetKind, VirtualTime};
use ferrite_ram::{GuestPhys, GuestRam, RamOffset};

use super::{MmioVersion, VirtioDevice, VirtioMmio};

/// Where memory starts.
pub const BASE: u64 = 0x4000_0000;
/// How much there is.
pub const LEN: u64 = 8 << 20;
/// Buffers are taken from here on, round and round.
const BUFFERS: u64 = BASE + (1 << 20);

pub const EVENT_IDX: u64 = 1 << 29;
pub const INDIRECT: u64 = 1 << 28;
pub const VERSION_1: u64 = 1 << 32;

pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const IS_INDIRECT: u16 = 4;

/// A queue as its driver sees it.
#[derive(Clone, Copy, Default)]
pub struct DriverQueue {
    pub size: u16,
    pub desc: u64,
    pub avail: u64,
    pub used: u64,
    next_desc: u16,
    avail_idx: u16,
    seen_used: u16,
}

/// A chain that was given to the device.
pub struct Sent {
    pub head: u16,
    pub writable: Vec<(u64, usize)>,
}

pub struct Guest {
    pub dma: Dma,
    pub mmio: VirtioMmio,
    pub wiring: Wiring,
    pub queues: Vec<DriverQueue>,
    legacy: bool,
    features: u64,
    rings: u64,
    buffers: u64,
}

impl Guest {
    pub fn new(version: MmioVersion, device: Box<dyn VirtioDevice>) -> Self {
        Self::with_slot(version, Some(device))
    }

    pub fn with_slot(version: MmioVersion, device: Option<Box<dyn VirtioDevice>>) -> Self {
        let ram = Arc::new(GuestRam::new(LEN).unwrap());
        let mut map = AddressMap::default();
        map.add(MappedRegion {
            name: "ram".into(),
            base: GuestPhys(BASE),
            len: LEN,
            kind: RegionKind::Ram(RamOffset(0)),
        })
        .unwrap();
        Self {
            dma: Dma::new(ram, Arc::new(RwLock::new(map))),
            mmio: VirtioMmio::new(version, device),
            wiring: Wiring::default(),
            queues: Vec::new(),
            legacy: version == MmioVersion::Legacy,
            features: 0,
            rings: BASE,
            buffers: BUFFERS,
        }
    }

    fn call<T>(&mut self, body: impl FnOnce(&mut VirtioMmio, &mut Cx<'_>) -> T) -> T {
        let mut cx = Cx {
            now: VirtualTime(1000),
            wall_ns: 0,
            dma: &self.dma,
            wiring: &mut self.wiring,
        };
        body(&mut self.mmio, &mut cx)
    }

    pub fn read(&mut self, offset: u64, bytes: u64) -> u64 {
        self.call(|d, cx| d.read(cx, 0, offset, bytes)).unwrap()
    }

    pub fn write(&mut self, offset: u64, bytes: u64, value: u64) {
        self.call(|d, cx| d.write(cx, 0, offset, bytes, value))
            .unwrap();
    }

    pub fn get(&mut self, offset: u64) -> u32 {
        self.read(offset, 4) as u32
    }

    pub fn set(&mut self, offset: u64, value: u32) {
        self.write(offset, 4, u64::from(value));
    }

    pub fn config<const N: usize>(&mut self, offset: u64) -> [u8; N] {
        std::array::from_fn(|n| self.read(0x100 + offset + n as u64, 1) as u8)
    }

    /// The host has news; and what the device asked to be called again for.
    pub fn poll(&mut self) {
        self.call(|d, cx| d.poll(cx));
        self.run_timers();
    }

    fn run_timers(&mut self) {
        while self.wiring.deadline.take().is_some() {
            self.call(|d, cx| d.timer(cx));
        }
    }

    pub fn reset(&mut self) {
        self.call(|d, cx| d.reset(cx, ResetKind::Warm));
    }

    pub fn irq(&self) -> bool {
        self.wiring.levels & 1 != 0
    }

    /// Reads and acknowledges the causes of the interrupt.
    pub fn take_interrupt(&mut self) -> u32 {
        let causes = self.get(0x60);
        self.set(0x64, causes);
        causes
    }

    pub fn status(&mut self) -> u32 {
        self.get(0x70)
    }

    pub fn needs_reset(&mut self) -> bool {
        self.mmio.transport().unwrap().broken().is_some()
    }

    pub fn offered(&mut self) -> u64 {
        self.set(0x14, 0);
        let low = self.get(0x10);
        self.set(0x14, 1);
        u64::from(self.get(0x10)) << 32 | u64::from(low)
    }

    /// Goes through device initialisation (the spec, section 3.1.1), accepting what of `features` is
    /// on offer, with queues of these sizes.
    pub fn start(&mut self, features: u64, queue_sizes: &[u16]) {
        if self.legacy {
            // Before the reset, as Linux does.
            self.set(0x28, 4096);
        }
        self.set(0x70, 0);
        self.set(0x70, 1);
        self.set(0x70, 3);
        let accepted = self.offered() & (features | VERSION_1);
        self.features = accepted;
        self.set(0x24, 0);
        self.set(0x20, accepted as u32);
        if !self.legacy {
            self.set(0x24, 1);
            self.set(0x20, (accepted >> 32) as u32);
            self.set(0x70, 11);
            assert_eq!(self.status(), 11, "the device refused the features");
        }
        self.rings = BASE;
        self.queues.clear();
        for (n, size) in queue_sizes.iter().enumerate() {
            let queue = self.place(*size);
            self.queues.push(queue);
            self.enable(n);
        }
        let ready = if self.legacy { 7 } else { 15 };
        self.set(0x70, ready);
    }

    fn place(&mut self, size: u16) -> DriverQueue {
        let n = u64::from(size);
        let page = |at: u64| at.div_ceil(4096) * 4096;
        let desc = page(self.rings);
        let (avail, used) = if self.legacy {
            (desc + 16 * n, page(desc + 16 * n + 6 + 2 * n))
        } else {
            // Neither adjacent nor in order, as the modern interface allows.
            (desc + 16 * n + 8192, desc + 16 * n + 64)
        };
        self.rings = page(avail.max(used) + 6 + 8 * n);
        assert!(self.rings < BUFFERS);
        let zeros = vec![0; (self.rings - desc) as usize];
        self.dma.write(GuestPhys(desc), &zeros).unwrap();
        DriverQueue {
            size,
            desc,
            avail,
            used,
            ..DriverQueue::default()
        }
    }

    fn enable(&mut self, n: usize) {
        let q = self.queues[n];
        self.set(0x30, n as u32);
        if self.legacy {
            assert_eq!(self.get(0x40), 0);
        }
        assert!(self.get(0x34) >= u32::from(q.size));
        self.set(0x38, u32::from(q.size));
        if self.legacy {
            self.set(0x3c, 4096);
            self.set(0x40, (q.desc / 4096) as u32);
            assert_eq!(self.get(0x40), (q.desc / 4096) as u32);
        } else {
            for (register, area) in [(0x80, q.desc), (0x90, q.avail), (0xa0, q.used)] {
                self.set(register, area as u32);
                self.set(register + 4, (area >> 32) as u32);
            }
            self.set(0x44, 1);
            assert_eq!(self.get(0x44), 1);
        }
    }

    /// A place for a buffer.
    pub fn allocate(&mut self, len: usize) -> u64 {
        if self.buffers + len as u64 > BASE + LEN {
            self.buffers = BUFFERS;
        }
        let at = self.buffers;
        self.buffers += len as u64;
        at
    }

    pub fn store(&mut self, at: u64, bytes: &[u8]) {
        self.dma.write(GuestPhys(at), bytes).unwrap();
    }

    pub fn load(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.dma.read(GuestPhys(at), &mut bytes).unwrap();
        bytes
    }

    pub fn load16(&self, at: u64) -> u16 {
        self.dma.load(GuestPhys(at)).unwrap()
    }

    pub fn store16(&self, at: u64, value: u16) {
        self.dma.store(GuestPhys(at), value).unwrap();
    }

    /// Writes descriptor `index` of the table at `table`.
    pub fn describe(&mut self, table: u64, index: u16, at: u64, len: u32, flags: u16, next: u16) {
        let mut raw = at.to_le_bytes().to_vec();
        raw.extend(len.to_le_bytes());
        raw.extend(flags.to_le_bytes());
        raw.extend(next.to_le_bytes());
        self.store(table + 16 * u64::from(index), &raw);
    }

    /// Puts a head in the available ring, without a notification.
    pub fn offer(&mut self, queue: usize, head: u16) {
        let q = &mut self.queues[queue];
        let (slot, avail) = (u64::from(q.avail_idx % q.size), q.avail);
        q.avail_idx = q.avail_idx.wrapping_add(1);
        let index = q.avail_idx;
        self.store16(avail + 4 + 2 * slot, head);
        self.store16(avail + 2, index);
    }

    /// Gives the device a chain of buffers, without a notification.
    pub fn add(&mut self, queue: usize, readable: &[&[u8]], writable: &[usize]) -> Sent {
        let mut buffers = Vec::new();
        for bytes in readable {
            let at = self.allocate(bytes.len());
            self.store(at, bytes);
            buffers.push((at, bytes.len(), 0));
        }
        let mut sent = Vec::new();
        for len in writable {
            let at = self.allocate(*len);
            self.store(at, &vec![0xee; *len]);
            buffers.push((at, *len, WRITE));
            sent.push((at, *len));
        }
        let q = self.queues[queue];
        let indirect = self.features & INDIRECT != 0 && buffers.len() > 1;
        let head = q.next_desc % q.size;
        let table = if indirect {
            let table = self.allocate(16 * buffers.len());
            self.describe(
                q.desc,
                head,
                table,
                16 * buffers.len() as u32,
                IS_INDIRECT,
                0,
            );
            self.skip(queue, 1);
            table
        } else {
            self.skip(queue, buffers.len() as u16);
            q.desc
        };
        let first = if indirect { 0 } else { q.next_desc };
        let place = |n: usize| {
            let index = first.wrapping_add(n as u16);
            if indirect { index } else { index % q.size }
        };
        let last = buffers.len() - 1;
        for (n, (at, len, flags)) in buffers.into_iter().enumerate() {
            let flags = if n < last { flags | NEXT } else { flags };
            self.describe(table, place(n), at, len as u32, flags, place(n + 1));
        }
        self.offer(queue, head);
        let writable = sent;
        Sent { head, writable }
    }

    fn skip(&mut self, queue: usize, descriptors: u16) {
        let next = &mut self.queues[queue].next_desc;
        *next = next.wrapping_add(descriptors);
    }

    /// Whether the device wants a notification for what was added last.
    pub fn wants_kick(&self, queue: usize) -> bool {
        let q = self.queues[queue];
        if self.features & EVENT_IDX != 0 {
            let event = self.load16(q.used + 4 + 8 * u64::from(q.size));
            event == q.avail_idx.wrapping_sub(1)
        } else {
            self.load16(q.used) & 1 == 0
        }
    }

    pub fn kick(&mut self, queue: usize) {
        self.set(0x50, queue as u32);
        self.run_timers();
    }

    /// Takes the next entry of the used ring.
    pub fn used(&mut self, queue: usize) -> Option<(u16, u32)> {
        let q = self.queues[queue];
        if self.load16(q.used + 2) == q.seen_used {
            return None;
        }
        let entry = q.used + 4 + 8 * u64::from(q.seen_used % q.size);
        self.queues[queue].seen_used = q.seen_used.wrapping_add(1);
        let id: u32 = self.dma.load(GuestPhys(entry)).unwrap();
        let len: u32 = self.dma.load(GuestPhys(entry + 4)).unwrap();
        if self.features & EVENT_IDX != 0 {
            // Interrupt for the next one too.
            let next = self.queues[queue].seen_used;
            self.store16(q.avail + 4 + 2 * u64::from(q.size), next);
        }
        Some((u16::try_from(id).unwrap(), len))
    }

    /// The bytes of the writable buffers of a chain, end to end.
    pub fn answer(&self, sent: &Sent) -> Vec<u8> {
        let parts = sent.writable.iter();
        parts.flat_map(|(at, len)| self.load(*at, *len)).collect()
    }

    /// Adds a chain, notifies, and returns what the device wrote.
    pub fn request(&mut self, queue: usize, readable: &[&[u8]], writable: &[usize]) -> Vec<u8> {
        let sent = self.add(queue, readable, writable);
        self.kick(queue);
        self.poll();
        let (head, len) = self.used(queue).expect("the request was not answered");
        assert_eq!(head, sent.head);
        let mut answer = self.answer(&sent);
        answer.truncate(len as usize);
        answer
    }
}

/// Every interface and ring feature that a driver may choose.
pub const DRIVERS: [(MmioVersion, u64); 4] = [
    (MmioVersion::Legacy, 0),
    (MmioVersion::Legacy, EVENT_IDX | INDIRECT),
    (MmioVersion::Modern, 0),
    (MmioVersion::Modern, EVENT_IDX | INDIRECT),
];

/// A small generator of random numbers (xorshift64*), the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }
}
