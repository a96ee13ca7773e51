//! Which received frames the driver wants (the spec, sections 5.1.6.5.1 to 5.1.6.5.3).

use super::report::{FilterReport, Passing};
use super::spec::control;

/// Entries of the MAC filter table, unicast and multicast together; a driver that sets more gets all
/// frames of the kind that has no room left.
const TABLE_ENTRIES: usize = 64;
const BROADCAST: [u8; 6] = [0xff; 6];
/// `EtherType` of an 802.1Q tag.
const VLAN_TAG: [u8; 2] = [0x81, 0x00];

/// A MAC address.
pub type Mac = [u8; 6];

/// One half of the filter table.
#[derive(Clone, Debug, Default)]
struct Table {
    entries: Vec<Mac>,
    /// The driver set more than fit.
    overflow: bool,
}

impl Table {
    fn accepts(&self, to: Mac) -> bool {
        self.overflow || self.entries.contains(&to)
    }
}

/// The receive filter. After reset everything passes.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Modes in the order of their commands: promiscuous, all multicast, all unicast, no multicast,
    /// no unicast, no broadcast.
    modes: [bool; 6],
    unicast: Table,
    multicast: Table,
    /// VLANs that pass, a bit each; `None` while the driver does not filter by VLAN.
    vlans: Option<Box<[u64; 64]>>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            modes: [true, false, false, false, false, false],
            unicast: Table::default(),
            multicast: Table::default(),
            vlans: None,
        }
    }
}

impl Filter {
    /// Stops every VLAN that the driver does not let through.
    pub fn filter_vlans(&mut self) {
        self.vlans = Some(Box::new([0; 64]));
    }

    /// Whether a frame passes.
    #[must_use]
    pub fn accepts(&self, own: Mac, frame: &[u8]) -> bool {
        let [
            promiscuous,
            all_multi,
            all_uni,
            no_multi,
            no_uni,
            no_broadcast,
        ] = self.modes;
        if promiscuous {
            return true;
        }
        let Some(&to) = frame.first_chunk::<6>() else {
            return false;
        };
        if let (Some(vlans), Some(&[t0, t1, v0, v1])) =
            (&self.vlans, frame.get(12..16).and_then(<[u8]>::first_chunk))
            && [t0, t1] == VLAN_TAG
        {
            let id = u16::from_be_bytes([v0, v1]) & 0xfff;
            if vlans[usize::from(id / 64)] >> (id % 64) & 1 == 0 {
                return false;
            }
        }
        if to == BROADCAST {
            !no_broadcast
        } else if to[0] & 1 != 0 {
            !no_multi && (all_multi || self.multicast.accepts(to))
        } else {
            !no_uni && (all_uni || to == own || self.unicast.accepts(to))
        }
    }

    /// Sets a receive mode by command number.
    pub fn set_mode(&mut self, command: u8, data: &[u8]) -> bool {
        match (self.modes.get_mut(usize::from(command)), data) {
            (Some(mode), [on]) => {
                *mode = *on != 0;
                true
            }
            _ => false,
        }
    }

    /// Lets a VLAN through or stops it.
    pub fn set_vlan(&mut self, command: u8, data: &[u8]) -> bool {
        let (Some(vlans), Ok(id)) = (&mut self.vlans, <[u8; 2]>::try_from(data)) else {
            return false;
        };
        let id = u16::from_le_bytes(id);
        let Some(word) = vlans.get_mut(usize::from(id / 64)) else {
            return false;
        };
        let bit = 1 << (id % 64);
        match command {
            control::VLAN_ADD => *word |= bit,
            control::VLAN_DEL => *word &= !bit,
            _ => return false,
        }
        true
    }

    /// Replaces the filter table: unicast, then multicast addresses, each with a 32-bit count ahead.
    pub fn set_table(&mut self, data: &[u8]) -> bool {
        let Some((unicast, rest)) = take_table(data, TABLE_ENTRIES) else {
            return false;
        };
        let room = TABLE_ENTRIES - unicast.entries.len();
        let Some((multicast, [])) = take_table(rest, room) else {
            return false;
        };
        (self.unicast, self.multicast) = (unicast, multicast);
        true
    }

    /// What passes, on a card with this address.
    pub(super) fn report(&self, mac: Mac) -> FilterReport {
        let [
            promiscuous,
            all_multi,
            all_uni,
            no_multi,
            no_uni,
            no_broadcast,
        ] = self.modes;
        let passing = |none, all| match (none, all) {
            (true, _) => Passing::None,
            (false, true) => Passing::All,
            (false, false) => Passing::Normal,
        };
        let passes = |id: &u16| {
            let words = self.vlans.as_deref();
            words.is_none_or(|words| words[usize::from(id / 64)] >> (id % 64) & 1 != 0)
        };
        let vlans: Vec<u16> = (0..4096).filter(passes).collect();
        FilterReport {
            mac,
            promiscuous,
            unicast: passing(no_uni, all_uni),
            multicast: passing(no_multi, all_multi),
            vlan: passing(vlans.is_empty(), self.vlans.is_none()),
            broadcast: !no_broadcast,
            unicast_table: self.unicast.entries.clone(),
            unicast_overflow: self.unicast.overflow,
            multicast_table: self.multicast.entries.clone(),
            multicast_overflow: self.multicast.overflow,
            vlans,
        }
    }
}

/// One half of the table, for which there are `room` entries, and what follows it.
fn take_table(data: &[u8], room: usize) -> Option<(Table, &[u8])> {
    let (count, rest) = data.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (addresses, rest) = rest.split_at_checked(count.checked_mul(6)?)?;
    let table = if count > room {
        Table {
            entries: Vec::new(),
            overflow: true,
        }
    } else {
        let (entries, _) = addresses.as_chunks::<6>();
        Table {
            entries: entries.to_vec(),
            overflow: false,
        }
    };
    Some((table, rest))
}
