//! The QMP server without a guest: probing tools, both emulators side by side, many monitors.

mod clients;
mod files;
mod libvirt;
mod load;
mod probe;
mod side_by_side;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ferrite_e2e::{Ferrite, Qmp};
use serde_json::json;

/// Longest time for a process without a guest to end.
const END: Duration = Duration::from_secs(20);

/// A process with a QMP socket in a folder of its own.
struct Server {
    process: Ferrite,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts a stopped machine with further options.
    fn start(options: &str) -> Self {
        Self::with(&format!("-M virt -S {options}"))
    }

    /// Starts with these options alone; `{dir}` in them is its folder.
    fn with(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().display().to_string();
        let options = options.replace("{dir}", &dir);
        let qmp = format!("unix:{dir}/qmp,server=on,wait=off");
        let common = ["-nodefaults", "-display", "none", "-qmp", &qmp];
        let process = Ferrite::start(options.split_whitespace().chain(common));
        Self { process, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn connect(&self) -> Qmp {
        Qmp::unix(&self.path("qmp"))
    }

    fn quit(self, mut qmp: Qmp) {
        qmp.run("quit", json!({}));
        let exit = self.process.end(END);
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Before the machine is made only some commands run; then it is made and is as ever.
#[test]
fn preconfig() {
    let server = Server::start("-preconfig -smp 2");
    let mut qmp = server.connect();
    assert_eq!(qmp.status(), "prelaunch");
    let refused = qmp.answer("query-cpus-fast", json!({}));
    assert_eq!(
        refused["error"]["desc"],
        "The command 'query-cpus-fast' is permitted only after machine initialization has completed"
    );
    qmp.run(
        "object-add",
        json!({"qom-type": "memory-backend-ram", "id": "m", "size": 4096}),
    );
    qmp.run("x-exit-preconfig", json!({}));
    let cpus = qmp.run("query-cpus-fast", json!({}));
    assert_eq!(cpus.as_array().unwrap().len(), 2);
    assert_eq!(qmp.status(), "prelaunch");
    let memdevs = qmp.run("query-memdev", json!({}));
    assert_eq!(memdevs[1]["id"], "m");
    let refused = qmp.answer("x-exit-preconfig", json!({}));
    assert_eq!(
        refused["error"]["desc"],
        "The command is permitted only before machine initialization"
    );
    server.quit(qmp);
}

/// What is there and what could be, the last first.
#[test]
fn hotpluggable_cpus() {
    let server = Server::start("-cpu cortex-a57 -smp 2,sockets=2,cores=2,maxcpus=4");
    let mut qmp = server.connect();
    let cpus = qmp.run("query-hotpluggable-cpus", json!({}));
    assert_eq!(cpus.as_array().unwrap().len(), 4);
    assert_eq!(
        cpus[0],
        json!({"type": "cortex-a57-arm-cpu", "vcpus-count": 1,
            "props": {"socket-id": 1, "cluster-id": 0, "core-id": 1, "thread-id": 0}})
    );
    assert_eq!(cpus[3]["qom-path"], "/machine/unattached/device[0]");
    server.quit(qmp);
}

/// Lines that trace points wrote while they were on.
#[test]
fn traces_go_to_a_file() {
    let server = Server::start("-trace handle_qmp*,file={dir}/trace");
    let mut qmp = server.connect();
    qmp.run("query-status", json!({}));
    qmp.run(
        "trace-event-set-state",
        json!({"name": "handle_qmp_command", "enable": false}),
    );
    qmp.run("query-name", json!({}));
    let lines = std::fs::read_to_string(server.path("trace")).unwrap();
    assert!(
        lines.contains(":handle_qmp_command req: query-status {}"),
        "{lines}"
    );
    assert!(!lines.contains("query-name"), "{lines}");
    server.quit(qmp);
}
