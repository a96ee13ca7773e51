//! `-device` and `-global`, and in [`backend`] `-object`, `-fsdev` and `-virtfs`.

pub mod backend;

use super::CliError;
use super::keyval::{ArgError, KeyVal};
use super::net::parse_mac;
pub use backend::{FsdevSpec, RngSpec, virtfs};

/// A device, before it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSpec {
    /// Its name, if it has one.
    pub id: Option<String>,
    /// What it plugs into.
    pub place: Place,
    /// What it is.
    pub kind: DeviceKind,
}

/// What a device plugs into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `virtio-mmio-bus.N`, or the next free one.
    Mmio(Option<usize>),
    /// A PCI bus.
    Pci(PciPlace),
    /// A serial adapter.
    Adapter(PortPlace),
    /// A SCSI bus.
    Scsi(ScsiPlace),
    /// None: it is a part of the board.
    Board,
}

/// A place on a serial adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortPlace {
    /// The bus's name: the adapter's with `.0`; `None` for the first adapter's.
    pub bus: Option<String>,
    /// The port's number; `None` for the first free one.
    pub number: Option<u32>,
}

/// A place on a SCSI bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScsiPlace {
    /// The bus's name: the adapter's with `.0`; `None` for the first adapter's.
    pub bus: Option<String>,
    /// The target; `None` for the first free one.
    pub target: Option<u64>,
    /// The unit's number; `None` for 0.
    pub lun: Option<u64>,
}

/// A place on a PCI bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PciPlace {
    /// The bus's name; `None` for the root bus, or for any free port while the machine runs.
    pub bus: Option<String>,
    /// Slot and function; `None` for the first free slot.
    pub address: Option<(u8, u8)>,
    /// Whether functions 1 to 7 of its slot are to be looked for.
    pub multifunction: bool,
    /// Whether a virtio device has the legacy interface; `None` for what suits the bus.
    pub legacy: Option<bool>,
}

/// The devices that can be added, with what they need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A virtio disk.
    Blk {
        /// The drive or block node.
        drive: String,
        /// The disk's serial number.
        serial: String,
    },
    /// A virtio SCSI adapter.
    ScsiHost,
    /// `scsi-hd` or `scsi-cd`.
    ScsiUnit {
        /// Whether it is a CD drive.
        cd: bool,
        /// The drive or block node; a CD drive without one is empty.
        drive: Option<String>,
        /// Serial number.
        serial: String,
        /// World wide name.
        wwn: Option<u64>,
    },
    /// A network card.
    Net {
        /// Which.
        model: NicModel,
        /// The back end; without one nothing is on the cable.
        netdev: Option<String>,
        /// MAC address.
        mac: Option<[u8; 6]>,
    },
    /// A virtio serial adapter: a console device that ports are added to.
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
    /// A virtio source of random numbers.
    Rng {
        /// The `rng-random` object; `None` for the host's random source.
        rng: Option<String>,
    },
    /// A virtio 9P device.
    P9 {
        /// The `-fsdev`.
        fsdev: String,
        /// What the guest mounts.
        mount_tag: String,
    },
    /// `pcie-root-port`.
    RootPort {
        /// Physical slot number.
        slot: u16,
        /// Port number.
        port: u8,
    },
    /// `pcie-pci-bridge`.
    ExpressBridge,
    /// `pci-bridge`.
    ConventionalBridge,
    /// `pci-testdev`.
    TestDevice,
    /// `pvpanic-pci`.
    Pvpanic {
        /// The events that it takes, as bits.
        events: u8,
    },
    /// `vmcoreinfo`.
    Vmcoreinfo,
    /// A virtio memory balloon.
    Balloon {
        /// The guest may take pages back when it runs out of memory.
        deflate_on_oom: bool,
        /// The guest may report free pages.
        free_page_reporting: bool,
        /// The guest may tell what it fills free pages with.
        page_poison: bool,
    },
}

/// A model of network card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NicModel {
    /// virtio.
    Virtio,
    /// Intel 82540EM.
    E1000,
    /// Intel 82574L.
    E1000e,
}

/// A driver: its name, where it plugs in, what it needs.
pub struct Driver {
    /// Its name.
    pub name: &'static str,
    /// Another name for it.
    pub alias: Option<&'static str>,
    /// The bus that it plugs into.
    pub bus: &'static str,
    /// Its own properties, and what it is.
    pub help: &'static str,
    read: fn(&mut KeyVal) -> Result<DeviceKind, ArgError>,
}

