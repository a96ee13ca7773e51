//! Jobs.

use super::Context;
use crate::error::Error;
use crate::jobs::{self, Verb};
use crate::schema::{
    JobCancelArguments, JobCommands, JobCompleteArguments, JobDismissArguments,
    JobFinalizeArguments, JobInfo, JobPauseArguments, JobResumeArguments,
};

impl Context<'_> {
    /// Tells a job something, and lets it do what it can do of that at once.
    fn tell_job(&mut self, id: &str, verb: Verb) -> Result<(), Error> {
        self.host()?.jobs().tell(id, verb)?;
        jobs::step(self.vm);
        Ok(())
    }
}

impl JobCommands for Context<'_> {
    fn query_jobs(&mut self) -> Result<Vec<JobInfo>, Error> {
        // Without a host that does such work there is none.
        Ok(self
            .vm
            .host()
            .map(|host| host.jobs().list())
            .unwrap_or_default())
    }

    fn job_pause(&mut self, arguments: JobPauseArguments) -> Result<(), Error> {
        self.tell_job(&arguments.id, Verb::Pause)
    }

    fn job_resume(&mut self, arguments: JobResumeArguments) -> Result<(), Error> {
        self.tell_job(&arguments.id, Verb::Resume)
    }

    fn job_cancel(&mut self, arguments: JobCancelArguments) -> Result<(), Error> {
        self.tell_job(&arguments.id, Verb::Cancel)
    }

    fn job_complete(&mut self, arguments: JobCompleteArguments) -> Result<(), Error> {
        self.tell_job(&arguments.id, Verb::Complete)
    }

    fn job_dismiss(&mut self, arguments: JobDismissArguments) -> Result<(), Error> {
        self.tell_job(&arguments.id, Verb::Dismiss)
    }

    fn job_finalize(&mut self, arguments: JobFinalizeArguments) -> Result<(), Error> {
        self.tell_job(&arguments.id, Verb::Finalize)
    }
}
