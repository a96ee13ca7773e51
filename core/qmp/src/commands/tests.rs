use std::sync::{Arc, PoisonError};

use serde_json::{Value, json};

use super::base64;
use crate::error::Error;
use crate::events::Events;
use crate::fake::{FakeClock, FakeVm, RAM_BASE};
use crate::schema::{self, COMMANDS, ShutdownCause};
use crate::session::Monitor;

struct Bench {
    vm: FakeVm,
    monitor: Monitor,
}

impl Bench {
    fn new() -> Self {
        Self {
            vm: FakeVm::new(Events::new(Arc::new(FakeClock::default()))),
            monitor: Monitor::default(),
        }
    }

    fn run(&mut self, command: &str, arguments: Value) -> Result<Value, Error> {
        let definition = schema::command(command).unwrap();
        schema::check(definition, arguments.as_object().unwrap())?;
        super::run(command, arguments, &mut self.vm, &mut self.monitor)
    }

    fn fails(&mut self, command: &str, arguments: Value) -> String {
        self.run(command, arguments).unwrap_err().message
    }

    fn file(&self, name: &str) -> Option<Vec<u8>> {
        let files = self.vm.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(name).cloned()
    }
}

#[test]
fn every_command_without_arguments_answers_what_its_schema_says() {
    // No guest to wake or to interrupt, no balloon, no ACPI, no processor to add, no waiting.
    const REFUSED: &[&str] = &[
        "inject-nmi",
        "query-acpi-ospm-status",
        "query-balloon",
        "query-hotpluggable-cpus",
        "system_wakeup",
        "x-exit-preconfig",
    ];
    let plain = |row: &&schema::CommandDefinition| row.arguments.is_empty() && row.boxed.is_none();
    for row in COMMANDS.iter().filter(plain) {
        let mut bench = Bench::new();
        let Ok(answer) = bench.run(row.name, json!({})) else {
            assert!(REFUSED.contains(&row.name), "{}", row.name);
            continue;
        };
        assert_eq!(schema::check_answer(row, &answer), Ok(()), "{}", row.name);
    }
}

#[test]
fn answers_have_qemus_shapes() {
    let mut bench = Bench::new();
    let mut ask = |command| bench.run(command, json!({})).unwrap();
    assert_eq!(
        ask("query-uuid"),
        json!({"UUID": "550e8400-e29b-41d4-a716-446655440000"})
    );
    assert_eq!(ask("query-target"), json!({"arch": "aarch64"}));
    assert_eq!(
        ask("query-kvm"),
        json!({"enabled": false, "present": false})
    );
    assert_eq!(
        ask("query-status"),
        json!({"status": "prelaunch", "running": false})
    );
    assert_eq!(
        ask("query-cpus-fast")[1],
        json!({"cpu-index": 1, "qom-path": "/machine/unattached/device[1]",
            "thread-id": 101, "target": "aarch64"})
    );
    assert_eq!(
        ask("query-chardev")[0],
        json!({"label": "rb", "filename": "ringbuf", "frontend-open": false})
    );
    ask("quit");
    assert_eq!(bench.vm.quit, Some(ShutdownCause::HostQmpQuit));
}

