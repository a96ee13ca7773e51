use ferrite_cli::{Invocation, parse};
use ferrite_vm::Vm;

use super::{Log, Qtest};
use crate::chardev::Stream;
use crate::chardev::queue::ByteQueue;
use crate::launch;
use crate::wake::Waker;

struct Bench {
    vm: Vm,
    qtest: Qtest,
    input: ByteQueue,
    output: ByteQueue,
}

impl Bench {
    fn new(options: &str) -> Self {
        let words = format!("-M virt -m 16 -nodefaults {options}");
        let words = words.split_whitespace().map(str::to_owned);
        let Ok(Invocation::Run(line)) = parse(words, 0) else {
            panic!("{options}");
        };
        let waker = Waker::default();
        let mut ends = launch::open(&line, &waker).unwrap();
        let built = launch::machine(&line, None, &mut ends.characters, &waker).unwrap();
        let (input, output) = (ByteQueue::default(), ByteQueue::default());
        let stream = Stream {
            input: input.clone(),
            output: output.clone(),
        };
        let mut qtest = Qtest::new(Box::new(stream), Log::None);
        qtest.set_clock(built.clock);
        let mut vm = built.vm;
        vm.cont().unwrap();
        Self {
            vm,
            qtest,
            input,
            output,
        }
    }

    /// The lines that a command is answered with.
    fn ask(&mut self, command: &str) -> String {
        self.input.try_push(format!("{command}\n").as_bytes());
        assert!(!self.qtest.serve(&mut self.vm));
        let mut text = vec![0; 1 << 16];
        let count = self.output.try_pop(&mut text);
        String::from_utf8_lossy(&text[..count]).trim().to_owned()
    }

    /// The path of the interrupt controller.
    fn gic(&self) -> String {
        let number = self.vm.cpus().len() + self.vm.board().devices().len();
        format!("/machine/unattached/device[{number}]")
    }

    fn path(&self, kind: &str) -> String {
        let devices = self.vm.board().devices();
        let at = devices.iter().position(|device| device.kind == kind);
        format!(
            "/machine/unattached/device[{}]",
            self.vm.cpus().len() + at.unwrap()
        )
    }
}

/// Each answer as QEMU 7.2 gives it.
#[test]
fn accesses() {
    let mut bench = Bench::new("-accel qtest");
    for (command, answer) in [
        ("endianness", "OK little"),
        ("readl 0x9000fe0", "OK 0x0000000000000011"),
        ("readl 0x9000018", "OK 0x0000000000000090"),
        ("writeq 0x40000000 0x1122334455667788", "OK"),
        ("readq 0x40000000", "OK 0x1122334455667788"),
        ("readw 0x40000002", "OK 0x0000000000005566"),
        ("readb 0x40000007", "OK 0x0000000000000011"),
        ("write 0x40000000 4 0xdeadbeef", "OK"),
        ("read 0x40000000 4", "OK 0xdeadbeef"),
        ("memset 0x40000000 4 0x5a", "OK"),
        ("b64read 0x40000000 3", "OK Wlpa"),
        ("b64write 0x40000000 3 AQID", "OK"),
        ("read 0x40000000 0x4", "OK 0x0102035a"),
        ("inb 0x60", "OK 0x00ff"),
        ("outb 0x60 1", "OK"),
        ("nonsense 1", "FAIL Unknown command 'nonsense'"),
        ("rtas x", "FAIL Unknown command 'rtas'"),
        ("readl 0x8000000", "OK 0x0000000000000000"),
        ("writel 0x8000000 1", "OK"),
        ("readl 0x8000000", "OK 0x0000000000000001"),
        ("irq_intercept_in nonsense", "FAIL Unknown device"),
        ("set_irq_in nonsense a 5 1", "FAIL Unknown device"),
        ("read 0x9000fe0 16", "OK 0x11000000100000001400000000000000"),
        ("write 0x9000030 2 0x0103", "OK"),
        ("readl 0x9000030", "OK 0x0000000000000301"),
    ] {
        assert_eq!(bench.ask(command), answer, "{command}");
    }
    for wrong in ["readl", "readl x", "writel 0", "read 0 99999999999"] {
        assert!(bench.ask(wrong).starts_with("FAIL "), "{wrong}");
    }
}

/// The serial port raises its interrupt when there is room for output, and the GIC holds it pending.
#[test]
fn interrupts() {
    let mut bench = Bench::new("-accel qtest");
    let gic = bench.gic();
    let serial = bench.path("pl011");
    assert_eq!(bench.ask(&format!("irq_intercept_in {gic}")), "OK");
    assert_eq!(
        bench.ask(&format!("irq_intercept_out {serial}")),
        "FAIL IRQ intercept already enabled"
    );
    // Enabled, transmitter too; its interrupt is unmasked, then a byte is sent.
    bench.ask("writel 0x9000030 0x301");
    bench.ask("writel 0x9000038 0x20");
    assert_eq!(bench.ask("writel 0x9000000 0x41"), "IRQ raise 1\nOK");
    assert_eq!(bench.ask("readl 0x8000204"), "OK 0x0000000000000002");
    assert_eq!(bench.ask("writel 0x9000044 0x20"), "IRQ lower 1\nOK");
    let drive = format!("set_irq_in {gic} unnamed-gpio-in 5 1");
    assert_eq!(bench.ask(&drive), "IRQ raise 5\nOK");
    assert_eq!(bench.ask("readl 0x8000204"), "OK 0x0000000000000020");
}

/// Virtual time stands still unless it is moved. The real-time clock follows the host's, as QEMU's does
/// by default: its alarm is not what virtual time passes on the way.
#[test]
fn time() {
    let mut bench = Bench::new("-accel qtest");
    assert_eq!(bench.ask("clock_step"), "OK 0");
    assert_eq!(bench.ask("clock_step 100"), "OK 100");
    assert_eq!(bench.ask("clock_set 1000"), "OK 1000");
    assert_eq!(bench.ask("clock_set 500"), "OK 1000");
    // An alarm two seconds ahead.
    let gic = bench.gic();
    bench.ask(&format!("irq_intercept_in {gic}"));
    let now = bench.ask("readl 0x9010000");
    let now = u64::from_str_radix(now.trim_start_matches("OK 0x"), 16).unwrap();
    bench.ask("writel 0x9010010 1");
    bench.ask(&format!("writel 0x9010004 {}", now + 2));
    let after = bench.ask("clock_step 3000000000");
    assert_eq!(after, "OK 3000001000");
    // Without the accelerator, time is not the tool's.
    let mut bench = Bench::new("-S");
    assert_eq!(bench.ask("clock_step"), "FAIL Unknown command 'clock_step'");
}

/// A device on virtio-mmio as a driver finds it.
#[test]
fn virtio() {
    let mut bench = Bench::new("-accel qtest -device virtio-rng-device");
    assert_eq!(bench.ask("readl 0xa003e00"), "OK 0x0000000074726976");
    assert_eq!(bench.ask("readl 0xa003e08"), "OK 0x0000000000000004");
    assert_eq!(bench.ask("readl 0xa003c08"), "OK 0x0000000000000000");
}

#[test]
fn no_cpu_runs() {
    let mut bench = Bench::new("-accel qtest");
    let before = bench.vm.cpus()[0].pc();
    for _ in 0..3 {
        bench.vm.run_slice();
    }
    assert_eq!(bench.vm.cpus()[0].pc(), before);
}
