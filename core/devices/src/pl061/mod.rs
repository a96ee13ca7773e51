//! The PL061: eight general-purpose pins. Interrupt pin 0 is GPIOINTR. Unconnected pins read low,
//! as `virt` pulls them.

pub mod spec;
#[cfg(test)]
mod tests;

use ferrite_machine::{BusError, Cx, Device, ResetKind};

use crate::primecell::{self, Identification};

const ID: Identification = Identification::new(spec::PERIPHERAL_ID);
/// How long [`Pl061::pulse`] holds a pin high, in nanoseconds of virtual time.
const PULSE: u64 = 100_000_000;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct Pl061 {
    /// Wiring: levels that the board drives.
    inputs: u8,
    /// Pins whose pulse ends with the timer.
    pulsed: u8,
    state: State,
}

/// What the guest sees.
#[derive(Clone, Debug, Default)]
struct State {
    /// Levels that the guest drives.
    outputs: u8,
    direction: u8,
    level_sensitive: u8,
    both_edges: u8,
    event: u8,
    enabled: u8,
    alternate: u8,
    /// Edges seen and not cleared.
    edges: u8,
}

impl Pl061 {
    /// A controller after power-on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Drives a pin (0 to 7) from outside; others are ignored.
    pub fn set_input(&mut self, cx: &mut Cx<'_>, pin: u32, level: bool) {
        if pin >= spec::PINS {
            return;
        }
        let bit = 1 << pin;
        let before = self.pins();
        self.inputs = if level {
            self.inputs | bit
        } else {
            self.inputs & !bit
        };
        self.note_edges(before);
        self.update(cx);
    }

    /// Drives a pin high for a tenth of a second: the press of a key.
    pub fn pulse(&mut self, cx: &mut Cx<'_>, pin: u32) {
        self.set_input(cx, pin, true);
        self.pulsed |= 1_u8.checked_shl(pin).unwrap_or(0);
        cx.set_timer(Some(cx.now.after(PULSE)));
    }

    /// The levels of the pins that the guest drives; others are low.
    #[must_use]
    pub fn outputs(&self) -> u8 {
        self.state.outputs & self.state.direction
    }

    /// The level of every pin.
    fn pins(&self) -> u8 {
        self.outputs() | self.inputs & !self.state.direction
    }

    /// Latches the edges between `before` and now that interrupts watch for.
    fn note_edges(&mut self, before: u8) {
        let now = self.pins();
        let state = &mut self.state;
        let watched = state.both_edges | !(now ^ state.event);
        // Pins that the guest drives itself do not interrupt it.
        let inputs = !state.direction & !state.level_sensitive;
        state.edges |= (now ^ before) & watched & inputs;
    }

    fn raw(&self) -> u8 {
        let state = &self.state;
        state.edges | !(self.pins() ^ state.event) & state.level_sensitive
    }

    fn update(&self, cx: &mut Cx<'_>) {
        cx.set_irq(0, self.raw() & self.state.enabled != 0);
    }
}

impl Device for Pl061 {
    fn kind(&self) -> &'static str {
        "pl061"
    }

    fn read(
        &mut self,
        _cx: &mut Cx<'_>,
        _region: usize,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, BusError> {
        let state = &self.state;
        primecell::read(offset, bytes, |at| match at {
            spec::DATA..spec::DATA_END => (self.pins() & (at >> 2) as u8).into(),
            spec::DIR => state.direction.into(),
            spec::IS => state.level_sensitive.into(),
            spec::IBE => state.both_edges.into(),
            spec::IEV => state.event.into(),
            spec::IE => state.enabled.into(),
            spec::RIS => self.raw().into(),
            spec::MIS => (self.raw() & state.enabled).into(),
            spec::AFSEL => state.alternate.into(),
            other => ID.read(other).unwrap_or(0),
        })
    }

    fn write(
        &mut self,
        cx: &mut Cx<'_>,
        _region: usize,
        offset: u64,
        bytes: u64,
        value: u64,
    ) -> Result<(), BusError> {
        let before = self.pins();
        let state = &mut self.state;
        let (register, value) = primecell::write(offset, bytes, value)?;
        let value = value as u8;
        match register {
            spec::DATA..spec::DATA_END => {
                let mask = (register >> 2) as u8 & state.direction;
                state.outputs = state.outputs & !mask | value & mask;
            }
            spec::DIR => state.direction = value,
            spec::IS => state.level_sensitive = value,
            spec::IBE => state.both_edges = value,
            spec::IEV => state.event = value,
            spec::IE => state.enabled = value,
            spec::IC => state.edges &= !value,
            spec::AFSEL => state.alternate = value,
            _ => {}
        }
        self.note_edges(before);
        self.update(cx);
        Ok(())
    }

    fn reset(&mut self, cx: &mut Cx<'_>, _kind: ResetKind) {
        self.state = State::default();
        self.update(cx);
    }

    fn timer(&mut self, cx: &mut Cx<'_>) {
        let ended = std::mem::take(&mut self.pulsed);
        for pin in (0..spec::PINS).filter(|pin| ended >> pin & 1 != 0) {
            self.set_input(cx, pin, false);
        }
    }
}
