//! Devices without a guest: the same accesses to QEMU's devices and to Ferrite's, by qtest.
//!
//! Most of it is random: registers and values are drawn from a table that each test gives, and
//! every answer and every interrupt line is compared. Where the two differ on purpose, the test
//! keeps away from it and says why.

mod e1000;
mod flash;
mod fw_cfg;
mod gic;
mod pci;
mod primecell;
mod script;
mod tool;
mod trace;
mod virtio;

use std::path::Path;
use std::time::Duration;

use ferrite_e2e::binary;
use tool::Tool;

/// QEMU, as Debian packages it.
const QEMU: &str = "/usr/bin/qemu-system-aarch64";

/// How long a request takes at most that nobody tells of.
const SETTLED: Duration = Duration::from_millis(100);

/// Differences that are told before a test gives up.
const TOLD: usize = 60;

/// QEMU's machine and ours, with the same options, given the same commands.
struct Pair {
    ours: Tool,
    theirs: Tool,
    differences: Vec<String>,
    named: usize,
    seed: u64,
    // Both machines' sockets; gone with them.
    _folder: tempfile::TempDir,
}

impl Pair {
    /// Two stopped machines, so that no time goes by; `None` where there is no QEMU. (Debian's has
    /// no `-accel qtest`.)
    fn start(options: &str) -> Option<Self> {
        Self::with(&format!("-S {options}"))
    }

    /// Two machines that run, with a processor that turned itself off. Time goes by, and devices do
    /// what they only do while the machine runs.
    fn idle(options: &str) -> Option<Self> {
        // PSCI's CPU_OFF: movz w0, #2; movk w0, #0x8400, lsl #16; hvc #0; b .
        let code = [0x5280_0040_u32, 0x72b0_8000, 0xd400_0002, 0x1400_0000];
        // An arm64 Image: its first instruction jumps over the header of 64 bytes.
        let mut image = [0; 20];
        image[0] = 0x1400_0010;
        image[4] = 0x1000;
        image[14] = u32::from_le_bytes(*b"ARMd");
        image[16..].copy_from_slice(&code);
        let code: Vec<u8> = image.iter().flat_map(|word| word.to_le_bytes()).collect();
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("off");
        std::fs::write(&kernel, code).unwrap();
        Self::with(&format!("-kernel {} {options}", kernel.display()))
    }

    /// Two machines; `{number}` in their options is 0 for ours and 1 for QEMU's.
    fn with(options: &str) -> Option<Self> {
        if !Path::new(QEMU).exists() {
            eprintln!("SKIPPED: no {QEMU}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        Some(Self {
            ours: Tool::start(&binary(), folder.path(), &options.replace("{number}", "0")),
            theirs: Tool::start(
                Path::new(QEMU),
                folder.path(),
                &options.replace("{number}", "1"),
            ),
            differences: Vec::new(),
            named: 0,
            seed: 0x9e37_79b9_7f4a_7c15,
            _folder: folder,
        })
    }

    /// From now on, answers tell of the interrupt controller's lines.
    fn watch(&mut self) {
        for tool in [&mut self.ours, &mut self.theirs] {
            let gic = tool.gic();
            tool.ask(&format!("irq_intercept_in {gic}"));
        }
    }

    /// Gives both the command, and returns QEMU's answer.
    fn ask(&mut self, command: &str) -> Vec<String> {
        self.ask_all(&[command.to_owned()]).remove(0)
    }

    /// Gives both the commands, and returns QEMU's answers.
    fn ask_all(&mut self, commands: &[String]) -> Vec<Vec<String>> {
        let ours = self.ours.ask_all(commands);
        let theirs = self.theirs.ask_all(commands);
        for ((command, ours), theirs) in commands.iter().zip(&ours).zip(&theirs) {
            if ours != theirs {
                let difference = format!("{command}: {ours:?}, QEMU {theirs:?}");
                self.differences.push(difference);
                assert!(self.differences.len() < TOLD, "{}", self.told());
            }
        }
        theirs
    }

    fn told(&self) -> String {
        self.differences.join("\n")
    }

    fn number(answer: &[String]) -> u64 {
        let word = answer.last().and_then(|line| line.strip_prefix("OK 0x"));
        u64::from_str_radix(word.unwrap_or_default(), 16).unwrap_or_default()
    }

    /// Reads from both, and returns what QEMU has.
    fn read(&mut self, bytes: u64, at: u64) -> u64 {
        let letter = letter(bytes);
        Self::number(&self.ask(&format!("read{letter} {at:#x}")))
    }

    /// Writes to both.
    fn write(&mut self, bytes: u64, at: u64, value: u64) {
        let letter = letter(bytes);
        self.ask(&format!("write{letter} {at:#x} {value:#x}"));
    }

    /// The next number of a fixed sequence (xorshift).
    fn random(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.random() >> 16) as usize % bound
    }

    /// A value that a register might take notice of.
    fn value(&mut self) -> u64 {
        match self.below(6) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << self.below(32),
            3 => self.random() & 0xff,
            _ => self.random(),
        }
    }

    /// The registers of a device, in random order and with random values.
    fn roam(&mut self, base: u64, registers: &[Register], times: usize) {
        let commands: Vec<_> = (0..times).map(|_| self.access(base, registers)).collect();
        self.ask_all(&commands);
    }

    fn access(&mut self, base: u64, registers: &[Register]) -> String {
        let register = registers[self.below(registers.len())];
        let at = base + register.offset;
        let letter = letter(register.bytes);
        if register.writable == 0 || self.below(2) == 0 {
            return format!("read{letter} {at:#x}");
        }
        let width = u64::MAX >> (64 - 8 * register.bytes);
        let value = (self.value() & register.writable | register.fixed) & width;
        format!("write{letter} {at:#x} {value:#x}")
    }

    /// Gives both the time that a request to a file takes.
    fn settle(&mut self) {
        std::thread::sleep(SETTLED);
    }

    /// Says of what the differences were that are not told of yet.
    fn name(&mut self, what: &str) {
        if self.differences.len() > self.named {
            self.differences.push(format!("  -- that was {what}"));
            self.named = self.differences.len();
        }
    }

    /// Ends the test: nothing may have differed.
    #[track_caller]
    fn end(self) {
        assert!(self.differences.is_empty(), "{}", self.told());
    }
}

/// The letter by which a command tells the width of its access.
fn letter(bytes: u64) -> char {
    match bytes {
        1 => 'b',
        2 => 'w',
        4 => 'l',
        _ => 'q',
    }
}

/// What of a register is tried.
#[derive(Clone, Copy)]
struct Register {
    offset: u64,
    bytes: u64,
    /// The bits that random values are written to; 0 for a register that is only read.
    writable: u64,
    /// Bits that are set in whatever is written.
    fixed: u64,
}

/// A register of 32 bits, in which these bits are written.
const fn word(offset: u64, writable: u64) -> Register {
    Register {
        offset,
        bytes: 4,
        writable,
        fixed: 0,
    }
}
