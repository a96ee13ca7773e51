//! Trace points: places in the machine that tell what happens there, when an operator asks.
//!
//! [`POINTS`] is the table of them. A point that is off costs one load of a flag; its text is only
//! made when it is on. Names and texts are those of QEMU's trace events where it has the like.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Takes the lines of trace points that are on: the point's name and its text.
pub type Sink = Box<dyn FnMut(&str, &str) + Send>;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointRow {
    /// The name that operators use.
    pub name: &'static str,
    /// Whether it belongs to a processor.
    pub vcpu: bool,
}

macro_rules! points {
    ($($(#[$doc:meta])* $id:ident $name:literal $vcpu:literal;)*) => {
        /// A trace point.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Point {
            $($(#[$doc])* $id,)*
        }

        /// Every trace point, in the order of [`Point`].
        pub const POINTS: &[PointRow] = &[$(PointRow { name: $name, vcpu: $vcpu },)*];
    };
}

points! {
    /// A processor started at power-on or by the firmware's call.
    GuestCpuReset "guest_cpu_reset" true;
    /// A processor took an exception.
    ExceptionTaken "arm_exception_taken" true;
    /// A processor returned from an exception.
    ExceptionReturn "arm_exception_return" true;
    /// A processor called the board's firmware (PSCI).
    PsciCall "arm_psci_call" true;
    /// A processor asked the others to forget translations of addresses or code.
    TlbMaintenance "tlb_maintenance" true;
    /// Guest code was translated during a processor's turn.
    TranslateBlock "translate_block" true;
    /// All translated code was thrown away during a processor's turn.
    TbFlush "tb_flush" true;
    /// Translated code was overwritten during a processor's turn.
    TbInvalidate "tb_invalidate" true;
    /// An interrupt line of a device changed.
    GicSetIrq "gic_set_irq" false;
    /// The distributor's registers (GICv2).
    GicDistRead "gic_dist_read" false;
    /// The distributor's registers (GICv2).
    GicDistWrite "gic_dist_write" false;
    /// The CPU interface's registers (GICv2).
    GicCpuRead "gic_cpu_read" true;
    /// The CPU interface's registers (GICv2).
    GicCpuWrite "gic_cpu_write" true;
    /// The distributor's registers (GICv3).
    Gicv3DistRead "gicv3_dist_read" false;
    /// The distributor's registers (GICv3).
    Gicv3DistWrite "gicv3_dist_write" false;
    /// A redistributor's registers.
    Gicv3RedistRead "gicv3_redist_read" false;
    /// A redistributor's registers.
    Gicv3RedistWrite "gicv3_redist_write" false;
    /// The interrupt translation service's registers.
    ItsRead "gicv3_its_read" false;
    /// The interrupt translation service's registers.
    ItsWrite "gicv3_its_write" false;
    /// Registers of another part of the interrupt controller.
    GicRead "gic_read" false;
    /// Registers of another part of the interrupt controller.
    GicWrite "gic_write" false;
    /// A processor read a register of a device.
    DeviceRead "memory_region_ops_read" true;
    /// A processor wrote a register of a device.
    DeviceWrite "memory_region_ops_write" true;
    /// The serial port's registers.
    Pl011Read "pl011_read" false;
    /// The serial port's registers.
    Pl011Write "pl011_write" false;
    /// The real-time clock's registers.
    Pl031Read "pl031_read" false;
    /// The real-time clock's registers.
    Pl031Write "pl031_write" false;
    /// The GPIO controller's registers.
    Pl061Read "pl061_read" false;
    /// The GPIO controller's registers.
    Pl061Write "pl061_write" false;
    /// A virtio transport's registers.
    VirtioMmioRead "virtio_mmio_read" false;
    /// A virtio transport's registers.
    VirtioMmioWrite "virtio_mmio_write_offset" false;
    /// The firmware configuration device's registers.
    FwCfgRead "fw_cfg_read" false;
    /// The firmware configuration device's registers.
    FwCfgWrite "fw_cfg_write" false;
    /// A flash bank's registers.
    FlashRead "pflash_io_read" false;
    /// A flash bank's registers.
    FlashWrite "pflash_io_write" false;
    /// A device's registers that has no points of its own.
    OtherRead "device_read" false;
    /// A device's registers that has no points of its own.
    OtherWrite "device_write" false;
    /// A driver told a virtio device of new buffers.
    VirtioQueueNotify "virtio_queue_notify" false;
    /// A driver set a virtio device's status.
    VirtioSetStatus "virtio_set_status" false;
    /// A disk of virtio is to be read.
    VirtioBlkRead "virtio_blk_handle_read" false;
    /// A disk of virtio is to be written.
    VirtioBlkWrite "virtio_blk_handle_write" false;
    /// A request to a disk of virtio is answered.
    VirtioBlkComplete "virtio_blk_req_complete" false;
    /// A driver asked for random bytes.
    VirtioRngPopped "virtio_rng_popped" false;
    /// A driver got random bytes.
    VirtioRngPushed "virtio_rng_pushed" false;
    /// A virtio device took a chain of buffers.
    VirtqueuePop "virtqueue_pop" false;
    /// A virtio device handed a chain of buffers back.
    VirtqueueFill "virtqueue_fill" false;
    /// A virtio device tells its driver of something.
    VirtioNotify "virtio_notify" false;
    /// A SCSI command came.
    ScsiCommand "scsi_req_parsed" false;
    /// The interrupt translation service carries a command out.
    ItsCommand "gicv3_its_process_command" false;
    /// The firmware configuration device was asked for a transfer.
    FwCfgDma "fw_cfg_dma" false;
    /// A PCI function's configuration space was read.
    PciCfgRead "pci_cfg_read" false;
    /// A PCI function's configuration space was written.
    PciCfgWrite "pci_cfg_write" false;
    /// A virtio device's registers on PCI.
    VirtioPciRead "virtio_pci_read" false;
    /// A virtio device's registers on PCI.
    VirtioPciWrite "virtio_pci_write" false;
    /// A network card's registers.
    E1000Read "e1000_read" false;
    /// A network card's registers.
    E1000Write "e1000_write" false;
    /// A network card's registers.
    E1000eRead "e1000e_core_read" false;
    /// A network card's registers.
    E1000eWrite "e1000e_core_write" false;
    /// Another PCI function's registers.
    PciRead "pci_read" false;
    /// Another PCI function's registers.
    PciWrite "pci_write" false;
    /// A disk is to be read.
    BlockRead "blk_co_preadv" false;
    /// A disk is to be written.
    BlockWrite "blk_co_pwritev" false;
    /// A part of a disk is to be made zero.
    BlockZeroes "bdrv_co_pwrite_zeroes" false;
    /// A part of a disk is no longer needed.
    BlockDiscard "block_discard" false;
    /// What was written to a disk is to be kept.
    BlockFlush "block_flush" false;
    /// A request to a disk is done.
    BlockDone "block_done" false;
    /// The machine started or stopped.
    VmStateNotify "vm_state_notify" false;
    /// The machine was reset.
    SystemReset "system_reset" false;
    /// A monitor took a command.
    HandleQmpCommand "handle_qmp_command" false;
    /// A monitor answered a command.
    MonitorQmpRespond "monitor_qmp_respond" false;
    /// An event was sent to monitors.
    MonitorEvent "monitor_protocol_event_emit" false;
}

impl Point {
    /// The points for reads and writes of the registers of a PCI function of this kind.
    #[must_use]
    pub fn of_function(kind: &str) -> (Self, Self) {
        match kind {
            "e1000" => (Self::E1000Read, Self::E1000Write),
            "e1000e" => (Self::E1000eRead, Self::E1000eWrite),
            _ if kind.starts_with("virtio-") => (Self::VirtioPciRead, Self::VirtioPciWrite),
            _ => (Self::PciRead, Self::PciWrite),
        }
    }

    /// The points for reads and writes of a part of the interrupt controller, by its region's name.
    #[must_use]
    pub fn of_gic(region: &str) -> (Self, Self) {
        match region {
            "gic_dist" => (Self::GicDistRead, Self::GicDistWrite),
            "gic_cpu" => (Self::GicCpuRead, Self::GicCpuWrite),
            "gicv3_dist" => (Self::Gicv3DistRead, Self::Gicv3DistWrite),
            "gits" => (Self::ItsRead, Self::ItsWrite),
            _ if region.starts_with("gicv3_redist") => {
                (Self::Gicv3RedistRead, Self::Gicv3RedistWrite)
            }
            _ => (Self::GicRead, Self::GicWrite),
        }
    }

    /// The points for reads and writes of a device of this kind.
    #[must_use]
    pub fn of_device(kind: &str) -> (Self, Self) {
        match kind {
            "pl011" => (Self::Pl011Read, Self::Pl011Write),
            "pl031" => (Self::Pl031Read, Self::Pl031Write),
            "pl061" => (Self::Pl061Read, Self::Pl061Write),
            "virtio-mmio" => (Self::VirtioMmioRead, Self::VirtioMmioWrite),
            "fw_cfg_mem" => (Self::FwCfgRead, Self::FwCfgWrite),
            "cfi.pflash01" => (Self::FlashRead, Self::FlashWrite),
            _ => (Self::OtherRead, Self::OtherWrite),
        }
    }
}

/// Which points are on, and where their lines go. Clones are the same.
#[derive(Clone)]
pub struct Trace {
    inner: Arc<Inner>,
}

struct Inner {
    /// How many are on: what the busy places look at first.
    count: AtomicU32,
    on: [AtomicBool; POINTS.len()],
    sink: Mutex<Option<Sink>>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                count: AtomicU32::new(0),
                on: [const { AtomicBool::new(false) }; POINTS.len()],
                sink: Mutex::new(None),
            }),
        }
    }
}

