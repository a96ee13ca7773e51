//! JavaScript classes around [`crate::setup`] and [`crate::tab`].

use std::path::Path;
use std::sync::Arc;

use ferrite_devices::virtio::p9::memory_folder;
use ferrite_machine::backend::BlockRequest;
use ferrite_machine::clock::HostClock;
use ferrite_machine::shared_folder::{
    Errno, FolderPath, MODE_DIRECTORY, MODE_REGULAR, MODE_TYPE, SharedFolder,
};
use wasm_bindgen::prelude::{JsError, wasm_bindgen};

use crate::clock::{self, PageClock};
use crate::cpus;
use crate::disk::PageDisk;
use crate::modules;
use crate::net::Fetch;
use crate::random::PageRandom;
use crate::setup::Setup;
use crate::tab::{Host, Next, Tab};

const NS_PER_MS: f64 = 1e6;

const PAGE: Host = Host {
    clock: || Box::new(PageClock),
    event_clock: || Arc::new(PageClock),
    random: || Box::new(PageRandom),
    engine: modules::engine,
    threads: cfg!(target_feature = "atomics"),
};

/// A command line, waiting for the files that it names.
#[wasm_bindgen]
pub struct MachineSetup {
    setup: Setup,
    disks: Vec<PageDisk>,
}

#[wasm_bindgen]
impl MachineSetup {
    /// Reads a command line as one would type it; throws what is wrong with it.
    #[wasm_bindgen(constructor)]
    pub fn new(line: &str) -> Result<MachineSetup, JsError> {
        Ok(Self {
            setup: Setup::parse(line, PageClock.wall_ns())?,
            disks: Vec::new(),
        })
    }

    /// The files that the line names, as JSON: `[{option, path, disk, readOnly}]`.
    pub fn needs(&self) -> String {
        let needs = self.setup.needs();
        let rows = needs.iter().map(|need| {
            serde_json::json!({
                "option": need.option,
                "path": need.path,
                "disk": need.disk,
                "readOnly": need.read_only,
            })
        });
        serde_json::Value::from_iter(rows).to_string()
    }

    /// Provides a file whole.
    pub fn file(&mut self, path: &str, contents: Vec<u8>) {
        self.setup.file(Path::new(path), contents);
    }

    /// Provides a disk of `size` bytes, whose requests the worker answers; returns its number.
    pub fn disk(&mut self, path: &str, size: f64, read_only: bool) -> usize {
        // Sizes are whole and below 2^53.
        let disk = self.setup.disk(Path::new(path), size as u64, read_only);
        self.disks.push(disk);
        self.disks.len() - 1
    }

    /// Builds the machine and starts it; throws why that is not possible.
    pub fn build(self) -> Result<Machine, JsError> {
        #[cfg(target_feature = "atomics")]
        crate::bell::hang(crate::threads::ring);
        Ok(Machine {
            tab: self.setup.build(PAGE)?,
            disks: self.disks,
        })
    }
}

/// A request to a disk of the page.
#[wasm_bindgen]
pub struct DiskRequest {
    disk: usize,
    tag: u64,
    request: BlockRequest,
}

#[wasm_bindgen]
impl DiskRequest {
    /// The disk's number.
    #[wasm_bindgen(getter)]
    pub fn disk(&self) -> usize {
        self.disk
    }

    /// What [`Machine::disk_done`] names the request by.
    #[wasm_bindgen(getter)]
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// `read`, `write`, `flush`, `discard` or `zero`.
    #[wasm_bindgen(getter)]
    pub fn kind(&self) -> String {
        match &self.request {
            BlockRequest::Read { .. } => "read",
            BlockRequest::Write { .. } => "write",
            BlockRequest::Flush => "flush",
            BlockRequest::Discard { .. } => "discard",
            BlockRequest::WriteZeroes { .. } => "zero",
        }
        .to_owned()
    }

    /// First byte.
    #[wasm_bindgen(getter)]
    pub fn offset(&self) -> f64 {
        match &self.request {
            BlockRequest::Read { offset, .. }
            | BlockRequest::Write { offset, .. }
            | BlockRequest::Discard { offset, .. }
            | BlockRequest::WriteZeroes { offset, .. } => *offset as f64,
            BlockRequest::Flush => 0.0,
        }
    }

    /// Bytes.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> f64 {
        match &self.request {
            BlockRequest::Read { len, .. } => *len as f64,
            BlockRequest::Write { data, .. } => data.len() as f64,
            BlockRequest::Discard { len, .. } | BlockRequest::WriteZeroes { len, .. } => {
                *len as f64
            }
            BlockRequest::Flush => 0.0,
        }
    }

    /// The bytes to write; empty for other requests.
    pub fn data(&self) -> Vec<u8> {
        match &self.request {
            BlockRequest::Write { data, .. } => data.clone(),
            _ => Vec::new(),
        }
    }
}

/// A request for the network.
#[wasm_bindgen]
pub struct FetchRequest(Fetch);

