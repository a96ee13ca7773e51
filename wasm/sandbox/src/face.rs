//! The exported functions. All are called by one thread, one at a time; what comes in a wrong order
//! or names what is not there is answered with [`REFUSED`] and does nothing.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use ferrite_machine::backend::BlockRequest;
use ferrite_machine::clock::HostClock;
use ferrite_wasm::disk::PageDisk;
use ferrite_wasm::setup::{Need, Setup};
use ferrite_wasm::tab::{Host, Next, Tab};

use crate::host::{SandboxClock, SandboxRandom, engine, tell_of_panics};

/// The call could not be obeyed; the answer says why, if there is more to say.
pub const REFUSED: i64 = -1;
/// Answer of [`run`]: there is nothing to do before other news.
pub const WAIT: i64 = i64::MAX;
/// Answer of [`run`]: the machine is gone.
pub const ENDED: i64 = -2;

const HOST: Host = Host {
    clock: || Box::new(SandboxClock),
    event_clock: || Arc::new(SandboxClock),
    random: || Box::new(SandboxRandom),
    engine,
    threads: false,
};

#[derive(Default)]
struct State {
    argument: Vec<u8>,
    answer: Vec<u8>,
    setup: Option<Setup>,
    tab: Option<Tab>,
    disks: Vec<PageDisk>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

fn with<T>(call: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(call)
}

impl State {
    /// Leaves an answer; its length.
    fn answer(&mut self, bytes: impl Into<Vec<u8>>) -> i64 {
        self.answer = bytes.into();
        self.answer.len() as i64
    }

    fn refuse(&mut self, why: impl ToString) -> i64 {
        self.answer(why.to_string());
        REFUSED
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.argument).into_owned()
    }

    /// The argument cut in two: a name of so many bytes, and the rest.
    fn named(&mut self, name: usize) -> Option<(String, Vec<u8>)> {
        let argument = std::mem::take(&mut self.argument);
        let (name, rest) = argument.split_at_checked(name)?;
        Some((String::from_utf8_lossy(name).into_owned(), rest.to_vec()))
    }
}

/// Makes room for an argument of `len` bytes and returns where.
#[unsafe(no_mangle)]
pub extern "C" fn buffer(len: usize) -> usize {
    with(|state| {
        state.argument = vec![0; len];
        state.argument.as_mut_ptr() as usize
    })
}

/// Where the last answer is.
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> usize {
    with(|state| state.answer.as_ptr() as usize)
}

/// How many bytes the last answer has.
#[unsafe(no_mangle)]
pub extern "C" fn answer_len() -> usize {
    with(|state| state.answer.len())
}

/// Reads the command line in the buffer. The answer is a line for each file that it names: the
/// option, `disk` or `file`, `ro` or `rw`, and the name, parted by tabs.
#[unsafe(no_mangle)]
pub extern "C" fn setup() -> i64 {
    tell_of_panics();
    with(|state| {
        let setup = match Setup::parse(&state.text(), SandboxClock.wall_ns()) {
            Ok(setup) => setup,
            Err(error) => return state.refuse(error),
        };
        let row = |need: &Need| {
            let kind = if need.disk { "disk" } else { "file" };
            let access = if need.read_only { "ro" } else { "rw" };
            format!(
                "{}\t{kind}\t{access}\t{}\n",
                need.option,
                need.path.display()
            )
        };
        let text: String = setup.needs().iter().map(row).collect();
        state.setup = Some(setup);
        state.answer(text)
    })
}

/// Provides a file: its name, of `name` bytes, and then what it holds are in the buffer.
#[unsafe(no_mangle)]
pub extern "C" fn file(name: usize) -> i64 {
    with(|state| match (state.named(name), &mut state.setup) {
        (Some((name, contents)), Some(setup)) => {
            setup.file(Path::new(&name), contents);
            0
        }
        _ => REFUSED,
    })
}

/// Provides a disk of `size` bytes, whose name is in the buffer; its number.
#[unsafe(no_mangle)]
pub extern "C" fn disk(size: u64, read_only: u32) -> i64 {
    with(|state| {
        let name = state.text();
        let Some(setup) = &mut state.setup else {
            return REFUSED;
        };
        let disk = setup.disk(Path::new(&name), size, read_only != 0);
        state.disks.push(disk);
        state.disks.len() as i64 - 1
    })
}

/// Builds the machine and, unless the line has `-S`, starts it.
#[unsafe(no_mangle)]
pub extern "C" fn build() -> i64 {
    with(|state| {
        let Some(setup) = state.setup.take() else {
            return REFUSED;
        };
        match setup.build(HOST) {
            Ok(tab) => {
                state.tab = Some(tab);
                0
            }
            Err(error) => state.refuse(error),
        }
    })
}

