//! QEMU's qtest protocol: the same script to QEMU and to Ferrite, connected as libqtest does.

use std::path::Path;

use ferrite_e2e::binary;
use serde_json::json;

use super::tool::Tool;

/// Memory, the serial port, the interrupt controller and its lines, a transport of virtio-mmio.
const SCRIPT: &str = "endianness
readl 0x9000fe0
read 0x9000fe0 16
readl 0x9000018
writeq 0x41000000 0x1122334455667788
readq 0x41000000
readw 0x41000002
write 0x41000000 4 0xdeadbeef
read 0x41000000 6
memset 0x41000000 4 0x5a
b64read 0x41000000 5
b64write 0x41000000 3 AQID
read 0x41000000 0x4
readl 0x60000000
writel 0x60000000 1
inb 0x60
outb 0x60 1
nonsense 1
irq_intercept_in nonsense
readl 0x8000000
writel 0x8000000 1
readl 0x8000000
readl 0x8000008
irq_intercept_in GIC
irq_intercept_in GIC
writel 0x9000030 0x301
writel 0x9000038 0x20
writel 0x9000000 0x41
readl 0x900003c
readl 0x8000204
writel 0x9000044 0x20
readl 0x900003c
set_irq_in GIC unnamed-gpio-in 5 1
readl 0x8000204
set_irq_in GIC unnamed-gpio-in 5 0
set_irq_in nonsense unnamed-gpio-in 5 1
readl 0xa003e00
readl 0xa003e04
readl 0xa003e08
readl 0xa003e0c
readl 0xa003c08
readl 0x9010fe0
readl 0x9030fe0";

#[test]
fn answers_are_those_of_qemu() {
    let folder = tempfile::tempdir().unwrap();
    let options = "-S -device virtio-rng-device";
    let mut ours = Tool::start(&binary(), folder.path(), options);
    let qemu = Path::new("/usr/bin/qemu-system-aarch64");
    if !qemu.exists() {
        eprintln!("SKIPPED: no qemu-system-aarch64");
        return;
    }
    let mut theirs = Tool::start(qemu, folder.path(), options);
    let (our_gic, their_gic) = (ours.path("arm_gic"), theirs.path("arm_gic"));
    for command in SCRIPT.lines() {
        let our_answer = ours.ask(&command.replace("GIC", &our_gic));
        let their_answer = theirs.ask(&command.replace("GIC", &their_gic));
        assert_eq!(our_answer, their_answer, "{command}");
    }
}

/// With the accelerator, virtual time goes by as the tool says.
#[test]
fn time_is_the_tools() {
    let folder = tempfile::tempdir().unwrap();
    let mut tool = Tool::start(&binary(), folder.path(), "-accel qtest");
    assert_eq!(tool.qmp.status(), "running");
    assert_eq!(tool.ask("clock_step 1000000"), ["OK 1000000"]);
    assert_eq!(tool.ask("clock_set 3000000000"), ["OK 3000000000"]);
    assert_eq!(tool.ask("clock_step 5"), ["OK 3000000005"]);
    tool.qmp.run("quit", json!({}));
}
