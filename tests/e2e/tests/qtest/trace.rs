//! Trace points of devices: each tells when it is on, under QEMU's name.

use ferrite_e2e::binary;
use serde_json::json;

use super::QEMU;
use super::tool::Tool;

/// A point, and what makes it tell.
const GICV2: &[(&str, &str)] = &[
    ("gic_dist_read", "readl 0x8000004"),
    ("gic_dist_write", "writel 0x8000000 1"),
    ("gic_cpu_read", "readl 0x8010004"),
    ("gic_cpu_write", "writel 0x8010004 0xff"),
    ("pl011_read", "readl 0x9000018"),
    ("pl011_write", "writel 0x9000038 0"),
    ("pl031_read", "readl 0x9010000"),
    ("pl031_write", "writel 0x9010010 0"),
    ("pl061_read", "readl 0x9030400"),
    ("pl061_write", "writel 0x9030400 0"),
    ("pflash_io_read", "readl 0x4000000"),
    ("virtio_mmio_read", "readl 0xa003e00"),
    ("virtio_mmio_write_offset", "writel 0xa003e14 0"),
    ("virtio_set_status", "writel 0xa003e70 1"),
    ("virtio_queue_notify", "writel 0xa003e50 0"),
    ("pci_cfg_read", "readl 0x4010000000"),
    ("pci_cfg_write", "writel 0x4010000004 0"),
];

const GICV3: &[(&str, &str)] = &[
    ("gicv3_dist_read", "readl 0x8000004"),
    ("gicv3_dist_write", "writel 0x8000000 2"),
    ("gicv3_redist_read", "readl 0x80a0008"),
    ("gicv3_redist_write", "writel 0x80a0014 0"),
    ("gicv3_its_read", "readl 0x8080004"),
    ("gicv3_its_write", "writel 0x8080100 0"),
];

#[test]
fn points_tell_what_devices_do() {
    for (version, points) in [(2, GICV2), (3, GICV3)] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trace");
        let options = format!("-S -M gic-version={version} -device virtio-rng-device");
        let with_file = format!("{options} -trace file={}", file.display());
        let mut tool = Tool::start(&binary(), folder.path(), &with_file);
        let mut qemu = std::path::Path::new(QEMU)
            .exists()
            .then(|| Tool::start(QEMU.as_ref(), folder.path(), &options));
        let mut lines = 0;
        // So that the flash bank answers itself.
        tool.ask("writel 0x4000000 0x900090");
        for (point, command) in points {
            let set = |on: bool| json!({"name": point, "enable": on});
            tool.qmp.run("trace-event-set-state", set(true));
            tool.ask(command);
            tool.qmp.run("trace-event-set-state", set(false));
            tool.ask(command);
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let new: Vec<_> = text.lines().skip(lines).collect();
            assert!(!new.is_empty(), "{point}");
            assert!(new.iter().all(|line| line.contains(point)), "{new:?}");
            lines += new.len();
            if let Some(qemu) = &mut qemu {
                // It knows the name.
                let state = qemu
                    .qmp
                    .run("trace-event-get-state", json!({"name": point}));
                assert_eq!(state[0]["name"], *point);
            }
        }
    }
}
