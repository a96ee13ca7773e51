//! `-device`, `-object`, `-fsdev`, `-virtfs` and `-global`.

use std::path::PathBuf;

use super::CliError;
use super::keyval::{ArgError, KeyVal};
use super::net::parse_mac;

/// A device, before it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSpec {
    /// Its name, if it has one.
    pub id: Option<String>,
    /// `virtio-mmio-bus.N`.
    pub bus: Option<usize>,
    /// What it is.
    pub kind: DeviceKind,
}

/// The devices that can be added, with what they need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// `virtio-blk-device`.
    Blk {
        /// The drive or block node.
        drive: String,
        /// The disk's serial number.
        serial: String,
    },
    /// `virtio-net-device`.
    Net {
        /// The back end.
        netdev: String,
        /// MAC address.
        mac: Option<[u8; 6]>,
    },
    /// `virtio-serial-device`: a console device that ports are added to.
    Serial,
    /// `virtconsole`.
    Console {
        /// The back end.
        chardev: String,
    },
    /// `virtserialport`.
    SerialPort {
        /// The back end.
        chardev: String,
        /// The port's name in the guest.
        name: String,
    },
    /// `virtio-rng-device`.
    Rng {
        /// The `rng-random` object; `None` for the host's random source.
        rng: Option<String>,
    },
    /// `virtio-9p-device`.
    P9 {
        /// The `-fsdev`.
        fsdev: String,
        /// What the guest mounts.
        mount_tag: String,
    },
}

/// Drivers with their help, for `-device help`.
pub const DRIVERS: &[(&str, &str)] = &[
    ("virtio-blk-device", "drive=ID[,serial=TEXT]: a disk"),
    (
        "virtio-net-device",
        "netdev=ID[,mac=ADDRESS]: a network card",
    ),
    (
        "virtio-serial-device",
        "a serial adapter that virtconsole and virtserialport plug into",
    ),
    ("virtconsole", "chardev=ID: a console"),
    ("virtserialport", "chardev=ID,name=NAME: a named port"),
    ("virtio-rng-device", "[rng=ID]: a source of random numbers"),
    (
        "virtio-9p-device",
        "fsdev=ID,mount_tag=TAG: a shared folder",
    ),
];

impl DeviceSpec {
    /// `-device`.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("device", text, "driver")?;
        let driver = kv.require("driver")?;
        let id = kv.take("id");
        let kind = match driver.as_str() {
            "virtio-blk-device" => DeviceKind::Blk {
                drive: kv.require("drive")?,
                serial: kv.take("serial").unwrap_or_default(),
            },
            "virtio-net-device" => {
                let mac = kv
                    .take("mac")
                    .map(|m| parse_mac(&m).ok_or_else(|| kv.invalid("mac", "XX:XX:XX:XX:XX:XX")));
                DeviceKind::Net {
                    mac: mac.transpose()?,
                    netdev: kv.require("netdev")?,
                }
            }
            "virtio-serial-device" => DeviceKind::Serial,
            "virtconsole" => DeviceKind::Console {
                chardev: kv.require("chardev")?,
            },
            "virtserialport" => DeviceKind::SerialPort {
                chardev: kv.require("chardev")?,
                name: kv.take("name").unwrap_or_default(),
            },
            "virtio-rng-device" => DeviceKind::Rng {
                rng: kv.take("rng"),
            },
            "virtio-9p-device" => DeviceKind::P9 {
                fsdev: kv.require("fsdev")?,
                mount_tag: kv.require("mount_tag")?,
            },
            other => return Err(CliError::UnknownDevice(other.to_owned())),
        };
        let bus = if matches!(
            kind,
            DeviceKind::Console { .. } | DeviceKind::SerialPort { .. }
        ) {
            // Ports plug into the one serial adapter; its bus may be named.
            kv.take("bus");
            kv.take_number("nr")?;
            None
        } else {
            mmio_bus(&mut kv)?
        };
        kv.finish()?;
        Ok(Self { id, bus, kind })
    }
}

