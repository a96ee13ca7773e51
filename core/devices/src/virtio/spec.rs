//! Numbers that all virtio devices share.

/// Device types (the spec, section 5).
pub mod device_type {
    /// Network card.
    pub const NET: u32 = 1;
    /// Block device.
    pub const BLOCK: u32 = 2;
    /// Console.
    pub const CONSOLE: u32 = 3;
    /// Entropy source.
    pub const ENTROPY: u32 = 4;
    /// Memory balloon.
    pub const BALLOON: u32 = 5;
    /// SCSI host.
    pub const SCSI: u32 = 8;
    /// 9P transport.
    pub const P9: u32 = 9;
}

/// Device-independent feature bits, as masks (the spec, section 6).
pub mod feature {
    /// Legacy only: the driver may frame messages as it likes (`VIRTIO_F_ANY_LAYOUT`).
    pub const ANY_LAYOUT: u64 = 1 << 27;
    /// Chains may continue in an indirect table (`VIRTIO_F_INDIRECT_DESC`).
    pub const INDIRECT_DESC: u64 = 1 << 28;
    /// Notifications are suppressed by ring index (`VIRTIO_F_EVENT_IDX`).
    pub const EVENT_IDX: u64 = 1 << 29;
    /// The device follows version 1 of the spec, not the legacy interface (`VIRTIO_F_VERSION_1`).
    pub const VERSION_1: u64 = 1 << 32;
    /// Single queues can be reset (`VIRTIO_F_RING_RESET`).
    pub const RING_RESET: u64 = 1 << 40;
}

/// Device status bits (the spec, section 2.1).
pub mod status {
    /// The guest has seen the device.
    pub const ACKNOWLEDGE: u8 = 1;
    /// The guest has a driver for it.
    pub const DRIVER: u8 = 2;
    /// The driver is set up.
    pub const DRIVER_OK: u8 = 4;
    /// Feature negotiation is complete.
    pub const FEATURES_OK: u8 = 8;
    /// The device cannot go on until it is reset.
    pub const NEEDS_RESET: u8 = 64;
    /// The guest gave up on the device.
    pub const FAILED: u8 = 128;
}

/// Interrupt status bits (the spec, sections 4.1.4.5 and 4.2.2).
pub mod interrupt {
    /// A buffer was used in some queue.
    pub const USED: u8 = 1;
    /// The device configuration changed.
    pub const CONFIG: u8 = 2;
}

/// The largest queue that any device here has, and the longest chain that is accepted.
pub const MAX_QUEUE_SIZE: u16 = 1024;
