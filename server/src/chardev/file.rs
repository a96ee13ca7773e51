//! Output into a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use ferrite_machine::backend::CharBackend;

/// A file that collects what is written; it gives no input.
pub struct FileOutput {
    file: File,
}

impl FileOutput {
    /// Creates or truncates the file, or appends to it.
    pub fn open(path: &Path, append: bool) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(append)
            .truncate(!append)
            .open(path)?;
        Ok(Self { file })
    }

    /// Writes to a file that is open.
    #[must_use]
    pub fn on(file: File) -> Self {
        Self { file }
    }
}

impl CharBackend for FileOutput {
    fn write(&mut self, data: &[u8]) -> usize {
        // A full disk must not stop the guest: what cannot be written is dropped, as QEMU does.
        match self.file.write_all(data) {
            Ok(()) | Err(_) => data.len(),
        }
    }

    fn read(&mut self, _buf: &mut [u8]) -> usize {
        0
    }
}
