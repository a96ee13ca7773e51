use ferrite_block::MemoryBackend;

use super::VirtioScsi;
use crate::scsi::{ScsiBus, ScsiDisk, UnitAddress, UnitKind, UnitOptions};
use crate::virtio::MmioVersion;
use crate::virtio::guest::{DRIVERS, Guest, Random};

const HOTPLUG: u64 = 2;
const ANSWER: usize = 108;
/// Sense data: key, code, qualifier.
type Told = (u8, u8, u8);

fn unit(kind: UnitKind, name: &str, data: Vec<u8>) -> ScsiDisk {
    let options = UnitOptions {
        name: name.into(),
        serial: format!("S-{name}"),
        wwn: None,
    };
    ScsiDisk::new(kind, Some(Box::new(MemoryBackend::new(data))), options)
}

fn at(target: u8, lun: u16) -> UnitAddress {
    UnitAddress { target, lun }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n / 512 * 7 + n) as u8).collect()
}

fn guest(version: MmioVersion, features: u64) -> (Guest, ScsiBus) {
    let bus = ScsiBus::default();
    bus.attach(
        at(0, 0),
        unit(UnitKind::Disk, "d0", pattern(3 << 20)),
        false,
    );
    bus.attach(
        at(2, 300),
        unit(UnitKind::Cd, "cd", pattern(1 << 20)),
        false,
    );
    let mut guest = Guest::new(version, Box::new(VirtioScsi::new(bus.clone())));
    guest.start(features | HOTPLUG, &[16, 16, 64]);
    (guest, bus)
}

/// Response, status, sense and data of a command.
#[derive(Debug, PartialEq)]
struct Answer {
    response: u8,
    status: u8,
    sense: Option<Told>,
    residual: u32,
    data: Vec<u8>,
}

fn send(guest: &mut Guest, lun: [u8; 8], cdb: &[u8], out: &[u8], room: usize) -> Answer {
    let mut header = lun.to_vec();
    header.extend(7_u64.to_le_bytes());
    header.extend([0; 3]);
    header.extend(cdb);
    header.resize(51, 0);
    let readable: &[&[u8]] = if out.is_empty() {
        &[&header]
    } else {
        &[&header, out]
    };
    let writable: &[usize] = if room == 0 {
        &[ANSWER]
    } else {
        &[ANSWER, room]
    };
    let sent = guest.add(2, readable, writable);
    guest.kick(2);
    guest.poll();
    guest.used(2).expect("an answer");
    let bytes = guest.answer(&sent);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let sense = (word(0) != 0).then(|| {
        assert_eq!((word(0), bytes[12]), (18, 0x70));
        (bytes[14], bytes[24], bytes[25])
    });
    Answer {
        response: bytes[11],
        status: bytes[10],
        sense,
        residual: word(4),
        data: bytes[ANSWER..].to_vec(),
    }
}

#[test]
fn a_command_is_told_of() {
    let (mut guest, _) = guest(MmioVersion::Modern, 0);
    send(&mut guest, DISK, &[0; 6], &[], 0);
    let lines = crate::told::told(guest.dma.trace());
    // INQUIRY
    send(&mut guest, DISK, &[0x12, 0, 0, 0, 36, 0], &[], 36);
    let expected = [
        "virtio_queue_notify virtio-scsi queue 2",
        "virtqueue_pop virtio-scsi queue 2 head 2 out 51 in 144",
        "scsi_req_parsed target 0 lun 0 command 0x12",
        "virtqueue_fill virtio-scsi queue 2 head 2 len 144",
        "virtio_notify virtio-scsi queues 0x4 config 0",
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}

const DISK: [u8; 8] = [1, 0, 0x40, 0, 0, 0, 0, 0];
const CD: [u8; 8] = [1, 2, 0x41, 0x2c, 0, 0, 0, 0];

fn good(guest: &mut Guest, lun: [u8; 8], cdb: &[u8], out: &[u8], room: usize) -> Vec<u8> {
    let mut answer = send(guest, lun, cdb, out, room);
    if answer.sense == Some((6, 0x29, 0)) {
        answer = send(guest, lun, cdb, out, room);
    }
    assert_eq!(
        (answer.response, answer.status, answer.sense),
        (0, 0, None),
        "{cdb:x?}"
    );
    let len = room - answer.residual as usize;
    answer.data[..len].to_vec()
}

fn refused(guest: &mut Guest, lun: [u8; 8], cdb: &[u8], out: &[u8]) -> Option<Told> {
    let answer = send(guest, lun, cdb, out, 64);
    assert_eq!((answer.response, answer.status), (0, 2), "{cdb:x?}");
    answer.sense
}

#[test]
fn units_are_found() {
    for (version, features) in DRIVERS {
        let (mut guest, _) = guest(version, features);
        let data = good(&mut guest, DISK, &[0x12, 0, 0, 0, 36], &[], 36);
        assert_eq!((data[0], &data[8..24]), (0, &b"QEMU    QEMU HAR"[..]));
        let data = good(&mut guest, CD, &[0x12, 0, 0, 0, 36], &[], 36);
        assert_eq!((data[0], data[1]), (5, 0x80));
        // No unit 0 on target 2, but it tells of the one that there is.
        let nobody = [1, 2, 0, 0, 0, 0, 0, 0];
        let data = good(&mut guest, nobody, &[0x12, 0, 0, 0, 36], &[], 36);
        assert_eq!(data[0], 0x3f);
        let data = good(
            &mut guest,
            nobody,
            &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64],
            &[],
            64,
        );
        assert_eq!(data.len(), 24);
        assert_eq!(&data[..4], &[0, 0, 0, 16]);
        assert_eq!(&data[16..18], &[0x41, 0x2c]);
        assert_eq!(
            refused(&mut guest, nobody, &[0; 6], &[]),
            Some((5, 0x25, 0))
        );
        let absent = send(&mut guest, [1, 9, 0, 0, 0, 0, 0, 0], &[0; 6], &[], 0);
        assert_eq!(absent.response, 3);
        // The first command hears of the reset, the second is heard.
        assert_eq!(refused(&mut guest, DISK, &[0; 6], &[]), Some((6, 0x29, 0)));
        good(&mut guest, DISK, &[0; 6], &[], 0);
        let data = good(&mut guest, DISK, &[0x12, 1, 0x80, 0, 64], &[], 64);
        assert_eq!(data, b"\0\x80\0\x04S-d0");
    }
}

