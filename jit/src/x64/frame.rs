//! The machine stack frame of generated code, and the functions that it calls.
//!
//! Generated code knows the layout of [`Frame`]; everything else it reaches through these functions,
//! which get the frame and take the guest and its CPU from the [`Context`] in it.

use std::ptr::NonNull;

use ferrite_ir::interp::{self, AtomicEntry, WideEntry};
use ferrite_ir::{Env, HelperId, Leave, Mem, VcpuBlock, eval, slot};
use ferrite_ram::GuestVirt;

use crate::lookup::{JumpEntry, PageEntry, Seen, Views};

/// What `rsp` points to while generated code runs.
#[repr(C)]
pub(super) struct Frame {
    pub context: *mut Context,
    pub pages: *const PageEntry,
    pub jumps: *const JumpEntry,
    pub seen: Seen,
    /// Where the number of writes to code is: see [`ferrite_ram::GuestRam::code_writes`].
    pub code_writes: *const u64,
    /// Arguments of a helper.
    pub args: [u64; 4],
    /// A vector on its way to or from a function.
    pub vector: [u64; 2],
    /// Where in the look-aside buffer look-ups in small tables last found their page: offsets of
    /// entries, a hint for as many places in code.
    pub tables: [u32; TABLES],
    /// For stubs.
    pub scratch: u64,
    /// The host's floating-point status and control word, as last read.
    pub status: u32,
    /// The same with no exception noted.
    pub clean_status: u32,
}

/// Hints for look-ups in tables.
pub(super) const TABLES: usize = 16;

/// Bytes that the entry stub reserves: the six saved registers before it make it end aligned.
pub(super) const FRAME_BYTES: i32 = 184;
const _: () = assert!(size_of::<Frame>() <= FRAME_BYTES as usize && FRAME_BYTES % 16 == 8);

/// What a call into Rust works on, for the duration of a run.
pub(super) struct Context {
    pub env: NonNull<dyn Env>,
    pub cpu: NonNull<VcpuBlock>,
    pub sites: NonNull<[Site]>,
    pub wides: NonNull<[WideEntry]>,
    pub atomics: NonNull<[AtomicEntry]>,
    pub pages: *const PageEntry,
    pub jumps: *const JumpEntry,
    pub views: NonNull<Views>,
    pub code_writes: *const u64,
    pub seen: Seen,
}

/// A point in generated code that calls for the front end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    /// Address of the guest instruction, where the code has not set the PC slot itself.
    pub pc: Option<u64>,
    /// Guest instructions of the block that come after it.
    pub left: u32,
    pub what: What,
}

/// What a site asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// A load or store.
    Access(Mem),
    /// A helper.
    Call(HelperId),
    /// The atomic access of that number.
    Atomic(u32),
}

/// What the functions return, in `rax` and `rdx`.
#[repr(C)]
pub(super) struct Returned {
    value: u64,
    /// Whether the region is to be left.
    left: u64,
}

/// The parts of a context that a call works with.
struct Parts<'a> {
    env: &'a mut dyn Env,
    cpu: &'a mut VcpuBlock,
    site: Site,
    views: &'a Views,
    seen: &'a mut Seen,
}

const NOWHERE: Site = Site {
    pc: None,
    left: 0,
    what: What::Call(HelperId(0)),
};

impl<'a> Parts<'a> {
    /// # Safety
    /// `frame` is the frame of the code that calls, whose context is that of the present run, and no
    /// other reference to its environment or CPU is in use.
    unsafe fn of(frame: *mut Frame, site: u32) -> Self {
        // SAFETY: the engine made the context for this run from references that it holds and does
        // not use meanwhile; the tables do not change while code runs.
        unsafe {
            let context = &*(*frame).context;
            let sites = context.sites.as_ref();
            Self {
                env: &mut *context.env.as_ptr(),
                cpu: &mut *context.cpu.as_ptr(),
                site: sites.get(site as usize).copied().unwrap_or(NOWHERE),
                views: context.views.as_ref(),
                seen: &mut (*frame).seen,
            }
        }
    }

    fn mem(&self) -> Mem {
        match self.site.what {
            What::Access(mem) => mem,
            What::Call(_) | What::Atomic(_) => Mem::plain(ferrite_ir::Size::B1),
        }
    }

    /// Tells the guest where it is.
    fn sync(&mut self) {
        if let Some(pc) = self.site.pc {
            self.cpu.set(slot::PC, pc);
        }
    }

    /// Ends a call in which the guest may have done anything.
    fn finish(self, result: Result<u64, Leave>) -> Returned {
        *self.seen = Seen::by(self.env, self.cpu, self.views);
        if self.cpu.has_stale_code(self.env.ram()) {
            // Translations have to go before the next region is entered.
            self.cpu.request_exit();
        }
        match result {
            Ok(value) => Returned { value, left: 0 },
            Err(Leave) => {
                self.cpu.give_back(self.site.left);
                Returned { value: 0, left: 1 }
            }
        }
    }
}

const fn done(value: u64) -> Returned {
    Returned { value, left: 0 }
}

