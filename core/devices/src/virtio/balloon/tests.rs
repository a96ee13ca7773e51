use ferrite_machine::clock::HostClock;
use ferrite_ram::GuestPhys;

use super::spec::STATS;
use super::{BalloonControl, BalloonOptions, GuestStats, VirtioBalloon};
use crate::virtio::MmioVersion;
use crate::virtio::guest::{BASE, DRIVERS, Guest};

struct Noon;

impl HostClock for Noon {
    fn monotonic_ns(&self) -> u64 {
        0
    }
    fn wall_ns(&self) -> u64 {
        12_000_000_000
    }
}

const STATS_VQ: u64 = 1 << 1;
const POISON: u64 = 1 << 4;
const REPORTING: u64 = 1 << 5;

fn balloon(
    version: MmioVersion,
    features: u64,
    options: BalloonOptions,
) -> (Guest, BalloonControl) {
    let control = BalloonControl::default();
    let device = VirtioBalloon::new(options, control.clone(), Box::new(Noon));
    let mut guest = Guest::new(version, Box::new(device));
    guest.start(
        features | STATS_VQ,
        &[16, 16, 16, 16][..if options.free_page_reporting { 4 } else { 3 }],
    );
    (guest, control)
}

/// Frames as a driver lists them.
fn list(frames: &[u64]) -> Vec<u8> {
    let frame = |at: &u64| ((at / 4096) as u32).to_le_bytes();
    frames.iter().flat_map(frame).collect()
}

#[test]
fn what_is_given_up_is_gone_and_its_neighbours_stay() {
    for (version, features) in DRIVERS {
        let (mut guest, control) = balloon(version, features, BalloonOptions::default());
        let first = BASE + (6 << 20);
        guest.store(first, &[7; 6 * 4096]);
        // Out of order, twice, and one that is no memory.
        let pages = [first + 4096, first, first + 3 * 4096, first, 0x1000_0000];
        guest.request(0, &[&list(&pages)], &[]);
        for page in 0..6 {
            let gone = [0, 1, 3].contains(&page);
            let expected = if gone { 0 } else { 7 };
            assert!(
                guest
                    .load(first + page * 4096, 4096)
                    .iter()
                    .all(|b| *b == expected),
                "{page}"
            );
        }
        guest.write(0x104, 4, 3);
        assert_eq!(control.take_change(), Some(3 * 4096));
        assert_eq!(control.take_change(), None);
        assert_eq!(control.given_up(), 3 * 4096);
        guest.request(1, &[&list(&pages)], &[]);
    }
}

#[test]
fn a_target_reaches_the_driver() {
    let (mut guest, control) = balloon(MmioVersion::Modern, 0, BalloonOptions::default());
    let before = guest.get(0xfc);
    control.set_target(5 << 20);
    guest.poll();
    assert_eq!(guest.take_interrupt(), 2);
    assert_ne!(guest.get(0xfc), before);
    assert_eq!(u32::from_le_bytes(guest.config(0)), (5 << 20) / 4096);
    guest.poll();
    assert_eq!(guest.take_interrupt(), 0);
}

#[test]
fn statistics_come_when_they_are_asked_for() {
    let (mut guest, control) = balloon(MmioVersion::Modern, 0, BalloonOptions::default());
    assert_eq!(control.stats(), GuestStats::default());
    let stat = |tag: u16, value: u64| [&tag.to_le_bytes()[..], &value.to_le_bytes()].concat();
    let told = [stat(4, 1 << 33), stat(0, 9), stat(99, 1)].concat();
    guest.add(2, &[&told], &[]);
    guest.kick(2);
    // The buffer stays until there is a reason to hand it back.
    assert_eq!(guest.used(2), None);
    let stats = control.stats();
    assert_eq!(stats.last_update, 12);
    for (n, name) in STATS.iter().enumerate() {
        let expected = match *name {
            "stat-free-memory" => 1 << 33,
            "stat-swap-in" => 9,
            _ => u64::MAX,
        };
        assert_eq!(stats.values[n], expected, "{name}");
    }
    control.set_polling_interval(2);
    guest.poll();
    assert!(guest.used(2).is_some());
    // Two seconds after the next buffer, and not before.
    guest.add(2, &[&stat(0, 10)], &[]);
    guest.set(0x50, 2);
    assert_eq!(guest.used(2), None);
    assert_eq!(guest.wiring.deadline.map(|at| at.0), Some(2_000_001_000));
    assert_eq!(control.stats().values[0], 10);
}

#[test]
fn reported_pages_go_unless_they_are_poisoned() {
    for poison in [0, 0xaa] {
        let options = BalloonOptions {
            free_page_reporting: true,
            ..BalloonOptions::default()
        };
        let (mut guest, _) = balloon(MmioVersion::Modern, REPORTING | POISON, options);
        guest.write(0x10c, 4, poison);
        let sent = guest.add(3, &[], &[8192]);
        guest.kick(3);
        assert!(guest.used(3).is_some());
        let expected = if poison == 0 { 0 } else { 0xee };
        assert!(guest.answer(&sent).iter().all(|b| *b == expected));
    }
}

#[test]
fn there_is_as_much_configuration_as_features_say() {
    let options = BalloonOptions {
        page_poison: false,
        ..BalloonOptions::default()
    };
    let (mut guest, _) = balloon(MmioVersion::Modern, 0, options);
    assert_eq!(guest.get(0x108), u32::MAX);
    guest.write(0x10c, 4, 1);
    let all = guest.dma.is_memory(GuestPhys(BASE), 4096, true);
    assert!(all && !guest.needs_reset());
}
