//! A thread that compiles what runs often.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use ferrite_ir::Region;

use super::compiler::{Compiled, Compiler};
use super::emit::EmitError;

/// Regions that may wait. What does not fit asks again later.
const QUEUE: usize = 64;

/// Names a translation: its number, and how many times all had been dropped before it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub number: u32,
    pub flushes: u64,
}

/// What a thread is to compile.
struct Job {
    name: Name,
    region: Region,
}

/// What has become of a job.
pub(super) struct Finished {
    pub name: Name,
    pub result: Result<Compiled, EmitError>,
    /// Time that it took.
    pub took: Duration,
}

/// The thread, and the ways to and from it. It ends when this is dropped.
pub(super) struct Worker {
    jobs: Option<SyncSender<Job>>,
    finished: Receiver<Finished>,
    /// Whether something has been finished since it was last looked at.
    ready: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(compiler: Compiler) -> std::io::Result<Self> {
        let (jobs, to_do) = sync_channel(QUEUE);
        let (done, finished) = channel();
        let ready = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ready);
        let thread = Builder::new()
            .name("cranelift".to_owned())
            .spawn(move || work(compiler, &to_do, &done, &flag))?;
        Ok(Self {
            jobs: Some(jobs),
            finished,
            ready,
            thread: Some(thread),
        })
    }

    /// Whether a region was taken on; not if too many wait.
    pub(super) fn take_on(&self, name: Name, region: Region) -> bool {
        let job = Job { name, region };
        let jobs = self.jobs.as_ref();
        jobs.is_some_and(|jobs| jobs.try_send(job).is_ok())
    }

    /// Whether [`Self::next`] has something.
    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// What has been finished, one at a time.
    pub(super) fn next(&self) -> Option<Finished> {
        self.ready.store(false, Ordering::Relaxed);
        let finished = self.finished.try_recv().ok()?;
        self.ready.store(true, Ordering::Relaxed);
        Some(finished)
    }
}

fn work(
    mut compiler: Compiler,
    to_do: &Receiver<Job>,
    done: &Sender<Finished>,
    ready: &AtomicBool,
) {
    while let Ok(Job { name, region }) = to_do.recv() {
        let start = Instant::now();
        let result = compiler.compile(&region);
        let finished = Finished {
            name,
            result,
            took: start.elapsed(),
        };
        if done.send(finished).is_err() {
            break;
        }
        ready.store(true, Ordering::Relaxed);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}
