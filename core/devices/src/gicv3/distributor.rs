//! GICD registers.

use super::GicV3;
use super::spec::{GICD_ID_VALUES, GICD_TYPER, GICD_TYPER_LPIS, IIDR, control, gicd};
use crate::gic::spec::{PRIVATE, array};
use crate::words::merge;

impl GicV3 {
    pub(super) fn distributor_read(&self, offset: u64) -> u32 {
        match offset {
            gicd::CTLR => self.state.control | control::ARE | control::DS,
            // ITLinesNumber: QEMU's virt gives 32 interrupts fewer than it wires up.
            gicd::TYPER => {
                let lpis = if self.config.lpis { GICD_TYPER_LPIS } else { 0 };
                GICD_TYPER | lpis | (self.state.shared.len() as u32 - 1)
            }
            gicd::IIDR => IIDR,
            gicd::IROUTER..gicd::IROUTER_END => {
                let (spi, upper) = route_place(offset);
                let route = spi.and_then(|spi| self.state.routes.get(spi));
                route.map_or(0, |route| (route >> if upper { 32 } else { 0 }) as u32)
            }
            gicd::ID..gicd::SIZE => GICD_ID_VALUES[((offset - gicd::ID) / 4) as usize].into(),
            // Private interrupts are the redistributors' business.
            _ => match array(offset) {
                Some((array, bank @ 1.., word)) => {
                    let bank = self.state.shared.get(bank - 1);
                    bank.map_or(0, |bank| bank.read(array, word))
                }
                _ => 0,
            },
        }
    }

    pub(super) fn distributor_write(&mut self, offset: u64, value: u32, lanes: u32) {
        match offset {
            gicd::CTLR => {
                let control = merge(self.state.control, value, lanes);
                self.state.control = control & control::ENABLE_GROUPS;
                self.refresh_all();
            }
            gicd::IROUTER..gicd::IROUTER_END => {
                if let (Some(spi), upper) = route_place(offset) {
                    self.set_route(spi, upper, value, lanes);
                }
            }
            _ => {
                let Some((array, bank @ 1.., word)) = array(offset) else {
                    return;
                };
                if let Some(bank) = self.state.shared.get_mut(bank - 1) {
                    bank.write(array, word, value, lanes);
                    self.refresh_all();
                }
            }
        }
    }
}

/// The shared interrupt whose route a word of GICD_IROUTERn belongs to, and whether it is the upper
/// half.
fn route_place(offset: u64) -> (Option<usize>, bool) {
    let index = (offset - gicd::IROUTER) / 8;
    let spi = index.checked_sub(u64::from(PRIVATE));
    (spi.map(|spi| spi as usize), offset & 4 != 0)
}
