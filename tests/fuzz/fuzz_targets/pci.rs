//! A guest's accesses to configuration space and to what base address registers map, with every kind
//! of device on the bus: each is answered, values are no wider than the access, devices come and go.

#![no_main]

use ferrite_devices::e1000::E1000;
use ferrite_devices::pci::host::region;
use ferrite_devices::pci::ports::{ConventionalBridge, RootPort};
use ferrite_devices::pci::pvpanic::Pvpanic;
use ferrite_devices::pci::testdev::TestDevice;
use ferrite_devices::pci::{PciDevice, PciHost, Request};
use ferrite_devices::testbed::{RAM_BASE, Testbed};
use ferrite_devices::virtio::VirtioPci;
use ferrite_devices::virtio::net::VirtioNet;
use ferrite_fuzz::Input;
use ferrite_machine::Device;
use ferrite_machine::backend::NetBackend;
use ferrite_ram::GuestPhys;
use libfuzzer_sys::fuzz_target;

const MEMORY: u64 = 0x1000_0000;
const HIGH: u64 = 0x80_0000_0000;

/// A cable that brings a frame back for each that is sent.
#[derive(Default)]
struct Echo(Option<Vec<u8>>);

impl NetBackend for Echo {
    fn send(&mut self, frame: &[u8]) {
        self.0 = Some(frame.to_vec());
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        self.0.take()
    }
}

fn card() -> Box<dyn PciDevice> {
    Box::new(E1000::new(Box::<Echo>::default(), [2, 0, 0, 0, 0, 1]))
}

fn express_card() -> Box<dyn PciDevice> {
    Box::new(E1000::express(Box::<Echo>::default(), [2, 0, 0, 0, 0, 3]))
}

fn host() -> PciHost {
    let mut host = PciHost::new(MEMORY, HIGH);
    let net = VirtioNet::new(Box::<Echo>::default(), [2, 0, 0, 0, 0, 2]);
    let devices: [(Option<&str>, Option<&str>, Option<Box<dyn PciDevice>>); 8] = [
        (Some("rp"), None, Some(Box::new(RootPort::new(1, 0)))),
        (
            Some("b"),
            None,
            Some(Box::new(ConventionalBridge::from_express())),
        ),
        (None, Some("b"), Some(Box::new(TestDevice::default()))),
        (None, None, Some(Box::new(Pvpanic::default()))),
        (None, None, Some(card())),
        (None, None, Some(express_card())),
        (
            None,
            None,
            VirtioPci::new(Box::new(net)).map(|d| Box::new(d) as _),
        ),
        (None, Some("b"), Some(card())),
    ];
    for (id, bus, device) in devices {
        let request = Request {
            id: id.map(str::to_owned),
            bus: bus.map(str::to_owned),
            ..Request::default()
        };
        host.plug(request, device.expect("a device that PCI has"))
            .expect("room on the bus");
    }
    host
}

/// A region and an offset in it, near where something is.
fn place(input: &mut Input) -> (usize, u64) {
    let choice = input.u8();
    let offset = input.value();
    match choice & 3 {
        0 => {
            let (bus, slot) = (u64::from(choice >> 2 & 3), u64::from(choice >> 4 & 7));
            (region::ECAM, bus << 20 | slot << 15 | offset & 0xfff)
        }
        1 => (region::IO, offset & 0x3ff),
        2 => (region::MEMORY, offset & 0xf_ffff),
        _ => (region::HIGH_MEMORY, offset & 0xffff),
    }
}

fuzz_target!(|data: &[u8]| {
    let input = &mut Input::new(data);
    let mut bed = Testbed::new(host());
    while !input.is_empty() {
        match input.u8() {
            0..0x70 => {
                let ((region, offset), bytes) = (place(input), input.width());
                let value = input.value();
                let _ = bed.run(|host, cx| host.write(cx, region, offset, bytes, value));
            }
            0x70..0xb0 => {
                let ((region, offset), bytes) = (place(input), input.width());
                let read = bed.run(|host, cx| host.read(cx, region, offset, bytes));
                let value = read.expect("every access is answered");
                assert!(bytes == 8 || value >> (bytes * 8) == 0, "{offset:#x}");
            }
            0xb0..0xd0 => {
                // What a device reads by DMA.
                let (at, value) = (input.value() & 0xfff8, input.u64());
                let _ = bed.dma.store(GuestPhys(RAM_BASE + at), value);
            }
            0xd0..0xe0 => bed.poll(),
            0xe0..0xe8 => bed.run(|host, cx| host.timer(cx)),
            0xe8..0xf0 => {
                let request = Request {
                    id: Some("hot".into()),
                    ..Request::default()
                };
                let _ = bed.run(|host, cx| host.hot_plug(cx, request, card()));
            }
            0xf0..0xf8 => {
                let functions = bed.device.functions();
                let hot = functions
                    .iter()
                    .find(|f| f.name == Some("hot"))
                    .map(|f| f.id);
                if let Some(id) = hot {
                    let _ = bed.run(|host, cx| host.unplug(cx, id));
                }
            }
            _ => bed.reset(),
        }
        bed.wiring.messages.clear();
        bed.device.take_events();
    }
});
