//! What the board tells at its trace points.

use ferrite_machine::RegionKind;
use ferrite_machine::trace::Point;
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
        let device = match region.kind {
            RegionKind::Device(id, _) | RegionKind::Rom(_, Some((id, _))) => id,
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
        let (read, written) = match device {
            GIC => (Point::GicRead, Point::GicWrite),
            id => Point::of_device(self.kind_of(id)),
        };
        let own = if write { written } else { read };
        trace.tell(own, || {
            format!("cpu {cpu} offset {offset:#x} value {value:#x} size {bytes}")
        });
    }
}