const PCI: &str = "PCI";
const MMIO: &str = "virtio-bus";
const ADAPTER: &str = "virtio-serial-bus";
const SCSI: &str = "SCSI";
const BOARD: &str = "System";

const BALLOON: &str =
    "[deflate-on-oom=on][,free-page-reporting=on][,page-poison=off]: takes memory from the guest";

macro_rules! drivers {
    ($($name:literal $(/ $alias:literal)?, $bus:ident, $read:expr, $help:expr;)*) => {
        /// Every driver.
        pub const DRIVERS: &[Driver] = &[$(Driver {
            name: $name,
            alias: [$(Some($alias),)? None][0],
            bus: $bus,
            help: $help,
            read: $read,
        },)*];
    };
}

drivers! {
    "e1000" / "e1000-82540em", PCI, |kv| nic(kv, NicModel::E1000),
        "[netdev=ID][,mac=ADDRESS]: an Intel 82540EM network card";
    "e1000e", PCI, |kv| nic(kv, NicModel::E1000e),
        "[netdev=ID][,mac=ADDRESS]: an Intel 82574L network card";
    "pci-bridge", PCI, bridge, "a bridge to a conventional bus";
    "pci-testdev", PCI, |_| Ok(DeviceKind::TestDevice), "registers for measuring accesses";
    "pcie-pci-bridge", PCI, |_| Ok(DeviceKind::ExpressBridge),
        "a bridge from PCI Express to a conventional bus";
    "pcie-root-port", PCI, root_port,
        "[chassis=N][,slot=N][,port=N]: a slot that devices may be added to at any time";
    "pvpanic-pci", PCI, pvpanic, "[events=BITS]: hears of a guest's panic";
    "scsi-cd", SCSI, |kv| scsi_unit(kv, true),
        "[drive=ID][,scsi-id=N][,lun=N][,serial=TEXT]: a CD drive";
    "scsi-hd", SCSI, |kv| scsi_unit(kv, false),
        "drive=ID[,scsi-id=N][,lun=N][,serial=TEXT]: a disk";
    "virtconsole", ADAPTER, console, "chardev=ID: a console";
    "virtio-9p-device", MMIO, p9, "fsdev=ID,mount_tag=TAG: a shared folder";
    "virtio-9p-pci" / "virtio-9p", PCI, p9, "fsdev=ID,mount_tag=TAG: a shared folder";
    "virtio-balloon-device", MMIO, balloon, BALLOON;
    "virtio-balloon-pci" / "virtio-balloon", PCI, balloon, BALLOON;
    "virtio-blk-device", MMIO, blk, "drive=ID[,serial=TEXT]: a disk";
    "virtio-blk-pci" / "virtio-blk", PCI, blk, "drive=ID[,serial=TEXT]: a disk";
    "virtio-net-device", MMIO, |kv| nic(kv, NicModel::Virtio),
        "[netdev=ID][,mac=ADDRESS]: a network card";
    "virtio-net-pci" / "virtio-net", PCI, |kv| nic(kv, NicModel::Virtio),
        "[netdev=ID][,mac=ADDRESS]: a network card";
    "virtio-rng-device", MMIO, rng, "[rng=ID]: a source of random numbers";
    "virtio-rng-pci" / "virtio-rng", PCI, rng, "[rng=ID]: a source of random numbers";
    "virtio-scsi-device", MMIO, |_| Ok(DeviceKind::ScsiHost),
        "an adapter that scsi-hd and scsi-cd plug into";
    "virtio-scsi-pci" / "virtio-scsi", PCI, |_| Ok(DeviceKind::ScsiHost),
        "an adapter that scsi-hd and scsi-cd plug into";
    "virtio-serial-device", MMIO, |_| Ok(DeviceKind::Serial),
        "a serial adapter that virtconsole and virtserialport plug into";
    "virtio-serial-pci" / "virtio-serial", PCI, |_| Ok(DeviceKind::Serial),
        "a serial adapter that virtconsole and virtserialport plug into";
    "virtserialport", ADAPTER, serial_port, "chardev=ID,name=NAME: a named port";
    "vmcoreinfo", BOARD, |_| Ok(DeviceKind::Vmcoreinfo),
        "hears from the guest's kernel what crash dumps need to tell of it";
}

