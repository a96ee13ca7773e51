//! The machine as its owner drives it: set up, run in slices, asked what it wants in between.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use wasmtime::{Config, Engine, Linker, Module, Store, Trap, TypedFunc, WasmParams, WasmResults};

use crate::exports::Exports;
use crate::host::{self, Host, TICK};
use crate::{Limits, SandboxError};

/// Answers of the artefact's functions that are not lengths.
const REFUSED: i64 = -1;
const ENDED: i64 = -2;
const WAIT: i64 = i64::MAX;
/// Bytes of a disk request's head.
const HEAD: usize = 32;
/// A deadline that is never reached.
const NEVER: u64 = u64::MAX / 2;

/// A file that the command line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The option, such as `kernel` or `drive`.
    pub option: String,
    /// The name, as written.
    pub path: PathBuf,
    /// Whether it is a disk.
    pub disk: bool,
    /// Whether the guest may not write to it.
    pub read_only: bool,
}

/// What to do after [`Machine::run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Call again.
    Busy,
    /// Call again after this time, or when there is news.
    Sleep(Duration),
    /// Call again when there is news.
    Wait,
    /// The machine has ended.
    Ended,
}

/// What a disk is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Read so many bytes.
    Read(usize),
    /// Write these.
    Write(Vec<u8>),
    /// Make everything written durable.
    Flush,
    /// So many bytes no longer matter.
    Discard(u64),
    /// Make so many bytes zeros.
    Zero(u64),
}

/// A request to a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskRequest {
    /// The disk's number, as [`Machine::disk`] gave it.
    pub disk: u32,
    /// What [`Machine::disk_done`] names the request by.
    pub tag: u64,
    /// First byte.
    pub offset: u64,
    /// What to do.
    pub work: Work,
}

/// A machine in its sandbox.
pub struct Machine {
    store: Store<Host>,
    exports: Exports,
    limits: Limits,
    used: Duration,
}

fn artefact(error: impl std::fmt::Display) -> SandboxError {
    SandboxError::Artefact(format!("{error:#}"))
}

impl Machine {
    /// A machine without anything yet, from the artefact's bytes. Compiling them takes some seconds.
    pub fn new(core: &[u8], limits: Limits) -> Result<Self, SandboxError> {
        let mut config = Config::new();
        config.wasm_tail_call(true);
        config.epoch_interruption(limits.time.is_some());
        let engine = Engine::new(&config).map_err(artefact)?;
        let module = Module::new(&engine, core).map_err(artefact)?;
        let mut store = Store::new(&engine, Host::new(limits).map_err(artefact)?);
        store.limiter(|host| host);
        if limits.time.is_some() {
            host::tick(&engine).map_err(artefact)?;
            store.set_epoch_deadline(NEVER);
        }
        let mut linker = Linker::new(&engine);
        host::link(&mut linker).map_err(artefact)?;
        let instance = linker.instantiate(&mut store, &module).map_err(artefact)?;
        let exports = Exports::find(&instance, &mut store).map_err(artefact)?;
        Ok(Self {
            store,
            exports,
            limits,
            used: Duration::ZERO,
        })
    }

