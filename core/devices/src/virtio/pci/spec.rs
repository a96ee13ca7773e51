//! The PCI transport's numbers (the spec, sections 4.1.2 to 4.1.5).

use crate::virtio::spec::device_type;

/// Vendor ID of every virtio device.
pub const VENDOR: u16 = 0x1af4;
/// Device IDs of the modern interface start here; the device type is added.
pub const MODERN_DEVICE: u16 = 0x1040;

/// What depends on the type of device.
pub struct Model {
    /// Device type.
    pub device_type: u32,
    /// Name among QEMU's devices.
    pub kind: &'static str,
    /// Device ID of the transitional interface.
    pub transitional: u16,
    /// Class code.
    pub class: u32,
    /// MSI-X vectors.
    pub vectors: Vectors,
}

/// How many MSI-X vectors a device has.
#[derive(Clone, Copy, Debug)]
pub enum Vectors {
    /// One per queue, and so many more.
    PerQueue(u16),
    /// So many; none at all for zero.
    Fixed(u16),
}

/// Every device that can sit on PCI (transitional IDs: the spec, section 4.1.2.1).
pub const MODELS: &[Model] = &[
    Model {
        device_type: device_type::NET,
        kind: "virtio-net-pci",
        transitional: 0x1000,
        class: 0x02_0000,
        vectors: Vectors::PerQueue(1),
    },
    Model {
        device_type: device_type::BLOCK,
        kind: "virtio-blk-pci",
        transitional: 0x1001,
        class: 0x01_0000,
        vectors: Vectors::PerQueue(1),
    },
    Model {
        device_type: device_type::CONSOLE,
        kind: "virtio-serial-pci",
        transitional: 0x1003,
        class: 0x07_8000,
        vectors: Vectors::Fixed(2),
    },
    Model {
        device_type: device_type::ENTROPY,
        kind: "virtio-rng-pci",
        transitional: 0x1005,
        class: 0x00_ff00,
        vectors: Vectors::PerQueue(1),
    },
    Model {
        device_type: device_type::BALLOON,
        kind: "virtio-balloon-pci",
        transitional: 0x1002,
        class: 0x00_ff00,
        vectors: Vectors::Fixed(0),
    },
    Model {
        device_type: device_type::SCSI,
        kind: "virtio-scsi-pci",
        transitional: 0x1004,
        class: 0x01_0000,
        vectors: Vectors::PerQueue(1),
    },
    Model {
        device_type: device_type::P9,
        kind: "virtio-9p-pci",
        transitional: 0x1009,
        class: 0x00_0200,
        vectors: Vectors::PerQueue(1),
    },
];

/// Base address registers.
pub mod bar {
    /// The legacy interface, in I/O space.
    pub const LEGACY: usize = 0;
    /// MSI-X table and pending bits.
    pub const MSIX: usize = 1;
    /// The modern interface.
    pub const MODERN: usize = 4;
}

/// The parts of the modern interface: where they start in its BAR, and the types of the capabilities
/// that say so (section 4.1.4).
pub mod part {
    /// Common configuration.
    pub const COMMON: u64 = 0x0000;
    /// Interrupt status.
    pub const ISR: u64 = 0x1000;
    /// Device-specific configuration.
    pub const DEVICE: u64 = 0x2000;
    /// Notifications.
    pub const NOTIFY: u64 = 0x3000;
    /// The end of the last part.
    pub const END: u64 = 0x4000;
    /// Bytes of each part.
    pub const LEN: u32 = 0x1000;
    /// Bytes between the notification addresses of two queues.
    pub const NOTIFY_MULTIPLIER: u64 = 4;

    /// Capability type: common configuration.
    pub const TYPE_COMMON: u8 = 1;
    /// Capability type: notifications.
    pub const TYPE_NOTIFY: u8 = 2;
    /// Capability type: interrupt status.
    pub const TYPE_ISR: u8 = 3;
    /// Capability type: device-specific configuration.
    pub const TYPE_DEVICE: u8 = 4;
    /// Capability type: access through configuration space.
    pub const TYPE_PCI: u8 = 5;
}

/// Common configuration (section 4.1.4.3).
pub mod common {
    /// Selects 32 of the features on offer.
    pub const DEVICE_FEATURE_SELECT: u64 = 0x00;
    /// The selected features on offer.
    pub const DEVICE_FEATURE: u64 = 0x04;
    /// Selects 32 of the features that the driver accepts.
    pub const DRIVER_FEATURE_SELECT: u64 = 0x08;
    /// The selected features that the driver accepts.
    pub const DRIVER_FEATURE: u64 = 0x0c;
    /// MSI-X vector of configuration changes.
    pub const CONFIG_VECTOR: u64 = 0x10;
    /// How many queues there are.
    pub const NUM_QUEUES: u64 = 0x12;
    /// Device status.
    pub const STATUS: u64 = 0x14;
    /// Changes with the device-specific configuration.
    pub const CONFIG_GENERATION: u64 = 0x15;
    /// Selects the queue that the following registers are about.
    pub const QUEUE_SELECT: u64 = 0x16;
    /// Entries of the queue; 0 if there is none.
    pub const QUEUE_SIZE: u64 = 0x18;
    /// MSI-X vector of the queue.
    pub const QUEUE_VECTOR: u64 = 0x1a;
    /// Whether the queue is enabled.
    pub const QUEUE_ENABLE: u64 = 0x1c;
    /// The queue's notification address, in multiples.
    pub const QUEUE_NOTIFY_OFF: u64 = 0x1e;
    /// Descriptor table, available ring and used ring: six words, low halves first.
    pub const QUEUE_AREAS: u64 = 0x20;
    /// The end of the areas.
    pub const QUEUE_AREAS_END: u64 = 0x38;
    /// Resets the queue.
    pub const QUEUE_RESET: u64 = 0x3a;
}

/// The legacy interface (section 4.1.4.8).
pub mod legacy {
    /// Features on offer.
    pub const DEVICE_FEATURES: u64 = 0x00;
    /// Features that the driver accepts.
    pub const DRIVER_FEATURES: u64 = 0x04;
    /// The queue's first page; 0 disables it.
    pub const QUEUE_PFN: u64 = 0x08;
    /// Entries of the queue.
    pub const QUEUE_SIZE: u64 = 0x0c;
    /// Selects a queue.
    pub const QUEUE_SELECT: u64 = 0x0e;
    /// New buffers are in the queue of this number.
    pub const QUEUE_NOTIFY: u64 = 0x10;
    /// Device status.
    pub const STATUS: u64 = 0x12;
    /// Interrupt status.
    pub const ISR: u64 = 0x13;
    /// MSI-X vector of configuration changes, where MSI-X is on.
    pub const CONFIG_VECTOR: u64 = 0x14;
    /// MSI-X vector of the queue, where MSI-X is on.
    pub const QUEUE_VECTOR: u64 = 0x16;
    /// Bytes of the registers without MSI-X.
    pub const LEN: u64 = 0x14;
    /// Bytes of the registers with MSI-X.
    pub const LEN_MSIX: u64 = 0x18;
    /// Bytes of a page in page numbers.
    pub const PAGE: u32 = 4096;
}

/// No MSI-X vector.
pub const NO_VECTOR: u16 = 0xffff;
