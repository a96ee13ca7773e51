//! The types of objects, with their parents and the properties that can be set.

use ferrite_qmp::qom::Type;
use serde_json::{Value, json};

type Properties = &'static [(&'static str, &'static str, &'static str)];

/// A place on a PCI bus. Defaults are JSON; empty for none.
const PCI: Properties = &[("addr", "int32", "-1"), ("multifunction", "bool", "false")];
/// The interfaces of a virtio device on PCI.
const VIRTIO_PCI: Properties = &[
    ("addr", "int32", "-1"),
    ("multifunction", "bool", "false"),
    ("disable-legacy", "OnOffAuto", "\"auto\""),
];
const BLK: Properties = &[("drive", "str", ""), ("serial", "str", "")];
const NIC: Properties = &[("mac", "str", ""), ("netdev", "str", "")];
const P9: Properties = &[("fsdev", "str", ""), ("mount_tag", "str", "")];
const RNG: Properties = &[("rng", "link<rng-backend>", "")];
const PORT: Properties = &[
    ("chassis", "uint8", "0"),
    ("slot", "uint16", "0"),
    ("port", "uint8", "0"),
];
const SCSI_UNIT: Properties = &[
    ("drive", "str", ""),
    ("scsi-id", "uint32", "4294967295"),
    ("lun", "uint32", "4294967295"),
    ("serial", "str", ""),
    ("wwn", "uint64", "0"),
];
const CHAR: Properties = &[("chardev", "str", "")];
const NUMBER: Properties = &[("nr", "uint32", "4294967295")];
const BALLOON: Properties = &[
    ("deflate-on-oom", "bool", "false"),
    ("free-page-reporting", "bool", "false"),
    ("page-poison", "bool", "true"),
];
const TLS: Properties = &[
    ("dir", "string", ""),
    ("endpoint", "QCryptoTLSCredsEndpoint", ""),
    ("verify-peer", "bool", ""),
];
const NONE: Properties = &[];

