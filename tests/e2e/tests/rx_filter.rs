//! What a guest's driver lets through, as monitors see it: the same guest in QEMU and in Ferrite.

use std::path::Path;

use ferrite_e2e::{Guest, Kernel, Qmp, binary};
use serde_json::{Value, json};

/// What the guest does, and whether its driver then sets the filter.
const ACTIONS: &[(&str, bool)] = &[
    ("ip link set eth0 up", true),
    ("ip link set eth0 promisc on", true),
    ("ip link set eth0 promisc off", true),
    ("ifconfig eth0 allmulti", true),
    ("ifconfig eth0 -allmulti", true),
    ("ip link add link eth0 name v7 type vlan id 7", true),
    (
        "ip link add link eth0 name v9 type vlan id 9 && ip link set v9 up",
        true,
    ),
    ("ip addr add 10.0.2.15/24 dev eth0", false),
    ("ip link del v7", true),
    (
        "ip link set eth0 down && ip link set eth0 address 52:54:00:aa:bb:cc",
        true,
    ),
];

struct Side {
    guest: Guest,
    qmp: Qmp,
}

impl Side {
    fn start(program: &Path, folder: &Path) -> Self {
        let socket = folder.join(program.file_name().unwrap());
        // IPv6 joins groups when it pleases.
        let args = format!(
            "-M virt -cpu cortex-a57 -m 256 -nic none -netdev user,id=n0 -netdev user,id=n1 \
             -device virtio-net-pci,id=net0,netdev=n0,mac=52:54:00:12:34:56 \
             -device pcie-pci-bridge,id=br0 -device e1000,id=net1,netdev=n1,bus=br0,addr=1 \
             -qmp unix:{},server=on,wait=off",
            socket.display()
        );
        let mut guest = Guest::boot_on(program, Kernel::Cloud61, &args);
        guest.run("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || true");
        Self {
            guest,
            qmp: Qmp::unix(&socket),
        }
    }

    fn filter(&mut self) -> Value {
        let mut all = self.qmp.run("query-rx-filter", json!({}));
        let lists = ["vlan-table", "unicast-table", "multicast-table"];
        for name in lists {
            let list = all[0][name].as_array_mut().unwrap();
            list.sort_by_key(ToString::to_string);
        }
        // QEMU 7.2 tells the contrary of what it is called.
        let broadcast = &mut all[0]["broadcast-allowed"];
        assert!(broadcast.is_boolean());
        *broadcast = Value::Null;
        all
    }
}

#[test]
fn filters_are_those_of_qemu() {
    let qemu = Path::new("/usr/bin/qemu-system-aarch64");
    if !qemu.exists() {
        eprintln!("SKIPPED: no qemu-system-aarch64");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut ours = Side::start(&binary(), dir.path());
    let mut theirs = Side::start(qemu, dir.path());
    for name in ["net0", "net1", "n0", "nonsense"] {
        let ask = |side: &mut Side| {
            let mut answer = side.qmp.answer("query-rx-filter", json!({"name": name}));
            if answer["return"].is_array() {
                answer["return"] = Value::Null;
            }
            answer
        };
        assert_eq!(ask(&mut ours), ask(&mut theirs), "{name}");
    }
    for (action, tells) in ACTIONS {
        // From here on the next change is told, and only that.
        assert_eq!(ours.filter(), theirs.filter(), "before {action}");
        for side in [&mut ours, &mut theirs] {
            side.guest.run(action);
            if *tells {
                let changed = side.qmp.event("NIC_RX_FILTER_CHANGED");
                let path = "/machine/peripheral/net0/virtio-backend";
                assert_eq!(changed, json!({"name": "net0", "path": path}), "{action}");
            }
        }
    }
    assert_eq!(ours.filter(), theirs.filter());
    let filter = ours.filter();
    assert_eq!(filter[0]["vlan-table"], json!([9]));
    assert_eq!(filter[0]["main-mac"], "52:54:00:aa:bb:cc");
}
