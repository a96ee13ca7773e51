//! Registers of the PrimeCell UART (PL011): Arm DDI 0183G, table 3-1.

/// UARTDR: data 7:0, error flags 11:8 of a received character.
pub const DR: u64 = 0x00;
/// UARTRSR (read) and UARTECR (write): error flags of the last character read.
pub const RSR: u64 = 0x04;
/// UARTFR: flags.
pub const FR: u64 = 0x18;
/// UARTILPR: IrDA low-power counter.
pub const ILPR: u64 = 0x20;
/// UARTIBRD: integer part of the baud rate divisor.
pub const IBRD: u64 = 0x24;
/// UARTFBRD: fractional part.
pub const FBRD: u64 = 0x28;
/// UARTLCR_H: line control.
pub const LCR_H: u64 = 0x2c;
/// UARTCR: control.
pub const CR: u64 = 0x30;
/// UARTIFLS: FIFO levels that interrupt, transmit 2:0 and receive 5:3.
pub const IFLS: u64 = 0x34;
/// UARTIMSC: interrupt mask.
pub const IMSC: u64 = 0x38;
/// UARTRIS: raw interrupts.
pub const RIS: u64 = 0x3c;
/// UARTMIS: masked interrupts.
pub const MIS: u64 = 0x40;
/// UARTICR: write 1 to clear.
pub const ICR: u64 = 0x44;
/// UARTDMACR: DMA control (stored; there is no DMA controller).
pub const DMACR: u64 = 0x48;

/// UARTPeriphID0 to 3.
pub const PERIPHERAL_ID: [u8; 4] = [0x11, 0x10, 0x14, 0x00];
/// Characters that each FIFO holds.
pub const FIFO_DEPTH: usize = 16;
/// UARTCR after reset: receiver and transmitter on, UART off.
pub const CR_RESET: u32 = 0x300;
/// UARTIFLS after reset: half full, both ways.
pub const IFLS_RESET: u32 = 0x12;

/// Writable bits of the plain read-write registers.
pub mod writable {
    /// UARTILPR.
    pub const ILPR: u32 = 0xff;
    /// UARTIBRD.
    pub const IBRD: u32 = 0xffff;
    /// UARTFBRD.
    pub const FBRD: u32 = 0x3f;
    /// UARTLCR_H.
    pub const LCR_H: u32 = 0xff;
    /// UARTCR.
    pub const CR: u32 = 0xff87;
    /// UARTIFLS.
    pub const IFLS: u32 = 0x3f;
    /// UARTIMSC.
    pub const IMSC: u32 = 0x7ff;
    /// UARTDMACR.
    pub const DMACR: u32 = 0x7;
}

/// UARTLCR_H bits.
pub mod lcr {
    /// BRK: send a break.
    pub const BRK: u32 = 1 << 0;
    /// FEN: FIFOs on.
    pub const FEN: u32 = 1 << 4;
}

/// UARTCR bits.
pub mod cr {
    /// LBE: loop back.
    pub const LBE: u32 = 1 << 7;
    /// DTR output.
    pub const DTR: u32 = 1 << 10;
    /// RTS output.
    pub const RTS: u32 = 1 << 11;
    /// Out1 output.
    pub const OUT1: u32 = 1 << 12;
    /// Out2 output.
    pub const OUT2: u32 = 1 << 13;
}

/// Error flags of a received character, in UARTDR's place.
pub mod error {
    /// BE: break.
    pub const BREAK: u16 = 1 << 10;
    /// OE: overrun.
    pub const OVERRUN: u16 = 1 << 11;
}

bitflags::bitflags! {
    /// UARTFR.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u32 {
        /// CTS input.
        const CTS = 1 << 0;
        /// DSR input.
        const DSR = 1 << 1;
        /// DCD input.
        const DCD = 1 << 2;
        /// Characters wait to be sent.
        const BUSY = 1 << 3;
        /// Receive FIFO empty.
        const RXFE = 1 << 4;
        /// Transmit FIFO full.
        const TXFF = 1 << 5;
        /// Receive FIFO full.
        const RXFF = 1 << 6;
        /// Transmit FIFO empty.
        const TXFE = 1 << 7;
        /// RI input.
        const RI = 1 << 8;
    }

    /// Interrupts, as UARTIMSC, UARTRIS, UARTMIS and UARTICR lay them out.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Interrupts: u32 {
        /// RI changed.
        const RI = 1 << 0;
        /// CTS changed.
        const CTS = 1 << 1;
        /// DCD changed.
        const DCD = 1 << 2;
        /// DSR changed.
        const DSR = 1 << 3;
        /// Receive FIFO reached its level.
        const RX = 1 << 4;
        /// Transmit FIFO fell to its level.
        const TX = 1 << 5;
        /// Received characters have waited.
        const RT = 1 << 6;
        /// Break.
        const BE = 1 << 9;
        /// Overrun.
        const OE = 1 << 10;
    }
}