#[wasm_bindgen]
impl FetchRequest {
    /// What [`Machine::fetch_done`] names the request by.
    #[wasm_bindgen(getter)]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Method, host, path and headers, as JSON: `{method, host, path, headers: [[name, value]]}`.
    pub fn head(&self) -> String {
        let Fetch {
            id: _,
            method,
            host,
            path,
            headers,
            body: _,
        } = &self.0;
        serde_json::json!({"method": method, "host": host, "path": path, "headers": headers})
            .to_string()
    }

    /// What is sent along.
    pub fn body(&self) -> Vec<u8> {
        self.0.body.clone()
    }
}

fn file_path(name: &str) -> Result<FolderPath, JsError> {
    let path = memory_folder::path(name).filter(|path| path.split().is_some());
    path.ok_or_else(|| JsError::new(&format!("{name}: not a file name")))
}

fn share_error(name: &str, error: Errno) -> JsError {
    JsError::new(&match error {
        Errno::ENOSPC => format!("{name}: the shared folder is full"),
        Errno::ENOENT => format!("{name}: there is no such file"),
        other => format!("{name}: {other}"),
    })
}

/// The life of a CPU's worker: does not return before the machine is gone.
#[wasm_bindgen(js_name = runCpu)]
pub fn run_cpu(cpu: usize) {
    cpus::work(cpu, Box::new(PageClock));
}

/// Says that a CPU's worker broke.
#[wasm_bindgen(js_name = cpuBroke)]
pub fn cpu_broke(cpu: usize) {
    cpus::broke(cpu);
}

/// A machine at work.
#[wasm_bindgen]
pub struct Machine {
    tab: Tab,
    disks: Vec<PageDisk>,
}

#[wasm_bindgen]
impl Machine {
    /// Runs for about `budget` milliseconds. Returns in how many milliseconds to call again without
    /// other news: 0 at once, infinity never, a negative number when the machine is gone. Throws when
    /// it broke.
    pub fn run(&mut self, budget: f64) -> Result<f64, JsError> {
        match self.tab.run((budget * NS_PER_MS) as u64) {
            Next::Busy => Ok(0.0),
            Next::Sleep(ns) => Ok(ns as f64 / NS_PER_MS),
            Next::Wait => Ok(f64::INFINITY),
            Next::Ended => Ok(-1.0),
            Next::Broken => Err(JsError::new("a CPU's worker ended")),
        }
    }

    /// How many workers the machine's CPUs want, each of which calls `runCpu`.
    pub fn threads(&self) -> usize {
        self.tab.threads()
    }

    /// Takes the figures that [`Self::instructions`] and others tell. [`Self::run`] has to be called
    /// again afterwards.
    pub fn sample(&mut self) {
        self.tab.sample();
    }

    /// Says that the worker was asleep for so many milliseconds: the machine stood still meanwhile.
    pub fn slept(&self, ms: f64) {
        clock::skip((ms * NS_PER_MS) as u64);
    }

    /// Gives the serial port input.
    pub fn serial_input(&self, bytes: &[u8]) {
        self.tab.terminal().input(bytes);
    }

    /// Takes what the serial port put out.
    pub fn serial_output(&self) -> Vec<u8> {
        self.tab.terminal().take_output()
    }

    /// Opens a QMP conversation and returns its number.
    pub fn qmp_open(&mut self) -> u32 {
        self.tab.open_monitor()
    }

    /// Ends a QMP conversation.
    pub fn qmp_close(&mut self, id: u32) {
        self.tab.monitors.close(id);
    }

    /// Sends a JSON text; it is obeyed when the machine runs next.
    pub fn qmp_send(&mut self, id: u32, text: &str) {
        self.tab.monitors.send(id, text);
    }

    /// Takes the next answer or event.
    pub fn qmp_receive(&mut self, id: u32) -> Option<String> {
        let line = self.tab.monitors.receive(id)?;
        Some(line.trim_end().to_owned())
    }

    /// Takes the next request to a disk.
    pub fn disk_request(&self) -> Option<DiskRequest> {
        self.disks.iter().enumerate().find_map(|(disk, queue)| {
            let (tag, request) = queue.take_request()?;
            Some(DiskRequest { disk, tag, request })
        })
    }

    /// Answers a request to a disk with the bytes read, or nothing for other kinds.
    pub fn disk_done(&self, disk: usize, tag: u64, data: Vec<u8>) {
        if let Some(disk) = self.disks.get(disk) {
            disk.answer(tag, Ok(data));
        }
    }

    /// Answers a request to a disk that failed.
    pub fn disk_failed(&self, disk: usize, tag: u64, why: String) {
        if let Some(disk) = self.disks.get(disk) {
            disk.answer(tag, Err(why));
        }
    }

    /// Takes the next request for the network.
    pub fn fetch_request(&self) -> Option<FetchRequest> {
        self.tab.page.fetches.take().map(FetchRequest)
    }

    /// Answers a request for the network with a whole HTTP response.
    pub fn fetch_done(&self, id: u64, response: Vec<u8>) {
        self.tab.page.fetches.answer(id, response);
    }

    /// Says whether there is a server that carries the guest's connections.
    pub fn relay(&self, on: bool) {
        self.tab.page.relay.set_on(on);
    }

