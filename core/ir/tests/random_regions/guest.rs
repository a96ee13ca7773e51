//! A guest with a few pages of memory, some of them missing or read-only, and helpers that look at
//! everything that they may see.

use ferrite_ir::env::AtomicPlace;
use ferrite_ir::{
    AtomicOp, CodeKey, Env, Extent, Fetched, HelperId, Leave, Mem, Region, TlbEntry, VcpuBlock,
    slot,
};
use ferrite_ram::{GuestRam, GuestVirt, PAGE_SIZE, RamOffset};

/// Pages of guest memory, from virtual address 0 up.
pub const PAGES: u64 = 8;

/// A helper call or fault, with the state it saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    what: u64,
    args: [u64; 4],
    pc: u64,
    nzcv: u32,
    globals: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Page {
    Missing,
    ReadOnly,
    /// Served by the slow path only.
    Slow,
    Plain,
}

pub struct Guest {
    ram: GuestRam,
    pages: Vec<Page>,
    pub events: Vec<Event>,
}

impl Guest {
    pub fn new(seed: u64) -> Self {
        let mut random = crate::random::Random::new(!seed);
        let ram = GuestRam::new(PAGES * PAGE_SIZE).expect("memory");
        for at in (0..PAGES * PAGE_SIZE).step_by(8) {
            ram.store(RamOffset(at), random.bits()).expect("in bounds");
        }
        let pages = (0..PAGES)
            .map(|_| match random.below(8) {
                0 => Page::Missing,
                1 => Page::ReadOnly,
                2 => Page::Slow,
                _ => Page::Plain,
            })
            .collect();
        Self {
            ram,
            pages,
            events: Vec::new(),
        }
    }

    pub fn memory(&self) -> Vec<u8> {
        let mut bytes = vec![0; (PAGES * PAGE_SIZE) as usize];
        self.ram
            .read_bytes(RamOffset(0), &mut bytes)
            .expect("in bounds");
        bytes
    }

    fn event(&mut self, cpu: &VcpuBlock, what: u64, args: [u64; 4]) {
        // What accesses do not look at is compared when the region has been left.
        let is_access = what >= 1000;
        let globals = (slot::FIRST_GUEST..slot::FIRST_TEMP)
            .filter(|s| !is_access || !slot::UNSEEN_BY_ACCESSES.contains(s))
            .map(|s| cpu.get(s))
            .chain([cpu.get(slot::FP_STATUS)])
            .fold(0u64, |h, v| {
                (h.rotate_left(7) ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            });
        self.events.push(Event {
            what,
            args,
            pc: cpu.get(slot::PC),
            nzcv: cpu.nzcv(),
            globals,
        });
    }

    fn fault(&mut self, cpu: &mut VcpuBlock, at: GuestVirt, write: bool) -> Leave {
        self.event(cpu, 1000 + u64::from(write), [at.0, 0, 0, 0]);
        cpu.set(slot::PC, 0xffff_0200);
        Leave
    }

    /// Checks every byte of an access.
    fn check(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        bytes: u64,
        mem: Mem,
        write: bool,
    ) -> Result<(), Leave> {
        let demanded = match mem.align {
            ferrite_ir::Align::Any => 1,
            ferrite_ir::Align::Natural => mem.size.bytes(),
            ferrite_ir::Align::Pair => 2 * mem.size.bytes(),
        };
        if !at.0.is_multiple_of(demanded) {
            return Err(self.fault(cpu, at, write));
        }
        for byte in [at, at.offset(bytes - 1)] {
            // Page 7 is not for unprivileged accesses.
            let n = byte.0 / PAGE_SIZE;
            let page = usize::try_from(n).ok().and_then(|n| self.pages.get(n));
            let page = page.copied().unwrap_or(Page::Missing);
            let denied = page == Page::Missing
                || (write && page == Page::ReadOnly)
                || (mem.unprivileged && n == 7);
            if denied {
                return Err(self.fault(cpu, byte, write));
            }
            if page != Page::Slow {
                let context = cpu.context(byte, mem.unprivileged);
                let entry = TlbEntry::new(byte, RamOffset(byte.0), context);
                let index = VcpuBlock::tlb_index(byte);
                cpu.tlb_read[index] = entry;
                if page == Page::Plain {
                    cpu.tlb_write[index] = entry;
                }
            }
        }
        Ok(())
    }
}

impl Env for Guest {
    fn ram(&self) -> &GuestRam {
        &self.ram
    }

