//! SCSI disks and CD drives behind virtio: found, used, added and removed while the guest runs.

use std::fs;

use ferrite_e2e::{COMMAND, Guest, Kernel, Qmp, ext4_image, fsck, noise, sha256};
use serde_json::json;

#[test]
fn disks_and_discs() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    ext4_image(&at("disk"), 32, None);
    fs::write(at("disc"), noise(31, 1 << 20)).unwrap();
    fs::write(at("late"), noise(32, 4 << 20)).unwrap();
    let args = format!(
        "-M virt -m 512 -qmp unix:{},server=on,wait=off -device virtio-scsi-pci,id=s0 \
         -drive if=none,id=d0,format=raw,file={} -device scsi-hd,drive=d0,id=hd0,serial=FERRITE7 \
         -drive if=none,id=d1,format=raw,readonly=on,file={} \
         -device scsi-cd,drive=d1,bus=s0.0,scsi-id=3,lun=1 \
         -drive if=none,id=d2,format=raw,file={}",
        at("qmp").display(),
        at("disk").display(),
        at("disc").display(),
        at("late").display(),
    );
    let mut guest = Guest::boot(Kernel::Cloud612, &args);
    let mut qmp = Qmp::unix(&at("qmp"));
    let units = guest.run("ls /sys/class/scsi_device");
    assert!(
        units.contains("0:0:0:0") && units.contains("0:0:3:1"),
        "{units}"
    );
    let sum = guest.run("sha256sum /dev/sr0");
    assert!(sum.starts_with(&sha256(&at("disc"))), "{sum}");
    guest.run("mount /dev/sda /mnt && dd if=/dev/urandom of=/mnt/file bs=64k count=64");
    let sum = guest.run("sha256sum </mnt/file");
    guest.run("umount /mnt && echo 3 > /proc/sys/vm/drop_caches && mount /dev/sda /mnt");
    assert_eq!(guest.run("sha256sum </mnt/file"), sum);
    guest.run("umount /mnt");

    let unit = json!({"driver": "scsi-hd", "id": "hd1", "drive": "d2", "bus": "s0.0", "lun": 2});
    qmp.run("device_add", unit.clone());
    let again = qmp.answer("device_add", unit);
    assert_eq!(again["error"]["desc"], "Duplicate device ID 'hd1'");
    guest.run("until test -e /dev/sdb; do sleep 0.1; done");
    guest.run("test -e /sys/class/scsi_device/0:0:0:2");
    let sum = guest.run("sha256sum /dev/sdb");
    assert!(sum.starts_with(&sha256(&at("late"))), "{sum}");
    qmp.run("device_del", json!({"id": "hd1"}));
    assert_eq!(qmp.event("DEVICE_DELETED")["device"], "hd1");
    guest.run("while test -e /dev/sdb; do sleep 0.1; done");
    guest.power_off();
    fsck(&at("disk"));
}

#[test]
fn a_unit_needs_a_place() {
    for (args, text) in [
        (
            "-device scsi-cd",
            "No 'SCSI' bus found for device 'scsi-cd'",
        ),
        (
            "-device virtio-scsi-pci,id=s -device scsi-cd,bus=t.0",
            "Bus 't.0' not found",
        ),
        (
            "-device virtio-scsi-pci -device scsi-cd,scsi-id=256",
            "bad scsi device id: 256",
        ),
    ] {
        let exit = Guest::start(args.split(' ')).end(COMMAND);
        assert_eq!(exit.code, Some(1), "{args}");
        assert!(exit.stderr.contains(text), "{args}: {}", exit.stderr);
    }
}
