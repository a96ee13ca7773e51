//! Numbers of the console device (the spec, section 5.3).

/// Feature bits, as masks.
pub mod feature {
    /// The configuration space has the size of port 0.
    pub const SIZE: u64 = 1 << 0;
    /// There are several ports and a control queue pair.
    pub const MULTIPORT: u64 = 1 << 1;
    /// Characters can be written before queues are set up.
    pub const EMERG_WRITE: u64 = 1 << 2;
}

/// Events on the control queues.
pub mod event {
    /// Driver: the device (value 1) can be used.
    pub const DEVICE_READY: u16 = 0;
    /// Device: there is a port.
    pub const DEVICE_ADD: u16 = 1;
    /// Device: the port is gone.
    pub const DEVICE_REMOVE: u16 = 2;
    /// Driver: the port (value 1) can be used.
    pub const PORT_READY: u16 = 3;
    /// Device: the port is a console.
    pub const CONSOLE_PORT: u16 = 4;
    /// Device: the console's size is as follows.
    pub const RESIZE: u16 = 5;
    /// Both: the port was opened (value 1) or closed (value 0) on the sender's side.
    pub const PORT_OPEN: u16 = 6;
    /// Device: the port's name is as follows.
    pub const PORT_NAME: u16 = 7;
}

/// Control queue towards the driver.
pub const CONTROL_RX: usize = 2;
/// Control queue towards the device.
pub const CONTROL_TX: usize = 3;
/// Bytes in a control message: port, event, value.
pub const CONTROL_BYTES: usize = 8;
/// Where the emergency write register is in the configuration space.
pub const CONFIG_EMERGENCY: usize = 8;
/// Ports of a device, as in QEMU: what its 64 queues serve.
pub const MAX_PORTS: u32 = 31;

/// The receive queue of a port; its transmit queue is the next one.
#[must_use]
pub const fn receive_queue(port: usize) -> usize {
    match port {
        0 => 0,
        n => 2 * n + 2,
    }
}
