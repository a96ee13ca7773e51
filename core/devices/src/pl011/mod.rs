//! The PL011 UART.
//!
//! Characters leave as soon as the backend takes them. What it does not take stays in the transmit
//! FIFO and goes out when the board polls; software that heeds UARTFR.TXFF loses nothing. Input is
//! left with the backend while the receive FIFO is full. Interrupt pin 0 is UARTINTR, the sum of
//! all interrupts.

pub mod spec;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use ferrite_machine::backend::CharBackend;
use ferrite_machine::{BusError, Cx, Device, ResetKind};

use self::spec::{Flags, Interrupts, cr, error, lcr, writable};
use crate::primecell::{self, Identification};

/// Characters kept for a backend that is slow, for software that ignores the full FIFO.
const BACKLOG: usize = 1 << 16;

const ID: Identification = Identification::new(spec::PERIPHERAL_ID);

/// The UART.
pub struct Pl011 {
    // Wiring.
    backend: Box<dyn CharBackend>,
    // Guest-visible.
    state: State,
}

/// What the guest sees.
#[derive(Clone, Debug)]
struct State {
    ilpr: u32,
    ibrd: u32,
    fbrd: u32,
    lcr: u32,
    cr: u32,
    ifls: u32,
    dmacr: u32,
    mask: Interrupts,
    raw: Interrupts,
    /// UARTRSR's error flags.
    errors: u32,
    /// Received characters with their error flags, as UARTDR shows them.
    received: VecDeque<u16>,
    /// Characters that the backend has not taken yet.
    unsent: VecDeque<u8>,
    /// The backend may hold more input than fitted.
    more: bool,
}

impl State {
    fn new(unsent: VecDeque<u8>) -> Self {
        Self {
            ilpr: 0,
            ibrd: 0,
            fbrd: 0,
            lcr: 0,
            cr: spec::CR_RESET,
            ifls: spec::IFLS_RESET,
            dmacr: 0,
            mask: Interrupts::empty(),
            raw: Interrupts::empty(),
            errors: 0,
            received: VecDeque::with_capacity(spec::FIFO_DEPTH),
            unsent,
            more: true,
        }
    }

    /// Characters that a FIFO holds now: one when FIFOs are off.
    fn depth(&self) -> usize {
        if self.lcr & lcr::FEN != 0 {
            spec::FIFO_DEPTH
        } else {
            1
        }
    }

    /// The FIFO level that a field of UARTIFLS names; reserved values mean the middle.
    fn level(&self, field: u32) -> usize {
        match (self.lcr & lcr::FEN != 0, field & 7) {
            (false, _) => 1,
            (true, 0) => 2,
            (true, 1) => 4,
            (true, 3) => 12,
            (true, 4) => 14,
            (true, _) => 8,
        }
    }

    fn receive_level(&self) -> usize {
        self.level(self.ifls >> 3)
    }

    /// The transmit FIFO interrupts when it falls to this: to empty, when FIFOs are off.
    fn transmit_level(&self) -> usize {
        match self.lcr & lcr::FEN {
            0 => 0,
            _ => self.level(self.ifls),
        }
    }

    fn loops_back(&self) -> bool {
        self.cr & cr::LBE != 0
    }

    /// Modem inputs: the outputs when looped back, else unconnected.
    fn modem(&self) -> Flags {
        let mut inputs = Flags::empty();
        if self.loops_back() {
            inputs.set(Flags::CTS, self.cr & cr::RTS != 0);
            inputs.set(Flags::DSR, self.cr & cr::DTR != 0);
            inputs.set(Flags::DCD, self.cr & cr::OUT1 != 0);
            inputs.set(Flags::RI, self.cr & cr::OUT2 != 0);
        }
        inputs
    }

    fn flags(&self) -> Flags {
        let mut flags = self.modem();
        flags.set(Flags::RXFE, self.received.is_empty());
        flags.set(Flags::RXFF, self.received.len() >= self.depth());
        flags.set(Flags::TXFE, self.unsent.is_empty());
        flags.set(Flags::TXFF, self.unsent.len() >= self.depth());
        flags.set(Flags::BUSY, !self.unsent.is_empty());
        flags
    }

    /// Takes a character with its error flags into the receive FIFO. The receive timeout
    /// interrupts at once.
    fn push(&mut self, character: u16) {
        if self.received.len() >= self.depth() {
            self.errors |= u32::from(error::OVERRUN) >> 8;
            self.raw |= Interrupts::OE;
            return;
        }
        self.received.push_back(character);
        self.raw |= Interrupts::RT;
        if character & error::BREAK != 0 {
            self.raw |= Interrupts::BE;
        }
        if self.received.len() >= self.receive_level() {
            self.raw |= Interrupts::RX;
        }
    }

    fn pop(&mut self) -> u32 {
        let Some(character) = self.received.pop_front() else {
            return 0;
        };
        self.errors = u32::from(character) >> 8;
        if self.received.len() < self.receive_level() {
            self.raw &= !Interrupts::RX;
        }
        if self.received.is_empty() {
            self.raw &= !Interrupts::RT;
        }
        character.into()
    }

    /// Brings the transmit interrupt up to date after characters were queued or sent.
    fn note_unsent(&mut self) {
        let low = self.unsent.len() <= self.transmit_level();
        self.raw.set(Interrupts::TX, low);
    }

