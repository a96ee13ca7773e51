//! CPUs on threads of their own, at once: a guest whose four CPUs count with exclusives, atomics, a
//! lock and pairs; then one writes code that another executes, and one remaps a page that another
//! reads. Interpreted and compiled, and with the machine taken apart and put together all the while.

mod program;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ferrite_ir::Accelerator;
use ferrite_machine::clock::HostClock;
use ferrite_ram::GuestPhys;
use ferrite_vm::smp::{Runner, Step, Threads};
use ferrite_vm::{GicVersion, MachineConfig, Slice, Vm};

const CPUS: usize = 4;
/// Rounds that each CPU counts.
const ROUNDS: u64 = 1000;
/// Where the guest counts.
const DATA: u64 = 0x4001_0000;

struct Clock(Instant);

impl HostClock for Clock {
    fn monotonic_ns(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }

    fn wall_ns(&self) -> u64 {
        0
    }
}

fn machine() -> Vm {
    let code = program::PROGRAM.iter();
    let config = MachineConfig {
        cpu: "max".into(),
        cpu_properties: Vec::new(),
        cpus: CPUS,
        ram: 2 << 20,
        gic: GicVersion::V3,
        its: true,
        kernel: None,
        initrd: None,
        append: None,
        dtb: None,
        firmware: Some(code.flat_map(|(word, _)| word.to_le_bytes()).collect()),
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
    let mut vm = ferrite_vm::virt::build(config, Box::new(Clock(Instant::now()))).unwrap();
    vm.cont().unwrap();
    vm
}

/// A place per CPU that its runner lies in while no thread has it; nobody sleeps for long.
#[derive(Default)]
struct Places {
    runners: [Mutex<Option<Runner>>; CPUS],
    woken: [AtomicBool; CPUS],
    end: AtomicBool,
    called: AtomicU64,
}

impl Threads for Places {
    fn wake(&self, cpu: usize) {
        self.woken[cpu].store(true, Ordering::SeqCst);
    }

    fn call_owner(&self) {
        self.called.fetch_add(1, Ordering::SeqCst);
    }

    fn pause(&self) {
        std::thread::yield_now();
    }
}

impl Places {
    fn work(&self, cpu: usize) {
        while !self.end.load(Ordering::SeqCst) {
            let Some(mut runner) = self.runners[cpu].lock().unwrap().take() else {
                std::thread::yield_now();
                continue;
            };
            let step = loop {
                match runner.step() {
                    Step::Busy => {}
                    Step::Watch => std::thread::yield_now(),
                    step => break step,
                }
            };
            let asleep = matches!(step, Step::Wait { .. });
            *self.runners[cpu].lock().unwrap() = Some(runner);
            for _ in 0..10 {
                if !asleep || self.woken[cpu].swap(false, Ordering::SeqCst) {
                    break;
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }

    fn take(&self, cpu: usize) -> Runner {
        loop {
            if let Some(runner) = self.runners[cpu].lock().unwrap().take() {
                return runner;
            }
            std::thread::yield_now();
        }
    }
}

/// Runs the machine to its end, taking it apart for `turn` at a time.
fn run(mut vm: Vm, turn: Duration) -> Vm {
    let places = Arc::new(Places::default());
    let end = Instant::now() + Duration::from_secs(300);
    std::thread::scope(|scope| {
        for cpu in 0..CPUS {
            let places = &places;
            scope.spawn(move || places.work(cpu));
        }
        while vm.standing().is_none() {
            assert!(Instant::now() < end, "the guest does not come to its end");
            let threads: Arc<dyn Threads> = places.clone();
            let Ok((split, runners)) = vm.split(threads) else {
                panic!("a running machine");
            };
            for (runner, place) in runners.into_iter().zip(&places.runners) {
                *place.lock().unwrap() = Some(runner);
            }
            let pause = Instant::now() + turn;
            while Instant::now() < pause && !split.run_timers().1 {
                std::thread::sleep(Duration::from_micros(100));
            }
            split.halt();
            vm = split
                .join((0..CPUS).map(|n| places.take(n)).collect())
                .unwrap();
        }
        places.end.store(true, Ordering::SeqCst);
        vm
    })
}

fn check(engine: impl Fn() -> Accelerator, turn: Duration) {
    let mut vm = machine();
    vm.set_engines((0..CPUS).map(|_| engine()).collect())
        .unwrap();
    let vm = run(vm, turn);
    assert_eq!(vm.standing(), Some(Slice::Ended));
    let word = |offset| vm.board().dma().load::<u64>(GuestPhys(DATA + offset));
    let total = CPUS as u64 * ROUNDS;
    for (what, offset, expected) in [
        ("exclusives", 0, total),
        ("atomics", 64, total),
        ("under the lock", 136, total),
        ("pairs, low", 192, total),
        ("pairs, high", 200, 3 * total),
        ("CPUs", 256, CPUS as u64),
        ("stale code or mappings", 264, 0),
        ("rounds of code and mappings", 320, 600),
    ] {
        assert_eq!(word(offset), Ok(expected), "{what}");
    }
}

#[test]
fn interpreted() {
    check(Accelerator::default, Duration::from_millis(100));
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn compiled() {
    let engine = || match ferrite_jit::x64::Engine::new(4 << 20) {
        Ok(engine) => Accelerator::Code(Box::new(engine)),
        Err(problem) => panic!("{problem}"),
    };
    check(engine, Duration::from_millis(100));
    check(engine, Duration::from_micros(500));
}

#[test]
fn in_turns() {
    let mut vm = machine();
    while vm.run_slice() != Slice::Ended {}
    let errors = vm.board().dma().load::<u64>(GuestPhys(DATA + 264));
    assert_eq!(errors, Ok(0));
}
