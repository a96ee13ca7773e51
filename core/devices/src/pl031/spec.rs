//! Registers of the PrimeCell Real Time Clock (PL031): Arm DDI 0224C, table 3-1.

/// RTCDR: seconds.
pub const DR: u64 = 0x00;
/// RTCMR: match.
pub const MR: u64 = 0x04;
/// RTCLR: load.
pub const LR: u64 = 0x08;
/// RTCCR: bit 0, the counter runs. It cannot be stopped.
pub const CR: u64 = 0x0c;
/// RTCIMSC: bit 0, interrupt enabled.
pub const IMSC: u64 = 0x10;
/// RTCRIS: bit 0, the counter has matched.
pub const RIS: u64 = 0x14;
/// RTCMIS: both.
pub const MIS: u64 = 0x18;
/// RTCICR: write 1 to clear.
pub const ICR: u64 = 0x1c;

/// RTCPeriphID0 to 3.
pub const PERIPHERAL_ID: [u8; 4] = [0x31, 0x10, 0x14, 0x00];
