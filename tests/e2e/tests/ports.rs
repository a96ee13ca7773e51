//! Serial adapters and their ports, added and removed while the guest runs.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use ferrite_e2e::{Console, Guest, Kernel, Qmp};
use serde_json::json;

#[test]
fn adapters_and_ports_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let args = format!(
        "-M virt -m 512 -qmp unix:{},server=on,wait=off -device pcie-root-port,id=rp0,chassis=1 \
         -chardev socket,id=c0,path={},server=on,wait=off",
        at("qmp").display(),
        at("port").display()
    );
    let mut guest = Guest::boot(Kernel::Generic61, &args);
    let mut qmp = Qmp::unix(&at("qmp"));
    let port = json!({"driver": "virtserialport", "id": "p0", "chardev": "c0", "name": "late"});
    let early = qmp.answer("device_add", port.clone());
    let text = "No 'virtio-serial-bus' bus found for device 'virtserialport'";
    assert_eq!(early["error"]["desc"], text);
    qmp.run(
        "device_add",
        json!({"driver": "virtio-serial-pci", "id": "vs0", "bus": "rp0"}),
    );
    for _ in 0..2 {
        qmp.run("device_add", port.clone());
        let busy = qmp.answer("chardev-remove", json!({"id": "c0"}));
        assert_eq!(busy["error"]["desc"], "Chardev 'c0' is busy");
        let found = "grep -lx late /sys/class/virtio-ports/*/name";
        guest.run(&format!("until {found}; do sleep 0.2; done"));
        let device = guest.run(&format!("basename $(dirname $({found}))"));
        let stream = UnixStream::connect(at("port")).unwrap();
        let [from, to] = [stream.try_clone(), stream.try_clone()].map(Result::unwrap);
        let mut peer = Console::new(from, to);
        guest.run(&format!("echo to the host > /dev/{device}"));
        peer.expect("to the host\n");
        // What reads for the peer holds the connection, and there is one at a time.
        stream.shutdown(Shutdown::Both).unwrap();
        qmp.run("device_del", json!({"id": "p0"}));
        assert_eq!(qmp.event("DEVICE_DELETED")["device"], "p0");
        guest.run(&format!("while test -e /dev/{device}; do sleep 0.2; done"));
    }
    // With the adapter go its ports.
    qmp.run("device_add", port);
    qmp.run("device_del", json!({"id": "vs0"}));
    assert_eq!(qmp.event("DEVICE_DELETED")["device"], "p0");
    let inner = qmp.event("DEVICE_DELETED");
    assert_eq!(inner["path"], "/machine/peripheral/vs0/virtio-backend");
    assert_eq!(qmp.event("DEVICE_DELETED")["device"], "vs0");
    qmp.run("chardev-remove", json!({"id": "c0"}));
    guest.power_off();
}