    fn set_control(&mut self, value: u32) {
        let before = self.modem();
        self.cr = value & writable::CR;
        let changed = before ^ self.modem();
        for (input, interrupt) in [
            (Flags::RI, Interrupts::RI),
            (Flags::CTS, Interrupts::CTS),
            (Flags::DCD, Interrupts::DCD),
            (Flags::DSR, Interrupts::DSR),
        ] {
            if changed.contains(input) {
                self.raw |= interrupt;
            }
        }
    }

    fn set_line_control(&mut self, value: u32) {
        let changed = self.lcr ^ value;
        self.lcr = value & writable::LCR_H;
        if changed & lcr::FEN != 0 {
            // Switching FIFOs on or off empties the receiving one.
            self.received.clear();
            self.raw -= Interrupts::RX | Interrupts::RT;
            self.more = true;
        }
        if changed & value & lcr::BRK != 0 && self.loops_back() {
            self.push(error::BREAK);
        }
    }
}

impl Pl011 {
    /// A UART after power-on that talks to `backend`.
    #[must_use]
    pub fn new(backend: Box<dyn CharBackend>) -> Self {
        Self {
            backend,
            state: State::new(VecDeque::new()),
        }
    }

    fn transmit(&mut self, byte: u8) {
        self.drain();
        if self.state.loops_back() {
            self.state.push(byte.into());
        } else if !self.state.unsent.is_empty() || self.backend.write(&[byte]) == 0 {
            self.state.unsent.push_back(byte);
            self.state.unsent.truncate(BACKLOG);
        }
        self.state.note_unsent();
    }

    /// Hands waiting characters to the backend.
    fn drain(&mut self) {
        if self.state.unsent.is_empty() {
            return;
        }
        loop {
            let (waiting, _) = self.state.unsent.as_slices();
            let taken = self.backend.write(waiting).min(waiting.len());
            if taken == 0 {
                break;
            }
            self.state.unsent.drain(..taken);
        }
        self.state.note_unsent();
    }

    /// Takes input while there is room. Looped back, the input line is disconnected.
    fn fill(&mut self) {
        let room = self.state.depth().saturating_sub(self.state.received.len());
        if room == 0 || self.state.loops_back() {
            return;
        }
        let mut bytes = [0; spec::FIFO_DEPTH];
        let wanted = &mut bytes[..room];
        let count = self.backend.read(wanted).min(room);
        for &byte in &bytes[..count] {
            self.state.push(byte.into());
        }
        self.state.more = count == room;
    }

    fn read_register(&mut self, cx: &mut Cx<'_>, offset: u64) -> u32 {
        let state = &mut self.state;
        match offset {
            spec::DR => {
                let character = state.pop();
                if self.state.received.is_empty() && self.state.more {
                    self.fill();
                }
                self.update(cx);
                character
            }
            spec::RSR => state.errors,
            spec::FR => state.flags().bits(),
            spec::ILPR => state.ilpr,
            spec::IBRD => state.ibrd,
            spec::FBRD => state.fbrd,
            spec::LCR_H => state.lcr,
            spec::CR => state.cr,
            spec::IFLS => state.ifls,
            spec::IMSC => state.mask.bits(),
            spec::RIS => state.raw.bits(),
            spec::MIS => (state.raw & state.mask).bits(),
            spec::DMACR => state.dmacr,
            other => ID.read(other).unwrap_or(0),
        }
    }

    fn update(&self, cx: &mut Cx<'_>) {
        cx.set_irq(0, self.state.raw.intersects(self.state.mask));
    }
}

impl Device for Pl011 {
    fn kind(&self) -> &'static str {
        "pl011"
    }

    fn read(
        &mut self,
        cx: &mut Cx<'_>,
        _region: usize,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, BusError> {
        primecell::read(offset, bytes, |at| self.read_register(cx, at))
    }

    fn write(
        &mut self,
        cx: &mut Cx<'_>,
        _region: usize,
        offset: u64,
        bytes: u64,
        value: u64,
    ) -> Result<(), BusError> {
        let state = &mut self.state;
        let (register, value) = primecell::write(offset, bytes, value)?;
        match register {
            spec::DR => self.transmit(value as u8),
            spec::RSR => state.errors = 0,
            spec::ILPR => state.ilpr = value & writable::ILPR,
            spec::IBRD => state.ibrd = value & writable::IBRD,
            spec::FBRD => state.fbrd = value & writable::FBRD,
            spec::LCR_H => state.set_line_control(value),
            spec::CR => state.set_control(value),
            spec::IFLS => state.ifls = value & writable::IFLS,
            spec::IMSC => state.mask = Interrupts::from_bits_retain(value & writable::IMSC),
            spec::ICR => state.raw &= !Interrupts::from_bits_retain(value),
            spec::DMACR => state.dmacr = value & writable::DMACR,
            _ => {}
        }
        self.update(cx);
        Ok(())
    }

    fn reset(&mut self, cx: &mut Cx<'_>, _kind: ResetKind) {
        let unsent = std::mem::take(&mut self.state.unsent);
        self.state = State::new(unsent);
        self.update(cx);
    }

    fn poll(&mut self, cx: &mut Cx<'_>) {
        self.drain();
        self.fill();
        self.update(cx);
    }
}
