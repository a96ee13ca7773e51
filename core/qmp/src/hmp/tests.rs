use std::sync::Arc;

use super::run;
use crate::events::Events;
use crate::fake::{FakeClock, FakeVm, RAM_BASE};
use crate::schema::RunState;
use crate::session::Monitor;

struct Bench {
    vm: FakeVm,
    monitor: Monitor,
}

impl Bench {
    /// A machine whose memory begins like that of QEMU's `virt` board without a guest.
    fn new() -> Self {
        let mut vm = FakeVm::new(Events::new(Arc::new(FakeClock::default())));
        vm.ram[..32].copy_from_slice(&[
            0xd0, 0x0d, 0xfe, 0xed, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00,
            0x1c, 0x34, 0x00, 0x00, 0x00, 0x30, 0x00, 0x00, 0x00, 0x11, 0x00, 0x00, 0x00, 0x10,
            0x00, 0x00, 0x00, 0x00,
        ]);
        Self {
            vm,
            monitor: Monitor::default(),
        }
    }

    fn say(&mut self, line: &str) -> String {
        run(line, &mut self.vm, &mut self.monitor)
    }
}

/// Lines with what QEMU prints for the same memory, in this order: formats are remembered.
const DUMPS: &[(&str, &str)] = &[
    (
        "xp /4xw 0x40000000",
        "0000000040000000: 0xedfe0dd0 0x00001000 0x40000000 0x341c0000\r\n",
    ),
    (
        "xp /4xg 0x40000000",
        "0000000040000000: 0x00001000edfe0dd0 0x341c000040000000\r\n0000000040000010: 0x1100000030000000 0x0000000010000000\r\n",
    ),
    (
        "xp /16xb 0x40000000",
        "0000000040000000: 0xd0 0x0d 0xfe 0xed 0x00 0x10 0x00 0x00\r\n0000000040000008: 0x00 0x00 0x00 0x40 0x00 0x00 0x1c 0x34\r\n",
    ),
    (
        "xp /20cb 0x40000000",
        "0000000040000000: '\\xd0' '\\r' '\\xfe' '\\xed' '\\x00' '\\x10' '\\x00' '\\x00'\r\n0000000040000008: '\\x00' '\\x00' '\\x00' '@' '\\x00' '\\x00' '\\x1c' '4'\r\n0000000040000010: '\\x00' '\\x00' '\\x00' '0'\r\n",
    ),
    (
        "xp /5dw 0x40000000",
        "0000000040000000: 3992849872       4096 1073741824  874250240\r\n0000000040000010:  805306368\r\n",
    ),
    (
        "xp /5uh 0x40000000",
        "0000000040000000:  3536 60926  4096     0     0\r\n",
    ),
    (
        "xp /5ob 0x40000000",
        "0000000040000000: 0320 015 0376 0355   0\r\n",
    ),
    (
        "x /3xw 0x40000000",
        "0000000040000000: 0xedfe0dd0 0x00001000 0x40000000\r\n",
    ),
    ("x 0x40000000", "0000000040000000: 0xedfe0dd0\r\n"),
    (
        "x /xw 0x999999999999",
        "0000999999999999: Cannot access memory\r\n",
    ),
    (
        "xp /xw 0x999999999999",
        "0000999999999999: Cannot access memory\r\n",
    ),
    ("xp/3xb 0x40000000", "0000000040000000: 0xd0 0x0d 0xfe\r\n"),
    (
        "xp /3xb 0x40000000 + 3",
        "0000000040000003: 0xed 0x00 0x10\r\n",
    ),
    ("xp 0x40000000", "0000000040000000: 0xd0\r\n"),
    ("xp /2xh 0x40000000", "0000000040000000: 0x0dd0 0xedfe\r\n"),
    (
        "xp /3dg 0x40000000",
        "0000000040000000:       17596178894288  3754876190393892864\r\n0000000040000010:  1224979099450081280\r\n",
    ),
    (
        "xp /3og 0x40000000",
        "0000000040000000:       0400035577406720 0320340000010000000000\r\n0000000040000010: 0104000000006000000000\r\n",
    ),
    (
        "xp /3ow 0x40000000",
        "0000000040000000: 035577406720      010000 010000000000\r\n",
    ),
    (
        "xp /3cw 0x40000000",
        "0000000040000000: '\\xd0' '\\r' '\\xfe' '\\xed' '\\x00' '\\x10' '\\x00' '\\x00' '\\x00' '\\x00' '\\x00' '@'\r\n",
    ),
    ("xp /0x 0x40000000", ""),
    (
        "xp /2xw 0x40000000+4*2",
        "0000000040000008: 0x40000000 0x341c0000\r\n",
    ),
    ("gva2gpa 0x40000010", "gpa: 0x40000010\r\n"),
    ("gva2gpa 0x10", "Unmapped\r\n"),
    ("print 1+2*3", "0x7\r\n"),
    ("print 1+2*3|8^2&~0%3", "0xd\r\n"),
    ("p/x 100", "0x64\r\n"),
    ("print -5", "0xfffffffffffffffb\r\n"),
    ("print ~0", "0xffffffffffffffff\r\n"),
    ("print /o 100", "0144\r\n"),
    ("print /c 65", "'A'\r\n"),
    ("print /u -1", "18446744073709551615\r\n"),
    ("print /d 'a'", "97\r\n"),
];

