//! What firmware and drivers see of the host, checked against the specifications' rules and against
//! configuration spaces as QEMU 7.2 shows them after reset.

use ferrite_machine::device::MachineRequest;
use ferrite_machine::{Device, ResetKind};

use super::host::region;
use super::ports::{ConventionalBridge, RootPort};
use super::pvpanic::Pvpanic;
use super::spec::{bridge, command, reg};
use super::testdev::TestDevice;
use super::*;
use crate::testbed::{Random, Testbed};

const MEMORY: u64 = 0x1000_0000;
const HIGH: u64 = 0x80_0000_0000;

type Bed = Testbed<PciHost>;

/// A device, with its name and the bus that it is plugged into.
type Plugged<'a> = (Option<&'a str>, Option<&'a str>, Box<dyn PciDevice>);

fn bed(devices: Vec<Plugged<'_>>) -> Bed {
    let mut host = PciHost::new(MEMORY, HIGH);
    for (id, bus, device) in devices {
        host.plug(request(id, bus), device).unwrap();
    }
    let mut bed = Testbed::new(host);
    bed.run(|host, cx| host.reset(cx, ResetKind::Cold));
    bed
}

fn request(id: Option<&str>, bus: Option<&str>) -> Request {
    Request {
        id: id.map(str::to_owned),
        path: format!("/machine/peripheral/{}", id.unwrap_or("anon")),
        bus: bus.map(str::to_owned),
        ..Request::default()
    }
}

fn ecam(bus: u64, slot: u64, register: usize) -> u64 {
    bus << 20 | slot << 15 | register as u64
}

fn read(bed: &mut Bed, region: usize, offset: u64, bytes: u64) -> u64 {
    bed.run(|host, cx| host.read(cx, region, offset, bytes))
        .unwrap()
}

fn write(bed: &mut Bed, region: usize, offset: u64, bytes: u64, value: u64) {
    bed.run(|host, cx| host.write(cx, region, offset, bytes, value))
        .unwrap();
}

fn config(bed: &mut Bed, bus: u64, slot: u64, register: usize) -> u32 {
    read(bed, region::ECAM, ecam(bus, slot, register), 4) as u32
}

fn set_config(bed: &mut Bed, bus: u64, slot: u64, register: usize, bytes: u64, value: u64) {
    write(bed, region::ECAM, ecam(bus, slot, register), bytes, value);
}

/// Words of the configuration space at these offsets.
fn expect(bed: &mut Bed, slot: u64, rows: &[(usize, [u32; 4])]) {
    for (at, words) in rows {
        for (n, word) in (0..).zip(words) {
            let seen = config(bed, 0, slot, at + 4 * n);
            assert_eq!(seen, *word, "slot {slot}, {:#x}: {seen:08x}", at + 4 * n);
        }
    }
}

#[test]
fn identities_are_those_of_qemu() {
    let mut bed = bed(vec![
        (None, None, Box::new(TestDevice::default())),
        (None, None, Box::new(Pvpanic::default())),
        (Some("rp"), None, Box::new(RootPort::new(3, 2))),
    ]);
    expect(
        &mut bed,
        0,
        &[
            (0, [0x0008_1b36, 0, 0x0600_0000, 0]),
            (0x20, [0, 0, 0, 0x1100_1af4]),
        ],
    );
    expect(
        &mut bed,
        1,
        &[
            (0, [0x0005_1b36, 0, 0x00ff_0000, 0]),
            (0x10, [0, 1, 0, 0]),
            (0x20, [0, 0, 0, 0x1100_1af4]),
        ],
    );
    expect(
        &mut bed,
        2,
        &[
            (0, [0x0011_1b36, 0, 0x0880_0001, 0]),
            (0x20, [0, 0, 0, 0x1100_1af4]),
        ],
    );
    expect(
        &mut bed,
        3,
        &[
            (0x00, [0x000c_1b36, 0x0010_0000, 0x0604_0000, 0x0001_0000]),
            (0x20, [0x0000_fff0, 0x0001_fff1, 0, 0]),
            (0x30, [0, 0x54, 0, 0x100]),
            (0x40, [0x0d, 0x1b36, 0x4011, 0]),
            (0x50, [0x800, 0x0142_4810, 0x8000, 0]),
            (0x60, [0x0230_0604, 0x0204_0000, 0x001a_007b, 0x07c0]),
            (0x70, [0, 0, 0x0030_0020, 0]),
            (0x80, [0x1e, 4, 0, 0]),
            (0x100, [0x1482_0001, 0, 0, 0x0046_2030]),
            (0x110, [0, 0xe000, 0xa0, 0]),
        ],
    );
}

