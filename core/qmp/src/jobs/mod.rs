//! Work that takes long and goes on beside monitors: the jobs behind `query-jobs` and `job-*`.
//!
//! A job is worked off in pieces: whoever owns the machine calls [`step`] between turns of guest
//! execution while [`Jobs::is_busy`]. What a job does is its [`Work`]; its life, and what monitors
//! hear of it, is here:
//!
//! ```text
//! created -> running -> (ready ->) waiting -> pending -> concluded -> null
//!              |  ^        |  ^        \________\_> aborting _/
//!              v  |        v  |
//!             paused      standby
//! ```

mod status;
#[cfg(test)]
mod tests;

use crate::commands::is_identifier;
use crate::control::VmControl;
use crate::error::Error;
use crate::schema::{Event, JobInfo, JobStatus, JobType};
pub use status::Verb;

/// How much of a job is done, in units that it chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Done.
    pub current: u64,
    /// In all, as far as that is known.
    pub total: u64,
}

/// What comes after a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another.
    More,
    /// Another, and the job is in step: it may be completed.
    Ready,
    /// Nothing.
    Done,
}

/// What a job does. Methods are called on the thread that owns the machine, and return soon.
pub trait Work {
    /// Does a piece.
    fn step(&mut self, vm: &mut dyn VmControl, progress: &mut Progress) -> Result<Next, Error>;

    /// Is to end, being in step: [`Next::Done`] is expected from [`Self::step`] soon.
    fn complete(&mut self, id: &str) -> Result<(), Error> {
        Err(Error::generic(format!(
            "The active block job '{id}' cannot be completed"
        )))
    }

    /// The last chance to fail, before [`Self::commit`].
    fn prepare(&mut self, _vm: &mut dyn VmControl) -> Result<(), Error> {
        Ok(())
    }

    /// Takes effect.
    fn commit(&mut self, _vm: &mut dyn VmControl) {}

    /// Takes back what it did: it failed, or was cancelled.
    fn abort(&mut self, _vm: &mut dyn VmControl, _why: &Error) {}
}

/// Who is told of a job, and how much of its life needs a monitor's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Nobody: the command that made it reports in its own way.
    Internal,
    /// Monitors, by this id.
    Listed {
        /// Its id.
        id: String,
        /// What it is told to be doing.
        kind: JobType,
        /// Whether it takes effect without `job-finalize`.
        auto_finalize: bool,
        /// Whether it goes without `job-dismiss`.
        auto_dismiss: bool,
    },
}

/// A job's number, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobNumber(u64);

struct Job {
    number: JobNumber,
    visibility: Visibility,
    status: JobStatus,
    /// A monitor paused it.
    paused: bool,
    /// A monitor gave it up.
    cancelled: bool,
    /// A monitor lets it take effect.
    finalized: bool,
    progress: Progress,
    error: Option<Error>,
    work: Box<dyn Work>,
}

/// The jobs of a machine, in the order in which they were made.
#[derive(Default)]
pub struct Jobs {
    list: Vec<Job>,
    made: u64,
}

impl Jobs {
    /// Makes a job; [`step`] starts it. Ids are identifiers, and none is given twice.
    pub fn add(&mut self, visibility: Visibility, work: Box<dyn Work>) -> Result<JobNumber, Error> {
        if let Visibility::Listed { id, .. } = &visibility {
            if !is_identifier(id) {
                return Err(Error::generic(format!("Invalid job ID '{id}'")));
            }
            if self.list.iter().any(|job| job.id() == Some(id.as_str())) {
                return Err(Error::generic(format!("Job ID '{id}' already in use")));
            }
        }
        self.made += 1;
        let number = JobNumber(self.made);
        self.list.push(Job {
            number,
            visibility,
            status: JobStatus::Undefined,
            paused: false,
            cancelled: false,
            finalized: false,
            progress: Progress::default(),
            error: None,
            work,
        });
        Ok(number)
    }

    /// `query-jobs`
    #[must_use]
    pub fn list(&self) -> Vec<JobInfo> {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let info = |job: &Job| match &job.visibility {
            Visibility::Internal => None,
            Visibility::Listed { id, kind, .. } => Some(JobInfo {
                id: id.clone(),
                r#type: *kind,
                status: job.status,
                current_progress: count(job.progress.current),
                total_progress: count(job.progress.total),
                error: job.error.as_ref().map(|error| error.message.clone()),
            }),
        };
        self.list.iter().filter_map(info).collect()
    }

    /// Whether [`step`] has something to do.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.list.iter().any(Job::is_busy)
    }

    /// `job-pause` and its like. [`step`] does what follows from it.
    pub fn tell(&mut self, id: &str, verb: Verb) -> Result<(), Error> {
        let job = self.list.iter_mut().find(|job| job.id() == Some(id));
        let job = job.ok_or_else(|| Error::generic("Job not found"))?;
        if !verb.is_accepted(job.status) {
            return Err(Error::generic(format!(
                "Job '{id}' in state '{}' cannot accept command verb '{}'",
                job.status.as_str(),
                verb.name()
            )));
        }
        match verb {
            Verb::Cancel => job.cancelled = true,
            Verb::Pause if job.paused => return Err(Error::generic("Job is already paused")),
            Verb::Pause => job.paused = true,
            Verb::Resume if !job.paused => {
                return Err(Error::generic("Can't resume a job that was not paused"));
            }
            Verb::Resume => job.paused = false,
            Verb::Complete if job.paused || job.cancelled => {
                return Err(Error::generic(format!(
                    "The active block job '{id}' cannot be completed"
                )));
            }
            Verb::Complete => job.work.complete(id)?,
            Verb::Finalize => job.finalized = true,
            Verb::Dismiss => job.finalized = true,
        }
        Ok(())
    }
}

