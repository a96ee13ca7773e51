//! The life of a job, as two tables: where it may go from where, and what it may be told when.
//!
//! Source: QEMU's QMP reference, "Background jobs" (`JobStatus`, `JobVerb`).

use crate::schema::JobStatus::{
    self, Aborting, Concluded, Created, Null, Paused, Pending, Ready, Running, Standby, Undefined,
    Waiting,
};

/// What a monitor may tell a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Give up.
    Cancel,
    /// Rest.
    Pause,
    /// Go on.
    Resume,
    /// End, being in step.
    Complete,
    /// Take effect.
    Finalize,
    /// Be forgotten.
    Dismiss,
}

/// Verb, its name, and the statuses in which it is accepted.
const VERBS: &[(Verb, &str, &[JobStatus])] = {
    const AT_WORK: &[JobStatus] = &[Created, Running, Paused, Ready, Standby];
    &[
        (
            Verb::Cancel,
            "cancel",
            &[Created, Running, Paused, Ready, Standby, Waiting, Pending],
        ),
        (Verb::Pause, "pause", AT_WORK),
        (Verb::Resume, "resume", AT_WORK),
        (Verb::Complete, "complete", &[Ready]),
        (Verb::Finalize, "finalize", &[Pending]),
        (Verb::Dismiss, "dismiss", &[Concluded]),
    ]
};

/// Status, and those that may follow it.
const NEXT: &[(JobStatus, &[JobStatus])] = &[
    (Undefined, &[Created]),
    (Created, &[Running, Aborting, Null]),
    (Running, &[Paused, Ready, Waiting, Aborting]),
    (Paused, &[Running]),
    (Ready, &[Standby, Waiting, Aborting]),
    (Standby, &[Ready]),
    (Waiting, &[Pending, Aborting]),
    (Pending, &[Aborting, Concluded]),
    (Aborting, &[Aborting, Concluded]),
    (Concluded, &[Null]),
    (Null, &[]),
];

impl Verb {
    /// What clients call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        let row = VERBS.iter().find(|row| row.0 == self);
        row.map_or("", |row| row.1)
    }

    /// Whether a job in this status may be told so.
    #[must_use]
    pub fn is_accepted(self, status: JobStatus) -> bool {
        let row = VERBS.iter().find(|row| row.0 == self);
        row.is_some_and(|row| row.2.contains(&status))
    }
}

/// Whether a job may go from one status to another.
#[must_use]
pub fn may_follow(from: JobStatus, to: JobStatus) -> bool {
    let row = NEXT.iter().find(|row| row.0 == from);
    row.is_some_and(|row| row.1.contains(&to))
}