fn blk(kv: &mut KeyVal) -> Result<DeviceKind, ArgError> {
    kv.accept("write-cache", &["on", "auto"])?;
    kv.accept("num-queues", &["1"])?;
    kv.accept("scsi", &["off", "false"])?;
    Ok(DeviceKind::Blk {
        drive: kv.require("drive")?,
        serial: kv.take("serial").unwrap_or_default(),
    })
}

fn nic(kv: &mut KeyVal, model: NicModel) -> Result<DeviceKind, ArgError> {
    let mac = kv
        .take("mac")
        .map(|mac| parse_mac(&mac).ok_or_else(|| kv.invalid("mac", "XX:XX:XX:XX:XX:XX")));
    Ok(DeviceKind::Net {
        model,
        mac: mac.transpose()?,
        netdev: kv.take("netdev"),
    })
}

fn console(kv: &mut KeyVal) -> Result<DeviceKind, ArgError> {
    Ok(DeviceKind::Console {
        chardev: kv.require("chardev")?,
    })
}

fn serial_port(kv: &mut KeyVal) -> Result<DeviceKind, ArgError> {
    Ok(DeviceKind::SerialPort {
        chardev: kv.require("chardev")?,
        name: kv.take("name").unwrap_or_default(),
    })
}

fn rng(kv: &mut KeyVal) -> Result<DeviceKind, ArgError> {
    Ok(DeviceKind::Rng {
        rng: kv.take("rng"),
    })
}

fn balloon(kv: &mut KeyVal) -> Result<DeviceKind, ArgError> {
    kv.accept("free-page-hint", &["off", "false"])?;
    Ok(DeviceKind::Balloon {
        deflate_on_oom: kv.take_bool("deflate-on-oom")?.unwrap_or(false),
        free_page_reporting: kv.take_bool("free-page-reporting")?.unwrap_or(false),
        page_poison: kv.take_bool("page-poison")?.unwrap_or(true),
    })
}

fn scsi_unit(kv: &mut KeyVal, cd: bool) -> Result<DeviceKind, ArgError> {
    Ok(DeviceKind::ScsiUnit {
        cd,
        drive: match cd {
            true => kv.take("drive"),
            false => Some(kv.require("drive")?),
        },
        serial: kv.take("serial").unwrap_or_default(),
        wwn: kv.take_number("wwn")?,
    })
}

fn pvpanic(kv: &mut KeyVal) -> Result<DeviceKind, ArgError> {
    match kv.take_number("events")?.unwrap_or(3) {
        events @ 0..=3 => Ok(DeviceKind::Pvpanic {
            events: events as u8,
        }),
        _ => Err(kv.invalid("events", "1 for panics, 2 for crash kernels, or 3 for both")),
    }
}

fn p9(kv: &mut KeyVal) -> Result<DeviceKind, ArgError> {
    Ok(DeviceKind::P9 {
        fsdev: kv.require("fsdev")?,
        mount_tag: kv.require("mount_tag")?,
    })
}

fn bridge(kv: &mut KeyVal) -> Result<DeviceKind, ArgError> {
    // Chassis numbers name expansion chassis to hot-plug controllers of the conventional kind.
    kv.take_number("chassis_nr")?;
    kv.accept("shpc", &["off", "false"])?;
    Ok(DeviceKind::ConventionalBridge)
}

fn root_port(kv: &mut KeyVal) -> Result<DeviceKind, ArgError> {
    let small = |kv: &mut KeyVal, key, max| match kv.take_number(key)? {
        Some(number) if number > max => Err(kv.invalid(key, &format!("a number up to {max}"))),
        number => Ok(number.unwrap_or(0)),
    };
    small(kv, "chassis", 255)?;
    let slot = small(kv, "slot", 0x1fff)? as u16;
    let port = small(kv, "port", 255)? as u8;
    kv.accept("hotplug", &["on", "true"])?;
    Ok(DeviceKind::RootPort { slot, port })
}

impl Driver {
    /// The driver of this name or alias.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        DRIVERS
            .iter()
            .find(|driver| driver.name == name || driver.alias == Some(name))
    }

    /// Whether it plugs into a serial adapter.
    #[must_use]
    pub fn is_port(&self) -> bool {
        self.bus == ADAPTER
    }

    /// Whether it plugs into a SCSI bus.
    #[must_use]
    pub fn is_scsi(&self) -> bool {
        self.bus == SCSI
    }

    /// Whether it is a part of the board, there from the start or not at all.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.bus == BOARD
    }

    /// Whether it plugs into a PCI bus.
    #[must_use]
    pub fn is_pci(&self) -> bool {
        self.bus == PCI
    }
}

