//! Programs without an operating system, as suites of small tests are: what they say and how they end
//! is the same on Ferrite and on QEMU.

use std::path::Path;
use std::process::{Command, Stdio};

use ferrite_e2e::binary;

const QEMU: &str = "/usr/bin/qemu-system-aarch64";

/// Instructions that write a text to the first serial port.
fn say(text: &str) -> Vec<u32> {
    // MOVZ X1, #0x900, LSL #16; then for each byte MOVZ W0, #byte; STRB W0, [X1].
    let bytes = text.bytes().map(u32::from);
    let words = bytes.flat_map(|byte| [0x5280_0000 | byte << 5, 0x3900_0020]);
    [0xd2a1_2001].into_iter().chain(words).collect()
}

/// `SYSTEM_OFF` of PSCI: MOVZ W0, #8; MOVK W0, #0x8400, LSL #16; HVC #0.
const POWER_OFF: [u32; 3] = [0x5280_0100, 0x72b0_8000, 0xd400_0002];
/// `B .`
const STAY: u32 = 0x1400_0000;

/// What a program says on its serial port, and its status.
fn outcome(program: &str, kernel: &Path, args: &str) -> (String, Option<i32>) {
    let output = Command::new("timeout")
        .args(["60", program])
        .args(["-M", "virt", "-cpu", "cortex-a57", "-display", "none"])
        .arg("-kernel")
        .arg(kernel)
        .args(args.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (text, output.status.code())
}

fn both(words: &[u32], args: &str) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let kernel = folder.path().join("program.flat");
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    std::fs::write(&kernel, bytes).unwrap();
    let ours = outcome(&binary().display().to_string(), &kernel, args);
    let theirs = outcome(QEMU, &kernel, args);
    assert_eq!(ours, theirs, "{args}");
    ours
}

#[test]
fn a_program_without_a_header_starts_with_its_first_word() {
    let program = [say("hello\n"), POWER_OFF.to_vec()].concat();
    let ended = both(&program, "-serial stdio");
    assert_eq!(ended, ("hello\n".into(), Some(0)));
}

#[test]
fn a_program_ends_the_process_with_its_status() {
    let args = "-chardev testdev,id=end -serial chardev:end";
    for (text, status) in [
        ("0q", 1),
        ("21q", 43),
        ("7x3q", 7),
        ("1q2q", 3),
        ("200q", 145),
    ] {
        let program = [say(text), vec![STAY]].concat();
        assert_eq!(
            both(&program, args),
            (String::new(), Some(status)),
            "{text}"
        );
    }
    // On CPUs with threads of their own.
    let program = [say("21q"), vec![STAY]].concat();
    let (_, status) = both(&program, &format!("-smp 2 {args}"));
    assert_eq!(status, Some(43));
}