#[test]
fn memory_and_values_look_as_in_qemu() {
    let mut bench = Bench::new();
    for (line, text) in DUMPS {
        assert_eq!(bench.say(line), *text, "{line}");
    }
}

/// Lines that QEMU refuses, with its words.
const REFUSED: &[(&str, &str)] = &[
    ("foo bar", "unknown command: 'foo'"),
    ("info foo", "unknown command: 'info foo'"),
    ("help foo", "unknown command: 'foo'"),
    ("cpu 3", "invalid CPU index"),
    ("xp /4qw 0", "invalid char in format: 'q'|xp"),
    ("xp", "unexpected end of expression|xp"),
    ("xp /4xw", "unexpected end of expression|xp"),
    ("xp /4xw $foo", "unknown register|xp"),
    (
        "xp /4xw 0 foo",
        "xp: extraneous characters at the end of line|xp",
    ),
    (
        "xp /2xw 0xzz",
        "xp: extraneous characters at the end of line|xp",
    ),
    ("xp /2 zz", "invalid char 'z' in expression|xp"),
    ("xp /2xw (1", "')' expected|xp"),
    ("xp /2xw 1/0", "division by zero|xp"),
    ("print", "unexpected end of expression|print"),
    (
        "stop foo",
        "stop|s: extraneous characters at the end of line|stop",
    ),
    (
        "info status foo",
        "status: extraneous characters at the end of line|info status",
    ),
    (
        "info registers -z",
        "registers: unsupported option -z|info registers",
    ),
    (
        "memsave 0 16 /tmp/x",
        "invalid char 't' in expression|memsave",
    ),
    ("memsave 0 16", "memsave: string expected|memsave"),
    (
        "nmi",
        "Error: this feature or command is not currently supported",
    ),
    (
        "system_wakeup",
        "Error: wake-up from suspend is not supported by this guest",
    ),
    (
        "memsave 0x40000000 16 \"/nonexistent/h\"",
        "Error: Could not open '/nonexistent/h': No such file or directory",
    ),
    ("ringbuf_read nope 100", "Error: Device 'nope' not found"),
];

#[test]
fn refusals_are_those_of_qemu() {
    let mut bench = Bench::new();
    for (line, expected) in REFUSED {
        let text = match expected.rsplit_once('|') {
            Some((text, about)) => {
                format!("{text}\r\nTry \"help {about}\" for more information\r\n")
            }
            None => format!("{expected}\r\n"),
        };
        assert_eq!(bench.say(line), text, "{line}");
    }
}

