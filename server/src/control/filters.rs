//! What network cards let through: what monitors ask and hear of it.

use ferrite_devices::virtio::net::{FilterReport, Passing};
use ferrite_qmp::error::Error;
use ferrite_qmp::schema::{RxFilterInfo, RxState};
use ferrite_qmp::{Event, Events};

use crate::launch::{Backends, Card};

/// Tells monitors of cards whose filters the guest has changed.
pub(super) fn announce(backends: &Backends, events: &Events) {
    for card in &backends.cards {
        let changed = card.filter.as_ref().is_some_and(|view| view.take_change());
        if changed {
            events.emit(&Event::NicRxFilterChanged {
                name: card.has_id.then(|| card.name.clone()),
                path: format!("{}/virtio-backend", card.path),
            });
        }
    }
}

/// The filters of all cards that tell theirs, or of one card.
pub(super) fn query(backends: &Backends, name: Option<&str>) -> Result<Vec<RxFilterInfo>, Error> {
    let Some(name) = name else {
        return Ok(backends.cards.iter().filter_map(info).collect());
    };
    let Some(card) = backends.cards.iter().find(|card| card.name == name) else {
        return Err(Error::generic(
            match backends.networks.describe(name).is_some() {
                true => format!("net client({name}) isn't a NIC"),
                false => format!("invalid net client name: {name}"),
            },
        ));
    };
    let info = info(card).ok_or_else(|| {
        Error::generic(format!(
            "net client({name}) doesn't support rx-filter querying"
        ))
    })?;
    Ok(vec![info])
}

fn info(card: &Card) -> Option<RxFilterInfo> {
    let FilterReport {
        mac,
        promiscuous,
        unicast,
        multicast,
        vlan,
        broadcast,
        unicast_table,
        unicast_overflow,
        multicast_table,
        multicast_overflow,
        vlans,
    } = card.filter.as_ref()?.look();
    let texts = |table: Vec<[u8; 6]>| table.into_iter().map(mac_text).collect();
    Some(RxFilterInfo {
        name: card.name.clone(),
        promiscuous,
        multicast: state(multicast),
        unicast: state(unicast),
        vlan: state(vlan),
        broadcast_allowed: broadcast,
        multicast_overflow,
        unicast_overflow,
        main_mac: mac_text(mac),
        vlan_table: vlans.into_iter().map(i64::from).collect(),
        unicast_table: texts(unicast_table),
        multicast_table: texts(multicast_table),
    })
}

fn state(passing: Passing) -> RxState {
    match passing {
        Passing::Normal => RxState::Normal,
        Passing::None => RxState::None,
        Passing::All => RxState::All,
    }
}

fn mac_text(mac: [u8; 6]) -> String {
    let bytes: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}