#[test]
fn blocks_are_read_and_written_by_commands_of_every_length() {
    let (mut guest, _) = guest(MmioVersion::Modern, 0);
    let disk = pattern(3 << 20);
    let cdbs: [&[u8]; 4] = [
        &[0x08, 0, 0, 3, 2, 0],
        &[0x28, 0, 0, 0, 0, 3, 0, 0, 2, 0],
        &[0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0],
        &[0x88, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0],
    ];
    for cdb in cdbs {
        let data = good(&mut guest, DISK, cdb, &[], 1024);
        assert_eq!(data, disk[3 * 512..5 * 512], "{cdb:x?}");
        let mut write = cdb.to_vec();
        write[0] += 2;
        let new = vec![cdb[0]; 1024];
        good(&mut guest, DISK, &write, &new, 0);
        assert_eq!(good(&mut guest, DISK, cdb, &[], 1024), new);
        good(&mut guest, DISK, &write, &disk[3 * 512..5 * 512], 0);
    }
    // More than one piece; to the end, and beyond it.
    let all = good(
        &mut guest,
        DISK,
        &[0x28, 0, 0, 0, 0, 0, 0, 0x18, 0, 0],
        &[],
        3 << 20,
    );
    assert!(all == disk);
    let beyond = [0x28, 0, 0, 0, 0x17, 0xff, 0, 0, 2, 0];
    assert_eq!(refused(&mut guest, DISK, &beyond, &[]), Some((5, 0x21, 0)));
    let short = send(
        &mut guest,
        DISK,
        &[0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0],
        &[],
        512,
    );
    assert_eq!(short.response, 1);
    let data = good(&mut guest, DISK, &[0x25], &[], 8);
    assert_eq!(data, [0, 0, 0x17, 0xff, 0, 0, 2, 0]);
    let data = good(
        &mut guest,
        DISK,
        &[0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32],
        &[],
        32,
    );
    assert_eq!(&data[..12], &[0, 0, 0, 0, 0, 0, 0x17, 0xff, 0, 0, 2, 0]);
    good(&mut guest, DISK, &[0x35], &[], 0);
}

#[test]
fn blocks_are_forgotten_and_filled() {
    let (mut guest, _) = guest(MmioVersion::Modern, 0);
    let zero16 = [0x93, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0];
    good(&mut guest, DISK, &zero16, &[], 0);
    let same10 = [0x41, 0, 0, 0, 0, 8, 0, 0, 3, 0];
    good(&mut guest, DISK, &same10, &[0x5a; 512], 0);
    let data = good(
        &mut guest,
        DISK,
        &[0x28, 0, 0, 0, 0, 0, 0, 0, 12, 0],
        &[],
        12 * 512,
    );
    let mut expected = pattern(12 * 512);
    expected[512..1536].fill(0);
    expected[8 * 512..11 * 512].fill(0x5a);
    assert!(data == expected);
    let mut list = vec![0, 22, 0, 16, 0, 0, 0, 0];
    list.extend([0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0]);
    let unmap = [0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0];
    good(&mut guest, DISK, &unmap, &list, 0);
    // Beyond the end, and a list that is shorter than it says.
    list[8] = 1;
    assert_eq!(refused(&mut guest, DISK, &unmap, &list), Some((5, 0x21, 0)));
    assert_eq!(
        refused(&mut guest, DISK, &unmap, &list[..20]),
        Some((5, 0x26, 0))
    );
    assert_eq!(
        refused(&mut guest, DISK, &[0x41, 0, 0, 0, 0, 8], &[0; 512]),
        Some((5, 0x24, 0))
    );
    assert_eq!(refused(&mut guest, DISK, &[0x43], &[]), Some((5, 0x20, 0)));
}

