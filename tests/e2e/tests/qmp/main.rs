//! The QMP server without a guest: probing tools, both emulators side by side, many monitors.

mod clients;
mod examples;
mod files;
mod floods;
mod libvirt;
mod load;
mod machines;
mod nearly;
mod probe;
mod side_by_side;
mod trace;
mod typed;
mod websocket;

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

/// Memory that a process has, in KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap()
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

/// The machine's memory is an object's, as management tools have it; the object stays in use.
#[test]
fn objects() {
    let server = Server::start(
        "-M memory-backend=ram0 -object memory-backend-ram,id=ram0,size=32M -object iothread,id=t0",
    );
    let mut qmp = server.connect();
    let memory = qmp.run("query-memory-size-summary", json!({}));
    assert_eq!(memory["base-memory"], 32 << 20);
    let memdevs = qmp.run("query-memdev", json!({}));
    assert_eq!(memdevs.as_array().unwrap().len(), 1);
    assert_eq!(memdevs[0]["id"], "ram0");
    let refused = qmp.answer("object-del", json!({"id": "ram0"}));
    assert_eq!(
        refused["error"]["desc"],
        "object 'ram0' is in use, can not be deleted"
    );
    let mut set = |path: &str, property: &str, value| {
        let arguments = json!({"path": path, "property": property, "value": value});
        let answer = qmp.answer("qom-set", arguments);
        answer["error"]["desc"].as_str().unwrap_or("").to_owned()
    };
    for (path, property, value, problem) in [
        ("/objects/t0", "poll-max-ns", json!(5), ""),
        (
            "/objects/t0",
            "poll-max-ns",
            json!(-5),
            "poll-max-ns value must be in range [0, 9223372036854775807]",
        ),
        (
            "/objects/t0",
            "poll-max-ns",
            json!("5"),
            "Invalid parameter type for 'poll-max-ns', expected: integer",
        ),
        (
            "/objects/t0",
            "type",
            json!("x"),
            "Property 'iothread.type' is not writable",
        ),
        (
            "/objects/t0",
            "nope",
            json!(1),
            "Property 'iothread.nope' not found",
        ),
        ("/objects/ram0", "merge", json!(false), ""),
        (
            "/objects/ram0",
            "size",
            json!(1),
            "cannot change property size of memory-backend-ram ",
        ),
        (
            "/objects/ram0",
            "share",
            json!(true),
            "cannot change property value",
        ),
    ] {
        assert_eq!(set(path, property, value), problem, "{path} {property}");
    }
    assert_eq!(qmp.run("query-iothreads", json!({}))[0]["poll-max-ns"], 5);
    let threads = json!({"path": "/objects/t0", "property": "poll-max-ns"});
    assert_eq!(qmp.run("qom-get", threads), 5);
    server.quit(qmp);
}

/// A management tool opens the socket itself and hands it down.
#[test]
fn a_monitor_on_an_inherited_socket() {
    use std::os::fd::AsFd;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qmp");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    // Inherited, unlike what the library opens.
    let fd = rustix::io::fcntl_dupfd_cloexec(listener.as_fd(), 50).unwrap();
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty()).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&fd);
    let chardev = format!("socket,id=m,fd={number},server=on,wait=off");
    let options = ["-M", "virt", "-S", "-nodefaults", "-display", "none"];
    let monitor = [
        "-chardev",
        &chardev,
        "-mon",
        "chardev=m,id=mon,mode=control",
    ];
    let process = Ferrite::start(options.into_iter().chain(monitor));
    let mut qmp = Qmp::unix(&path);
    let chardevs = qmp.run("query-chardev", json!({}));
    let filename = chardevs[0]["filename"].as_str().unwrap();
    let local = format!("unix:{}", path.display());
    assert!(filename.starts_with(&local), "{chardevs}");
    qmp.run("quit", json!({}));
    assert_eq!(process.end(END).code, Some(0));
}

/// The device tree goes to a file, and the process ends.
#[test]
fn dumpdtb() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dtb");
    let machine = format!("virt,dumpdtb={}", path.display());
    let process = Ferrite::start(["-M", &machine, "-nodefaults", "-display", "none"]);
    assert_eq!(process.end(END).code, Some(0));
    let tree = std::fs::read(path).unwrap();
    assert_eq!(tree[..4], [0xd0, 0x0d, 0xfe, 0xed]);
    assert_eq!(tree[4..8], (tree.len() as u32).to_be_bytes());
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
