//! Interrupt lines, watched and driven from outside: what test tools do instead of a guest.

use ferrite_machine::DeviceId;

use super::board::Board;

/// Changes that are kept until they are taken; later ones are lost.
const KEPT: usize = 4096;

/// Which interrupt lines are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Those into the interrupt controller, by SPI.
    Inputs,
    /// Those out of a device, by pin.
    Outputs(DeviceId),
}

/// Lines that are watched, and how they changed.
#[derive(Debug)]
pub(super) struct Watched {
    what: Watch,
    changes: Vec<(u32, bool)>,
}

impl Board {
    /// Watches these lines from now on, and no others.
    pub fn watch_lines(&mut self, what: Watch) {
        self.watched = Some(Watched {
            what,
            changes: Vec::new(),
        });
    }

    /// Takes the changes of watched lines: which, and the level.
    pub fn take_line_changes(&mut self) -> Vec<(u32, bool)> {
        let watched = self.watched.as_mut();
        watched.map_or_else(Vec::new, |watched| std::mem::take(&mut watched.changes))
    }

    /// Sets the level of a shared interrupt at the interrupt controller.
    pub fn drive_spi(&mut self, spi: u32, level: bool) {
        self.note_input(spi, level);
        self.gic.set_spi(spi, level);
    }

    /// A line into the interrupt controller changed.
    pub(super) fn note_input(&mut self, spi: u32, level: bool) {
        self.note(Watch::Inputs, spi, level);
    }

    /// A line out of a device changed.
    pub(super) fn note_output(&mut self, id: DeviceId, pin: u32, level: bool) {
        self.note(Watch::Outputs(id), pin, level);
    }

    fn note(&mut self, line: Watch, number: u32, level: bool) {
        if let Some(watched) = &mut self.watched
            && watched.what == line
            && watched.changes.len() < KEPT
        {
            watched.changes.push((number, level));
        }
    }
}
