//! What runs the guest's code.

use ferrite_ir::Accelerator;

use super::LaunchError;
use crate::cli::machine::{AccelOptions, CodeBackend};

/// The engine that `-accel` asks for; without a word, the fastest that the host can run.
pub fn make(options: AccelOptions) -> Result<Accelerator, LaunchError> {
    match (options.backend, native(options)) {
        (CodeBackend::Interpreter, _) | (CodeBackend::Best, Err(_)) => Ok(Accelerator::default()),
        (CodeBackend::Best | CodeBackend::X64, Ok(engine)) => Ok(engine),
        (CodeBackend::X64, Err(problem)) => Err(LaunchError::Accelerator("x64", problem)),
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn native(options: AccelOptions) -> Result<Accelerator, String> {
    use ferrite_jit::x64::{Engine, engine::DEFAULT_BYTES};
    let bytes = match options.code_mebibytes {
        Some(mebibytes) => (mebibytes as usize) << 20,
        None => DEFAULT_BYTES,
    };
    match Engine::new(bytes) {
        Ok(engine) => Ok(Accelerator::Code(Box::new(engine))),
        Err(problem) => Err(problem.to_string()),
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn native(_: AccelOptions) -> Result<Accelerator, String> {
    Err("this host is not x86-64 Linux".to_owned())
}
