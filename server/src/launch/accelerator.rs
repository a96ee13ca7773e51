//! What runs the guest's code.

use ferrite_ir::Accelerator;

use super::LaunchError;
use crate::cli::machine::{AccelOptions, CodeBackend};

/// Least code that an engine of its own keeps for a CPU.
const LEAST_MEBIBYTES: u32 = 2;

/// As [`make`], an engine for each of `cpus` CPUs. They share what `tb-size=` allows.
pub fn make_each(options: AccelOptions, cpus: usize) -> Result<Vec<Accelerator>, LaunchError> {
    let share = |all: u32| (all / cpus.max(1) as u32).max(LEAST_MEBIBYTES);
    let each = AccelOptions {
        code_mebibytes: options.code_mebibytes.map(share),
        ..options
    };
    (0..cpus).map(|_| make(each)).collect()
}

/// The engine that `-accel` asks for; without a word, the fastest that the host can run: the one-pass
/// emitter, else Cranelift, else the interpreter.
pub fn make(options: AccelOptions) -> Result<Accelerator, LaunchError> {
    let named = |name, engine: Result<_, _>| {
        engine.map_err(|problem| LaunchError::Accelerator(name, problem))
    };
    match options.backend {
        CodeBackend::Interpreter => Ok(Accelerator::default()),
        CodeBackend::X64 => named("x64", x64(options)),
        CodeBackend::Cranelift => named("cranelift", cranelift(options)),
        CodeBackend::Wasm => named("wasm", Err("this program is not WebAssembly".to_owned())),
        CodeBackend::Best => Ok(x64(options)
            .or_else(|_| cranelift(options))
            .unwrap_or_default()),
    }
}

/// Bytes of code to keep.
#[cfg(target_os = "linux")]
fn code_bytes(options: AccelOptions, default: usize) -> usize {
    options
        .code_mebibytes
        .map_or(default, |mebibytes| (mebibytes as usize) << 20)
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn x64(options: AccelOptions) -> Result<Accelerator, String> {
    use ferrite_jit::x64::{Engine, engine::DEFAULT_BYTES};
    match Engine::new(code_bytes(options, DEFAULT_BYTES)) {
        Ok(engine) => Ok(Accelerator::Code(Box::new(engine))),
        Err(problem) => Err(problem.to_string()),
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn x64(_: AccelOptions) -> Result<Accelerator, String> {
    Err("this host is not x86-64 Linux".to_owned())
}

#[cfg(target_os = "linux")]
fn cranelift(options: AccelOptions) -> Result<Accelerator, String> {
    use ferrite_jit::cranelift::{Engine, Mode, engine::DEFAULT_BYTES};
    match Engine::new(code_bytes(options, DEFAULT_BYTES), Mode::Background) {
        Ok(engine) => Ok(Accelerator::Code(Box::new(engine))),
        Err(problem) => Err(problem.to_string()),
    }
}

#[cfg(not(target_os = "linux"))]
fn cranelift(_: AccelOptions) -> Result<Accelerator, String> {
    Err("this host is not Linux".to_owned())
}
