//! Numbers of the network device (the spec, section 5.1).

/// Feature bits, as masks.
pub mod feature {
    /// The configuration space has the MAC address.
    pub const MAC: u64 = 1 << 5;
    /// Received frames may span buffers.
    pub const MRG_RXBUF: u64 = 1 << 15;
    /// The configuration space has the link status.
    pub const STATUS: u64 = 1 << 16;
    /// There is a control queue.
    pub const CTRL_VQ: u64 = 1 << 17;
    /// Receive modes can be set.
    pub const CTRL_RX: u64 = 1 << 18;
    /// VLANs can be filtered.
    pub const CTRL_VLAN: u64 = 1 << 19;
    /// More receive modes.
    pub const CTRL_RX_EXTRA: u64 = 1 << 20;
    /// The MAC address can be set by command.
    pub const CTRL_MAC_ADDR: u64 = 1 << 23;
}

/// The receive queue.
pub const RX: usize = 0;
/// The transmit queue.
pub const TX: usize = 1;
/// The control queue.
pub const CTRL: usize = 2;

/// Link status: up.
pub const STATUS_LINK_UP: u16 = 1;
/// The largest frame that is moved: what a 64 KiB datagram needs.
pub const MAX_FRAME: usize = 65_550;
/// Bytes in a frame header of a legacy driver that does not merge buffers.
pub const SHORT_HEADER: usize = 10;
/// Bytes in any other frame header: `num_buffers` follows.
pub const LONG_HEADER: usize = 12;

/// Control commands: class and command.
pub mod control {
    /// Receive modes.
    pub const RX: u8 = 0;
    /// MAC addresses.
    pub const MAC: u8 = 1;
    /// Sets the filter table.
    pub const MAC_TABLE_SET: u8 = 0;
    /// Sets the MAC address.
    pub const MAC_ADDR_SET: u8 = 1;
    /// VLAN filter.
    pub const VLAN: u8 = 2;
    /// Lets a VLAN through.
    pub const VLAN_ADD: u8 = 0;
    /// Stops a VLAN.
    pub const VLAN_DEL: u8 = 1;
    /// The answer to a command that was done.
    pub const OK: u8 = 0;
    /// The answer to one that was not.
    pub const ERR: u8 = 1;
}
