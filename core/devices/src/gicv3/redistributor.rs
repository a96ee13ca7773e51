//! GICR registers.

use super::GicV3;
use super::spec::{
    CHILDREN_ASLEEP, GICR_ID_VALUES, IIDR, PROCESSOR_SLEEP, TYPER_COMMON, TYPER_LAST, gicr,
};
use crate::gic::spec::array;

impl GicV3 {
    pub(super) fn redistributor_read(&self, owner: usize, offset: u64) -> u32 {
        match offset {
            gicr::IIDR => IIDR,
            gicr::TYPER => {
                let last = if owner + 1 == self.cpus() {
                    TYPER_LAST
                } else {
                    0
                };
                TYPER_COMMON | (owner as u32) << 8 | last
            }
            gicr::TYPER_AFFINITY => self.config.affinities[owner],
            gicr::WAKER if self.state.cpus[owner].asleep => PROCESSOR_SLEEP | CHILDREN_ASLEEP,
            gicr::ID..gicr::SGI_BASE => GICR_ID_VALUES[((offset - gicr::ID) / 4) as usize].into(),
            gicr::SGI_BASE.. => match array(offset - gicr::SGI_BASE) {
                Some((array, 0, word)) => self.state.cpus[owner].private.read(array, word),
                _ => 0,
            },
            _ => 0,
        }
    }

    pub(super) fn redistributor_write(
        &mut self,
        owner: usize,
        offset: u64,
        value: u32,
        lanes: u32,
    ) {
        let state = &mut self.state.cpus[owner];
        match offset {
            gicr::WAKER if lanes & PROCESSOR_SLEEP != 0 => {
                state.asleep = value & PROCESSOR_SLEEP != 0;
                self.derive_any();
            }
            gicr::SGI_BASE.. => {
                if let Some((array, 0, word)) = array(offset - gicr::SGI_BASE) {
                    state.private.write(array, word, value, lanes);
                    self.refresh(owner);
                }
            }
            _ => {}
        }
    }
}