    /// Calls the artefact within its time.
    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        function: impl Fn(&Exports) -> &TypedFunc<P, R>,
        parameters: P,
    ) -> Result<R, SandboxError> {
        if let Some(limit) = self.limits.time {
            let left = limit.saturating_sub(self.used);
            if left.is_zero() {
                return Err(SandboxError::Time(limit));
            }
            let ticks = left.as_nanos() / TICK.as_nanos() + 1;
            self.store
                .set_epoch_deadline(u64::try_from(ticks).unwrap_or(NEVER).min(NEVER));
        }
        let start = Instant::now();
        let result = function(&self.exports).call(&mut self.store, parameters);
        self.used += start.elapsed();
        result.map_err(|error| self.told(&error))
    }

    /// Why a call did not return.
    fn told(&mut self, error: &wasmtime::Error) -> SandboxError {
        if let Some(known) = error.downcast_ref::<SandboxError>() {
            return known.clone();
        }
        match (error.downcast_ref::<Trap>(), self.limits.time) {
            (Some(Trap::Interrupt), Some(limit)) => SandboxError::Time(limit),
            _ => {
                let words = self.store.data_mut().last_words.take();
                SandboxError::Broke(words.unwrap_or_else(|| format!("{error:#}")))
            }
        }
    }

    /// Puts an argument where the next call finds it.
    fn put(&mut self, parts: &[&[u8]]) -> Result<(), SandboxError> {
        let broke = |_| SandboxError::Broke("its buffer is not in its memory".into());
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        let len = u32::try_from(len)
            .map_err(|_| SandboxError::Refused("a file is larger than a sandbox".into()))?;
        let mut at = self.call(|e| &e.buffer, (len,))? as usize;
        for part in parts {
            self.exports
                .memory
                .write(&mut self.store, at, part)
                .map_err(broke)?;
            at += part.len();
        }
        Ok(())
    }

    /// Takes an answer of so many bytes.
    fn take(&mut self, len: i64) -> Result<Vec<u8>, SandboxError> {
        let lie = || SandboxError::Broke("its answer is not in its memory".into());
        let at = self.call(|e| &e.answer, ())? as usize;
        let len = usize::try_from(len).map_err(|_| lie())?;
        let memory = self.exports.memory.data(&self.store);
        let end = at.checked_add(len).ok_or_else(lie)?;
        memory.get(at..end).map(<[u8]>::to_vec).ok_or_else(lie)
    }

    /// What a function that takes its argument from the buffer and may refuse says.
    fn ask<P: WasmParams>(
        &mut self,
        argument: &[&[u8]],
        function: impl Fn(&Exports) -> &TypedFunc<P, i64>,
        parameters: P,
    ) -> Result<i64, SandboxError> {
        self.put(argument)?;
        let result = self.call(function, parameters)?;
        (result >= 0)
            .then_some(result)
            .ok_or_else(|| SandboxError::Refused("it was asked out of turn".into()))
    }

    /// Reads a command line; the files that it names.
    pub fn setup(&mut self, line: &str) -> Result<Vec<Need>, SandboxError> {
        self.put(&[line.as_bytes()])?;
        let len = self.call(|e| &e.setup, ())?;
        if len == REFUSED {
            return Err(self.refusal());
        }
        let text = self.take(len)?;
        let text = String::from_utf8(text).map_err(artefact)?;
        let needs = text.lines().map(Need::parse).collect::<Option<_>>();
        needs.ok_or_else(|| artefact("it speaks another language"))
    }

    /// The words of the last refusal.
    fn refusal(&mut self) -> SandboxError {
        let len = match self.call(|e| &e.answer_len, ()) {
            Ok(len) => len,
            Err(error) => return error,
        };
        match self.take(i64::from(len)) {
            Ok(text) => SandboxError::Refused(String::from_utf8_lossy(&text).into_owned()),
            Err(error) => error,
        }
    }

    /// Provides a file whole.
    pub fn file(&mut self, path: &str, contents: &[u8]) -> Result<(), SandboxError> {
        let name = path.len() as u32;
        self.ask(&[path.as_bytes(), contents], |e| &e.file, (name,))?;
        Ok(())
    }

    /// Provides a disk of `size` bytes; its number.
    pub fn disk(&mut self, path: &str, size: u64, read_only: bool) -> Result<u32, SandboxError> {
        let flag = u32::from(read_only);
        let number = self.ask(&[path.as_bytes()], |e| &e.disk, (size, flag))?;
        u32::try_from(number).map_err(artefact)
    }

    /// Builds the machine and, unless the line has `-S`, starts it.
    pub fn build(&mut self) -> Result<(), SandboxError> {
        match self.call(|e| &e.build, ())? {
            0 => Ok(()),
            _ => Err(self.refusal()),
        }
    }

    /// Runs for about this long.
    pub fn run(&mut self, budget: Duration) -> Result<Next, SandboxError> {
        let budget = u64::try_from(budget.as_nanos()).unwrap_or(u64::MAX);
        match self.call(|e| &e.run, (budget,))? {
            0 => Ok(Next::Busy),
            WAIT => Ok(Next::Wait),
            ENDED => Ok(Next::Ended),
            ns => match u64::try_from(ns) {
                Ok(ns) => Ok(Next::Sleep(Duration::from_nanos(ns))),
                Err(_) => Err(SandboxError::Refused("there is no machine to run".into())),
            },
        }
    }

    /// Gives the serial port input.
    pub fn serial_input(&mut self, bytes: &[u8]) -> Result<(), SandboxError> {
        self.ask(&[bytes], |e| &e.serial_input, ()).map(drop)
    }

    /// Takes what the serial port put out.
    pub fn serial_output(&mut self) -> Result<Vec<u8>, SandboxError> {
        let len = self.call(|e| &e.serial_output, ())?;
        self.take(len)
    }

    /// Opens a QMP conversation; its number.
    pub fn qmp_open(&mut self) -> Result<u32, SandboxError> {
        let number = self.ask(&[], |e| &e.qmp_open, ())?;
        u32::try_from(number).map_err(artefact)
    }

    /// Ends a QMP conversation.
    pub fn qmp_close(&mut self, id: u32) -> Result<(), SandboxError> {
        self.call(|e| &e.qmp_close, (id,))
    }

    /// Sends a piece of the stream that a client writes, cut anywhere.
    pub fn qmp_send(&mut self, id: u32, bytes: &[u8]) -> Result<(), SandboxError> {
        self.ask(&[bytes], |e| &e.qmp_send, (id,)).map(drop)
    }

    /// Takes the next answer or event, with its line end.
    pub fn qmp_receive(&mut self, id: u32) -> Result<Option<Vec<u8>>, SandboxError> {
        match self.call(|e| &e.qmp_receive, (id,))? {
            REFUSED => Ok(None),
            len => self.take(len).map(Some),
        }
    }

    /// Takes the next request to a disk.
    pub fn disk_request(&mut self) -> Result<Option<DiskRequest>, SandboxError> {
        let len = self.call(|e| &e.disk_request, ())?;
        if len == REFUSED {
            return Ok(None);
        }
        let answer = self.take(len)?;
        let request = DiskRequest::parse(&answer);
        let lie = || SandboxError::Broke("its request to a disk makes no sense".into());
        request.ok_or_else(lie).map(Some)
    }

    /// Answers a request to a disk: the bytes read, nothing for other work, or what went wrong.
    pub fn disk_done(
        &mut self,
        disk: u32,
        tag: u64,
        result: Result<&[u8], &str>,
    ) -> Result<(), SandboxError> {
        let (bytes, failed) = match result {
            Ok(bytes) => (bytes, 0),
            Err(why) => (why.as_bytes(), 1),
        };
        self.ask(&[bytes], |e| &e.disk_done, (disk, tag, failed))
            .map(drop)
    }

    /// Guest instructions executed since the last reset.
    pub fn instructions(&mut self) -> Result<u64, SandboxError> {
        self.call(|e| &e.instructions, ())
    }

    /// How long it has computed.
    #[must_use]
    pub fn used(&self) -> Duration {
        self.used
    }
}

impl Need {
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(4, '\t');
        let option = parts.next()?.to_owned();
        let disk = match parts.next()? {
            "disk" => true,
            "file" => false,
            _ => return None,
        };
        Some(Self {
            option,
            disk,
            read_only: parts.next()? == "ro",
            path: parts.next()?.into(),
        })
    }
}

impl DiskRequest {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, data) = bytes.split_at_checked(HEAD)?;
        let small = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?));
        let large = |at: usize| Some(u64::from_le_bytes(*head.get(at..)?.first_chunk()?));
        let len = large(24)?;
        let work = match small(4)? {
            0 => Work::Read(usize::try_from(len).ok()?),
            1 => Work::Write(data.to_vec()),
            2 => Work::Flush,
            3 => Work::Discard(len),
            4 => Work::Zero(len),
            _ => return None,
        };
        Some(Self {
            disk: small(0)?,
            tag: large(8)?,
            offset: large(16)?,
            work,
        })
    }
}
