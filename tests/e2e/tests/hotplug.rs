//! Every device that can be added while the machine runs: the guest finds it, its driver takes it,
//! and it goes again.

use std::path::Path;
use std::time::{Duration, Instant};

use ferrite_e2e::{COMMAND, Guest, Kernel, Qmp, noise, sha256};
use serde_json::{Value, json};

/// A driver with what it needs, what the guest reads of it (vendor and device), and what works then.
struct Row {
    driver: &'static str,
    needs: Value,
    ids: &'static str,
    works: &'static str,
}

fn row(driver: &'static str, needs: Value, ids: &'static str, works: &'static str) -> Row {
    Row {
        driver,
        needs,
        ids,
        works,
    }
}

const NETWORK: &str = "ip link set eth0 up && udhcpc -i eth0 -n -q && ping -c 2 10.0.2.2";

fn rows() -> Vec<Row> {
    vec![
        row(
            "virtio-net-pci",
            json!({"netdev": "n0"}),
            "0x1af4 0x1041",
            NETWORK,
        ),
        row("e1000", json!({"netdev": "n0"}), "0x8086 0x100e", NETWORK),
        row("e1000e", json!({"netdev": "n0"}), "0x8086 0x10d3", NETWORK),
        row(
            "virtio-blk-pci",
            json!({"drive": "d0"}),
            "0x1af4 0x1042",
            "sha256sum /dev/vda",
        ),
        row(
            "virtio-scsi-pci",
            json!({}),
            "0x1af4 0x1048",
            "test -e /sys/class/scsi_host/host0",
        ),
        row(
            "virtio-serial-pci",
            json!({}),
            "0x1af4 0x1043",
            "ls /sys/bus/virtio/drivers/virtio_console | grep virtio",
        ),
        row(
            "virtio-rng-pci",
            json!({}),
            "0x1af4 0x1044",
            "dd if=/dev/hwrng of=/dev/null bs=16 count=1",
        ),
        row(
            "virtio-balloon-pci",
            json!({}),
            "0x1af4 0x1045",
            "ls /sys/bus/virtio/drivers/virtio_balloon | grep virtio",
        ),
        row(
            "virtio-9p-pci",
            json!({"fsdev": "f0", "mount_tag": "share"}),
            "0x1af4 0x1049",
            "mount -t 9p -o trans=virtio share /mnt && cat /mnt/hello && umount /mnt",
        ),
        row("pvpanic-pci", json!({}), "0x1b36 0x0011", "true"),
        row("pci-testdev", json!({}), "0x1b36 0x0005", "true"),
    ]
}

#[test]
fn every_device_comes_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let [socket, disk, share] = ["qmp", "disk", "share"].map(|name| dir.path().join(name));
    std::fs::write(&disk, noise(5, 1 << 20)).unwrap();
    std::fs::create_dir(&share).unwrap();
    std::fs::write(share.join("hello"), "from the host\n").unwrap();
    let show = |path: &Path| path.display().to_string();
    let args = format!(
        "-M virt,gic-version=3 -m 512 -nic none -qmp unix:{},server=on,wait=off \
         -device pcie-root-port,id=rp0,chassis=1,slot=1 -netdev user,id=n0 \
         -drive if=none,id=d0,format=raw,file={} \
         -fsdev local,id=f0,path={},security_model=none",
        show(&socket),
        show(&disk),
        show(&share)
    );
    let mut guest = Guest::boot(Kernel::Generic61, &args);
    let mut qmp = Qmp::unix(&socket);
    for Row {
        driver,
        needs,
        ids,
        works,
    } in rows()
    {
        let mut arguments = needs;
        arguments["driver"] = driver.into();
        arguments["id"] = "hot".into();
        qmp.run("device_add", arguments.clone());
        // The only port is taken: the same again has nowhere to go.
        arguments["id"] = "more".into();
        let refused = qmp.answer("device_add", arguments);
        assert_eq!(
            refused["error"]["class"], "GenericError",
            "{driver}: {refused}"
        );
        let listed = "for d in /sys/bus/pci/devices/*; do echo $(cat $d/vendor $d/device); done";
        wait_for(&mut guest, &format!("({listed}) | grep -q '{ids}'"));
        wait_for(&mut guest, works);
        if driver == "virtio-blk-pci" {
            let sum = guest.run(works);
            assert!(sum.starts_with(&sha256(&disk)), "{sum}");
        }
        if driver == "e1000e" {
            a_driver_with_messages(&mut guest);
        }
        qmp.run("device_del", json!({"id": "hot"}));
        loop {
            let gone = qmp.event("DEVICE_DELETED");
            if gone["device"] == "hot" {
                assert_eq!(gone["path"], "/machine/peripheral/hot", "{driver}");
                break;
            }
        }
        wait_for(&mut guest, &format!("! ({listed}) | grep -q '{ids}'"));
    }
    guest.power_off();
}

/// The driver has its three vectors, a message each.
fn a_driver_with_messages(guest: &mut Guest) {
    let interrupts = guest.run("grep eth0 /proc/interrupts");
    for vector in ["eth0-rx-0", "eth0-tx-0", "eth0"] {
        assert!(interrupts.contains(vector), "{interrupts}");
    }
    assert!(interrupts.contains("ITS-MSI"), "{interrupts}");
    let link = guest.run("cat /sys/class/net/eth0/speed /sys/class/net/eth0/carrier");
    assert_eq!(link.split_whitespace().collect::<Vec<_>>(), ["1000", "1"]);
}

/// Runs a command until it succeeds.
fn wait_for(guest: &mut Guest, command: &str) {
    let end = Instant::now() + COMMAND;
    while guest.status(command).0 != 0 {
        assert!(Instant::now() < end, "still not: {command}");
        std::thread::sleep(Duration::from_millis(300));
    }
}
