//! Registers of the PrimeCell General Purpose Input/Output (PL061): Arm DDI 0190B, table 3-1. Each
//! has a bit per pin.

/// GPIODATA: address bits 9:2 choose the pins that an access reads or writes.
pub const DATA: u64 = 0x000;
/// The end of GPIODATA.
pub const DATA_END: u64 = 0x400;
/// GPIODIR: output (1) or input.
pub const DIR: u64 = 0x400;
/// GPIOIS: level-sensitive (1) or edge-sensitive.
pub const IS: u64 = 0x404;
/// GPIOIBE: both edges.
pub const IBE: u64 = 0x408;
/// GPIOIEV: rising edge or high level (1), or falling and low.
pub const IEV: u64 = 0x40c;
/// GPIOIE: interrupt enabled.
pub const IE: u64 = 0x410;
/// GPIORIS: raw interrupts.
pub const RIS: u64 = 0x414;
/// GPIOMIS: enabled ones.
pub const MIS: u64 = 0x418;
/// GPIOIC: write 1 to clear an edge.
pub const IC: u64 = 0x41c;
/// GPIOAFSEL: hardware control (stored; nothing else drives the pins).
pub const AFSEL: u64 = 0x420;

/// GPIOPeriphID0 to 3.
pub const PERIPHERAL_ID: [u8; 4] = [0x61, 0x10, 0x04, 0x00];
/// Pins.
pub const PINS: u32 = 8;
