//! Numbers of the SCSI host device (the spec, section 5.6).

/// Feature bits, as masks.
pub mod feature {
    /// One request may both read and write.
    pub const INOUT: u64 = 1 << 0;
    /// Units coming and going are told.
    pub const HOTPLUG: u64 = 1 << 1;
    /// Changes of units are told.
    pub const CHANGE: u64 = 1 << 2;
}

/// Queues.
pub mod queue {
    /// Task management.
    pub const CONTROL: usize = 0;
    /// What the device tells.
    pub const EVENT: usize = 1;
    /// Commands.
    pub const REQUEST: usize = 2;
}

/// Values of the response field.
pub mod response {
    /// The command came to its end.
    pub const OK: u8 = 0;
    /// There is more data than room for it.
    pub const OVERRUN: u8 = 1;
    /// No such unit.
    pub const BAD_TARGET: u8 = 3;
    /// The command was given up since its unit was reset.
    pub const RESET: u8 = 4;
    /// A failure that has no number of its own.
    pub const FAILURE: u8 = 9;
    /// Task management: it is so.
    pub const FUNCTION_SUCCEEDED: u8 = 10;
    /// Task management: there is no such function.
    pub const FUNCTION_REJECTED: u8 = 11;
    /// Task management: there is no such unit.
    pub const INCORRECT_LUN: u8 = 12;
}

/// Types of control requests.
pub mod control {
    /// Task management.
    pub const TASK_MANAGEMENT: u32 = 0;
    /// Which notifications there are.
    pub const NOTIFICATION_QUERY: u32 = 1;
    /// Which notifications are wanted.
    pub const NOTIFICATION_SUBSCRIBE: u32 = 2;
}

/// Task management functions.
pub mod task {
    /// Give one command up.
    pub const ABORT: u32 = 0;
    /// Give a unit's commands up.
    pub const ABORT_SET: u32 = 1;
    /// Give a unit's commands up, whoever sent them.
    pub const CLEAR_SET: u32 = 3;
    /// Reset all units of a target.
    pub const NEXUS_RESET: u32 = 4;
    /// Reset a unit.
    pub const UNIT_RESET: u32 = 5;
    /// Whether a command is in progress.
    pub const QUERY: u32 = 6;
    /// Whether any is.
    pub const QUERY_SET: u32 = 7;
}

/// Events.
pub mod event {
    /// Some were lost.
    pub const MISSED: u32 = 0x8000_0000;
    /// Nothing.
    pub const NONE: u32 = 0;
    /// A unit was reset, came or is gone.
    pub const TRANSPORT_RESET: u32 = 1;
    /// It came.
    pub const RESCAN: u32 = 1;
    /// It is gone.
    pub const REMOVED: u32 = 2;
}

/// Bytes of a command's header before the command itself.
pub const HEADER_BYTES: u64 = 19;
/// Bytes of the response before the sense data.
pub const RESPONSE_BYTES: u64 = 12;
/// Bytes of an event.
pub const EVENT_BYTES: usize = 16;
/// Bytes of a command and of sense data, unless the driver says otherwise.
pub const CDB_BYTES: u32 = 32;
/// Bytes of sense data, unless the driver says otherwise.
pub const SENSE_BYTES: u32 = 96;
/// Where they are in the configuration space: sense, command.
pub const CONFIG_SIZES: usize = 20;
