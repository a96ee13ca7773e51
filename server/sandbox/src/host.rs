//! What the artefact imports, and the bounds while it runs.

use std::fs::File;
use std::io::Read;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::{Caller, Engine, Error, Extern, Linker, ResourceLimiter};

use crate::SandboxError;
use crate::code::{self, Compiled};
use crate::limits::Limits;

/// How the artefact calls the imports' module.
pub(crate) const MODULE: &str = "host";
/// How exactly computing time is bounded within one call.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// Entries of tables that the artefact may have: its own functions, and compiled code.
const TABLE: usize = 1 << 20;
/// Bytes of last words that are kept.
const LAST_WORDS: usize = 4096;

/// The owner's side of a running artefact.
pub(crate) struct Host {
    origin: Instant,
    random: File,
    limits: Limits,
    /// What it had compiled while it ran.
    pub compiled: Compiled,
    /// What it said before it trapped.
    pub last_words: Option<String>,
}

impl Host {
    pub(crate) fn new(limits: Limits) -> std::io::Result<Self> {
        Ok(Self {
            origin: Instant::now(),
            random: File::open("/dev/urandom")?,
            limits,
            compiled: Compiled::default(),
            last_words: None,
        })
    }

    fn random(&mut self) -> Result<u64, Error> {
        let mut bytes = [0; 8];
        self.random.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Gives the artefact what it imports.
pub(crate) fn link(linker: &mut Linker<Host>) -> Result<(), Error> {
    code::link(linker)?;
    linker.func_wrap(MODULE, "monotonic_ns", |caller: Caller<'_, Host>| {
        nanoseconds(caller.data().origin.elapsed())
    })?;
    linker.func_wrap(MODULE, "wall_ns", || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, nanoseconds)
    })?;
    linker.func_wrap(MODULE, "random", |mut caller: Caller<'_, Host>| {
        caller.data_mut().random()
    })?;
    linker.func_wrap(
        MODULE,
        "last_words",
        |mut caller: Caller<'_, Host>, at: u32, len: u32| {
            let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
                return;
            };
            let mut text = vec![0; (len as usize).min(LAST_WORDS)];
            // Nonsense about where the words are leaves none.
            if memory.read(&caller, at as usize, &mut text).is_ok() {
                let text = String::from_utf8_lossy(&text).into_owned();
                caller.data_mut().last_words = Some(text);
            }
        },
    )?;
    Ok(())
}

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool, Error> {
        let (asked, limit) = (desired as u64, self.limits.memory);
        if asked > limit {
            return Err(Error::new(SandboxError::Memory { asked, limit }));
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool, Error> {
        Ok(desired <= TABLE)
    }

    /// The artefact, and what it makes.
    fn instances(&self) -> usize {
        code::MODULES + 1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

/// Counts ticks for as long as there is an engine.
pub(crate) fn tick(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("sandbox clock".into())
        .spawn(move || {
            loop {
                thread::sleep(TICK);
                let Some(engine) = engine.upgrade() else {
                    return;
                };
                engine.increment_epoch();
            }
        })?;
    Ok(())
}
