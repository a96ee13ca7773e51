//! What the board tells at its trace points.

use ferrite_aarch64::exception::Exception;
use ferrite_aarch64::observer::CpuObserver;
use ferrite_devices::pci::host::region;
use ferrite_machine::RegionKind;
use ferrite_machine::trace::{Point, Trace};
use ferrite_ram::GuestPhys;

use super::board::{Board, GIC};

/// An access by a processor to something that is no memory.
#[derive(Clone, Copy)]
pub(super) struct Access {
    pub cpu: usize,
    pub at: GuestPhys,
    pub bytes: u64,
    pub value: u64,
    pub write: bool,
}

/// Tells of exceptions.
pub(crate) struct Exceptions(pub Trace);

impl CpuObserver for Exceptions {
    fn taken(&self, cpu: usize, from: u8, exception: &Exception, pc: u64) {
        self.0.tell(Point::ExceptionTaken, || {
            let Exception {
                target,
                vector,
                syndrome,
                address,
                return_to,
            } = exception;
            let syndrome = syndrome.unwrap_or(0);
            let address = address.unwrap_or(0);
            format!(
                "cpu {cpu} kind {vector:?} from EL{from} to EL{target} esr {syndrome:#x} \
                 far {address:#x} elr {return_to:#x} pc {pc:#x}"
            )
        });
    }

    fn returned(&self, cpu: usize, from: u8, to: u8, pc: u64) {
        self.0.tell(Point::ExceptionReturn, || {
            format!("cpu {cpu} from EL{from} to EL{to} pc {pc:#x}")
        });
    }
}

impl Board {
    /// Tells of an access. To be called when any point is on only.
    #[cold]
    pub(super) fn trace_access(&self, access: Access) {
        let Access {
            cpu,
            at,
            bytes,
            value,
            write,
        } = access;
        let map = self.map();
        let Some((region, offset)) = map.find(at) else {
            return;
        };
        let (device, part) = match region.kind {
            RegionKind::Device(id, part) | RegionKind::Rom(_, Some((id, part))) => (id, part),
            _ => return,
        };
        let (name, trace) = (&region.name, self.trace());
        let text = || {
            format!(
                "cpu {cpu} addr {:#x} value {value:#x} size {bytes} name '{name}'",
                at.0
            )
        };
        let all = if write {
            Point::DeviceWrite
        } else {
            Point::DeviceRead
        };
        trace.tell(all, text);
        if device == self.pci {
            self.trace_function(access, part, offset);
            return;
        }
        let (read, written) = match device {
            GIC => Point::of_gic(name),
            id => Point::of_device(self.kind_of(id)),
        };
        let own = if write { written } else { read };
        trace.tell(own, || {
            format!("cpu {cpu} offset {offset:#x} value {value:#x} size {bytes}")
        });
    }

    /// Tells of an access to region `part` of the PCI host.
    fn trace_function(&self, access: Access, part: usize, offset: u64) {
        let Access {
            cpu,
            at,
            bytes,
            value,
            write,
        } = access;
        let Some(host) = self.pci() else { return };
        let functions = host.functions();
        let choose = |(read, written)| if write { written } else { read };
        if part == region::ECAM {
            let (bus, slot, function) = (offset >> 20, offset >> 15 & 31, offset >> 12 & 7);
            let there = functions.iter().find(|f| {
                u64::from(f.bus_number) == bus
                    && u64::from(f.address.slot) == slot
                    && u64::from(f.address.function) == function
            });
            let point = choose((Point::PciCfgRead, Point::PciCfgWrite));
            self.trace().tell(point, || {
                let name = there.map_or("none", |f| f.device.kind());
                let arrow = if write { "<-" } else { "->" };
                format!(
                    "{name} {bus:02x}:{slot:02x}.{function:x} @{:#x} {arrow} {value:#x}",
                    offset & 0xfff
                )
            });
            return;
        }
        // Ports are told from memory by the region; bus addresses of memory are the CPU's.
        let place = if part == region::IO { offset } else { at.0 };
        let hit = functions.iter().find_map(|f| {
            let bars = f.config.bars().into_iter().enumerate();
            bars.filter_map(|(n, bar)| Some((n, bar?, f.config.bar_address(n)?)))
                .find(|(_, bar, base)| {
                    bar.kind.is_io() == (part == region::IO)
                        && place.checked_sub(*base).is_some_and(|into| into < bar.size)
                })
                .map(|(n, _, base)| (f, n, place - base))
        });
        let Some((function, bar, into)) = hit else {
            return;
        };
        let kind = function.device.kind();
        self.trace().tell(choose(Point::of_function(kind)), || {
            format!(
                "cpu {cpu} path {} bar {bar} offset {into:#x} value {value:#x} size {bytes}",
                function.path
            )
        });
    }
}
