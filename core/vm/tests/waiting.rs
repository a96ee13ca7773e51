//! A machine whose CPUs wait leaves the host alone, and wakes when it has to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ferrite_machine::VirtualTime;
use ferrite_machine::clock::HostClock;
use ferrite_vm::machine::Slice;
use ferrite_vm::smp::{Pace, Seat, Step, Threads};
use ferrite_vm::{GicVersion, MachineConfig, Vm};

const WFI: u32 = 0xd503_207f;
const WFE: u32 = 0xd503_205f;
const BACK: u32 = 0x17ff_ffff; // B .-4

/// A clock that is set by hand, and goes on by `step` nanoseconds whenever it is read.
#[derive(Clone, Default)]
struct Clock {
    now: Arc<AtomicU64>,
    step: u64,
}

impl HostClock for Clock {
    fn monotonic_ns(&self) -> u64 {
        self.now.fetch_add(self.step, Ordering::Relaxed)
    }

    fn wall_ns(&self) -> u64 {
        0
    }
}

/// A machine that runs `code` from the start of flash.
fn machine(code: &[u32], clock: &Clock) -> Vm {
    let config = MachineConfig {
        cpu: "max".into(),
        cpu_properties: Vec::new(),
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
        fw_cfg: Vec::new(),
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
        clock.now.store(next, Ordering::Relaxed);
        assert_eq!(vm.run_slice(), Slice::Busy);
        assert_eq!(vm.cpus()[0].instructions(), before + 2);
        next += 1024 * 16;
    }
}

/// `MOVZ Xd, #imm, LSL #shift`.
const fn movz(d: u32, imm: u32, shift: u32) -> u32 {
    0xd280_0000 | (shift / 16) << 21 | imm << 5 | d
}

/// `STR Wt, [Xn, #offset]`.
const fn str(t: u32, n: u32, offset: u32) -> u32 {
    0xb900_0000 | (offset / 4) << 10 | n << 5 | t
}

/// `MSR S3_<op1>_C<n>_C<m>_<op2>, Xt`.
const fn msr(op1: u32, n: u32, m: u32, op2: u32, t: u32) -> u32 {
    0xd518_0000 | op1 << 16 | n << 12 | m << 8 | op2 << 5 | t
}

/// How often the alarm clock below rings before the tests are content.
const RINGS: u64 = 300;

/// Sets the virtual timer to `ticks`, waits for its interrupt (PPI 27, which stays masked), counts it
/// in X5, and does so again.
const fn alarm_clock(ticks: u32) -> [u32; 20] {
    let back = 0x1400_0000 | (-6_i32 as u32 & 0x03ff_ffff);
    [
        movz(0, 0x0800, 16),
        movz(1, 0x13, 0),
        str(1, 0, 0), // GICD_CTLR: affinity routing, both groups
        movz(2, 0x080a, 16),
        str(31, 2, 0x14), // GICR_WAKER
        movz(0, 0x080b, 16),
        movz(1, 0x0800, 16),
        str(1, 0, 0x80),  // GICR_IGROUPR0
        str(1, 0, 0x100), // GICR_ISENABLER0
        movz(1, 0xff, 0),
        msr(0, 4, 6, 0, 1), // ICC_PMR_EL1
        movz(1, 1, 0),
        msr(0, 12, 12, 7, 1), // ICC_IGRPEN1_EL1
        movz(4, ticks, 0),
        msr(3, 14, 3, 0, 4), // CNTV_TVAL_EL0
        msr(3, 14, 3, 1, 1), // CNTV_CTL_EL0
        WFI,
        msr(3, 14, 3, 1, 31),
        0x9100_04a5, // ADD X5, X5, #1
        back,
    ]
}

/// Lets a sleeper wake just before `until`, as timers of hosts do.
fn sleep(clock: &Clock, until: VirtualTime) {
    clock.now.fetch_max(until.0 - 300, Ordering::Relaxed);
}

#[test]
fn a_timer_that_runs_out_while_the_machine_looks_still_wakes_it() {
    let clock = Clock {
        step: 48,
        ..Clock::default()
    };
    let mut vm = machine(&alarm_clock(1000), &clock);
    while vm.cpus()[0].x(5) < RINGS {
        match vm.run_slice() {
            Slice::Busy => {}
            Slice::Idle { until: Some(until) } => sleep(&clock, until),
            slice => panic!("{slice:?} after {} alarms", vm.cpus()[0].x(5)),
        }
    }
}

struct Nobody;

impl Threads for Nobody {
    fn wake(&self, _: usize) {}

    fn call_owner(&self) {}

    fn pause(&self) {}
}

#[test]
fn a_timer_that_runs_out_while_a_thread_looks_still_wakes_it() {
    let clock = Clock {
        step: 48,
        ..Clock::default()
    };
    let vm = machine(&alarm_clock(1000), &clock);
    let Ok((split, mut runners)) = vm.split(Arc::new(Nobody)) else {
        panic!("a running machine");
    };
    let (mut waits, mut turns) = (0, 0);
    while waits < RINGS {
        match runners[0].step() {
            Step::Busy => turns += 1,
            Step::Wait { until: Some(until) } => {
                waits += 1;
                sleep(&clock, until);
            }
            step => panic!("{step:?} after {waits} waits"),
        }
    }
    assert!(turns > RINGS / 4, "{turns} turns");
    split.halt();
}

/// Time and sleep of this host.
struct HostPace(Instant);

impl Pace for HostPace {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn yield_now(&self) {
        std::thread::yield_now();
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Which share of its time the thread of a CPU that runs `code` is at work.
fn share_at_work(code: &[u32]) -> f64 {
    let vm = machine(code, &Clock::default());
    let Ok((split, runners)) = vm.split(Arc::new(Nobody)) else {
        panic!("a running machine");
    };
    let (seat, pace) = (Seat::default(), HostPace(Instant::now()));
    assert_eq!(seat.worked(pace.now()), Duration::ZERO);
    std::thread::scope(|scope| {
        scope.spawn(|| seat.work(&pace));
        runners.into_iter().for_each(|runner| seat.give(runner));
        std::thread::sleep(Duration::from_millis(50));
        let before = (pace.now(), seat.worked(pace.now()));
        std::thread::sleep(Duration::from_millis(100));
        let now = pace.now();
        let share = (seat.worked(now) - before.1).as_secs_f64() / (now - before.0).as_secs_f64();
        split.halt();
        assert!(seat.take(&pace).is_some());
        seat.end();
        share
    })
}

#[test]
fn a_thread_tells_for_how_long_it_was_at_work() {
    let idle = share_at_work(&[WFI, BACK]);
    assert!(idle < 0.1, "{idle} of the time of a CPU that waits");
    let busy = share_at_work(&[0x1400_0000]); // B .
    assert!(busy > 0.9, "{busy} of the time of a CPU that never waits");
}