#[test]
fn a_disc_is_read_ejected_and_loaded() {
    let (mut guest, _) = guest(MmioVersion::Modern, 0);
    let data = good(&mut guest, CD, &[0x25], &[], 8);
    assert_eq!(data, [0, 0, 1, 0xff, 0, 0, 8, 0]);
    let data = good(
        &mut guest,
        CD,
        &[0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0],
        &[],
        2048,
    );
    assert!(data == pattern(4096)[2048..]);
    let data = good(&mut guest, CD, &[0x43, 2, 0, 0, 0, 0, 0, 0, 64], &[], 64);
    assert_eq!(
        data,
        [
            0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0, 0, 0x14, 0xaa, 0, 0, 0, 8, 62
        ]
    );
    let data = good(&mut guest, CD, &[0x46, 0, 0, 0, 0, 0, 0, 0, 64], &[], 64);
    assert_eq!((data[3] as usize + 4, data[7]), (data.len(), 8));
    assert_eq!(
        refused(&mut guest, CD, &[0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0], &[0; 64]),
        Some((5, 0x20, 0))
    );
    good(&mut guest, CD, &[0x1e, 0, 0, 0, 1], &[], 0);
    assert_eq!(
        refused(&mut guest, CD, &[0x1b, 0, 0, 0, 2], &[]),
        Some((5, 0x53, 2))
    );
    good(&mut guest, CD, &[0x1e, 0, 0, 0, 0], &[], 0);
    good(&mut guest, CD, &[0x1b, 0, 0, 0, 2], &[], 0);
    assert_eq!(refused(&mut guest, CD, &[0; 6], &[]), Some((2, 0x3a, 2)));
    good(&mut guest, CD, &[0x1b, 0, 0, 0, 3], &[], 0);
    let data = good(&mut guest, CD, &[0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8], &[], 8);
    assert_eq!(data, [0, 6, 4, 0x10, 2, 2, 0, 0]);
}

#[test]
fn units_come_and_go() {
    let (mut guest, bus) = guest(MmioVersion::Modern, 0);
    good(&mut guest, DISK, &[0; 6], &[], 0);
    let first = guest.add(1, &[], &[16]);
    let second = guest.add(1, &[], &[16]);
    let place = bus.place(None, None).unwrap();
    assert_eq!(place, at(1, 0));
    bus.attach(place, unit(UnitKind::Disk, "late", pattern(4096)), true);
    guest.poll();
    assert_eq!(
        guest.answer(&first),
        [1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    );
    assert_eq!(
        refused(&mut guest, DISK, &[0; 6], &[]),
        Some((6, 0x3f, 0x0e))
    );
    let new = [1, 1, 0x40, 0, 0, 0, 0, 0];
    assert_eq!(
        good(&mut guest, new, &[0x25], &[], 8),
        [0, 0, 0, 7, 0, 0, 2, 0]
    );
    assert!(bus.place(Some(1), None).is_err());
    bus.detach(place);
    guest.poll();
    assert_eq!(guest.answer(&second)[12], 2);
    assert_eq!(send(&mut guest, new, &[0; 6], &[], 0).response, 3);
    // Task management: reset of a unit, and one that is unknown.
    let manage = |guest: &mut Guest, function: u8, lun: [u8; 8]| {
        let mut request = vec![0, 0, 0, 0, function, 0, 0, 0];
        request.extend(lun);
        request.extend([0; 8]);
        guest.request(0, &[&request], &[1])
    };
    assert_eq!(manage(&mut guest, 5, DISK), [0]);
    assert_eq!(refused(&mut guest, DISK, &[0; 6], &[]), Some((6, 0x29, 0)));
    assert_eq!(manage(&mut guest, 5, [1, 0, 0x40, 9, 0, 0, 0, 0]), [12]);
    assert_eq!(manage(&mut guest, 99, DISK), [11]);
}

#[test]
fn no_command_is_too_strange() {
    let (mut guest, _) = guest(MmioVersion::Modern, 0);
    let mut random = Random(77);
    for round in 0..4000 {
        let lun = if random.next() & 1 == 0 { DISK } else { CD };
        let mut cdb = [0; 32];
        for byte in &mut cdb {
            *byte = if random.next() & 3 == 0 {
                random.next() as u8
            } else {
                0
            };
        }
        cdb[0] = round as u8;
        let out = vec![random.next() as u8; (random.next() % 600) as usize];
        let room = (random.next() % 600) as usize;
        send(&mut guest, lun, &cdb, &out, room);
        assert!(!guest.needs_reset(), "{cdb:x?}");
    }
}
