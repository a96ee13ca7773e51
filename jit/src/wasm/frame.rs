//! How generated code is called, and the functions that it calls.
//!
//! Generated code knows the layout of [`Shared`]; everything else it reaches through these functions,
//! which get the [`Context`] that begins with it.

use std::ptr::NonNull;

use ferrite_ir::engine::key::Key;
use ferrite_ir::interp::{self, AtomicEntry, WideEntry};
use ferrite_ir::{Condition, Env, FlagKind, HelperId, Leave, Mem, Size, VcpuBlock, eval, slot};
use ferrite_ram::GuestVirt;

use super::emit::{Halves, Tables};
use super::layout::{Callee, RECENT, Recent, Shared, Site, What, recent_index};
use crate::lookup::{JumpCache, Seen, Views};

/// What a run works on: a vCPU's, or rather that of whoever runs it now.
#[repr(C)]
pub(super) struct Context {
    shared: Shared,
    /// Where code is found; `shared` points into it.
    cache: JumpCache,
    run: Option<Run>,
    /// Calls of functions that look at the guest.
    looks: u64,
}

/// What is borrowed for the duration of a run.
struct Run {
    env: NonNull<dyn Env>,
    cpu: NonNull<VcpuBlock>,
    sites: NonNull<Halves<Site>>,
    wides: NonNull<[WideEntry]>,
    atomics: NonNull<Halves<AtomicEntry>>,
}

// SAFETY: the run's pointers are there only while it lasts, which is on one thread; those to tables lead
// into this value's own.
unsafe impl Send for Context {}

impl Context {
    pub(super) fn new() -> Box<Self> {
        let cache = JumpCache::default();
        Box::new(Self {
            shared: Shared {
                seen: Seen::default(),
                vector: [0; 2],
                left: 0,
                pages: cache.pages(),
                jumps: cache.jumps(),
                recent: [Recent::NONE; RECENT],
            },
            cache,
            run: None,
            looks: 0,
        })
    }

    /// How often generated code called a function that looks at the guest.
    pub(super) fn looks(&self) -> u64 {
        self.looks
    }

    /// Forgets where code is.
    pub(super) fn clear(&mut self) {
        self.cache.clear();
        self.shared.recent.fill(Recent::NONE);
    }

    /// Forgets where a translation is.
    pub(super) fn forget(&mut self, key: &Key, number: u32) {
        self.cache
            .forget_region(key.pc, key.at, key.code_key, number);
        self.shared.recent[recent_index(key.pc)] = Recent::NONE;
    }

    pub(super) fn cache(&mut self) -> &mut JumpCache {
        &mut self.cache
    }

    /// Runs the function in table slot `slot`, which one of this engine's modules put there, and what
    /// it leads to; returns the exit that led nowhere yet, plus 1, or 0.
    pub(super) fn enter(
        &mut self,
        slot: u32,
        env: &mut dyn Env,
        cpu: &mut VcpuBlock,
        tables: &mut Tables,
    ) -> u32 {
        type Region = unsafe extern "C" fn(*mut VcpuBlock, *mut Context) -> u32;
        self.shared.seen = Seen::by(env, cpu, self.cache.views());
        let cpu = NonNull::from(cpu);
        self.run = Some(Run {
            // SAFETY: only the lifetime of what the environment borrows is changed, and the run ends
            // with this call.
            env: unsafe {
                std::mem::transmute::<NonNull<dyn Env + '_>, NonNull<dyn Env + 'static>>(
                    NonNull::from(env),
                )
            },
            cpu,
            sites: NonNull::from(&tables.sites),
            wides: NonNull::from(tables.wides.as_mut_slice()),
            atomics: NonNull::from(&tables.atomics),
        });
        // SAFETY: on wasm32 a function's address is its table slot, and generated functions have this
        // signature (a call of any other would trap). Generated code touches the vCPU block, guest
        // memory at offsets that the look-aside buffer gives (which safe code fills with offsets in the
        // arena), the cells of exits, which the engine keeps as long as the code can run, and the
        // context; what it calls uses the references of the run, which nobody else uses until it
        // returns.
        let exit = unsafe {
            let region = std::mem::transmute::<usize, Region>(slot as usize);
            region(cpu.as_ptr(), std::ptr::from_mut(self))
        };
        self.run = None;
        exit
    }
}

