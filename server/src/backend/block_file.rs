//! A file of the host as storage, worked on by a thread of its own.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use ferrite_machine::backend::{BlockBackend, BlockDone, BlockRequest};

use super::Waker;

/// Bytes of zeros written at a time.
const ZEROS: usize = 1 << 20;

/// How a file is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockFileOptions {
    /// Open it for reading only.
    pub read_only: bool,
    /// Keep other programs that lock the file from using it at the same time.
    pub lock: bool,
    /// Ignore flushes, as `cache=unsafe` does.
    pub no_flush: bool,
}

impl Default for BlockFileOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            lock: true,
            no_flush: false,
        }
    }
}

/// A file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused.
    #[error("Could not open '{path}': {error}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another program has it.
    #[error("Could not open '{path}': another process is using the image")]
    Locked {
        /// The file.
        path: PathBuf,
    },
}

struct Job {
    tag: u64,
    request: BlockRequest,
}

/// A raw file or block device.
pub struct BlockFile {
    read_only: bool,
    size: Arc<AtomicU64>,
    /// `None` once the value is being dropped.
    jobs: Option<Sender<Job>>,
    done: Receiver<BlockDone>,
    worker: Option<JoinHandle<()>>,
}

/// What the thread owns.
struct Worker {
    file: File,
    no_flush: bool,
    size: Arc<AtomicU64>,
}

impl BlockFile {
    /// Opens the file at `path`. `waker` is called whenever a request has finished.
    pub fn open(path: &Path, options: BlockFileOptions, waker: Waker) -> Result<Self, OpenError> {
        let at = |error| OpenError::Open {
            path: path.to_owned(),
            error,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(!options.read_only)
            .open(path)
            .map_err(at)?;
        if options.lock {
            lock(&file, path, options.read_only)?;
        }
        // Devices have no length in their metadata.
        let size = file.seek(SeekFrom::End(0)).map_err(at)?;
        let size = Arc::new(AtomicU64::new(size));
        let worker = Worker {
            file,
            no_flush: options.no_flush,
            size: Arc::clone(&size),
        };
        let (jobs, todo) = channel::<Job>();
        let (finished, done) = channel();
        let thread = thread::Builder::new().name("block".into());
        let worker = thread
            .spawn(move || {
                for Job { tag, request } in todo {
                    let result = worker.run(request);
                    if finished.send(BlockDone { tag, result }).is_err() {
                        return;
                    }
                    waker();
                }
            })
            .map_err(at)?;
        Ok(Self {
            read_only: options.read_only,
            size,
            jobs: Some(jobs),
            done,
            worker: Some(worker),
        })
    }
}

fn lock(file: &File, path: &Path, shared: bool) -> Result<(), OpenError> {
    let locked = if shared {
        file.try_lock_shared()
    } else {
        file.try_lock()
    };
    match locked {
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            path: path.to_owned(),
        }),
        // Not every file system has locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

impl Worker {
    fn run(&self, request: BlockRequest) -> io::Result<Vec<u8>> {
        match request {
            BlockRequest::Read { offset, len } => return self.read(offset, len),
            BlockRequest::Write { offset, data } => {
                self.file.write_all_at(&data, offset)?;
                self.grown(offset, data.len() as u64);
            }
            BlockRequest::Flush if self.no_flush => {}
            BlockRequest::Flush => self.file.sync_data()?,
            BlockRequest::Discard { offset, len } => match self.punch(offset, len) {
                // A hint that cannot be taken is no failure.
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                other => other?,
            },
            BlockRequest::WriteZeroes { offset, len, unmap } => self.zero(offset, len, unmap)?,
        }
        Ok(Vec::new())
    }

    /// Reads; what lies beyond the end is zeros.
    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut data = vec![0; len];
        let mut got = 0;
        while got < len {
            match self.file.read_at(&mut data[got..], offset + got as u64) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(data)
    }

    fn grown(&self, offset: u64, len: u64) {
        self.size.fetch_max(offset + len, Ordering::Relaxed);
    }

    fn zero(&self, offset: u64, len: u64, unmap: bool) -> io::Result<()> {
        let inside = offset + len <= self.size.load(Ordering::Relaxed);
        if unmap && inside && self.punch(offset, len).is_ok() {
            return Ok(());
        }
        if inside && self.zero_range(offset, len).is_ok() {
            return Ok(());
        }
        let zeros = vec![0; ZEROS];
        let mut at = offset;
        while at < offset + len {
            let piece = (offset + len - at).min(ZEROS as u64);
            self.file.write_all_at(&zeros[..piece as usize], at)?;
            at += piece;
        }
        self.grown(offset, len);
        Ok(())
    }

    /// Gives the space of a span back; it then reads as zeros.
    #[cfg(target_os = "linux")]
    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&self.file, how, offset, len).map_err(io::Error::from)
    }

    /// Zeros a span, its space kept.
    #[cfg(target_os = "linux")]
    fn zero_range(&self, offset: u64, len: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        let how = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
        fallocate(&self.file, how, offset, len).map_err(io::Error::from)
    }

    #[cfg(not(target_os = "linux"))]
    fn punch(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    #[cfg(not(target_os = "linux"))]
    fn zero_range(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
}

impl BlockBackend for BlockFile {
    fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn submit(&mut self, tag: u64, request: BlockRequest) {
        if let Some(jobs) = &self.jobs {
            // The thread ends only when this value does.
            let _ = jobs.send(Job { tag, request });
        }
    }

    fn poll(&mut self) -> Option<BlockDone> {
        self.done.try_recv().ok()
    }
}

impl Drop for BlockFile {
    /// Waits for what was submitted, so that no write is lost.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests;