#[test]
fn nothing_reads_as_ones() {
    let mut bed = bed(vec![]);
    assert_eq!(config(&mut bed, 0, 5, 0), u32::MAX);
    assert_eq!(config(&mut bed, 7, 0, 0), u32::MAX);
    // A conventional function has 256 bytes.
    assert_eq!(config(&mut bed, 0, 0, 0x100), u32::MAX);
    for region in [region::IO, region::MEMORY, region::HIGH_MEMORY] {
        assert_eq!(read(&mut bed, region, 0x10, 4), u64::from(u32::MAX));
        assert_eq!(read(&mut bed, region, 0x10, 1), 0xff);
        write(&mut bed, region, 0x10, 8, 1);
    }
}

#[test]
fn base_addresses_are_measured_and_moved() {
    let mut bed = bed(vec![(None, None, Box::new(TestDevice::default()))]);
    let bar = reg::BAR0;
    set_config(&mut bed, 0, 1, bar, 4, u64::from(u32::MAX));
    set_config(&mut bed, 0, 1, bar + 4, 4, u64::from(u32::MAX));
    assert_eq!(config(&mut bed, 0, 1, bar), 0xffff_f000);
    assert_eq!(config(&mut bed, 0, 1, bar + 4), 0xffff_ff01);
    for (offset, address) in [(bar, 0x1234_5000_u64), (bar + 4, 0x4000)] {
        set_config(&mut bed, 0, 1, offset, 4, address);
    }
    let at = 0x1234_5000 - MEMORY;
    // It answers only once it is told to.
    assert_eq!(read(&mut bed, region::MEMORY, at + 8, 1), 0xff);
    set_config(&mut bed, 0, 1, reg::COMMAND, 2, command::MEMORY.into());
    write(&mut bed, region::MEMORY, at, 1, 0);
    assert_eq!(read(&mut bed, region::MEMORY, at + 8, 1), 0xfa);
    let offset = read(&mut bed, region::MEMORY, at + 4, 4);
    write(&mut bed, region::MEMORY, at + offset, 1, 0xfa);
    assert_eq!(read(&mut bed, region::MEMORY, at + 12, 4), 1);
    assert_eq!(
        read(&mut bed, region::MEMORY, at + 16, 8),
        u64::from_le_bytes(*b"mmio-no-")
    );
    assert_eq!(read(&mut bed, region::IO, 0x4008, 1), 0xff);
    let both = command::MEMORY | command::IO;
    set_config(&mut bed, 0, 1, reg::COMMAND, 2, both.into());
    write(&mut bed, region::IO, 0x4000, 1, 1);
    assert_eq!(read(&mut bed, region::IO, 0x4008, 1), 0xce);
    // Moved, it answers at the new place only.
    set_config(&mut bed, 0, 1, bar, 4, 0x2000_0000);
    assert_eq!(read(&mut bed, region::MEMORY, at, 1), 0xff);
    assert_eq!(
        read(&mut bed, region::MEMORY, 0x2000_0000 - MEMORY + 8, 1),
        0xfa
    );
    bed.reset();
    assert_eq!(config(&mut bed, 0, 1, bar), 0);
}

/// Numbers the buses: `rp` in slot 1 leads to bus 1.
fn open_port(bed: &mut Bed) {
    set_config(bed, 0, 1, bridge::PRIMARY, 4, 0x0001_0100);
    set_config(bed, 0, 1, bridge::MEMORY_BASE, 4, 0x2010_2000);
    set_config(bed, 0, 1, bridge::PREFETCH_BASE, 4, 0x0000_fff0);
    set_config(bed, 0, 1, reg::COMMAND, 2, 7);
}

