//! The PL031 real-time clock: wall-clock seconds plus what the guest set them off by. Interrupt pin
//! 0 is RTCINTR.

pub mod spec;
#[cfg(test)]
mod tests;

use ferrite_machine::{BusError, Cx, Device, ResetKind};

use crate::primecell::{self, Identification};

const ID: Identification = Identification::new(spec::PERIPHERAL_ID);
const SECOND: u64 = 1_000_000_000;

/// The clock.
#[derive(Clone, Debug, Default)]
pub struct Pl031 {
    state: State,
}

/// What the guest sees.
#[derive(Clone, Debug, Default)]
struct State {
    /// The counter less wall-clock seconds, modulo 2^32.
    offset: u32,
    load: u32,
    alarm: u32,
    /// The alarm is still to come.
    armed: bool,
    enabled: bool,
    raw: bool,
}

impl Pl031 {
    /// A clock after power-on: it shows the wall clock's time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn count(&self, cx: &Cx<'_>) -> u32 {
        ((cx.wall_ns / SECOND) as u32).wrapping_add(self.state.offset)
    }

    /// Matches now, or asks to be called when the counter will have reached the alarm.
    fn arm(&mut self, cx: &mut Cx<'_>) {
        let left = u64::from(self.state.alarm.wrapping_sub(self.count(cx)));
        self.state.armed = left != 0;
        if left == 0 {
            self.state.raw = true;
            cx.set_timer(None);
        } else {
            let wait = left * SECOND - cx.wall_ns % SECOND;
            cx.set_timer(Some(cx.now.after(wait)));
        }
        self.update(cx);
    }

    fn update(&self, cx: &mut Cx<'_>) {
        cx.set_irq(0, self.state.raw && self.state.enabled);
    }
}

impl Device for Pl031 {
    fn kind(&self) -> &'static str {
        "pl031"
    }

    fn read(
        &mut self,
        cx: &mut Cx<'_>,
        _region: usize,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, BusError> {
        let state = &self.state;
        primecell::read(offset, bytes, |at| match at {
            spec::DR => self.count(cx),
            spec::MR => state.alarm,
            spec::LR => state.load,
            spec::CR => 1,
            spec::IMSC => state.enabled.into(),
            spec::RIS => state.raw.into(),
            spec::MIS => (state.raw && state.enabled).into(),
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
        let (register, value) = primecell::write(offset, bytes, value)?;
        match register {
            spec::LR => {
                self.state.load = value;
                let count = self.count(cx);
                self.state.offset = self.state.offset.wrapping_add(value.wrapping_sub(count));
                self.arm(cx);
            }
            spec::MR => {
                self.state.alarm = value;
                self.arm(cx);
            }
            spec::IMSC => self.state.enabled = value & 1 != 0,
            spec::ICR if value & 1 != 0 => self.state.raw = false,
            _ => {}
        }
        self.update(cx);
        Ok(())
    }

    /// The time survives a reset, as it does on a battery.
    fn reset(&mut self, cx: &mut Cx<'_>, kind: ResetKind) {
        let offset = match kind {
            ResetKind::Cold => 0,
            ResetKind::Warm => self.state.offset,
        };
        self.state = State {
            offset,
            ..State::default()
        };
        cx.set_timer(None);
        self.update(cx);
    }

    fn timer(&mut self, cx: &mut Cx<'_>) {
        if !self.state.armed {
            return;
        }
        // Virtual and wall-clock time drift apart: the counter may be short of the alarm, or past.
        let left = self.state.alarm.wrapping_sub(self.count(cx)) as i32;
        if left > 0 {
            self.arm(cx);
        } else {
            self.state.armed = false;
            self.state.raw = true;
            self.update(cx);
        }
    }
}
