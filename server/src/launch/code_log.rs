//! Where host code is written down as it is made: the log of `-d out_asm`, and the map by which `perf`
//! names addresses of generated code (`tools/perf/Documentation/jit-interface.txt` of Linux: lines of
//! address, size and name in `/tmp/perf-PID.map`).

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use ferrite_aarch64::log::{Log, LogItems};
use ferrite_ir::Accelerator;
use ferrite_ir::engine::{CodeWatcher, HostCode};

use super::LaunchError;
use crate::cli::CommandLine;

struct CodeLog {
    log: Option<Log>,
    map: Option<File>,
}

impl CodeWatcher for CodeLog {
    fn made(&mut self, code: HostCode<'_>) {
        if let Some(log) = &self.log {
            log.compiled(code);
        }
        if let Some(map) = &mut self.map {
            let (size, pc) = (code.bytes.len(), code.pc);
            // A map that cannot be written must not stop the guest.
            let _ = writeln!(map, "{:x} {size:x} {}:{pc:#x}", code.address, code.engine);
        }
    }
}

/// Has an engine's code written down where the command line asks for it.
pub(super) fn watch(
    engine: &mut Accelerator,
    log: Option<&Log>,
    line: &CommandLine,
) -> Result<(), LaunchError> {
    let log = log.filter(|_| line.log.contains(LogItems::OUT_ASM));
    if log.is_none() && !line.perf_map {
        return Ok(());
    }
    let Accelerator::Code(engine) = engine else {
        return Ok(());
    };
    let map = if line.perf_map { Some(map()?) } else { None };
    let log = log.cloned();
    engine.watch(Box::new(CodeLog { log, map }));
    Ok(())
}

fn map() -> Result<File, LaunchError> {
    let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
    // Every engine appends to it.
    let file = File::options().create(true).append(true).open(&path);
    file.map_err(|error| LaunchError::File {
        option: "perfmap",
        path,
        error,
    })
}