#[test]
fn bridges_pass_on_what_their_windows_say() {
    let mut bed = bed(vec![
        (Some("rp"), None, Box::new(RootPort::new(0, 0))),
        (
            Some("b"),
            Some("rp"),
            Box::new(ConventionalBridge::from_express()),
        ),
        (Some("t"), Some("b"), Box::new(TestDevice::default())),
    ]);
    assert_eq!(config(&mut bed, 1, 0, 0), u32::MAX);
    open_port(&mut bed);
    set_config(&mut bed, 0, 1, bridge::SUBORDINATE, 1, 2);
    assert_eq!(config(&mut bed, 1, 0, 0), 0x000e_1b36);
    // A type 1 header below: number its bus, too.
    set_config(&mut bed, 1, 0, bridge::PRIMARY, 4, 0x0002_0201);
    assert_eq!(config(&mut bed, 2, 1, 0), 0x0005_1b36);
    set_config(&mut bed, 2, 1, reg::BAR0, 4, 0x2000_1000);
    set_config(&mut bed, 2, 1, reg::COMMAND, 2, command::MEMORY.into());
    let at = 0x2000_1000 - MEMORY;
    write(&mut bed, region::MEMORY, at, 1, 0);
    assert_eq!(
        read(&mut bed, region::MEMORY, at + 8, 1),
        0xff,
        "the inner window is shut"
    );
    set_config(&mut bed, 1, 0, bridge::MEMORY_BASE, 4, 0x2000_2000);
    set_config(&mut bed, 1, 0, reg::COMMAND, 2, command::MEMORY.into());
    write(&mut bed, region::MEMORY, at, 1, 0);
    assert_eq!(read(&mut bed, region::MEMORY, at + 8, 1), 0xfa);
    // Outside the outer window nothing gets through.
    set_config(&mut bed, 0, 1, bridge::MEMORY_BASE, 4, 0x2010_2010);
    assert_eq!(read(&mut bed, region::MEMORY, at + 8, 1), 0xff);
    // A bus reset takes the base address away.
    set_config(
        &mut bed,
        0,
        1,
        bridge::CONTROL,
        2,
        bridge::CONTROL_RESET.into(),
    );
    set_config(&mut bed, 0, 1, bridge::CONTROL, 2, 0);
    assert_eq!(config(&mut bed, 1, 0, bridge::PRIMARY), 0);
}

/// Slot control and status, capability at 0x54.
const SLOT: usize = 0x54 + 0x18;
const BUTTON: u32 = 1;
const PRESENCE: u32 = 8;
const COMPLETED: u32 = 16;
const PRESENT: u32 = 1 << 6;

fn hot_plug(bed: &mut Bed, id: &str, bus: Option<&str>) -> Result<FunctionId, PlugError> {
    let request = request(Some(id), bus);
    bed.run(|host, cx| host.hot_plug(cx, request, Box::new(TestDevice::default())))
}

