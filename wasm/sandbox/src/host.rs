//! What the sandbox gives the machine.

use std::io;

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

/// Lets the host hear of a panic before it ends the module.
pub fn tell_of_panics() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        import::last_words(text.as_ptr() as usize, text.len());
    }));
}