/// Runs for about `budget` nanoseconds. In how many nanoseconds to call again without other news:
/// 0 at once, or [`WAIT`], or [`ENDED`].
#[unsafe(no_mangle)]
pub extern "C" fn run(budget: u64) -> i64 {
    with(
        |state| match state.tab.as_mut().map(|tab| tab.run(budget)) {
            Some(Next::Busy) => 0,
            Some(Next::Sleep(ns)) => i64::try_from(ns).unwrap_or(WAIT),
            Some(Next::Wait) => WAIT,
            Some(Next::Ended | Next::Broken) => ENDED,
            None => REFUSED,
        },
    )
}

/// Gives the serial port what is in the buffer.
#[unsafe(no_mangle)]
pub extern "C" fn serial_input() -> i64 {
    with(|state| match &state.tab {
        Some(tab) => {
            tab.terminal().input(&state.argument);
            0
        }
        None => REFUSED,
    })
}

/// Takes what the serial port put out.
#[unsafe(no_mangle)]
pub extern "C" fn serial_output() -> i64 {
    with(|state| match &state.tab {
        Some(tab) => {
            let bytes = tab.terminal().take_output();
            state.answer(bytes)
        }
        None => REFUSED,
    })
}

/// Opens a QMP conversation; its number.
#[unsafe(no_mangle)]
pub extern "C" fn qmp_open() -> i64 {
    with(|state| match &mut state.tab {
        Some(tab) => i64::from(tab.open_monitor()),
        None => REFUSED,
    })
}

/// Ends a QMP conversation.
#[unsafe(no_mangle)]
pub extern "C" fn qmp_close(id: u32) {
    with(|state| {
        if let Some(tab) = &mut state.tab {
            tab.monitors.close(id);
        }
    });
}

/// Sends the bytes in the buffer, a piece of the stream that a client writes.
#[unsafe(no_mangle)]
pub extern "C" fn qmp_send(id: u32) -> i64 {
    with(|state| match &mut state.tab {
        Some(tab) => {
            tab.monitors.send_bytes(id, &state.argument);
            0
        }
        None => REFUSED,
    })
}

/// Takes the next answer or event: a line with its end; [`REFUSED`] if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn qmp_receive(id: u32) -> i64 {
    with(|state| {
        let line = state.tab.as_mut().and_then(|tab| tab.monitors.receive(id));
        match line {
            Some(line) => state.answer(line.as_bytes()),
            None => REFUSED,
        }
    })
}

/// Takes the next request to a disk; [`REFUSED`] if there is none. The answer has, in little-endian
/// order: the disk's number and the kind (0 read, 1 write, 2 flush, 3 discard, 4 zero) in 4 bytes
/// each, the tag, first byte and length in 8 each, and the bytes to write.
#[unsafe(no_mangle)]
pub extern "C" fn disk_request() -> i64 {
    with(|state| {
        let next = state.disks.iter().enumerate().find_map(|(n, queue)| {
            let (tag, request) = queue.take_request()?;
            Some((n as u32, tag, request))
        });
        let Some((disk, tag, request)) = next else {
            return REFUSED;
        };
        let (kind, offset, len, data) = match request {
            BlockRequest::Read { offset, len } => (0_u32, offset, len as u64, Vec::new()),
            BlockRequest::Write { offset, data, .. } => (1, offset, data.len() as u64, data),
            BlockRequest::Flush => (2, 0, 0, Vec::new()),
            BlockRequest::Discard { offset, len } => (3, offset, len, Vec::new()),
            BlockRequest::WriteZeroes { offset, len, .. } => (4, offset, len, Vec::new()),
        };
        let mut answer = Vec::with_capacity(32 + data.len());
        answer.extend(disk.to_le_bytes());
        answer.extend(kind.to_le_bytes());
        for number in [tag, offset, len] {
            answer.extend(number.to_le_bytes());
        }
        answer.extend(data);
        state.answer(answer)
    })
}

/// Answers a request to a disk with what is in the buffer: the bytes read, nothing for other kinds,
/// or, with `failed`, why it failed.
#[unsafe(no_mangle)]
pub extern "C" fn disk_done(disk: u32, tag: u64, failed: u32) -> i64 {
    with(|state| {
        let bytes = std::mem::take(&mut state.argument);
        let Some(disk) = state.disks.get(disk as usize) else {
            return REFUSED;
        };
        let result = match failed {
            0 => Ok(bytes),
            _ => Err(String::from_utf8_lossy(&bytes).into_owned()),
        };
        disk.answer(tag, result);
        0
    })
}

/// Guest instructions executed since the last reset.
#[unsafe(no_mangle)]
pub extern "C" fn instructions() -> u64 {
    with(|state| {
        state
            .tab
            .as_ref()
            .map_or(0, |tab| tab.figures().instructions)
    })
}