#[test]
fn a_device_comes_and_goes() {
    let mut bed = bed(vec![(Some("rp"), None, Box::new(RootPort::new(1, 0)))]);
    open_port(&mut bed);
    // The driver clears what was, and asks for interrupts by pin.
    set_config(&mut bed, 0, 1, SLOT, 2, 0x07f9 & !0xc0 | 0xc0);
    assert_eq!(config(&mut bed, 0, 1, SLOT) >> 16, COMPLETED);
    assert_eq!(bed.wiring.levels, 1 << 1, "INTA of slot 1 is line 1");
    set_config(&mut bed, 0, 1, SLOT + 2, 2, 0x1ff);
    assert_eq!(bed.wiring.levels, 0);

    let id = hot_plug(&mut bed, "net1", None).unwrap();
    assert_eq!(
        config(&mut bed, 0, 1, SLOT) >> 16,
        BUTTON | PRESENCE | PRESENT
    );
    assert_eq!(
        config(&mut bed, 0, 1, 0x54 + 0x10) >> 29 & 1,
        1,
        "the link is active"
    );
    assert_eq!(bed.wiring.levels, 1 << 1);
    assert_eq!(config(&mut bed, 1, 0, 0), 0x0005_1b36);
    set_config(&mut bed, 0, 1, SLOT + 2, 2, 0x1ff);
    // Power on, indicator on.
    set_config(&mut bed, 0, 1, SLOT, 2, 0x01f9);
    set_config(&mut bed, 0, 1, SLOT + 2, 2, 0x1ff);
    assert_eq!(
        hot_plug(&mut bed, "net2", None),
        Err(PlugError::NoFreePort("pci-testdev"))
    );
    assert!(matches!(
        hot_plug(&mut bed, "net2", Some("rp")),
        Err(PlugError::Full(_))
    ));

    assert_eq!(bed.run(|host, cx| host.unplug(cx, id)), Ok(()));
    assert_eq!(config(&mut bed, 0, 1, SLOT) >> 16, BUTTON | PRESENT);
    assert!(
        bed.device.take_events().is_empty(),
        "the guest has not answered yet"
    );
    assert!(matches!(
        bed.run(|host, cx| host.unplug(cx, id)),
        Err(PlugError::Pending(_))
    ));
    set_config(&mut bed, 0, 1, SLOT + 2, 2, 0x1ff);
    // Blinking, then off with the power.
    set_config(&mut bed, 0, 1, SLOT, 2, 0x02f9);
    assert_eq!(config(&mut bed, 1, 0, 0), 0x0005_1b36);
    set_config(&mut bed, 0, 1, SLOT, 2, 0x07f9);
    assert_eq!(config(&mut bed, 1, 0, 0), u32::MAX);
    let gone = PciEvent::Removed {
        id: Some("net1".into()),
        path: "/machine/peripheral/net1".into(),
        kind: "pci-testdev",
    };
    assert_eq!(bed.device.take_events(), [gone]);
    assert_eq!(config(&mut bed, 0, 1, SLOT) >> 16, PRESENCE | COMPLETED);
    // An unpowered slot gives its device up at once.
    let id = hot_plug(&mut bed, "net3", Some("rp")).unwrap();
    assert_eq!(bed.run(|host, cx| host.unplug(cx, id)), Ok(()));
    assert_eq!(bed.device.take_events().len(), 1);
}

#[test]
fn refusals() {
    let mut bed = bed(vec![(Some("rp"), None, Box::new(RootPort::new(1, 0)))]);
    assert!(matches!(
        hot_plug(&mut bed, "x", Some("nope")),
        Err(PlugError::NoBus(_))
    ));
    assert!(matches!(
        hot_plug(&mut bed, "x", Some("pcie.0")),
        Err(PlugError::NotHotpluggable(_))
    ));
    let at = |slot| Request {
        address: Some(Address { slot, function: 0 }),
        ..request(None, None)
    };
    let host = &mut bed.device;
    assert!(matches!(
        host.plug(at(1), Box::new(TestDevice::default())),
        Err(PlugError::Occupied { .. })
    ));
    assert!(matches!(
        host.plug(at(32), Box::new(TestDevice::default())),
        Err(PlugError::BadSlot { .. })
    ));
}

#[test]
fn msix_vectors_pend_while_masked() {
    let mut bed = bed(vec![(Some("rp"), None, Box::new(RootPort::new(1, 0)))]);
    open_port(&mut bed);
    set_config(&mut bed, 0, 1, reg::BAR0, 4, 0x1100_0000);
    let table = 0x1100_0000 - MEMORY;
    assert_eq!(
        read(&mut bed, region::MEMORY, table + 12, 4),
        1,
        "masked after reset"
    );
    for (at, word) in [(0, 0x0802_0040_u64), (4, 0), (8, 0x50)] {
        write(&mut bed, region::MEMORY, table + at, 4, word);
    }
    // MSI-X on; hot-plug interrupts on.
    set_config(&mut bed, 0, 1, 0x48 + 2, 2, 0x8000);
    set_config(&mut bed, 0, 1, SLOT, 2, 0x07f9);
    assert!(bed.wiring.messages.is_empty());
    assert_eq!(bed.wiring.levels, 0, "no pin beside MSI-X");
    assert_eq!(
        read(&mut bed, region::MEMORY, table + 0x800, 8),
        1,
        "it pends"
    );
    write(&mut bed, region::MEMORY, table + 12, 4, 0);
    let sent = std::mem::take(&mut bed.wiring.messages);
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (sent[0].address.0, sent[0].data, sent[0].requester),
        (0x0802_0040, 0x50, 8)
    );
    assert_eq!(read(&mut bed, region::MEMORY, table + 0x800, 8), 0);
    // Each event after the last was handled is a message of its own.
    for id in ["a", "b"] {
        set_config(&mut bed, 0, 1, SLOT + 2, 2, 0x1ff);
        let device = hot_plug(&mut bed, id, None).unwrap();
        assert_eq!(std::mem::take(&mut bed.wiring.messages).len(), 1, "{id}");
        set_config(&mut bed, 0, 1, SLOT + 2, 2, 0x1ff);
        bed.run(|host, cx| host.unplug(cx, device)).unwrap();
        assert_eq!(std::mem::take(&mut bed.wiring.messages).len(), 1, "{id}");
    }
}

