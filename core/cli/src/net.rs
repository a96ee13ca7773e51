//! `-netdev`, `-nic` and `-net`.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::CliError;
use super::device::NicModel;
use super::keyval::{ArgError, KeyVal};

/// A network, before it is set up: a user-mode one unless it has a multicast address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetdevSpec {
    /// Its name.
    pub id: String,
    /// The Ethernet segment of all who name this address (`socket,mcast=ADDRESS:PORT`).
    pub multicast: Option<SocketAddrV4>,
    /// The guest reaches nothing outside.
    pub restrict: bool,
    /// Ports of the host that lead into the guest.
    pub forwards: Vec<HostForward>,
}

/// A `hostfwd` rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostForward {
    /// UDP instead of TCP.
    pub udp: bool,
    /// Address of the host to listen on.
    pub host: Ipv4Addr,
    /// Port of the host.
    pub host_port: u16,
    /// Address of the guest; `None` for the first that DHCP gives.
    pub guest: Option<Ipv4Addr>,
    /// Port of the guest.
    pub guest_port: u16,
}

/// A network device with a back end of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NicSpec {
    /// The back end.
    pub netdev: NetdevSpec,
    /// The device's MAC address, if one was given.
    pub mac: Option<[u8; 6]>,
    /// The device.
    pub model: NicKind,
}

/// The device of a `-nic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NicKind {
    /// `virtio-net-device`.
    Mmio,
    /// A card on the root bus.
    Pci(NicModel),
}

impl NetdevSpec {
    /// `-netdev`.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("netdev", text, "type")?;
        let kind = kv.require("type")?;
        let id = kv.require("id")?;
        let spec = match kind.as_str() {
            "user" => Self::user(&mut kv, id)?,
            "socket" => Self::socket(&mut kv, id)?,
            other => return Err(kv.unsupported(format!("type={other}")).into()),
        };
        kv.finish()?;
        Ok(spec)
    }

    fn socket(kv: &mut KeyVal, id: String) -> Result<Self, ArgError> {
        let address: Option<SocketAddrV4> = kv.require("mcast")?.parse().ok();
        let address = address.filter(|at| at.ip().is_multicast() && at.port() != 0);
        let multicast = address.ok_or_else(|| kv.invalid("mcast", "a multicast ADDRESS:PORT"))?;
        Ok(Self {
            id,
            multicast: Some(multicast),
            restrict: false,
            forwards: Vec::new(),
        })
    }

    fn user(kv: &mut KeyVal, id: String) -> Result<Self, ArgError> {
        let restrict = kv.take_bool("restrict")?.unwrap_or(false);
        kv.accept("ipv4", &["on"])?;
        kv.accept("ipv6", &["off"])?;
        let mut rules = kv.take_all("hostfwd");
        // The JSON form has a list of objects with one string each.
        for n in 0.. {
            match kv.take(&format!("hostfwd.{n}.str")) {
                Some(rule) => rules.push(rule),
                None => break,
            }
        }
        let forward = |rule: &String| {
            HostForward::parse(rule).ok_or_else(|| {
                kv.invalid(
                    "hostfwd",
                    "[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT",
                )
            })
        };
        let forwards = rules.iter().map(forward).collect::<Result<_, _>>()?;
        Ok(Self {
            id,
            multicast: None,
            restrict,
            forwards,
        })
    }
}

impl HostForward {
    fn parse(rule: &str) -> Option<Self> {
        let (protocol, rest) = rule.split_once(':')?;
        let udp = match protocol {
            "tcp" | "" => false,
            "udp" => true,
            _ => return None,
        };
        let (from, to) = rest.split_once('-')?;
        let (host, host_port) = from.split_once(':')?;
        let (guest, guest_port) = to.split_once(':')?;
        let address = |text: &str| match text {
            "" => Some(None),
            "localhost" => Some(Some(Ipv4Addr::LOCALHOST)),
            _ => text.parse().ok().map(Some),
        };
        Some(Self {
            udp,
            host: address(host)?.unwrap_or(Ipv4Addr::UNSPECIFIED),
            host_port: host_port.parse().ok()?,
            guest: address(guest)?,
            guest_port: guest_port.parse().ok().filter(|port| *port != 0)?,
        })
    }
}

/// `-nic`: `None` for `none`.
pub fn nic(text: &str, index: usize) -> Result<Option<NicSpec>, CliError> {
    let mut kv = KeyVal::parse("nic", text, "type")?;
    match kv.require("type")?.as_str() {
        "none" => return Ok(kv.finish().map(|()| None)?),
        "user" => {}
        other => return Err(kv.unsupported(format!("network back end '{other}'")).into()),
    }
    let model = match kv.take("model").as_deref() {
        None | Some("virtio" | "virtio-net-pci" | "virtio-net") => NicKind::Pci(NicModel::Virtio),
        Some("virtio-net-device") => NicKind::Mmio,
        Some("e1000") => NicKind::Pci(NicModel::E1000),
        Some("e1000e") => NicKind::Pci(NicModel::E1000e),
        Some(other) => return Err(kv.unsupported(format!("model={other}")).into()),
    };
    let mac = kv
        .take("mac")
        .map(|mac| parse_mac(&mac).ok_or_else(|| kv.invalid("mac", "six bytes XX:XX:XX:XX:XX:XX")));
    let mac = mac.transpose()?;
    let id = kv.take("id").unwrap_or_else(|| format!("#net{index}"));
    let netdev = NetdevSpec::user(&mut kv, id)?;
    kv.finish()?;
    Ok(Some(NicSpec { netdev, mac, model }))
}

/// Six bytes in hexadecimal, separated by colons.
#[must_use]
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|b| u8::from_str_radix(b, 16).ok())
        .collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards() {
        let spec = NetdevSpec::parse(
            "user,id=n0,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp::53-10.0.2.15:53",
        )
        .unwrap();
        assert_eq!(spec.forwards.len(), 2);
        assert_eq!(
            (spec.forwards[0].host_port, spec.forwards[0].guest),
            (2222, None)
        );
        assert!(spec.forwards[1].udp && spec.forwards[1].guest.is_some());
        for bad in ["tcp:2222-:22", "tcp::x-:22", "tcp::1-:0", "sctp::1-:2"] {
            assert!(
                NetdevSpec::parse(&format!("user,id=n0,hostfwd={bad}")).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn segments() {
        let spec = NetdevSpec::parse("socket,id=n0,mcast=230.0.0.1:1234").unwrap();
        assert_eq!(spec.multicast, "230.0.0.1:1234".parse().ok());
        for bad in ["10.0.0.1:1", "230.0.0.1", "230.0.0.1:0"] {
            let spec = NetdevSpec::parse(&format!("socket,id=n0,mcast={bad}"));
            assert!(spec.is_err(), "{bad}");
        }
        assert!(NetdevSpec::parse("socket,id=n0,listen=:1").is_err());
    }

    #[test]
    fn nics() {
        assert_eq!(nic("none", 0).unwrap(), None);
        let spec = nic("user,model=virtio-net-device,mac=52:54:00:12:34:56", 0)
            .unwrap()
            .unwrap();
        assert_eq!(spec.mac, Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
        assert_eq!(spec.model, NicKind::Mmio);
        let spec = nic("user", 0).unwrap().unwrap();
        assert_eq!(
            spec.model,
            NicKind::Pci(NicModel::Virtio),
            "as on QEMU's virt"
        );
        assert!(nic("tap", 0).is_err());
        assert!(nic("user,model=rtl8139", 0).is_err());
    }
}
