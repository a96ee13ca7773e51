//! What generated code is called with, and the functions that it calls.
//!
//! Generated code knows the layout of [`Frame`]'s first fields; everything else it reaches through
//! these functions, which have the platform's C calling convention.

use std::ptr::NonNull;

use ferrite_ir::interp::{self, AtomicEntry, WideEntry};
use ferrite_ir::{Env, FlagKind, HelperId, Leave, Mem, Size, VcpuBlock, eval};
use ferrite_ram::GuestVirt;

/// What generated code and the functions that it calls share during a run.
#[repr(C)]
pub(super) struct Frame {
    /// Whether the last function called from a cold path said that the region is to be left.
    pub left: u64,
    /// What a function returns: an integer, or a vector's low and high half.
    pub value: [u64; 2],
    /// Arguments of a helper, or the vector that a function gets.
    pub args: [u64; 4],
    env: NonNull<dyn Env>,
    cpu: NonNull<VcpuBlock>,
}

impl Frame {
    /// # Safety
    /// The frame is not used after `env` or `cpu`, and nothing else uses these while generated code
    /// runs with it.
    pub(super) unsafe fn new(env: &mut dyn Env, cpu: &mut VcpuBlock) -> Self {
        Self {
            left: 0,
            value: [0; 2],
            args: [0; 4],
            // SAFETY: only the lifetime of what the environment borrows is changed, and the caller
            // promises that the frame does not outlive it.
            env: unsafe {
                std::mem::transmute::<NonNull<dyn Env + '_>, NonNull<dyn Env + 'static>>(
                    NonNull::from(env),
                )
            },
            cpu: NonNull::from(cpu),
        }
    }
}

/// What a region's code refers to by number.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub sites: Vec<Site>,
    pub wides: Vec<WideEntry>,
    pub atomics: Vec<AtomicEntry>,
}

/// A point in generated code that calls for the front end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
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

/// A function that generated code calls: frame, tables, a number in one of them, an address and a
/// value; returns whether the region is to be left.
pub(super) type Function = unsafe extern "C" fn(*mut Frame, *const Tables, u64, u64, u64) -> u64;

const STAY: u64 = 0;
const LEAVE: u64 = 1;

/// The parts of a frame that a call works with.
struct Parts<'a> {
    env: &'a mut dyn Env,
    cpu: &'a mut VcpuBlock,
    value: &'a mut [u64; 2],
    args: [u64; 4],
    site: Site,
}

const NOWHERE: Site = Site {
    left: 0,
    what: What::Call(HelperId(0)),
};

impl<'a> Parts<'a> {
    /// # Safety
    /// `frame` is that of the present run and `tables` those of the code that calls, and no other
    /// reference to what they lead to is in use.
    unsafe fn of(frame: *mut Frame, tables: *const Tables, site: u64) -> Self {
        // SAFETY: the engine made the frame for this run from references that it holds and does not
        // use meanwhile; the tables live as long as the code.
        unsafe {
            let (frame, tables) = (&mut *frame, &*tables);
            Self {
                env: &mut *frame.env.as_ptr(),
                cpu: &mut *frame.cpu.as_ptr(),
                value: &mut frame.value,
                args: frame.args,
                site: tables.sites.get(site as usize).copied().unwrap_or(NOWHERE),
            }
        }
    }

    fn mem(&self) -> Mem {
        match self.site.what {
            What::Access(mem) => mem,
            What::Call(_) | What::Atomic(_) => Mem::plain(Size::B1),
        }
    }

    /// Ends a call in which the guest may have done anything.
    fn finish<T>(self, result: Result<T, Leave>, keep: impl FnOnce(&mut [u64; 2], T)) -> u64 {
        if self.cpu.has_stale_code(self.env.ram()) {
            // Translations have to go before the next region is entered.
            self.cpu.request_exit();
        }
        match result {
            Ok(value) => {
                keep(self.value, value);
                STAY
            }
            Err(Leave) => {
                self.cpu.give_back(self.site.left);
                LEAVE
            }
        }
    }
}

fn keep_integer(to: &mut [u64; 2], value: u64) {
    to[0] = value;
}

fn keep_nothing(_: &mut [u64; 2], (): ()) {}

/// A load that missed the inline path.
pub(super) unsafe extern "C" fn load(
    frame: *mut Frame,
    tables: *const Tables,
    site: u64,
    at: u64,
    _: u64,
) -> u64 {
    // SAFETY: generated code passes the frame and tables that it was made with.
    let parts = unsafe { Parts::of(frame, tables, site) };
    let mem = parts.mem();
    if let Some(value) = interp::load_any(parts.env, parts.cpu, at, mem) {
        parts.value[0] = eval::extend(mem.size, mem.sign, value);
        return STAY;
    }
    let value = parts.env.load(parts.cpu, GuestVirt(at), mem);
    let value = value.map(|value| eval::extend(mem.size, mem.sign, value));
    parts.finish(value, keep_integer)
}