/// The slots of the functions that generated code calls, as [`Callee::ALL`] has them.
pub(super) fn callees() -> [u32; Callee::ALL.len()] {
    std::array::from_fn(|n| {
        let function = match Callee::ALL[n] {
            Callee::Load => load as *const (),
            Callee::Store => store as *const (),
            Callee::LoadVector => load_vector as *const (),
            Callee::StoreVector => store_vector as *const (),
            Callee::Call => call as *const (),
            Callee::Guard => guard as *const (),
            Callee::Atomic => atomic as *const (),
            Callee::Wide => wide as *const (),
            Callee::Nzcv => nzcv as *const (),
            Callee::Test => test as *const (),
            Callee::Holds => holds as *const (),
            Callee::MulHighU => mul_high_u as *const (),
            Callee::MulHighS => mul_high_s as *const (),
            Callee::ReverseBits => reverse_bits as *const (),
        };
        function as u32
    })
}

/// The parts of a context that a call works with.
struct Parts<'a> {
    env: &'a mut dyn Env,
    cpu: &'a mut VcpuBlock,
    site: Site,
    shared: &'a mut Shared,
    views: &'a Views,
}

const NOWHERE: Site = Site {
    pc: None,
    left: 0,
    what: What::Call(HelperId(0)),
};

impl Parts<'_> {
    /// `None` outside a run, which generated code never is.
    ///
    /// # Safety
    /// `context` is what the code that calls was given, and no other reference to its parts is in use.
    unsafe fn of(context: *mut Context, site: u32) -> Option<Self> {
        // SAFETY: the engine made the run from references that it holds and does not use meanwhile;
        // the tables do not change while code runs.
        unsafe {
            let context = &mut *context;
            context.looks += 1;
            let run = context.run.as_ref()?;
            Some(Self {
                env: &mut *run.env.as_ptr(),
                cpu: &mut *run.cpu.as_ptr(),
                site: run.sites.as_ref().get(site).copied().unwrap_or(NOWHERE),
                shared: &mut context.shared,
                views: context.cache.views(),
            })
        }
    }

    fn mem(&self) -> Mem {
        match self.site.what {
            What::Access(mem) => mem,
            What::Call(_) | What::Atomic(_) => Mem::plain(Size::B1),
        }
    }

    /// Tells the guest where it is.
    fn sync(&mut self) {
        if let Some(pc) = self.site.pc {
            self.cpu.set(slot::PC, pc);
        }
    }

    /// Ends a call in which the guest may have done anything; `None` if the region is left.
    fn finish<T>(self, result: Result<T, Leave>) -> Option<T> {
        self.shared.seen = Seen::by(self.env, self.cpu, self.views);
        if self.cpu.has_stale_code(self.env.ram()) {
            // Translations have to go before the next region is entered.
            self.cpu.request_exit();
        }
        self.shared.left = result.is_err().into();
        if result.is_err() {
            self.cpu.give_back(self.site.left);
        }
        result.ok()
    }
}

/// A load that missed the inline path.
unsafe extern "C" fn load(context: *mut Context, site: u32, at: u64) -> u64 {
    // SAFETY: generated code passes its own context.
    let Some(mut parts) = (unsafe { Parts::of(context, site) }) else {
        return 0;
    };
    let mem = parts.mem();
    if let Some(value) = interp::load_any(parts.env, parts.cpu, at, mem) {
        parts.shared.left = 0;
        return eval::extend(mem.size, mem.sign, value);
    }
    parts.sync();
    let value = parts.env.load(parts.cpu, GuestVirt(at), mem);
    let value = parts.finish(value).unwrap_or(0);
    eval::extend(mem.size, mem.sign, value)
}

/// A store that missed the inline path; whether the region is left.
unsafe extern "C" fn store(context: *mut Context, site: u32, at: u64, value: u64) -> u32 {
    // SAFETY: as in `load`.
    let Some(mut parts) = (unsafe { Parts::of(context, site) }) else {
        return 1;
    };
    let mem = parts.mem();
    if interp::store_any(parts.env, parts.cpu, at, value, mem).is_some() {
        return 0;
    }
    parts.sync();
    let stored = parts.env.store(parts.cpu, GuestVirt(at), value, mem);
    parts.finish(stored).is_none().into()
}

/// A vector load that missed the inline path; the result goes to the context.
unsafe extern "C" fn load_vector(context: *mut Context, site: u32, at: u64) -> u32 {
    // SAFETY: as in `load`.
    let Some(mut parts) = (unsafe { Parts::of(context, site) }) else {
        return 1;
    };
    let mem = parts.mem();
    parts.sync();
    let value = parts.env.load_vector(parts.cpu, GuestVirt(at), mem);
    if let Ok(value) = value {
        parts.shared.vector = [value as u64, (value >> 64) as u64];
    }
    parts.finish(value).is_none().into()
}