impl DeviceSpec {
    /// `-device`.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("device", text, "driver")?;
        let name = kv.require("driver")?;
        let driver = Driver::find(&name).ok_or(CliError::UnknownDevice(name))?;
        let id = kv.take("id");
        let kind = (driver.read)(&mut kv)?;
        let place = match driver.bus {
            ADAPTER => Place::Adapter(PortPlace {
                bus: kv.take("bus"),
                number: kv
                    .take_number("nr")?
                    .map(|number| u32::try_from(number).unwrap_or(u32::MAX)),
            }),
            SCSI => Place::Scsi(ScsiPlace::take(&mut kv)?),
            MMIO => Place::Mmio(mmio_bus(&mut kv)?),
            BOARD => Place::Board,
            _ => Place::Pci(PciPlace::take(&mut kv, driver.name.starts_with("virtio"))?),
        };
        kv.finish()?;
        Ok(Self { id, place, kind })
    }
}

impl ScsiPlace {
    fn take(kv: &mut KeyVal) -> Result<Self, ArgError> {
        // Adapters have one channel.
        kv.accept("channel", &["0"])?;
        Ok(Self {
            bus: kv.take("bus"),
            target: kv.take_number("scsi-id")?,
            lun: kv.take_number("lun")?,
        })
    }
}

impl PciPlace {
    fn take(kv: &mut KeyVal, virtio: bool) -> Result<Self, ArgError> {
        let address = kv
            .take("addr")
            .map(|text| parse_address(&text).ok_or_else(|| kv.invalid("addr", "SLOT[.FUNCTION]")));
        // There are no option ROMs.
        kv.accept("romfile", &[""])?;
        kv.accept("rombar", &["0", "off"])?;
        let legacy = match virtio {
            true => legacy_interface(kv)?,
            false => None,
        };
        Ok(Self {
            bus: kv.take("bus").map(|bus| match bus.as_str() {
                "pcie" | "pci.0" => "pcie.0".to_owned(),
                _ => bus,
            }),
            address: address.transpose()?,
            multifunction: kv.take_bool("multifunction")?.unwrap_or(false),
            legacy,
        })
    }
}

/// `disable-legacy` and `disable-modern`.
fn legacy_interface(kv: &mut KeyVal) -> Result<Option<bool>, ArgError> {
    kv.accept("disable-modern", &["off", "false"])?;
    match kv.take("disable-legacy").as_deref() {
        None | Some("auto") => Ok(None),
        Some("on" | "true") => Ok(Some(false)),
        Some("off" | "false") => Ok(Some(true)),
        Some(_) => Err(kv.invalid("disable-legacy", "'on', 'off' or 'auto'")),
    }
}

/// `SLOT` or `SLOT.FUNCTION`, in hexadecimal.
fn parse_address(text: &str) -> Option<(u8, u8)> {
    let (slot, function) = text.split_once('.').unwrap_or((text, "0"));
    let number = |text: &str| u8::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let (slot, function) = (number(slot)?, number(function)?);
    (slot < 32 && function < 8).then_some((slot, function))
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
        assert_eq!(spec.place, Place::Mmio(Some(3)));
        assert_eq!(spec.id.as_deref(), Some("disk"));
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
    fn pci_places() {
        let place = |text: &str| DeviceSpec::parse(text).map(|spec| spec.place);
        let full = place("virtio-blk,drive=d,bus=rp0,addr=1e.7,multifunction=on,disable-legacy=on");
        let expected = PciPlace {
            bus: Some("rp0".into()),
            address: Some((0x1e, 7)),
            multifunction: true,
            legacy: Some(false),
        };
        assert_eq!(full, Ok(Place::Pci(expected)));
        assert_eq!(place("e1000"), Ok(Place::Pci(PciPlace::default())));
        let port = DeviceSpec::parse("pcie-root-port,id=rp,chassis=1,slot=0x20,port=3").unwrap();
        assert_eq!(port.kind, DeviceKind::RootPort { slot: 32, port: 3 });
        for bad in [
            "e1000,addr=20",
            "e1000,addr=1.8",
            "e1000,addr=x",
            "pcie-root-port,slot=8192",
        ] {
            assert!(DeviceSpec::parse(bad).is_err(), "{bad}");
        }
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