/// A store that missed the inline path.
pub(super) unsafe extern "C" fn store(
    frame: *mut Frame,
    tables: *const Tables,
    site: u64,
    at: u64,
    value: u64,
) -> u64 {
    // SAFETY: as in `load`.
    let parts = unsafe { Parts::of(frame, tables, site) };
    let mem = parts.mem();
    if interp::store_any(parts.env, parts.cpu, at, value, mem).is_some() {
        return STAY;
    }
    let stored = parts.env.store(parts.cpu, GuestVirt(at), value, mem);
    parts.finish(stored, keep_nothing)
}

/// A vector load that missed the inline path.
pub(super) unsafe extern "C" fn load_vector(
    frame: *mut Frame,
    tables: *const Tables,
    site: u64,
    at: u64,
    _: u64,
) -> u64 {
    // SAFETY: as in `load`.
    let parts = unsafe { Parts::of(frame, tables, site) };
    let value = parts.env.load_vector(parts.cpu, GuestVirt(at), parts.mem());
    parts.finish(value, |to, value| {
        *to = [value as u64, (value >> 64) as u64];
    })
}

/// A vector store that missed the inline path; the value is in the arguments.
pub(super) unsafe extern "C" fn store_vector(
    frame: *mut Frame,
    tables: *const Tables,
    site: u64,
    at: u64,
    _: u64,
) -> u64 {
    // SAFETY: as in `load`.
    let parts = unsafe { Parts::of(frame, tables, site) };
    let value = u128::from(parts.args[0]) | u128::from(parts.args[1]) << 64;
    let stored = parts
        .env
        .store_vector(parts.cpu, GuestVirt(at), value, parts.mem());
    parts.finish(stored, keep_nothing)
}

/// A helper of the front end.
pub(super) unsafe extern "C" fn call(
    frame: *mut Frame,
    tables: *const Tables,
    site: u64,
    _: u64,
    _: u64,
) -> u64 {
    // SAFETY: as in `load`.
    let parts = unsafe { Parts::of(frame, tables, site) };
    let What::Call(helper) = parts.site.what else {
        return STAY;
    };
    let value = parts.env.call(parts.cpu, helper, parts.args);
    parts.finish(value, keep_integer)
}

/// A helper that must leave: the region is left even if it does not, since what follows a failed
/// guard must not run.
pub(super) unsafe extern "C" fn guard(
    frame: *mut Frame,
    tables: *const Tables,
    site: u64,
    at: u64,
    value: u64,
) -> u64 {
    // SAFETY: the caller's promise is the same.
    if unsafe { call(frame, tables, site, at, value) } == STAY {
        // SAFETY: as in `load`.
        let parts = unsafe { Parts::of(frame, tables, site) };
        parts.cpu.give_back(parts.site.left);
    }
    LEAVE
}

/// An atomic or exclusive access between slots.
pub(super) unsafe extern "C" fn atomic(
    frame: *mut Frame,
    tables: *const Tables,
    site: u64,
    _: u64,
    _: u64,
) -> u64 {
    // SAFETY: as in `load`; the tables live as long as the code.
    let (parts, atomics) = unsafe { (Parts::of(frame, tables, site), &(*tables).atomics) };
    let What::Atomic(n) = parts.site.what else {
        return STAY;
    };
    let Some(entry) = atomics.get(n as usize) else {
        return STAY;
    };
    let result = interp::atomic(entry, parts.env, parts.cpu);
    parts.finish(result, keep_nothing)
}

/// A vector operation between slots.
pub(super) unsafe extern "C" fn wide(
    frame: *mut Frame,
    tables: *const Tables,
    entry: u64,
    _: u64,
    _: u64,
) -> u64 {
    // SAFETY: as in `load`; the tables live as long as the code.
    unsafe {
        let (cpu, tables) = (&mut *(*frame).cpu.as_ptr(), &*tables);
        if let Some(entry) = tables.wides.get(entry as usize) {
            interp::wide(entry, cpu);
        }
    }
    STAY
}

/// The flag word that lazy flags of the kind with that code stand for. Touches nothing else.
pub(super) extern "C" fn nzcv(kind: u64, a: u64, b: u64, c: u64) -> u64 {
    let kind = FlagKind::from_code(kind).unwrap_or(FlagKind::Nzcv);
    u64::from(eval::nzcv(kind, a, b, c))
}
