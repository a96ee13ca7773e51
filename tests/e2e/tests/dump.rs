//! Dumps of a Linux guest, read by the tools of those who look into kernels.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ferrite_e2e::{Guest, Kernel, Qmp, root, tool};
use serde_json::json;

/// Something for the kernel's log.
const MARK: &str = "the mark in the log";

/// Formats, as the tools are given them.
const FORMATS: [&str; 4] = ["elf", "kdump-zlib", "kdump-raw-zlib", "kdump-snappy"];

/// What is known of a guest that is dumped.
struct Known {
    /// The registers of its processors then.
    registers: [String; 2],
    /// Where its kernel has a function that it does not change when it starts, in hexadecimal.
    function: String,
}

/// A guest that said something, its dumps in `folder`.
fn dumped(folder: &Path) -> Known {
    let socket = folder.join("qmp");
    let args = format!(
        "-M virt -m 128 -smp 2 -device vmcoreinfo -qmp unix:{},server=on,wait=off",
        socket.display()
    );
    let mut guest = Guest::boot(Kernel::Cloud61, &args);
    guest.run(&format!("echo {MARK} > /dev/kmsg"));
    let function = guest.run("grep ' memcmp$' /proc/kallsyms | cut -d' ' -f1");
    let mut qmp = Qmp::unix(&socket);
    qmp.run("stop", json!({}));
    for format in FORMATS {
        let protocol = format!("file:{}", folder.join(format).display());
        let arguments = json!({"paging": false, "protocol": protocol, "format": format});
        qmp.run("dump-guest-memory", arguments);
    }
    let protocol = format!("file:{}", folder.join("mapped").display());
    let arguments = json!({"paging": true, "protocol": protocol});
    qmp.run("dump-guest-memory", arguments);
    let registers = [0, 1].map(|cpu| {
        let command = json!({"command-line": "info registers", "cpu-index": cpu});
        let shown = qmp.run("human-monitor-command", command);
        shown.as_str().unwrap().to_owned()
    });
    qmp.run("quit", json!({}));
    Known {
        registers,
        function: function.trim().into(),
    }
}

/// A tool that `cargo xtask test` fetches.
fn fetched(name: &str) -> Option<PathBuf> {
    let path = root().join("target/crash").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: no {name} in target/crash");
    None
}

#[test]
fn tools_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let known = dumped(folder.path());

    let notes = tool("readelf", ["-nW", &file("elf")]);
    assert_eq!(notes.matches("NT_PRSTATUS").count(), 2, "{notes}");
    assert_eq!(notes.matches("VMCOREINFO").count(), 1, "{notes}");

    debugger_sees(&file("elf"), &known.registers);
    debugger_sees(&file("mapped"), &known.registers);
    debugger_reads_the_kernel(&file("mapped"), &known.function);
    for format in ["elf", "mapped", "kdump-raw-zlib"] {
        log_is_in(&file(format), &file("log"));
    }
    for format in ["kdump-zlib", "kdump-snappy"] {
        crash_reads(&file(format), &file("commands"));
    }
}

/// GNU's debugger finds every processor with its registers.
fn debugger_sees(core: &str, registers: &[String; 2]) {
    let debugger = Command::new("gdb-multiarch")
        .args(["-nx", "-batch", "-ex", &format!("core-file {core}")])
        .args(["-ex", "thread apply 1 2 -q info registers pc sp x19"])
        .output();
    let Ok(output) = debugger else {
        eprintln!("SKIPPED: no gdb-multiarch");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let shown: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().filter(|n| ["pc", "sp", "x19"].contains(n))?;
            let value = words.next()?.strip_prefix("0x")?;
            Some((name, u64::from_str_radix(value, 16).unwrap()))
        })
        .collect();
    assert_eq!(shown.len(), 6, "{output:?}");
    for (n, (name, value)) in shown.iter().enumerate() {
        let ours = format!("{}={value:016x}", name.to_uppercase());
        assert!(registers[n / 3].contains(&ours), "{ours}: {registers:?}");
    }
}

/// Where the guest's mappings are in a dump, the debugger finds the kernel's code by its virtual
/// address: the code that is in the kernel's image.
fn debugger_reads_the_kernel(core: &str, function: &str) {
    assert_eq!(function.len(), 16, "{function}");
    let debugger = Command::new("gdb-multiarch")
        .args(["-nx", "-batch", "-ex", &format!("core-file {core}")])
        .args(["-ex", &format!("x/64xb 0x{function}")])
        .output();
    let Ok(output) = debugger else {
        eprintln!("SKIPPED: no gdb-multiarch");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("0x")?.split_once(':'));
    let bytes: Vec<u8> = lines
        .flat_map(|(_, bytes)| bytes.split_whitespace())
        .map(|byte| u8::from_str_radix(byte.trim_start_matches("0x"), 16).unwrap())
        .collect();
    assert_eq!(bytes.len(), 64, "{output:?}");
    let image = std::fs::read(Kernel::Cloud61.image()).unwrap();
    let found = image.windows(64).any(|window| window == bytes);
    assert!(found, "not in the kernel: {output:?}");
}

/// `makedumpfile` finds the kernel's log by what the kernel says of itself.
fn log_is_in(dump: &str, log: &str) {
    let Some(program) = fetched("makedumpfile") else {
        return;
    };
    tool(
        &program.display().to_string(),
        ["-f", "--dump-dmesg", dump, log],
    );
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains(MARK), "{log}");
}

/// `crash` tells the kernel's release, and with its symbols the rest.
fn crash_reads(dump: &str, commands: &str) {
    let Some(program) = fetched("crash") else {
        return;
    };
    let release = tool(&program.display().to_string(), ["--osrelease", dump]);
    assert!(release.starts_with(Kernel::Cloud61.release()), "{release}");
    let Some(symbols) = fetched("vmlinux") else {
        return;
    };
    std::fs::write(commands, "sys\nlog\nbt\nquit\n").unwrap();
    let output = Command::new(program)
        .args(["-s", "-i", commands])
        .args([&symbols.display().to_string(), dump])
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    for words in ["CPUS: 2", "MEMORY: 128 MB", MARK, " #0 ["] {
        assert!(text.contains(words), "{words}: {output:?}");
    }
}