#[test]
fn memory_is_saved_to_files() {
    let mut bench = Bench::new();
    let save = |val: u64, size: i64| json!({"val": val, "size": size, "filename": "f"});
    bench.run("memsave", save(RAM_BASE + 4090, 12)).unwrap();
    assert_eq!(bench.file("f").unwrap(), &bench.vm.ram[4090..4102]);
    // By number, and by the monitor's own processor, whose memory is elsewhere.
    let mut of_1 = save(0, 3);
    of_1["cpu-index"] = json!(1);
    bench.run("memsave", of_1).unwrap();
    assert_eq!(bench.file("f").unwrap(), &bench.vm.ram[..3]);
    bench.run("cpu", json!({"index": 1})).unwrap();
    bench.run("memsave", save(16, 3)).unwrap();
    assert_eq!(bench.file("f").unwrap(), &bench.vm.ram[16..19]);
    // Physical memory that is not there reads as zeros.
    bench.run("pmemsave", save(RAM_BASE - 2, 4)).unwrap();
    assert_eq!(
        bench.file("f").unwrap(),
        [0, 0, bench.vm.ram[0], bench.vm.ram[1]]
    );

    assert_eq!(
        bench.fails("memsave", save(99_999_999_999_999, 16)),
        "Invalid addr 0x00005af3107a3fff/size 16 specified"
    );
    assert_eq!(
        bench.fails("memsave", json!({"val": -1, "size": 16, "filename": "f"})),
        "Invalid addr 0xffffffffffffffff/size 16 specified"
    );
    assert_eq!(
        bench.fails(
            "memsave",
            json!({"val": 0, "size": 16, "filename": "f", "cpu-index": 7})
        ),
        "Parameter 'cpu-index' expects a CPU number"
    );
    assert_eq!(
        bench.fails(
            "pmemsave",
            json!({"val": 0, "size": 1, "filename": "/nonexistent/f"})
        ),
        "Could not open '/nonexistent/f': No such file or directory"
    );
    bench.fails("pmemsave", save(0, -5));
    // Zeros without end are nothing to wait for.
    let endless = json!({"val": 0, "size": i64::MAX, "filename": "endless"});
    bench.fails("pmemsave", endless.clone());
    bench.fails("memsave", endless);
    assert_eq!(bench.file("endless"), None);
    bench.fails("cpu", json!({"index": -1}));
}

#[test]
fn ring_buffers_carry_text_and_base64() {
    let mut bench = Bench::new();
    let write = |data: &str, format: &str| json!({"device": "rb", "data": data, "format": format});
    let read = |format: &str| json!({"device": "rb", "size": 50, "format": format});
    bench
        .run("ringbuf-write", json!({"device": "rb", "data": "abc"}))
        .unwrap();
    bench
        .run("ringbuf-write", write("gID/gA==", "base64"))
        .unwrap();
    assert_eq!(
        bench.run("ringbuf-read", read("utf8")).unwrap(),
        "abc\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
    );
    assert_eq!(bench.run("ringbuf-read", read("utf8")).unwrap(), "");
    bench
        .run("ringbuf-write", write("gID/gA==", "base64"))
        .unwrap();
    assert_eq!(
        bench.run("ringbuf-read", read("base64")).unwrap(),
        "gID/gA=="
    );
    for size in [0, -1] {
        let arguments = json!({"device": "rb", "size": size});
        assert_eq!(
            bench.fails("ringbuf-read", arguments),
            "size must be greater than zero"
        );
    }
    let of = |device: &str| json!({"device": device, "size": 2});
    assert_eq!(bench.fails("ringbuf-read", of("x")), "Device 'x' not found");
    assert_eq!(
        bench.fails("ringbuf-read", of("null")),
        "null is not a ringbuf device"
    );
}

#[test]
fn base64_of_rfc_4648() {
    // Section 10.
    let vectors = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ];
    for (plain, text) in vectors {
        assert_eq!(base64::encode(plain.as_bytes()), text);
        assert_eq!(base64::decode(text), plain.as_bytes());
    }
    assert_eq!(base64::decode("Z m\n9-v"), b"foo");
}

#[test]
fn nothing_can_be_yanked() {
    let mut bench = Bench::new();
    let instance = json!({"instances": [{"type": "chardev", "id": "rb"}]});
    let error = bench.run("yank", instance).unwrap_err();
    assert_eq!(error.class, schema::QapiErrorClass::DeviceNotFound);
}

#[test]
fn the_human_monitor_may_speak_of_another_processor() {
    let mut bench = Bench::new();
    let mut show = |arguments| bench.run("human-monitor-command", arguments);
    let line = "info registers";
    assert_eq!(
        show(json!({"command-line": line, "cpu-index": 1})).unwrap(),
        "\r\nCPU#1\r\n PC=0000000000000001\r\n"
    );
    assert_eq!(
        show(json!({"command-line": line})).unwrap(),
        "\r\nCPU#0\r\n PC=0000000000000000\r\n"
    );
    assert!(show(json!({"command-line": line, "cpu-index": 5})).is_err());
}
