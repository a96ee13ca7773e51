//! A guest gives memory up through a virtio balloon, takes it back, and tells of its memory.

use std::time::{Duration, Instant};

use ferrite_e2e::{COMMAND, Guest, Kernel, Qmp};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// Asks until the answer is as wanted.
#[track_caller]
fn wait_for(qmp: &mut Qmp, what: (&str, Value), wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + COMMAND;
    loop {
        let answer = qmp.run(what.0, what.1.clone());
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "still {answer}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn memory_goes_and_comes_back() {
    for device in ["virtio-balloon-pci", "virtio-balloon-device"] {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("qmp");
        let args = format!(
            "-M virt -m 512 -qmp unix:{},server=on,wait=off -device {device},id=b0",
            socket.display()
        );
        let mut guest = Guest::boot(Kernel::Cloud612, &args);
        let mut qmp = Qmp::unix(&socket);
        let actual = |qmp: &mut Qmp| qmp.run("query-balloon", json!({}))["actual"].clone();
        assert_eq!(actual(&mut qmp), json!(512 * MIB));
        let free = "awk '/MemFree/{print int($2/1024)}' /proc/meminfo";
        let before: u64 = guest.run(free).parse().unwrap();

        qmp.run("balloon", json!({"value": 256 * MIB}));
        let reached = |answer: &Value| answer["actual"] == json!(256 * MIB);
        wait_for(&mut qmp, ("query-balloon", json!({})), reached);
        assert!(qmp.event("BALLOON_CHANGE")["actual"].is_u64());
        let after: u64 = guest.run(free).parse().unwrap();
        assert!(after + 200 < before, "{before} MiB, then {after}");

        qmp.run("balloon", json!({"value": 1024 * MIB}));
        let whole = |answer: &Value| answer["actual"] == json!(512 * MIB);
        wait_for(&mut qmp, ("query-balloon", json!({})), whole);
        let back: u64 = guest.run(free).parse().unwrap();
        assert!(back > after + 200, "{after} MiB, then {back}");

        let refused = qmp.answer("balloon", json!({"value": 0}));
        assert_eq!(refused["error"]["class"], "GenericError");
        if device == "virtio-balloon-pci" {
            statistics(&mut qmp);
        }
        guest.power_off();
    }
}

fn statistics(qmp: &mut Qmp) {
    let path = "/machine/peripheral/b0";
    let interval = "guest-stats-polling-interval";
    qmp.run(
        "qom-set",
        json!({"path": path, "property": interval, "value": 1}),
    );
    let get = json!({"path": path, "property": "guest-stats"});
    let told = |answer: &Value| answer["stats"]["stat-total-memory"].as_u64() < Some(512 * MIB);
    let first = wait_for(qmp, ("qom-get", get.clone()), told);
    // And again, later.
    let stamp = |answer: &Value| answer["last-update"].as_u64().unwrap();
    wait_for(qmp, ("qom-get", get), |answer| {
        stamp(answer) > stamp(&first)
    });
}

/// Without a balloon, and with two.
#[test]
fn one_balloon_at_most() {
    let two = "-M virt -device virtio-balloon-pci -device virtio-balloon-pci";
    let exit = Guest::start(two.split(' ')).end(COMMAND);
    assert_eq!(exit.code, Some(1));
    let text = "Only one balloon device is supported";
    assert!(exit.stderr.contains(text), "{}", exit.stderr);
}
