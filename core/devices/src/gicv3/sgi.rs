//! Software-generated interrupts (IHI 0069H, ICC_SGI1R_EL1 and section 12.1.10).

use super::GicV3;

/// ICC_SGIxR_EL1.IRM: to every CPU but the sender.
const EVERY_OTHER: u64 = 1 << 40;

impl GicV3 {
    /// Sends an SGI of group 1 or 0 as a write of an ICC_SGIxR_EL1 asks. A target that has the SGI
    /// in the other group does not get it.
    pub(super) fn send_sgi(&mut self, from: usize, value: u64, group1: bool) {
        let sgi = value >> 24 & 0xf;
        // With affinities' lowest level limited to 16 values, a range selector has no meaning.
        if value >> 44 & 0xf != 0 && value & EVERY_OTHER == 0 {
            return;
        }
        let cluster =
            (value >> 48 & 0xff) << 24 | (value >> 32 & 0xff) << 16 | (value >> 16 & 0xff) << 8;
        for cpu in 0..self.cpus() {
            let affinity = u64::from(self.config.affinities[cpu]);
            let addressed = if value & EVERY_OTHER != 0 {
                cpu != from
            } else {
                let aff0 = affinity & 0xff;
                affinity - aff0 == cluster && aff0 < 16 && value >> aff0 & 1 != 0
            };
            let bank = &mut self.state.cpus[cpu].private;
            if addressed && (bank.group >> sgi & 1 != 0) == group1 {
                bank.latched |= 1 << sgi;
                self.refresh(cpu);
            }
        }
    }
}