    /// Takes the next message to that server.
    pub fn relay_take(&self) -> Option<Vec<u8>> {
        self.tab.page.relay.take()
    }

    /// Hears a message of that server.
    pub fn relay_hear(&self, message: &[u8]) {
        self.tab.page.relay.hear(message);
    }

    /// The names of the Ethernet segments that the machine is on, as JSON.
    pub fn segments(&self) -> String {
        let names = self.tab.page.cables.iter().map(|cable| cable.name.as_str());
        serde_json::Value::from_iter(names).to_string()
    }

    /// Takes the next frame for a segment, by its place among their names.
    pub fn frame_take(&self, segment: usize) -> Option<Vec<u8>> {
        self.tab.page.cables.get(segment)?.take()
    }

    /// Gives the machine a frame of a segment.
    pub fn frame_give(&self, segment: usize, frame: Vec<u8>) {
        if let Some(cable) = self.tab.page.cables.get(segment) {
            cable.give(frame);
        }
    }

    /// Puts a file into the shared folder, in the place of one of this name.
    pub fn share_put(&self, name: &str, contents: &[u8]) -> Result<(), JsError> {
        let replaced = self.tab.page.folder.replace(&file_path(name)?, contents);
        replaced.map_err(|error| share_error(name, error))
    }

    /// The files at the top of the shared folder, as JSON: `[{name, size}]`.
    pub fn share_list(&self) -> String {
        let mut folder = self.tab.page.folder.clone();
        let entries = folder.read_directory(&FolderPath::root());
        let files = entries.unwrap_or_default().into_iter().filter_map(|entry| {
            if entry.mode & MODE_TYPE != MODE_REGULAR {
                return None;
            }
            let path = FolderPath::root().join(&entry.name).ok()?;
            let size = folder.attributes(&path).ok()?.size;
            let name = String::from_utf8_lossy(entry.name.as_bytes());
            Some(serde_json::json!({"name": name, "size": size}))
        });
        serde_json::Value::from_iter(files).to_string()
    }

    /// Makes a directory in the shared folder, unless it is there.
    pub fn share_make(&self, name: &str) -> Result<(), JsError> {
        let mut folder = self.tab.page.folder.clone();
        match folder.make_directory(&file_path(name)?, 0o755, 0) {
            Err(Errno::EEXIST) => Ok(()),
            made => made.map_err(|error| share_error(name, error)),
        }
    }

    /// The version of a file of the shared folder: see [`Self::share_tree`].
    pub fn share_version(&self, name: &str) -> Result<f64, JsError> {
        let version = self.tab.page.folder.version(&file_path(name)?);
        let version = version.map_err(|error| share_error(name, error))?;
        Ok(version as f64)
    }

    /// How often the shared folder was changed so far.
    pub fn share_changes(&self) -> f64 {
        self.tab.page.folder.changes() as f64
    }

    /// The files and directories of the shared folder, directories before what is in them, as JSON:
    /// `[{path, directory, size, version}]`. Another version may have other bytes.
    pub fn share_tree(&self) -> String {
        let entries = self.tab.page.folder.entries().into_iter();
        let rows = entries.filter_map(|entry| {
            let directory = match entry.mode & MODE_TYPE {
                MODE_REGULAR => false,
                MODE_DIRECTORY => true,
                _ => return None,
            };
            let names: Vec<_> = entry.path.names().map(String::from_utf8_lossy).collect();
            Some(serde_json::json!({
                "path": names.join("/"),
                "directory": directory,
                "size": entry.size,
                "version": entry.version,
            }))
        });
        serde_json::Value::from_iter(rows).to_string()
    }

    /// What a file of the shared folder holds.
    pub fn share_get(&self, name: &str) -> Result<Vec<u8>, JsError> {
        let contents = self.tab.page.folder.get(&file_path(name)?);
        contents.map_err(|error| share_error(name, error))
    }

    /// Takes what trace points have told, as JSON: `{lines: [text], lost}`; nothing if they are silent.
    pub fn traces(&self) -> Option<String> {
        let (lines, lost) = self.tab.traces.take();
        let told = || serde_json::json!({"lines": lines, "lost": lost}).to_string();
        (!lines.is_empty()).then(told)
    }

    /// Guest instructions executed since the last reset.
    pub fn instructions(&self) -> f64 {
        self.tab.figures().instructions as f64
    }

    /// Pieces of guest code that are translated now.
    pub fn regions(&self) -> f64 {
        self.tab.figures().regions as f64
    }

    /// Accesses of guest code that missed the TLB so far.
    pub fn tlb_misses(&self) -> f64 {
        self.tab.figures().tlb_misses as f64
    }

    /// Milliseconds for which the CPUs' workers have been at work so far, all taken together.
    pub fn threads_worked(&self) -> f64 {
        self.tab.threads_worked().as_secs_f64() * 1000.0
    }

    /// What the machine is doing, by QMP's name.
    pub fn state(&self) -> String {
        self.tab.figures().state.name().to_owned()
    }
}
