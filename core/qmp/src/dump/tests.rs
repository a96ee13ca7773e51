use std::process::Command;
use std::sync::Arc;

use super::{CpuState, clip, elf};
use crate::commands;
use crate::events::Events;
use crate::fake::{FakeClock, FakeVm, RAM_BASE};
use crate::session::Monitor;
use serde_json::{Value, json};

fn run(vm: &mut FakeVm, command: &str, arguments: Value) -> Result<Value, String> {
    commands::run(command, arguments, vm, &mut Monitor::default()).map_err(|e| e.message)
}

#[test]
fn ranges_are_clipped() {
    let ranges = [(0x1000, 0x1000), (0x4000, 0x2000)];
    assert_eq!(
        clip(&ranges, 0x1800, 0x3000),
        [(0x1800, 0x800), (0x4000, 0x800)]
    );
    assert_eq!(clip(&ranges, 0x2000, 0x2000), []);
    assert_eq!(clip(&ranges, 0, u64::MAX), ranges);
}

#[test]
fn a_dump_has_all_memory_and_is_told_of() {
    let mut vm = FakeVm::new(Events::new(Arc::new(FakeClock::default())));
    let arguments = json!({"paging": false, "protocol": "file:core"});
    run(&mut vm, "dump-guest-memory", arguments).unwrap();
    let file = vm.files.lock().unwrap()["core"].clone();
    assert_eq!(file[file.len() - vm.ram.len()..], vm.ram);
    let state = run(&mut vm, "query-dump", json!({})).unwrap();
    let size = vm.ram.len();
    assert_eq!(
        state,
        json!({"status": "completed", "completed": size, "total": size})
    );
    let arguments =
        json!({"paging": false, "protocol": "file:part", "begin": RAM_BASE + 16, "length": 32});
    run(&mut vm, "dump-guest-memory", arguments).unwrap();
    assert!(vm.files.lock().unwrap()["part"].ends_with(&vm.ram[16..48]));
}

/// Each answer as QEMU gives it.
#[test]
fn refusals() {
    let mut vm = FakeVm::new(Events::new(Arc::new(FakeClock::default())));
    for (arguments, message) in [
        (json!({"protocol": "x:y"}), "Invalid parameter 'protocol'"),
        (
            json!({"protocol": "file:/nonexistent/x"}),
            "Could not open '/nonexistent/x': No such file or directory",
        ),
        (
            json!({"protocol": "file:f", "begin": 0}),
            "Parameter 'length' is missing",
        ),
        (
            json!({"protocol": "file:f", "length": 0}),
            "Parameter 'begin' is missing",
        ),
        (
            json!({"protocol": "file:f", "begin": 0, "length": 0}),
            "Invalid parameter 'length'",
        ),
        (
            json!({"protocol": "fd:f"}),
            "File descriptor named 'f' has not been found",
        ),
        (
            json!({"protocol": "file:f", "format": "kdump-zlib", "begin": 0, "length": 1}),
            "kdump-compressed format doesn't support paging or filter",
        ),
        (
            json!({"protocol": "file:f", "begin": 0, "length": 1}),
            "dump: no guest memory to dump",
        ),
    ] {
        let mut arguments = arguments;
        arguments["paging"] = json!(false);
        let answer = run(&mut vm, "dump-guest-memory", arguments.clone());
        assert_eq!(answer, Err(message.into()), "{arguments}");
    }
}

/// What `readelf` of the host's binutils finds in it, where there is one.
#[test]
fn readelf_reads_it() {
    let cpu = CpuState {
        pc: 0xffff_8000_1234_5678,
        ..CpuState::default()
    };
    let ranges = [(0x4000_0000, 0x1000)];
    let mut file = elf::head(&[cpu.clone(), cpu], &ranges);
    file.extend([0; 0x1000]);
    let path = std::env::temp_dir().join(format!("ferrite-dump-{}", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let output = Command::new("readelf").arg("-hlnW").arg(&path).output();
    std::fs::remove_file(&path).unwrap();
    let Ok(output) = output else {
        eprintln!("SKIPPED: no readelf");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.stderr.is_empty(), "{output:?}");
    for words in ["CORE (Core file)", "AArch64", "0x0000000040000000 0x001000"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(text.matches("NT_PRSTATUS").count(), 2, "{text}");
    assert_eq!(text.matches("NT_FPREGSET").count(), 2, "{text}");
}
