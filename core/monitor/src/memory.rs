//! The guest's memory.

use ferrite_machine::RegionKind;
use ferrite_vm::Vm;

/// Guest memory: first address and number of bytes of each range, ascending.
#[must_use]
pub fn ram_ranges(vm: &Vm) -> Vec<(u64, u64)> {
    let map = vm.board().map();
    let ram = map.regions().iter().filter_map(|region| {
        matches!(region.kind, RegionKind::Ram(_)).then_some((region.base.0, region.len))
    });
    ram.collect()
}