/// A load that missed the inline path.
pub(super) unsafe extern "sysv64" fn load(
    frame: *mut Frame,
    at: u64,
    _: u64,
    site: u32,
) -> Returned {
    // SAFETY: generated code passes its own frame.
    let mut parts = unsafe { Parts::of(frame, site) };
    let mem = parts.mem();
    if let Some(value) = interp::load_any(parts.env, parts.cpu, at, mem) {
        return done(eval::extend(mem.size, mem.sign, value));
    }
    parts.sync();
    let value = parts.env.load(parts.cpu, GuestVirt(at), mem);
    let value = value.map(|value| eval::extend(mem.size, mem.sign, value));
    parts.finish(value)
}

/// A store that missed the inline path.
pub(super) unsafe extern "sysv64" fn store(
    frame: *mut Frame,
    at: u64,
    value: u64,
    site: u32,
) -> Returned {
    // SAFETY: as in `load`.
    let mut parts = unsafe { Parts::of(frame, site) };
    let mem = parts.mem();
    if interp::store_any(parts.env, parts.cpu, at, value, mem).is_some() {
        return done(0);
    }
    parts.sync();
    let stored = parts.env.store(parts.cpu, GuestVirt(at), value, mem);
    parts.finish(stored.map(|()| 0))
}

/// A vector load that missed the inline path; the result goes to the frame.
pub(super) unsafe extern "sysv64" fn load_vector(
    frame: *mut Frame,
    at: u64,
    _: u64,
    site: u32,
) -> Returned {
    // SAFETY: as in `load`.
    let mut parts = unsafe { Parts::of(frame, site) };
    let mem = parts.mem();
    parts.sync();
    let value = parts.env.load_vector(parts.cpu, GuestVirt(at), mem);
    let value = value.map(|value| {
        // SAFETY: the frame is the caller's, and `parts` borrows other fields of it.
        unsafe { (*frame).vector = [value as u64, (value >> 64) as u64] };
        0
    });
    parts.finish(value)
}

/// A vector store that missed the inline path; the value is in the frame.
pub(super) unsafe extern "sysv64" fn store_vector(
    frame: *mut Frame,
    at: u64,
    _: u64,
    site: u32,
) -> Returned {
    // SAFETY: as in `load`.
    let (mut parts, [low, high]) = unsafe { (Parts::of(frame, site), (*frame).vector) };
    let mem = parts.mem();
    let value = u128::from(low) | u128::from(high) << 64;
    parts.sync();
    let stored = parts.env.store_vector(parts.cpu, GuestVirt(at), value, mem);
    parts.finish(stored.map(|()| 0))
}

/// A helper of the front end, with the arguments in the frame.
pub(super) unsafe extern "sysv64" fn call(
    frame: *mut Frame,
    _: u64,
    _: u64,
    site: u32,
) -> Returned {
    // SAFETY: as in `load`.
    let (mut parts, args) = unsafe { (Parts::of(frame, site), (*frame).args) };
    let What::Call(helper) = parts.site.what else {
        return done(0);
    };
    parts.sync();
    let value = parts.env.call(parts.cpu, helper, args);
    parts.finish(value)
}

/// A helper that must leave: the region is left even if it does not, since what follows a failed
/// guard must not run.
pub(super) unsafe extern "sysv64" fn guard(
    frame: *mut Frame,
    at: u64,
    value: u64,
    site: u32,
) -> Returned {
    // SAFETY: the caller's promise is the same.
    let returned = unsafe { call(frame, at, value, site) };
    if returned.left == 0 {
        // SAFETY: as in `load`.
        let parts = unsafe { Parts::of(frame, site) };
        parts.cpu.give_back(parts.site.left);
    }
    Returned { value: 0, left: 1 }
}

/// An atomic or exclusive access between slots.
pub(super) unsafe extern "sysv64" fn atomic(
    frame: *mut Frame,
    _: u64,
    _: u64,
    site: u32,
) -> Returned {
    // SAFETY: as in `load`; the table outlives the run.
    let (mut parts, atomics) =
        unsafe { (Parts::of(frame, site), (*(*frame).context).atomics.as_ref()) };
    let What::Atomic(n) = parts.site.what else {
        return done(0);
    };
    let Some(entry) = atomics.get(n as usize) else {
        return done(0);
    };
    parts.sync();
    let result = interp::atomic(entry, parts.env, parts.cpu);
    parts.finish(result.map(|()| 0))
}

/// A vector operation between slots.
pub(super) unsafe extern "sysv64" fn wide(
    frame: *mut Frame,
    _: u64,
    _: u64,
    entry: u32,
) -> Returned {
    // SAFETY: as in `load`; the table outlives the run.
    unsafe {
        let context = &*(*frame).context;
        let cpu = &mut *context.cpu.as_ptr();
        if let Some(entry) = context.wides.as_ref().get(entry as usize) {
            interp::wide(entry, cpu);
        }
    }
    done(0)
}

/// The flags, N, Z, C, V in bits 31 to 28.
pub(super) unsafe extern "sysv64" fn nzcv(frame: *mut Frame, _: u64, _: u64, _: u32) -> Returned {
    // SAFETY: as in `load`.
    let cpu = unsafe { &*(*(*frame).context).cpu.as_ptr() };
    done(u64::from(cpu.nzcv()))
}