#[test]
fn pins_rotate_by_slot_at_each_bridge() {
    let mut bed = bed(vec![
        (
            Some("b"),
            None,
            Box::new(ConventionalBridge::from_conventional()),
        ),
        (Some("rp"), None, Box::new(RootPort::new(1, 0))),
    ]);
    // The port in slot 2: pin A is line 2.
    set_config(&mut bed, 0, 2, SLOT, 2, 0x07f9);
    assert_eq!(bed.wiring.levels, 1 << 2);
    let status = config(&mut bed, 0, 2, reg::COMMAND) >> 16;
    assert_eq!(status & 8, 8);
    set_config(
        &mut bed,
        0,
        2,
        reg::COMMAND,
        2,
        command::INTX_DISABLE.into(),
    );
    assert_eq!(bed.wiring.levels, 0);
}

#[test]
fn any_access_is_answered() {
    let mut bed = bed(vec![
        (Some("rp"), None, Box::new(RootPort::new(1, 0))),
        (
            Some("b"),
            None,
            Box::new(ConventionalBridge::from_express()),
        ),
        (None, Some("b"), Box::new(TestDevice::default())),
        (None, None, Box::new(Pvpanic::default())),
    ]);
    let mut random = Random(7);
    for n in 0..50_000 {
        let bytes = 1 << random.below(4);
        let region = random.below(4) as usize;
        let offset = match region {
            region::ECAM => ecam(
                random.below(4),
                random.below(6),
                random.below(0x1000) as usize,
            ),
            _ => random.below(1 << 16),
        };
        if random.chance(2) {
            let value = random.interesting();
            write(&mut bed, region, offset, bytes, value);
        } else {
            read(&mut bed, region, offset, bytes);
        }
        match n % 97 {
            0 => {
                let _ = hot_plug(&mut bed, "x", None);
            }
            1 => {
                let found = bed
                    .device
                    .functions()
                    .into_iter()
                    .find(|f| f.name == Some("x"));
                if let Some(id) = found.map(|f| f.id) {
                    let _ = bed.run(|host, cx| host.unplug(cx, id));
                }
            }
            2 if random.chance(16) => bed.reset(),
            _ => {}
        }
        bed.wiring.messages.clear();
    }
}

#[test]
fn a_panic_is_told_and_a_crash_kernel_only_where_it_may_be() {
    for (events, told, expected) in [
        (3, 1, Some(MachineRequest::Panicked)),
        (3, 2, Some(MachineRequest::CrashLoaded)),
        (3, 3, Some(MachineRequest::Panicked)),
        (1, 2, None),
        (3, 0x84, None),
    ] {
        let mut bed = bed(vec![(None, None, Box::new(Pvpanic::new(events)))]);
        set_config(&mut bed, 0, 1, reg::BAR0, 4, MEMORY);
        set_config(&mut bed, 0, 1, reg::COMMAND, 2, command::MEMORY.into());
        assert_eq!(read(&mut bed, region::MEMORY, 0, 1), u64::from(events));
        write(&mut bed, region::MEMORY, 0, 1, told);
        assert_eq!(bed.wiring.request.take(), expected);
    }
}