impl Trace {
    /// Sends lines there from now on.
    pub fn set_sink(&self, sink: Sink) {
        *self.sink() = Some(sink);
    }

    fn sink(&self) -> std::sync::MutexGuard<'_, Option<Sink>> {
        self.inner
            .sink
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns a point on or off, by its place in [`POINTS`].
    pub fn set(&self, point: usize, on: bool) {
        let Some(flag) = self.inner.on.get(point) else {
            return;
        };
        if flag.swap(on, Ordering::Relaxed) != on {
            if on {
                self.inner.count.fetch_add(1, Ordering::Relaxed);
            } else {
                self.inner.count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Whether a point is on, by its place in [`POINTS`].
    #[must_use]
    pub fn is_on(&self, point: usize) -> bool {
        let on = self.inner.on.get(point);
        on.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Whether any point is on.
    #[must_use]
    pub fn any(&self) -> bool {
        self.inner.count.load(Ordering::Relaxed) != 0
    }

    /// Tells what happens at a point, if that is on.
    #[inline]
    pub fn tell(&self, point: Point, text: impl FnOnce() -> String) {
        if self.any() && self.is_on(point as usize) {
            self.send(point, &text());
        }
    }

    #[cold]
    fn send(&self, point: Point, text: &str) {
        if let Some(sink) = self.sink().as_mut() {
            sink(POINTS[point as usize].name, text);
        }
    }
}

/// Whether `pattern`, in which `*` stands for anything, describes all of `name`.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*');
    let last = parts.next_back().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*", "x", true),
            ("pl011_*", "pl011_read", true),
            ("*_read", "pl011_read", true),
            ("p*1_*d", "pl011_read", true),
            ("pl011", "pl011_read", false),
            ("a*a", "a", false),
            ("pl?11_read", "pl011_read", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn only_points_that_are_on_tell() {
        let trace = Trace::default();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&lines);
        trace.set_sink(Box::new(move |name, text| {
            copy.lock().unwrap().push(format!("{name} {text}"));
        }));
        trace.tell(Point::Pl011Read, || unreachable!());
        trace.set(Point::Pl011Read as usize, true);
        trace.set(Point::Pl011Read as usize, true);
        trace.tell(Point::Pl011Read, || "a".into());
        trace.tell(Point::Pl011Write, || unreachable!());
        trace.set(Point::Pl011Read as usize, false);
        assert!(!trace.any());
        assert_eq!(*lines.lock().unwrap(), ["pl011_read a"]);
    }
}
