//! Trace points that a guest raises: exceptions, TLB maintenance, code, disks, queues, PCI, interrupts,
//! firmware.

use ferrite_e2e::{Guest, Kernel, Qmp, noise};
use serde_json::json;

/// Reads past the guest's cache.
const READ: &str = "dd if=/dev/vda of=/dev/null bs=4k count=4 skip=300 iflag=direct";
/// Gives a function's driver its device anew, with message-signalled interrupts.
const REBIND: &str = "cd /sys/bus/pci/drivers/virtio-pci && echo 0000:00:09.0 > unbind && \
    echo 0000:00:09.0 > bind";
/// Another processor stops and starts.
const ONLINE: &str = "cd /sys/devices/system/cpu/cpu1 && echo 0 > online && echo 1 > online";

/// What a kernel tells of itself while it starts: it asks the firmware device for its files, leaves its
/// note for dumps there, and starts the other processor.
const AT_START: &[&str] = &[
    "fw_cfg_read",
    "fw_cfg_dma",
    "arm_psci_call",
    "guest_cpu_reset",
];

/// A point, and what the guest does that it tells of.
const RAISED: &[(&str, &str)] = &[
    ("arm_exception_taken", "true"),
    ("arm_exception_return", "true"),
    (
        "tlb_maintenance",
        "cat /proc/interrupts; ls -R /sys/bus > /dev/null",
    ),
    ("translate_block", "cat /proc/interrupts"),
    (
        "blk_co_preadv",
        "dd if=/dev/vda of=/dev/null bs=4k count=4 skip=100 iflag=direct",
    ),
    (
        "blk_co_pwritev",
        "dd if=/dev/zero of=/dev/vda bs=4k count=4 oflag=direct",
    ),
    (
        "block_flush",
        "sync /dev/vda; dd if=/dev/zero of=/dev/vda bs=4k count=1 conv=fsync",
    ),
    (
        "block_done",
        "dd if=/dev/vda of=/dev/null bs=4k count=4 skip=200 iflag=direct",
    ),
    (
        "pci_cfg_read",
        "cat /sys/bus/pci/devices/*/config > /dev/null",
    ),
    ("virtqueue_pop", READ),
    ("virtqueue_fill", READ),
    ("virtio_notify", READ),
    ("virtio_pci_write", READ),
    ("gic_set_irq", READ),
    ("gicv3_redist_read", ONLINE),
    ("gicv3_redist_write", ONLINE),
    ("memory_region_ops_read", "true"),
    ("memory_region_ops_write", "true"),
    ("pl011_write", "true"),
    (
        "scsi_req_parsed",
        "dd if=/dev/sda of=/dev/null bs=4k count=4 iflag=direct",
    ),
    ("gicv3_its_process_command", REBIND),
    ("pci_cfg_write", REBIND),
];

#[test]
fn a_guest_raises_them() {
    let dir = tempfile::tempdir().unwrap();
    let [socket, second, disk, file] =
        ["qmp", "second", "disk", "trace"].map(|name| dir.path().join(name));
    let unit = dir.path().join("unit");
    for image in [&disk, &unit] {
        std::fs::write(image, noise(7, 4 << 20)).unwrap();
    }
    let args = format!(
        "-S -M virt,gic-version=3 -smp 2 -m 256 -nic none -qmp unix:{},server=on,wait=off \
         -qmp unix:{},server=on,wait=off -drive if=virtio,format=raw,file={} -device virtio-scsi-pci \
         -drive if=none,id=d0,format=raw,file={} -device scsi-hd,drive=d0 \
         -device virtio-rng-pci,addr=9 -device vmcoreinfo -trace file={}",
        socket.display(),
        second.display(),
        disk.display(),
        unit.display(),
        file.display()
    );
    let mut guest = Guest::start(Guest::arguments(Kernel::Cloud612, &args));
    let mut qmp = Qmp::unix(&socket);
    let lines = || std::fs::read_to_string(&file).unwrap_or_default();
    let has = |point: &str| lines().contains(&format!(":{point} "));
    let mut turn = |point: &str, on: bool| {
        let state = qmp.run("trace-event-get-state", json!({"name": point}));
        let before = if on { "disabled" } else { "enabled" };
        assert_eq!(state[0]["state"], before, "{point}");
        let set = json!({"name": point, "enable": on});
        qmp.run("trace-event-set-state", set);
    };
    AT_START.iter().for_each(|point| turn(point, true));
    assert_eq!(lines(), "", "nothing happens yet");
    Qmp::unix(&second).run("cont", json!({}));
    guest.ready();
    for point in AT_START {
        turn(point, false);
        assert!(has(point), "{point}");
    }
    for (point, action) in RAISED {
        turn(point, true);
        guest.run(action);
        turn(point, false);
        assert!(has(point), "{point} after {action}");
    }
    guest.power_off();
}