impl Job {
    fn id(&self) -> Option<&str> {
        match &self.visibility {
            Visibility::Internal => None,
            Visibility::Listed { id, .. } => Some(id),
        }
    }

    /// Whether it takes effect, and goes, on its own.
    fn is_automatic(&self) -> (bool, bool) {
        match self.visibility {
            Visibility::Internal => (true, true),
            Visibility::Listed {
                auto_finalize,
                auto_dismiss,
                ..
            } => (auto_finalize, auto_dismiss),
        }
    }

    fn is_busy(&self) -> bool {
        match self.status {
            JobStatus::Paused | JobStatus::Standby => !self.paused || self.cancelled,
            JobStatus::Pending | JobStatus::Concluded => self.finalized || self.cancelled,
            JobStatus::Null => false,
            _ => true,
        }
    }

    fn enter(&mut self, status: JobStatus, vm: &mut dyn VmControl) {
        debug_assert!(
            status::may_follow(self.status, status),
            "{:?} {status:?}",
            self.status
        );
        self.status = status;
        if let Some(id) = self.id() {
            vm.emit(&Event::JobStatusChange {
                id: id.to_owned(),
                status,
            });
        }
    }

    /// Does what is next in its life.
    fn advance(&mut self, vm: &mut dyn VmControl) {
        match self.status {
            JobStatus::Undefined => self.enter(JobStatus::Created, vm),
            JobStatus::Created if self.cancelled => self.cancel(vm),
            JobStatus::Created => self.enter(JobStatus::Running, vm),
            JobStatus::Running | JobStatus::Ready => self.work(vm),
            JobStatus::Paused if !self.paused || self.cancelled => {
                self.enter(JobStatus::Running, vm);
            }
            JobStatus::Standby if !self.paused || self.cancelled => {
                self.enter(JobStatus::Ready, vm);
            }
            JobStatus::Waiting => self.enter(JobStatus::Pending, vm),
            JobStatus::Pending if self.cancelled => self.cancel(vm),
            JobStatus::Pending if self.finalized || self.is_automatic().0 => self.take_effect(vm),
            JobStatus::Concluded if self.finalized => self.enter(JobStatus::Null, vm),
            _ => {}
        }
    }

    fn work(&mut self, vm: &mut dyn VmControl) {
        let ready = self.status == JobStatus::Ready;
        if self.cancelled {
            return self.cancel(vm);
        }
        if self.paused {
            let rest = match ready {
                true => JobStatus::Standby,
                false => JobStatus::Paused,
            };
            return self.enter(rest, vm);
        }
        match self.work.step(vm, &mut self.progress) {
            Ok(Next::Ready) if !ready => self.enter(JobStatus::Ready, vm),
            Ok(Next::More | Next::Ready) => {}
            Ok(Next::Done) => {
                self.enter(JobStatus::Waiting, vm);
                self.enter(JobStatus::Pending, vm);
                if self.is_automatic().0 {
                    self.take_effect(vm);
                }
            }
            Err(error) => self.fail(vm, error),
        }
    }

    fn take_effect(&mut self, vm: &mut dyn VmControl) {
        match self.work.prepare(vm) {
            Ok(()) => {
                self.work.commit(vm);
                self.conclude(vm);
            }
            Err(error) => self.fail(vm, error),
        }
    }

    fn cancel(&mut self, vm: &mut dyn VmControl) {
        self.fail(vm, Error::generic("Operation canceled"));
    }

    fn fail(&mut self, vm: &mut dyn VmControl, error: Error) {
        self.enter(JobStatus::Aborting, vm);
        self.work.abort(vm, &error);
        self.error = Some(error);
        self.conclude(vm);
    }

    fn conclude(&mut self, vm: &mut dyn VmControl) {
        self.finalized = false;
        self.cancelled = false;
        self.enter(JobStatus::Concluded, vm);
        if self.is_automatic().1 {
            self.enter(JobStatus::Null, vm);
        }
    }
}

/// Gives every job a turn, and forgets those that are gone.
pub fn step(vm: &mut dyn VmControl) {
    turn(vm, |job, vm| job.advance(vm));
}

/// Works one job off, up to where it needs a monitor's word; its failure if it has failed.
pub fn finish(vm: &mut dyn VmControl, number: JobNumber) -> Result<(), Error> {
    let mut result = Ok(());
    turn(vm, |job, vm| {
        if job.number == number {
            while job.is_busy() {
                job.advance(vm);
            }
            result = job.error.clone().map_or(Ok(()), Err);
        }
    });
    result
}

/// Calls `act` for every job, while the list is out of reach for others.
fn turn(vm: &mut dyn VmControl, mut act: impl FnMut(&mut Job, &mut dyn VmControl)) {
    let list = match vm.host() {
        Some(host) => std::mem::take(&mut host.jobs().list),
        None => return,
    };
    let mut left = Vec::with_capacity(list.len());
    for mut job in list {
        act(&mut job, vm);
        if job.status != JobStatus::Null {
            left.push(job);
        }
    }
    if let Some(host) = vm.host() {
        // Those that were made meanwhile are younger.
        left.append(&mut host.jobs().list);
        host.jobs().list = left;
    }
}
