//! Trace points that a guest raises: exceptions, TLB maintenance, code, disks, cards, PCI.

use ferrite_e2e::{Guest, Kernel, Qmp, noise};
use serde_json::json;

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
];

#[test]
fn a_guest_raises_them() {
    let dir = tempfile::tempdir().unwrap();
    let [socket, disk, file] = ["qmp", "disk", "trace"].map(|name| dir.path().join(name));
    std::fs::write(&disk, noise(7, 4 << 20)).unwrap();
    let args = format!(
        "-M virt,gic-version=3 -smp 2 -m 256 -nic none -qmp unix:{},server=on,wait=off \
         -drive if=virtio,format=raw,file={} -trace file={}",
        socket.display(),
        disk.display(),
        file.display()
    );
    let mut guest = Guest::boot(Kernel::Cloud61, &args);
    let mut qmp = Qmp::unix(&socket);
    let lines = || std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(lines(), "", "all are off");
    for (point, action) in RAISED {
        let state = qmp.run("trace-event-get-state", json!({"name": point}));
        assert_eq!(state[0]["state"], "disabled", "{point}");
        let set = |on: bool| json!({"name": point, "enable": on});
        qmp.run("trace-event-set-state", set(true));
        guest.run(action);
        qmp.run("trace-event-set-state", set(false));
        let text = lines();
        let told = text
            .lines()
            .filter(|line| line.contains(&format!(":{point} ")));
        assert!(told.count() > 0, "{point} after {action}");
    }
    guest.power_off();
}
