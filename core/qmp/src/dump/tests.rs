use std::process::Command;
use std::sync::Arc;

use super::{CpuState, Mapping, clip, elf, mapped};
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

/// What `readelf` of the host's binutils finds in a dump without complaint, where there is one.
fn readelf(options: &str, dump: &[u8]) -> Option<String> {
    let name = format!("ferrite-dump-{}{options}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, dump).unwrap();
    let output = Command::new("readelf").arg(options).arg(&path).output();
    std::fs::remove_file(&path).unwrap();
    let Ok(output) = output else {
        eprintln!("SKIPPED: no readelf");
        return None;
    };
    assert!(output.stderr.is_empty(), "{output:?}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn readelf_reads_it() {
    let cpu = CpuState {
        pc: 0xffff_8000_1234_5678,
        ..CpuState::default()
    };
    let ranges = [(0x4000_0000, 0x1000)];
    let mut file = elf::head(
        &elf::notes(&[cpu.clone(), cpu]),
        &ranges,
        &mapped(&[], &ranges),
    );
    file.extend([0; 0x1000]);
    let Some(text) = readelf("-hlnW", &file) else {
        return;
    };
    for words in ["CORE (Core file)", "AArch64", "0x0000000040000000 0x001000"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(text.matches("NT_PRSTATUS").count(), 2, "{text}");
    assert_eq!(text.matches("NT_FPREGSET").count(), 2, "{text}");
}

/// Each byte of a dump with mappings, by its virtual address in program headers.
fn by_address(file: &[u8], count: usize, virt: u64) -> Option<u8> {
    let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
    // After the header of notes.
    let headers = (1..count).map(|n| 64 + n * 56);
    let mut headers = headers.filter(|&at| file[at] == 1);
    headers.find_map(|at| {
        let within = virt.checked_sub(word(at + 16))?;
        (within < word(at + 32)).then(|| file[(word(at + 8) + within) as usize])
    })
}

#[test]
fn mappings_are_segments() {
    let mut vm = FakeVm::new(Events::new(Arc::new(FakeClock::default())));
    let mapping = |virt, phys, len| Mapping { virt, phys, len };
    vm.mappings = Some(vec![
        // The page before memory, and its first two.
        mapping(0xffff_8000_0000_0000, RAM_BASE - 0x1000, 0x3000),
        // A device.
        mapping(0x1000, 0x900_0000, 0x1000),
        mapping(0x7000, RAM_BASE + 0x1000, 0x800),
        // Found on another processor, too.
        mapping(0x7000, RAM_BASE + 0x1000, 0x800),
    ]);
    let arguments = json!({"paging": true, "protocol": "file:core"});
    run(&mut vm, "dump-guest-memory", arguments).unwrap();
    let file = vm.files.lock().unwrap()["core"].clone();
    assert!(file.ends_with(&vm.ram));
    assert_eq!(file[56..58], [3, 0]);
    let at = |virt| by_address(&file, 3, virt);
    assert_eq!(at(0xffff_8000_0000_0fff), None);
    assert_eq!(at(0x1000), None);
    for n in 0..0x2000 {
        assert_eq!(at(0xffff_8000_0000_1000 + n), Some(vm.ram[n as usize]));
    }
    assert_eq!(at(0x77ff), Some(vm.ram[0x17ff]));
    assert_eq!(at(0x7800), None);
    // A part of memory.
    let arguments =
        json!({"paging": true, "protocol": "file:part", "begin": RAM_BASE + 0x1400, "length": 16});
    run(&mut vm, "dump-guest-memory", arguments).unwrap();
    let file = vm.files.lock().unwrap()["part"].clone();
    assert_eq!(by_address(&file, 3, 0x73ff), None);
    assert_eq!(by_address(&file, 3, 0x7400), Some(vm.ram[0x1400]));
}

#[test]
fn too_many_mappings_are_refused() {
    let mut vm = FakeVm::new(Events::new(Arc::new(FakeClock::default())));
    vm.mappings = None;
    let arguments = json!({"paging": true, "protocol": "file:core"});
    let answer = run(&mut vm, "dump-guest-memory", arguments);
    assert_eq!(answer, Err("too many mappings".into()));
    let state = run(&mut vm, "query-dump", json!({})).unwrap();
    assert_eq!(state["status"], "failed");
}

/// More segments than the file's header can count.
#[test]
fn readelf_counts_very_many_segments() {
    let ranges = [(RAM_BASE, 0x1000)];
    let every_other = |n: u64| Mapping {
        virt: n * 0x2000,
        phys: RAM_BASE,
        len: 0x1000,
    };
    let mappings: Vec<Mapping> = (0..70_000).map(every_other).collect();
    let mut file = elf::head(&elf::notes(&[]), &ranges, &mapped(&mappings, &ranges));
    file.extend([0; 0x1000]);
    let Some(text) = readelf("-hlW", &file) else {
        return;
    };
    assert!(text.contains("65535 (70001)"), "{}", &text[..2000]);
    assert_eq!(text.matches("LOAD  ").count(), 70_000);
}

/// An ELF note, put together by its definition.
fn note(name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [name.len() as u32, content.len() as u32, 0] {
        out.extend(word.to_le_bytes());
    }
    for part in [name, content] {
        out.extend(part);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

/// What the guest's kernel says is in both formats, where readers look for it.
#[test]
fn the_kernels_note_is_there() {
    let mut vm = FakeVm::new(Events::new(Arc::new(FakeClock::default())));
    let text = b"OSRELEASE=6.1\nPAGESIZE=4096\n";
    vm.vmcoreinfo = Some(note(b"VMCOREINFO\0", text));
    for (name, format) in [("core", "elf"), ("kdump", "kdump-raw-zlib")] {
        let arguments =
            json!({"paging": false, "protocol": format!("file:{name}"), "format": format});
        run(&mut vm, "dump-guest-memory", arguments).unwrap();
    }
    let files = vm.files.lock().unwrap();
    let u64_at =
        |file: &[u8], at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap()) as usize;
    let kdump = &files["kdump"];
    let (at, len) = (u64_at(kdump, 4096 + 32), u64_at(kdump, 4096 + 40));
    assert_eq!(&kdump[at..at + len], text);
    // The program header of notes comes first.
    let core = &files["core"];
    let (at, len) = (u64_at(core, 64 + 8), u64_at(core, 64 + 32));
    assert!(core[at..at + len].ends_with(&note(b"VMCOREINFO\0", text)));
    assert_eq!(core.len(), at + len + vm.ram.len());
}

#[test]
fn half_a_note_has_no_content() {
    let whole = note(b"VMCOREINFO\0", b"text");
    assert_eq!(elf::content(&whole), Some(24..28));
    for len in 0..whole.len() {
        assert_eq!(elf::content(&whole[..len]), None, "{len}");
    }
    let mut long = whole;
    long[..8].fill(0xff);
    assert_eq!(elf::content(&long), None);
}

/// What a flattened file stands for: the chunks in their places.
fn reassembled(flat: &[u8]) -> Vec<u8> {
    assert!(flat.starts_with(b"makedumpfile\0"));
    let (mut file, mut at) = (Vec::new(), 4096);
    let word = |at: usize| i64::from_be_bytes(flat[at..at + 8].try_into().unwrap());
    while word(at) >= 0 {
        let (place, len) = (word(at) as usize, word(at + 8) as usize);
        file.resize(file.len().max(place + len), 0);
        file[place..place + len].copy_from_slice(&flat[at + 16..at + 16 + len]);
        at += 16 + len;
    }
    assert_eq!((word(at), word(at + 8), at + 16), (-1, -1, flat.len()));
    file
}

/// A page of a file in the compressed format, found as readers find it.
fn page(file: &[u8], number: usize) -> Option<Vec<u8>> {
    let u32_at = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let u64_at = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap()) as usize;
    assert_eq!(&file[..8], b"KDUMP   ");
    let (size, sub, bitmaps) = (u32_at(428), u32_at(432), u32_at(436));
    let maps = (1 + sub) * size;
    let bits = &file[maps + bitmaps / 2 * size..maps + bitmaps * size];
    let is_set = |n: usize| bits[n / 8] >> (n % 8) & 1 != 0;
    if !is_set(number) {
        return None;
    }
    let place = (0..number).filter(|&n| is_set(n)).count();
    let descriptor = maps + bitmaps * size + place * 24;
    let (at, len) = (u64_at(descriptor), u32_at(descriptor + 8));
    let data = &file[at..at + len];
    Some(match u32_at(descriptor + 12) {
        0 => data.to_vec(),
        1 => {
            let mut out = Vec::new();
            std::io::copy(&mut flate2::read::ZlibDecoder::new(data), &mut out).unwrap();
            out
        }
        4 => snap::raw::Decoder::new().decompress_vec(data).unwrap(),
        flags => panic!("{flags}"),
    })
}

#[test]
fn compressed_dumps_have_every_page() {
    let mut vm = FakeVm::new(Events::new(Arc::new(FakeClock::default())));
    vm.ram.extend([0; 4096]);
    // Too random to become smaller.
    let mut random = 1_u64;
    vm.ram.extend((0..2048).map(|_| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 56) as u8
    }));
    let mut files = Vec::new();
    for format in [
        "kdump-zlib",
        "kdump-raw-zlib",
        "kdump-snappy",
        "kdump-raw-snappy",
    ] {
        let protocol = format!("file:{format}");
        let arguments = json!({"paging": false, "protocol": protocol, "format": format});
        run(&mut vm, "dump-guest-memory", arguments).unwrap();
        let state = run(&mut vm, "query-dump", json!({})).unwrap();
        assert_eq!(state["status"], "completed");
        assert_eq!(state["completed"], state["total"]);
        files.push(vm.files.lock().unwrap()[format].clone());
    }
    assert_eq!(reassembled(&files[0]), files[1]);
    assert_eq!(reassembled(&files[2]), files[3]);
    for file in [&files[1], &files[3]] {
        let first = (RAM_BASE / 4096) as usize;
        assert_eq!(page(file, first - 1), None);
        for (n, expected) in vm.ram.chunks(4096).enumerate() {
            let mut expected = expected.to_vec();
            expected.resize(4096, 0);
            assert_eq!(page(file, first + n), Some(expected), "{n}");
        }
        assert_eq!(page(file, first + 4), None);
    }
}

/// `makedumpfile` of the host, where there is one, takes our flattened file apart as we mean it.
#[test]
fn makedumpfile_reassembles_it() {
    let mut vm = FakeVm::new(Events::new(Arc::new(FakeClock::default())));
    for format in ["kdump-zlib", "kdump-raw-zlib"] {
        let protocol = format!("file:{format}");
        let arguments = json!({"paging": false, "protocol": protocol, "format": format});
        run(&mut vm, "dump-guest-memory", arguments).unwrap();
    }
    let files = vm.files.lock().unwrap();
    let base = std::env::temp_dir().join(format!("ferrite-kdump-{}", std::process::id()));
    std::fs::write(&base, &files["kdump-zlib"]).unwrap();
    let (input, raw) = (
        std::fs::File::open(&base).unwrap(),
        base.with_extension("raw"),
    );
    let command = Command::new("makedumpfile")
        .arg("-R")
        .arg(&raw)
        .stdin(input)
        .output();
    let made = std::fs::read(&raw);
    for path in [&base, &raw] {
        // One of them is not there without the program.
        let _ = std::fs::remove_file(path);
    }
    match command {
        Ok(_) => assert!(made.unwrap() == files["kdump-raw-zlib"]),
        Err(_) => eprintln!("SKIPPED: no makedumpfile"),
    }
}