#[test]
fn the_machine_is_shown_and_driven() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.say("info status"),
        "VM status: paused (prelaunch)\r\n"
    );
    assert_eq!(bench.say("c"), "");
    assert_eq!(bench.say("info status"), "VM status: running\r\n");
    assert_eq!(bench.say("stop"), "");
    assert_eq!(bench.say("   info    status  "), "VM status: paused\r\n");
    assert_eq!(bench.vm.state, RunState::Paused);
    assert_eq!(bench.say("info name"), "fake\r\n");
    assert_eq!(
        bench.say("info uuid"),
        "550e8400-e29b-41d4-a716-446655440000\r\n"
    );
    assert_eq!(bench.say("info kvm"), "kvm support: not compiled\r\n");
    assert_eq!(
        bench.say("info chardev"),
        "rb: filename=ringbuf\r\nnull: filename=null\r\n"
    );
    assert_eq!(bench.say("info mtree -f"), "memory map, flat: true\r\n");
    assert_eq!(bench.say("info block"), "");
    assert_eq!(bench.say("info memory-devices"), "");
    assert_eq!(bench.say("info numa"), "0 nodes\r\n");
    assert_eq!(bench.say("info replay"), "Record/replay is not active\r\n");
    assert_eq!(
        bench.say("info balloon"),
        "Error: No balloon device has been activated\r\n"
    );
    assert!(bench.say("info version").starts_with("10.0.0 Ferrite "));
    assert_eq!(bench.say("ringbuf_write rb hello"), "");
    assert_eq!(bench.say("ringbuf_read rb 100"), "hello\r\n");
    assert_eq!(bench.say(""), "");
    assert_eq!(bench.say("quit"), "");
    assert!(bench.vm.quit.is_some());
}

#[test]
fn the_processor_is_remembered() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.say("info cpus"),
        "* CPU #0: thread_id=100\r\n  CPU #1: thread_id=101\r\n"
    );
    assert_eq!(bench.say("print $pc"), format!("{RAM_BASE:#x}\r\n"));
    assert_eq!(bench.say("cpu 1"), "");
    assert_eq!(
        bench.say("info cpus"),
        "  CPU #0: thread_id=100\r\n* CPU #1: thread_id=101\r\n"
    );
    assert_eq!(bench.say("print $pc"), "0x40000010\r\n");
    assert_eq!(bench.say("x /2xb 0"), "0000000000000000: 0xd0 0x0d\r\n");
    assert_eq!(
        bench.say("info registers"),
        "\r\nCPU#1\r\n PC=0000000000000001\r\n"
    );
    let all = "\r\nCPU#0\r\n PC=0000000000000000\r\n\r\nCPU#1\r\n PC=0000000000000001\r\n";
    assert_eq!(bench.say("info registers -a"), all);
}

#[test]
fn instructions_follow_one_another() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.say("xp /2i 0x40000000"),
        "0x40000000:  .word 0xedfe0dd0\r\n0x40000004:  .word 0x00001000\r\n"
    );
    let end = RAM_BASE + bench.vm.ram.len() as u64 - 4;
    let text = bench.say(&format!("xp /2i {end}"));
    assert!(text.ends_with("Cannot access memory\r\n"), "{text}");
}

#[test]
fn every_command_has_help() {
    let mut bench = Bench::new();
    let all = bench.say("help");
    assert_eq!(all.lines().count(), super::COMMANDS.len());
    for row in super::COMMANDS.iter().filter(|row| row.name != "info") {
        let name = row.name.split('|').next().unwrap();
        assert!(all.contains(bench.say(&format!("help {name}")).lines().next().unwrap()));
    }
    assert_eq!(bench.say("info").lines().count(), super::INFO.len());
    assert_eq!(bench.say("help info"), bench.say("info"));
    assert_eq!(bench.say("help quit"), "quit|q  -- end the emulator\r\n");
    assert!(
        bench
            .say("help info status")
            .starts_with("info status  -- ")
    );
}

#[test]
fn hostile_lines_are_bounded() {
    let mut bench = Bench::new();
    for nested in ["(", "-", "~", "+(", "'"] {
        let line = format!("print {}", nested.repeat(100_000));
        assert!(bench.say(&line).len() < 200);
    }
    assert!(
        bench
            .say("xp /99999999999999999999xg 0x40000000")
            .starts_with("Error: ")
    );
    assert!(
        bench
            .say("xp /99999999999i 0x40000000")
            .starts_with("Error: ")
    );
    assert_eq!(
        bench.say("print 0xfffffffffffffffff").lines().next(),
        Some("number too large")
    );
    for strange in [
        "print -9223372036854775808/-1",
        "print -9223372036854775808%-1",
        "é",
        "xp /é",
        "print 'é'",
        "memsave 0 0 \"\\",
        "info registers -",
    ] {
        assert!(bench.say(strange).ends_with("\r\n"), "{strange}");
    }
}