/// A vector store that missed the inline path; the value is in the context.
unsafe extern "C" fn store_vector(context: *mut Context, site: u32, at: u64) -> u32 {
    // SAFETY: as in `load`.
    let Some(mut parts) = (unsafe { Parts::of(context, site) }) else {
        return 1;
    };
    let mem = parts.mem();
    let [low, high] = parts.shared.vector;
    let value = u128::from(low) | u128::from(high) << 64;
    parts.sync();
    let stored = parts.env.store_vector(parts.cpu, GuestVirt(at), value, mem);
    parts.finish(stored).is_none().into()
}

/// A helper of the front end.
unsafe extern "C" fn call(context: *mut Context, site: u32, a: u64, b: u64, c: u64, d: u64) -> u64 {
    // SAFETY: as in `load`.
    let Some(mut parts) = (unsafe { Parts::of(context, site) }) else {
        return 0;
    };
    let What::Call(helper) = parts.site.what else {
        return 0;
    };
    parts.sync();
    let value = parts.env.call(parts.cpu, helper, [a, b, c, d]);
    parts.finish(value).unwrap_or(0)
}

/// A helper that must leave: the region is left even if it does not, since what follows a failed
/// guard must not run.
unsafe extern "C" fn guard(context: *mut Context, site: u32, a: u64) -> u32 {
    // SAFETY: the caller's promise is the same.
    unsafe { call(context, site, a, 0, 0, 0) };
    // SAFETY: as in `load`.
    if let Some(parts) = unsafe { Parts::of(context, site) }
        && parts.shared.left == 0
    {
        parts.cpu.give_back(parts.site.left);
    }
    1
}

/// An atomic or exclusive access between slots.
unsafe extern "C" fn atomic(context: *mut Context, site: u32) -> u32 {
    // SAFETY: as in `load`; the table outlives the run.
    let parts = unsafe {
        let run = (*context).run.as_ref();
        let atomics = run.map(|run| run.atomics.as_ref());
        Parts::of(context, site).zip(atomics)
    };
    let Some((mut parts, atomics)) = parts else {
        return 1;
    };
    let What::Atomic(n) = parts.site.what else {
        return 1;
    };
    let Some(entry) = atomics.get(n) else {
        return 1;
    };
    parts.sync();
    let done = interp::atomic(entry, parts.env, parts.cpu);
    parts.finish(done).is_none().into()
}

/// A vector operation between slots.
unsafe extern "C" fn wide(context: *mut Context, entry: u32) -> u32 {
    // SAFETY: as in `load`; the table outlives the run.
    unsafe {
        if let Some(run) = (*context).run.as_ref()
            && let Some(entry) = run.wides.as_ref().get(entry as usize)
        {
            interp::wide(entry, &mut *run.cpu.as_ptr());
        }
    }
    0
}

/// The lazy flags, N, Z, C, V in bits 31 to 28.
unsafe extern "C" fn nzcv(cpu: *const VcpuBlock, _: u32) -> u32 {
    // SAFETY: generated code passes its own block.
    unsafe { (*cpu).nzcv() }
}

/// Whether the lazy flags meet a condition.
unsafe extern "C" fn test(cpu: *const VcpuBlock, cond: u32) -> u32 {
    // SAFETY: as in `nzcv`.
    let flags = unsafe { (*cpu).nzcv() };
    eval::holds(condition(cond), flags).into()
}

/// Whether flags of a kind meet a condition: `packed` has the kind's code below the condition.
extern "C" fn holds(packed: u32, a: u64, b: u64, c: u64) -> u32 {
    let kind = FlagKind::from_code(u64::from(packed & 0xff)).unwrap_or(FlagKind::Nzcv);
    eval::holds(condition(packed >> 8), eval::nzcv(kind, a, b, c)).into()
}

fn condition(number: u32) -> Condition {
    const ALL: [Condition; 16] = [
        Condition::Eq,
        Condition::Ne,
        Condition::Cs,
        Condition::Cc,
        Condition::Mi,
        Condition::Pl,
        Condition::Vs,
        Condition::Vc,
        Condition::Hi,
        Condition::Ls,
        Condition::Ge,
        Condition::Lt,
        Condition::Gt,
        Condition::Le,
        Condition::Al,
        Condition::Nv,
    ];
    ALL[number as usize & 15]
}

extern "C" fn mul_high_u(a: u64, b: u64) -> u64 {
    eval::bin(ferrite_ir::BinOp::MulHighU, ferrite_ir::Width::W64, a, b)
}

extern "C" fn mul_high_s(a: u64, b: u64) -> u64 {
    eval::bin(ferrite_ir::BinOp::MulHighS, ferrite_ir::Width::W64, a, b)
}

extern "C" fn reverse_bits(a: u64, _: u64) -> u64 {
    a.reverse_bits()
}