    fn call(
        &mut self,
        cpu: &mut VcpuBlock,
        helper: HelperId,
        args: [u64; 4],
    ) -> Result<u64, Leave> {
        self.event(cpu, u64::from(helper.0), args);
        if helper.0 >= 10 {
            cpu.set(slot::PC, 0xffff_0400);
            return Err(Leave);
        }
        // Helpers change globals and flags, and ask for control now and then.
        let s = slot::FIRST_GUEST + helper.0 % 4;
        cpu.set(s, cpu.get(s).wrapping_add(args[1]).rotate_left(9));
        if args[0] & 3 == 0 {
            cpu.set_nzcv((args[0] as u32) << 26);
        }
        if args[0] & 31 == 5 {
            cpu.request_exit();
        }
        if args[0] & 15 == 7 {
            cpu.set(slot::PC, 0xffff_0600);
            return Err(Leave);
        }
        Ok(args[0] ^ 0x1234)
    }

    fn load(&mut self, cpu: &mut VcpuBlock, at: GuestVirt, mem: Mem) -> Result<u64, Leave> {
        self.load_vector(cpu, at, mem).map(|v| v as u64)
    }

    fn store(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        value: u64,
        mem: Mem,
    ) -> Result<(), Leave> {
        self.store_vector(cpu, at, u128::from(value), mem)
    }

    fn load_vector(&mut self, cpu: &mut VcpuBlock, at: GuestVirt, mem: Mem) -> Result<u128, Leave> {
        let n = mem.size.bytes();
        self.check(cpu, at, n, mem, false)?;
        let mut bytes = [0; 16];
        self.ram
            .read_bytes(RamOffset(at.0), &mut bytes[..n as usize])
            .expect("checked");
        if mem.swap {
            bytes[..n as usize].reverse();
        }
        Ok(u128::from_le_bytes(bytes))
    }

    fn store_vector(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        value: u128,
        mem: Mem,
    ) -> Result<(), Leave> {
        let n = mem.size.bytes();
        self.check(cpu, at, n, mem, true)?;
        let mut bytes = value.to_le_bytes();
        if mem.swap {
            bytes[..n as usize].reverse();
        }
        self.ram
            .write_bytes(RamOffset(at.0), &bytes[..n as usize])
            .expect("checked");
        Ok(())
    }

    fn atomic_place(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        bytes: u64,
        mem: Mem,
        write: bool,
    ) -> Result<AtomicPlace, Leave> {
        if !at.0.is_multiple_of(bytes) {
            return Err(self.fault(cpu, at, write));
        }
        self.check(cpu, at, bytes, mem, write)?;
        Ok(AtomicPlace::Ram(RamOffset(at.0)))
    }

    fn atomic_device(
        &mut self,
        cpu: &mut VcpuBlock,
        at: GuestVirt,
        _: Option<AtomicOp>,
        _: [u64; 2],
        _: Mem,
    ) -> Result<u64, Leave> {
        Err(self.fault(cpu, at, true))
    }

    fn code_key(&self, _: &VcpuBlock) -> CodeKey {
        CodeKey(0)
    }

    fn code_generation(&self, _: &VcpuBlock, _: bool) -> u64 {
        0
    }

    fn fetch(&mut self, _: &mut VcpuBlock, pc: GuestVirt) -> Result<Fetched, Leave> {
        Ok(Fetched {
            at: RamOffset(pc.0),
        })
    }

    fn translate(&mut self, _: &VcpuBlock, _: GuestVirt, _: Fetched, _: Extent) -> Region {
        unreachable!("regions are run directly")
    }

    fn protect_code(&mut self, _: &mut VcpuBlock, _: RamOffset) {}
}
