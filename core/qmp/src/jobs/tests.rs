use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Next, Progress, Verb, Visibility, Work, finish, status, step};
use crate::commands;
use crate::control::{HostControl, VmControl};
use crate::error::Error;
use crate::events::{EventSink, Events};
use crate::fake::{FakeClock, FakeVm};
use crate::schema::{JobStatus, JobType};
use crate::session::Monitor;

/// Counts to three; says what became of it.
struct Count {
    left: u32,
    /// It is in step at the end, until it is completed.
    lasting: bool,
    fails: bool,
    fate: Arc<Mutex<String>>,
}

impl Work for Count {
    fn step(&mut self, _: &mut dyn VmControl, progress: &mut Progress) -> Result<Next, Error> {
        progress.total = 3;
        if self.left > 0 {
            self.left -= 1;
            progress.current += 1;
            return Ok(Next::More);
        }
        match (self.fails, self.lasting) {
            (true, _) => Err(Error::generic("No space left on device")),
            (_, true) => Ok(Next::Ready),
            _ => Ok(Next::Done),
        }
    }

    fn complete(&mut self, _: &str) -> Result<(), Error> {
        self.lasting = false;
        Ok(())
    }

    fn commit(&mut self, _: &mut dyn VmControl) {
        self.fate.lock().unwrap().push_str("commit");
    }

    fn abort(&mut self, _: &mut dyn VmControl, why: &Error) {
        self.fate.lock().unwrap().push_str(&why.message);
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl EventSink for Heard {
    fn deliver(&self, line: &Arc<str>) {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["event"], "JOB_STATUS_CHANGE");
        let status = event["data"]["status"].as_str().unwrap();
        self.0.lock().unwrap().push(status.to_owned());
    }
}

struct Bench {
    vm: FakeVm,
    heard: Arc<Heard>,
    fate: Arc<Mutex<String>>,
}

impl Bench {
    /// A machine with one job, `j`.
    fn new(lasting: bool, fails: bool, automatic: bool) -> Self {
        let events = Events::new(Arc::new(FakeClock::default()));
        let heard = Arc::new(Heard::default());
        let sink: Arc<dyn EventSink> = heard.clone();
        events.subscribe(Arc::downgrade(&sink));
        let (mut vm, fate) = (FakeVm::new(events), Arc::default());
        let work = Count {
            left: 3,
            lasting,
            fails,
            fate: Arc::clone(&fate),
        };
        let visibility = Visibility::Listed {
            id: "j".into(),
            kind: JobType::Mirror,
            auto_finalize: automatic,
            auto_dismiss: automatic,
        };
        vm.host.jobs().add(visibility, Box::new(work)).unwrap();
        Self { vm, heard, fate }
    }

    fn steps(&mut self) -> &mut Self {
        for _ in 0..10 {
            step(&mut self.vm);
        }
        self
    }

    fn run(&mut self, command: &str) -> Result<Value, String> {
        let arguments = json!({"id": "j"});
        commands::run(command, arguments, &mut self.vm, &mut Monitor::default())
            .map_err(|error| error.message)
    }

    fn heard(&self) -> String {
        self.heard.0.lock().unwrap().join(" ")
    }

