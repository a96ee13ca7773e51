//! What the sandbox gives the machine.

use std::io;

use ferrite_ir::Accelerator;
use ferrite_machine::backend::RandomSource;
use ferrite_machine::clock::HostClock;

mod import {
    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        /// Nanoseconds of a clock that only goes forward.
        pub safe fn monotonic_ns() -> u64;
        /// Nanoseconds since 1970.
        pub safe fn wall_ns() -> u64;
        /// Eight random bytes.
        pub safe fn random() -> u64;
        /// Grows the table of functions; the first new slot, or 0.
        pub safe fn reserve(slots: u32) -> u32;
        /// Compiles the module at this address, of so many bytes; 0 if that is not possible.
        pub safe fn install(at: usize, len: usize) -> u32;
        /// The module is about to trap; why is written at this address, in so many bytes.
        pub safe fn last_words(at: usize, len: usize);
    }
}

/// The host's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SandboxClock;

impl HostClock for SandboxClock {
    fn monotonic_ns(&self) -> u64 {
        import::monotonic_ns()
    }

    fn wall_ns(&self) -> u64 {
        import::wall_ns()
    }
}

/// The host's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SandboxRandom;

impl RandomSource for SandboxRandom {
    fn fill(&mut self, buf: &mut [u8]) -> io::Result<()> {
        for chunk in buf.chunks_mut(8) {
            chunk.copy_from_slice(&import::random().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// The host's compiler.
struct Modules;

impl ferrite_jit::wasm::Host for Modules {
    fn reserve(&mut self, slots: u32) -> Option<u32> {
        Some(import::reserve(slots)).filter(|&first| first != 0)
    }

    fn install(&mut self, module: &[u8]) -> bool {
        import::install(module.as_ptr() as usize, module.len()) != 0
    }

    fn slowness(&self) -> u32 {
        8
    }
}

/// An engine that generates WebAssembly, if the host takes it.
pub fn engine() -> Option<Accelerator> {
    let engine = ferrite_jit::wasm::Engine::new(Modules).ok()?;
    Some(Accelerator::Code(Box::new(engine)))
}

/// Lets the host hear of a panic before it ends the module.
pub fn tell_of_panics() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        import::last_words(text.as_ptr() as usize, text.len());
    }));
}
