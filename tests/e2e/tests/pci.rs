//! Devices on PCI Express: found, used, added and removed while the guest runs.

use std::time::{Duration, Instant};

use ferrite_e2e::{COMMAND, Guest, Kernel, Qmp, noise, sha256};
use serde_json::json;

/// A disk and a card on PCI, one of them below a root port.
#[test]
fn a_disk_and_a_card() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    std::fs::write(&disk, noise(21, 2 << 20)).unwrap();
    for (gic, messages) in [("2", Some("MSI")), ("3", Some("ITS-")), ("3,its=off", None)] {
        let args = format!(
            "-M virt,gic-version={gic} -m 512 -drive if=virtio,format=raw,file={} \
             -device pcie-root-port,id=rp0,chassis=1,slot=1 -netdev user,id=n0 \
             -device virtio-net-pci,netdev=n0,bus=rp0",
            disk.display()
        );
        let mut guest = Guest::boot(Kernel::Cloud612, &args);
        let ids = guest.run("cat /sys/bus/pci/devices/*/device");
        // Host bridge, root port, transitional disk, modern card.
        let mut ids: Vec<&str> = ids.split_whitespace().collect();
        ids.sort_unstable();
        assert_eq!(ids, ["0x0008", "0x000c", "0x1001", "0x1041"]);
        let sum = guest.run("sha256sum /dev/vda");
        assert!(sum.starts_with(&sha256(&disk)), "{sum}");
        guest.run("ip link set eth0 up && udhcpc -i eth0 -n -q && ping -c 1 10.0.2.2");
        let interrupts = guest.run("cat /proc/interrupts");
        match messages {
            Some(controller) => assert!(interrupts.contains(controller), "{interrupts}"),
            None => assert!(!interrupts.contains("MSI"), "{interrupts}"),
        }
        guest.power_off();
    }
}

/// The documentation's example: a card without a bus goes to the first free port.
#[test]
fn a_card_comes_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("qmp");
    let args = format!(
        "-M virt,gic-version=2 -m 512 -qmp unix:{},server=on,wait=off \
         -device pcie-root-port,id=rp0,chassis=1,slot=1",
        socket.display()
    );
    let mut guest = Guest::boot(Kernel::Generic61, &args);
    let mut qmp = Qmp::unix(&socket);
    let refused = qmp.answer("device_add", json!({"driver": "e1000", "bus": "pcie.0"}));
    let text = refused["error"]["desc"].as_str().unwrap_or_default();
    assert_eq!(text, "Bus 'pcie.0' does not support hotplugging");
    for round in 0..2 {
        qmp.run("netdev_add", json!({"type": "user", "id": "n1"}));
        qmp.run(
            "device_add",
            json!({"driver": "e1000", "id": "net1", "netdev": "n1"}),
        );
        let full = qmp.answer("device_add", json!({"driver": "e1000"}));
        assert_eq!(full["error"]["class"], "GenericError", "{full}");
        wait_for(&mut guest, "test -e /sys/class/net/eth0");
        guest.run("ip link set eth0 up && udhcpc -i eth0 -n -q && ping -c 2 10.0.2.2");
        if round == 0 {
            qmp.run("set_link", json!({"name": "net1", "up": false}));
            wait_for(&mut guest, "grep -q 0 /sys/class/net/eth0/carrier");
            qmp.run("set_link", json!({"name": "net1", "up": true}));
            wait_for(&mut guest, "grep -q 1 /sys/class/net/eth0/carrier");
        }
        qmp.run("device_del", json!({"id": "net1"}));
        let gone = qmp.event("DEVICE_DELETED");
        assert_eq!(gone["device"], "net1");
        assert_eq!(gone["path"], "/machine/peripheral/net1");
        wait_for(&mut guest, "test ! -e /sys/class/net/eth0");
        qmp.run("netdev_del", json!({"id": "n1"}));
    }
    let absent = qmp.answer("device_del", json!({"id": "net1"}));
    assert_eq!(absent["error"]["class"], "DeviceNotFound");
    guest.power_off();
}

/// Runs a command until it succeeds.
fn wait_for(guest: &mut Guest, command: &str) {
    let end = Instant::now() + COMMAND;
    while guest.status(command).0 != 0 {
        assert!(Instant::now() < end, "still not: {command}");
        std::thread::sleep(Duration::from_millis(300));
    }
}