    fn listed(&mut self) -> Value {
        let monitor = &mut Monitor::default();
        commands::run("query-jobs", json!({}), &mut self.vm, monitor).unwrap()
    }
}

/// The order in which QEMU tells of a mirror job that is completed.
#[test]
fn a_job_in_step_is_completed() {
    let mut bench = Bench::new(true, false, true);
    assert_eq!(
        bench.steps().run("job-finalize"),
        Err("Job 'j' in state 'ready' cannot accept command verb 'finalize'".into())
    );
    let ready = json!([{"id": "j", "type": "mirror", "status": "ready",
        "current-progress": 3, "total-progress": 3}]);
    assert_eq!(bench.listed(), ready);
    bench.run("job-pause").unwrap();
    assert_eq!(
        bench.run("job-pause"),
        Err("Job is already paused".to_owned())
    );
    assert!(!bench.vm.host.jobs().is_busy());
    bench.run("job-resume").unwrap();
    bench.run("job-complete").unwrap();
    assert_eq!(
        bench.steps().heard(),
        "created running ready standby ready waiting pending concluded null"
    );
    assert_eq!(*bench.fate.lock().unwrap(), "commit");
    assert_eq!(bench.listed(), json!([]));
}

#[test]
fn a_job_waits_for_a_monitors_word() {
    let mut bench = Bench::new(false, false, false);
    bench.steps();
    assert!(!bench.vm.host.jobs().is_busy());
    assert_eq!(bench.listed()[0]["status"], "pending");
    bench.run("job-finalize").unwrap();
    assert_eq!(bench.listed()[0]["status"], "concluded");
    assert_eq!(
        bench.run("job-cancel"),
        Err("Job 'j' in state 'concluded' cannot accept command verb 'cancel'".into())
    );
    bench.run("job-dismiss").unwrap();
    assert_eq!(
        bench.heard(),
        "created running waiting pending concluded null"
    );
    assert_eq!(bench.run("job-dismiss"), Err("Job not found".into()));
}

#[test]
fn a_failure_stays_to_be_read() {
    let mut bench = Bench::new(false, true, false);
    let listed = bench.steps().listed();
    assert_eq!(listed[0]["error"], "No space left on device");
    assert_eq!(bench.heard(), "created running aborting concluded");
}

#[test]
fn a_paused_job_is_cancelled() {
    let mut bench = Bench::new(false, false, true);
    step(&mut bench.vm);
    step(&mut bench.vm);
    bench.run("job-pause").unwrap();
    bench.run("job-cancel").unwrap();
    assert_eq!(
        bench.steps().heard(),
        "created running paused running aborting concluded null"
    );
    assert_eq!(*bench.fate.lock().unwrap(), "Operation canceled");
}

#[test]
fn internal_jobs_are_not_told_of() {
    let mut bench = Bench::new(false, false, true);
    let work = Count {
        left: 1,
        lasting: false,
        fails: true,
        fate: Arc::default(),
    };
    let number = bench
        .vm
        .host
        .jobs()
        .add(Visibility::Internal, Box::new(work));
    let ended = finish(&mut bench.vm, number.unwrap()).map_err(|error| error.message);
    assert_eq!(ended, Err("No space left on device".into()));
    assert_eq!(bench.heard(), "");
    assert_eq!(bench.listed().as_array().unwrap().len(), 1);
}

#[test]
fn ids_are_checked() {
    let mut bench = Bench::new(false, false, true);
    for (id, message) in [
        ("j", "Job ID 'j' already in use"),
        ("", "Invalid job ID ''"),
        ("#x", "Invalid job ID '#x'"),
    ] {
        let visibility = Visibility::Listed {
            id: id.into(),
            kind: JobType::Backup,
            auto_finalize: true,
            auto_dismiss: true,
        };
        let work = Count {
            left: 0,
            lasting: false,
            fails: false,
            fate: Arc::default(),
        };
        let refused = bench.vm.host.jobs().add(visibility, Box::new(work));
        assert_eq!(refused.unwrap_err().message, message);
    }
}

/// Every status but the last leads somewhere, and what a verb causes is possible from there.
#[test]
fn the_tables_agree() {
    use JobStatus::{
        Aborting, Concluded, Created, Null, Paused, Pending, Ready, Running, Standby, Undefined,
        Waiting,
    };
    let all = [
        Undefined, Created, Running, Paused, Ready, Standby, Waiting, Pending, Aborting, Concluded,
        Null,
    ];
    for from in all {
        let leads_to = |to| status::may_follow(from, to);
        assert_eq!(all.into_iter().any(leads_to), from != Null, "{from:?}");
        if Verb::Cancel.is_accepted(from) {
            let mut middles = all.into_iter().filter(|&middle| leads_to(middle));
            let soon = middles.any(|middle| status::may_follow(middle, Aborting));
            assert!(leads_to(Aborting) || soon, "{from:?}");
        }
        if Verb::Finalize.is_accepted(from) {
            assert!(leads_to(Concluded), "{from:?}");
        }
    }
}
