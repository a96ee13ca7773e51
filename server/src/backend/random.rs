//! Random numbers from the operating system.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ferrite_machine::backend::RandomSource;

/// A file that random bytes are read from.
#[derive(Debug)]
pub struct RandomFile(File);

impl RandomFile {
    /// The operating system's own generator, as QEMU's `rng-builtin` and, by default, `rng-random`.
    pub fn system() -> io::Result<Self> {
        Self::open(Path::new("/dev/urandom"))
    }

    /// A file or device of the user's choice; it should not block.
    pub fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }
}

impl RandomSource for RandomFile {
    fn fill(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(buf)
    }
}
