//! Which CPU a shared interrupt goes to.

use super::GicV3;
use super::spec::{IROUTER_MASK, ROUTING_MODE};
use crate::gic::spec::BANK;
use crate::words::merge;

impl GicV3 {
    /// Recomputes every route and every output.
    pub(super) fn derive(&mut self) {
        for spi in 0..self.state.routes.len() {
            self.route(spi);
        }
        self.refresh_all();
    }

    /// Recomputes the routes that any CPU may serve.
    pub(super) fn derive_any(&mut self) {
        for spi in 0..self.state.routes.len() {
            if self.state.routes[spi] & ROUTING_MODE != 0 {
                self.route(spi);
            }
        }
        self.refresh_all();
    }

    /// Writes the lower or upper half of GICD_IROUTER.
    pub(super) fn set_route(&mut self, spi: usize, upper: bool, value: u32, lanes: u32) {
        let Some(route) = self.state.routes.get_mut(spi) else {
            return;
        };
        let mut halves = [*route as u32, (*route >> 32) as u32];
        let half = &mut halves[usize::from(upper)];
        *half = merge(*half, value, lanes);
        *route = (u64::from(halves[1]) << 32 | u64::from(halves[0])) & IROUTER_MASK;
        let before = self.derived.targets[spi];
        self.route(spi);
        for cpu in [before, self.derived.targets[spi]].into_iter().flatten() {
            self.refresh(cpu);
        }
    }

    /// Finds the CPU that an interrupt goes to: the one of the affinity asked for, or, of any, the
    /// first that is awake.
    fn target(&self, route: u64) -> Option<usize> {
        if route & ROUTING_MODE != 0 {
            let awake = self.state.cpus.iter().position(|cpu| !cpu.asleep);
            return Some(awake.unwrap_or(0)).filter(|&cpu| cpu < self.cpus());
        }
        let affinity = (route >> 8 & 0xff00_0000) as u32 | (route & 0xff_ffff) as u32;
        self.config.affinities.iter().position(|&a| a == affinity)
    }

    /// Recomputes one route, without refreshing outputs.
    fn route(&mut self, spi: usize) {
        let target = self.target(self.state.routes[spi]);
        let before = std::mem::replace(&mut self.derived.targets[spi], target);
        let (bank, bit) = (spi / BANK as usize, 1 << (spi % BANK as usize));
        if let Some(cpu) = before {
            self.derived.views.cpus[cpu].targeted[bank] &= !bit;
        }
        if let Some(cpu) = target {
            self.derived.views.cpus[cpu].targeted[bank] |= bit;
        }
    }
}
