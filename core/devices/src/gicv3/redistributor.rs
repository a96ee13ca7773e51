//! GICR registers.

use super::GicV3;
use super::spec::{
    CHILDREN_ASLEEP, CLEAR_ENABLE, ENABLE_LPIS, GICR_ID_VALUES, IIDR, PENDING_TABLE_ZERO,
    PROCESSOR_SLEEP, TYPER_COMMON, TYPER_LAST, TYPER_LPIS, gicr,
};
use crate::gic::spec::array;
use crate::words::{half, set_half};

impl GicV3 {
    pub(super) fn redistributor_read(&self, owner: usize, offset: u64) -> u32 {
        let lpis = &self.state.cpus[owner].lpis;
        match offset {
            gicr::CTLR if self.config.lpis => CLEAR_ENABLE | u32::from(lpis.enabled),
            gicr::PROPBASER..gicr::PENDBASER => half(lpis.configuration, offset),
            gicr::PENDBASER..gicr::PENDBASER_END => half(lpis.pending_table, offset),
            gicr::IIDR => IIDR,
            gicr::TYPER => {
                let last = if owner + 1 == self.cpus() {
                    TYPER_LAST
                } else {
                    0
                };
                let lpis = if self.config.lpis { TYPER_LPIS } else { 0 };
                TYPER_COMMON | lpis | (owner as u32) << 8 | last
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
            gicr::CTLR if self.config.lpis && lanes & ENABLE_LPIS != 0 => {
                let enabled = value & ENABLE_LPIS != 0;
                if enabled != state.lpis.enabled {
                    // Tables come empty: who enables LPIs has no interrupts that would be lost.
                    state.lpis.forget();
                    state.lpis.enabled = enabled;
                    self.refresh(owner);
                }
            }
            gicr::PROPBASER..gicr::PENDBASER if self.config.lpis && !state.lpis.enabled => {
                set_half(&mut state.lpis.configuration, offset, value, lanes);
            }
            gicr::PENDBASER..gicr::PENDBASER_END if self.config.lpis && !state.lpis.enabled => {
                set_half(&mut state.lpis.pending_table, offset, value, lanes);
                state.lpis.pending_table &= !PENDING_TABLE_ZERO;
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