/// Name, parent, abstract, properties.
type Row = (&'static str, &'static str, bool, &'static [Properties]);

const TYPES: &[Row] = &[
    ("object", "", true, &[]),
    ("container", "object", false, &[]),
    ("accel", "object", true, &[]),
    ("tcg-accel", "accel", false, &[]),
    ("machine", "object", true, &[]),
    ("none-machine", "machine", false, &[]),
    ("virt-machine", "machine", true, &[]),
    ("virt-10.0-machine", "virt-machine", false, &[]),
    ("rng-backend", "object", true, &[]),
    ("rng-random", "rng-backend", false, &[]),
    ("memory-backend", "object", true, &[]),
    ("memory-backend-ram", "memory-backend", false, &[]),
    ("memory-backend-file", "memory-backend", false, &[]),
    ("secret", "object", false, &[]),
    ("iothread", "object", false, &[]),
    ("tls-creds", "object", true, &[]),
    ("tls-creds-x509", "tls-creds", false, &[TLS]),
    ("device", "object", true, &[]),
    ("vmcoreinfo", "device", false, &[]),
    ("cpu", "device", true, &[]),
    ("arm-cpu", "cpu", true, &[]),
    ("cortex-a53-arm-cpu", "arm-cpu", false, &[]),
    ("cortex-a57-arm-cpu", "arm-cpu", false, &[]),
    ("cortex-a72-arm-cpu", "arm-cpu", false, &[]),
    ("max-arm-cpu", "arm-cpu", false, &[]),
    ("sys-bus-device", "device", true, &[]),
    ("arm_gic", "sys-bus-device", false, &[]),
    ("arm-gicv3", "sys-bus-device", false, &[]),
    ("gpex-pcihost", "sys-bus-device", false, &[]),
    ("pl011", "sys-bus-device", false, &[CHAR]),
    ("pl031", "sys-bus-device", false, &[]),
    ("pl061", "sys-bus-device", false, &[]),
    ("virtio-mmio", "sys-bus-device", false, &[]),
    ("virtio-device", "device", true, &[]),
    ("virtio-9p-device", "virtio-device", false, &[P9]),
    ("virtio-balloon-device", "virtio-device", false, &[BALLOON]),
    ("virtio-blk-device", "virtio-device", false, &[BLK]),
    ("virtio-net-device", "virtio-device", false, &[NIC]),
    ("virtio-rng-device", "virtio-device", false, &[RNG]),
    ("virtio-scsi-common", "virtio-device", true, &[]),
    ("virtio-scsi-device", "virtio-scsi-common", false, &[]),
    ("scsi-device", "device", true, &[]),
    ("scsi-disk-base", "scsi-device", true, &[]),
    ("scsi-hd", "scsi-disk-base", false, &[SCSI_UNIT]),
    ("scsi-cd", "scsi-disk-base", false, &[SCSI_UNIT]),
    ("virtio-serial-device", "virtio-device", false, &[]),
    ("virtio-serial-port", "device", true, &[]),
    (
        "virtserialport",
        "virtio-serial-port",
        false,
        &[CHAR, NUMBER, &[("name", "str", "")]],
    ),
    ("virtconsole", "virtio-serial-port", false, &[CHAR, NUMBER]),
    ("pci-device", "device", true, &[]),
    ("e1000-base", "pci-device", true, &[]),
    ("e1000", "e1000-base", false, &[PCI, NIC]),
    ("e1000e", "pci-device", false, &[PCI, NIC]),
    ("gpex-root", "pci-device", false, &[NONE]),
    ("base-pci-bridge", "pci-device", true, &[]),
    (
        "pci-bridge",
        "base-pci-bridge",
        false,
        &[PCI, &[("chassis_nr", "uint8", "0")]],
    ),
    ("pcie-pci-bridge", "base-pci-bridge", false, &[PCI]),
    ("pcie-port", "base-pci-bridge", true, &[]),
    ("pcie-slot", "pcie-port", true, &[]),
    ("pcie-root-port-base", "pcie-slot", true, &[]),
    ("pcie-root-port", "pcie-root-port-base", false, &[PCI, PORT]),
    ("pci-testdev", "pci-device", false, &[PCI]),
    (
        "pvpanic-pci",
        "pci-device",
        false,
        &[PCI, &[("events", "uint8", "3")]],
    ),
    ("virtio-pci", "pci-device", true, &[]),
    ("virtio-9p-pci", "virtio-pci", false, &[VIRTIO_PCI, P9]),
    (
        "virtio-balloon-pci",
        "virtio-pci",
        false,
        &[VIRTIO_PCI, BALLOON],
    ),
    ("virtio-blk-pci", "virtio-pci", false, &[VIRTIO_PCI, BLK]),
    ("virtio-net-pci", "virtio-pci", false, &[VIRTIO_PCI, NIC]),
    ("virtio-rng-pci", "virtio-pci", false, &[VIRTIO_PCI, RNG]),
    ("virtio-scsi-pci", "virtio-pci", false, &[VIRTIO_PCI]),
    ("virtio-serial-pci", "virtio-pci", false, &[VIRTIO_PCI]),
];

/// Every type.
#[must_use]
pub fn list() -> Vec<Type> {
    let property = |(name, kind, default): &(&'static str, &'static str, &'static str)| {
        let default: Value = serde_json::from_str(default).unwrap_or(json!(null));
        (*name, *kind, default)
    };
    let row = |(name, parent, is_abstract, properties): &Row| Type {
        name,
        parent,
        is_abstract: *is_abstract,
        properties: properties.iter().copied().flatten().map(property).collect(),
    };
    TYPES.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use ferrite_cli::device::DRIVERS;

    use super::list;

    #[test]
    fn every_driver_and_every_parent_is_a_type() {
        let types = list();
        let known = |name: &str| types.iter().any(|row| row.name == name);
        for driver in DRIVERS {
            assert!(known(driver.name), "{}", driver.name);
        }
        for row in &types {
            assert!(row.parent.is_empty() || known(row.parent), "{}", row.name);
        }
    }
}
