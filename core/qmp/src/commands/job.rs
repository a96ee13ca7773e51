//! Jobs. Only work on images is one, and there is none yet: every id is unknown.

use super::Context;
use crate::error::Error;
use crate::schema::{
    JobCancelArguments, JobCommands, JobCompleteArguments, JobDismissArguments,
    JobFinalizeArguments, JobInfo, JobPauseArguments, JobResumeArguments,
};

impl JobCommands for Context<'_> {
    fn query_jobs(&mut self) -> Result<Vec<JobInfo>, Error> {
        Ok(Vec::new())
    }

    fn job_pause(&mut self, _: JobPauseArguments) -> Result<(), Error> {
        no_such_job()
    }

    fn job_resume(&mut self, _: JobResumeArguments) -> Result<(), Error> {
        no_such_job()
    }

    fn job_cancel(&mut self, _: JobCancelArguments) -> Result<(), Error> {
        no_such_job()
    }

    fn job_complete(&mut self, _: JobCompleteArguments) -> Result<(), Error> {
        no_such_job()
    }

    fn job_dismiss(&mut self, _: JobDismissArguments) -> Result<(), Error> {
        no_such_job()
    }

    fn job_finalize(&mut self, _: JobFinalizeArguments) -> Result<(), Error> {
        no_such_job()
    }
}

fn no_such_job() -> Result<(), Error> {
    Err(Error::generic("Job not found"))
}
