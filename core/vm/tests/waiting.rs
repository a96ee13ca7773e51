//! A machine whose CPUs wait leaves the host alone, and wakes when it has to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrite_machine::VirtualTime;
use ferrite_machine::clock::HostClock;
use ferrite_vm::machine::Slice;
use ferrite_vm::{GicVersion, MachineConfig, Vm};

const WFE: u32 = 0xd503_205f;
const BACK: u32 = 0x17ff_ffff; // B .-4

/// A clock that is set by hand.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl HostClock for Clock {
    fn monotonic_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn wall_ns(&self) -> u64 {
        0
    }
}

/// A machine that runs `code` from the start of flash.
fn machine(code: &[u32], clock: &Clock) -> Vm {
    let config = MachineConfig {
        cpu: "max".into(),
        cpus: 1,
        ram: 2 << 20,
        gic: GicVersion::V3,
        its: true,
        kernel: None,
        initrd: None,
        append: None,
        dtb: None,
        firmware: Some(code.iter().flat_map(|word| word.to_le_bytes()).collect()),
        flash: [None, None],
        serial: None,
        virtio: Vec::new(),
        pci: Vec::new(),
        virtio_legacy: true,
        vmcoreinfo: false,
        wall_offset: 0,
        uuid: [0; 16],
        seed: [0; 40],
    };
    let mut vm = ferrite_vm::virt::build(config, Box::new(clock.clone())).unwrap();
    vm.cont().unwrap();
    vm
}

#[test]
fn a_loop_of_wfe_is_idle() {
    let mut vm = machine(&[WFE, BACK], &Clock::default());
    assert_eq!(vm.run_slice(), Slice::Busy);
    for _ in 0..100 {
        assert_eq!(vm.run_slice(), Slice::Idle { until: None });
    }
    assert_eq!(vm.cpus()[0].instructions(), 1);
}

#[test]
fn the_event_stream_wakes_a_machine() {
    let clock = Clock::default();
    // MOV X0, #(EVNTEN | bit 9 of the counter); MSR CNTKCTL_EL1, X0; then the loop.
    let mut vm = machine(
        &[0xd280_0000 | (1 << 2 | 9 << 4) << 5, 0xd518_e100, WFE, BACK],
        &clock,
    );
    assert_eq!(vm.run_slice(), Slice::Busy);
    // At 62.5 MHz a tick of the counter is 16 ns; bit 9 rises at 512, 1536 …
    let mut next = 512 * 16;
    for _ in 0..10 {
        let until = Some(VirtualTime(next));
        assert_eq!(vm.run_slice(), Slice::Idle { until });
        let before = vm.cpus()[0].instructions();
        clock.0.store(next, Ordering::Relaxed);
        assert_eq!(vm.run_slice(), Slice::Busy);
        assert_eq!(vm.cpus()[0].instructions(), before + 2);
        next += 1024 * 16;
    }
}