fn mmio_bus(kv: &mut KeyVal) -> Result<Option<usize>, ArgError> {
    let Some(bus) = kv.take("bus") else {
        return Ok(None);
    };
    let number = bus
        .strip_prefix("virtio-mmio-bus.")
        .and_then(|n| n.parse().ok())
        .filter(|n| *n < 32);
    number
        .map(Some)
        .ok_or_else(|| kv.invalid("bus", "virtio-mmio-bus.0 to virtio-mmio-bus.31"))
}

/// A shared folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsdevSpec {
    /// Its name.
    pub id: String,
    /// The folder.
    pub path: PathBuf,
    /// Refuse changes.
    pub read_only: bool,
}

impl FsdevSpec {
    /// `-fsdev`.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("fsdev", text, "fsdriver")?;
        let id = kv.require("id")?;
        let spec = Self::local(&mut kv, id)?;
        kv.finish()?;
        Ok(spec)
    }

    fn local(kv: &mut KeyVal, id: String) -> Result<Self, ArgError> {
        kv.accept("fsdriver", &["local"])?;
        kv.accept("security_model", &["none"])?;
        kv.accept("multidevs", &["remap", "warn"])?;
        let read_only = kv.take_bool("readonly")?.unwrap_or(false);
        Ok(Self {
            id,
            path: kv.require("path")?.into(),
            read_only,
        })
    }
}

/// `-virtfs`: a folder and the device that shares it.
pub fn virtfs(text: &str, index: usize) -> Result<(FsdevSpec, DeviceSpec), CliError> {
    let mut kv = KeyVal::parse("virtfs", text, "fsdriver")?;
    let id = kv.take("id").unwrap_or_else(|| format!("fs{index}"));
    let mount_tag = kv.require("mount_tag")?;
    let fsdev = FsdevSpec::local(&mut kv, id.clone())?;
    kv.finish()?;
    Ok((
        fsdev,
        DeviceSpec {
            id: None,
            bus: None,
            kind: DeviceKind::P9 {
                fsdev: id,
                mount_tag,
            },
        },
    ))
}

/// `-object`: the only kind is a random source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RngSpec {
    /// Its name.
    pub id: String,
    /// The file or device that random bytes come from.
    pub filename: PathBuf,
}

impl RngSpec {
    /// `-object rng-random,…`.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("object", text, "qom-type")?;
        kv.accept("qom-type", &["rng-random"])?;
        let spec = Self {
            id: kv.require("id")?,
            filename: kv
                .take("filename")
                .unwrap_or_else(|| "/dev/urandom".into())
                .into(),
        };
        kv.finish()?;
        Ok(spec)
    }
}

/// `-global virtio-mmio.force-legacy=…`: whether transports speak the legacy protocol.
pub fn global(text: &str) -> Result<bool, CliError> {
    let mut kv = KeyVal::parse("global", text, "property")?;
    let legacy = kv.take_bool("virtio-mmio.force-legacy")?;
    kv.finish()?;
    legacy.ok_or_else(|| CliError::UnknownGlobal(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices() {
        let spec =
            DeviceSpec::parse("virtio-blk-device,drive=d0,bus=virtio-mmio-bus.3,id=disk").unwrap();
        assert_eq!((spec.bus, spec.id.as_deref()), (Some(3), Some("disk")));
        for bad in [
            "virtio-blk-device",
            "nonsense",
            "virtio-blk-device,drive=d,bus=pcie.0",
            "virtio-rng-device,x=1",
        ] {
            assert!(DeviceSpec::parse(bad).is_err(), "{bad}");
        }
        assert!(DeviceSpec::parse(r#"{"driver":"virtio-net-device","netdev":"n0"}"#).is_ok());
    }

    #[test]
    fn folders() {
        let (fsdev, device) =
            virtfs("local,path=/srv,mount_tag=share,security_model=none", 0).unwrap();
        assert_eq!(
            device.kind,
            DeviceKind::P9 {
                fsdev: fsdev.id,
                mount_tag: "share".into()
            }
        );
        assert!(
            virtfs(
                "local,path=/srv,mount_tag=share,security_model=mapped-xattr",
                0
            )
            .is_err()
        );
        assert_eq!(global("virtio-mmio.force-legacy=false").ok(), Some(false));
        assert!(global("pci.rombar=off").is_err());
    }
}
