//! The Power State Coordination Interface (Arm DEN 0022), versions 0.1 to 1.1, as the board's
//! firmware answers it.

use ferrite_aarch64::platform::{AfterCall, FirmwareResult};
use ferrite_machine::device::MachineRequest;

/// Function identifiers.
pub mod function {
    /// PSCI_VERSION.
    pub const VERSION: u32 = 0x8400_0000;
    /// CPU_SUSPEND by the 32-bit convention.
    pub const CPU_SUSPEND_32: u32 = 0x8400_0001;
    /// CPU_SUSPEND by the 64-bit convention.
    pub const CPU_SUSPEND_64: u32 = 0xc400_0001;
    /// CPU_OFF.
    pub const CPU_OFF: u32 = 0x8400_0002;
    /// CPU_ON by the 32-bit convention.
    pub const CPU_ON_32: u32 = 0x8400_0003;
    /// CPU_ON by the 64-bit convention.
    pub const CPU_ON_64: u32 = 0xc400_0003;
    /// AFFINITY_INFO by the 32-bit convention.
    pub const AFFINITY_INFO_32: u32 = 0x8400_0004;
    /// AFFINITY_INFO by the 64-bit convention.
    pub const AFFINITY_INFO_64: u32 = 0xc400_0004;
    /// MIGRATE_INFO_TYPE.
    pub const MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
    /// SYSTEM_OFF.
    pub const SYSTEM_OFF: u32 = 0x8400_0008;
    /// SYSTEM_RESET.
    pub const SYSTEM_RESET: u32 = 0x8400_0009;
    /// PSCI_FEATURES.
    pub const FEATURES: u32 = 0x8400_000a;
}

/// Return codes (section 5.2.2), as X0 holds them.
mod status {
    pub const SUCCESS: u64 = 0;
    pub const NOT_SUPPORTED: u64 = -1_i64 as u64;
    pub const INVALID_PARAMETERS: u64 = -2_i64 as u64;
    pub const ALREADY_ON: u64 = -4_i64 as u64;
    pub const ON_PENDING: u64 = -5_i64 as u64;
}

/// Version 1.1, in the form that PSCI_VERSION returns.
const VERSION_1_1: u64 = 0x1_0001;
/// MIGRATE_INFO_TYPE: there is no trusted OS to migrate.
const TRUSTED_OS_ABSENT: u64 = 2;
/// Owning entities of the SMC calling convention whose calls this firmware takes: standard secure
/// services, where PSCI lives.
const STANDARD_SERVICE: u32 = 4;

/// Whether a CPU has power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Off.
    Off,
    /// Being turned on: it starts at its next turn.
    Pending {
        /// First instruction.
        entry: u64,
        /// X0 there.
        context: u64,
    },
    /// On.
    On,
}

/// The firmware's state.
pub struct Psci {
    /// Power of each CPU.
    pub power: Vec<Power>,
    affinity: Vec<u64>,
}

/// An answer, and what the call asks of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// For the calling CPU.
    pub result: FirmwareResult,
    /// For the machine.
    pub request: Option<MachineRequest>,
}

fn value(x0: u64) -> Answer {
    then(x0, AfterCall::Continue)
}

fn then(x0: u64, then: AfterCall) -> Answer {
    Answer {
        result: FirmwareResult { x0, then },
        request: None,
    }
}

impl Psci {
    /// Firmware for CPUs with these MPIDR affinities, the first of which is on.
    #[must_use]
    pub fn new(affinity: Vec<u64>) -> Self {
        let mut psci = Self {
            power: vec![Power::Off; affinity.len()],
            affinity,
        };
        psci.reset();
        psci
    }

    /// The state after power-on: only the first CPU runs.
    pub fn reset(&mut self) {
        self.power.fill(Power::Off);
        if let Some(first) = self.power.first_mut() {
            *first = Power::On;
        }
    }

    fn find(&self, affinity: u64) -> Option<usize> {
        self.affinity.iter().position(|a| *a == affinity)
    }

    /// Answers a call by CPU `cpu`. `None` for calls that are not to this kind of firmware at all.
    pub fn call(&mut self, cpu: usize, args: [u64; 4]) -> Option<Answer> {
        let function = args[0] as u32;
        if function >> 24 & 0x3f != STANDARD_SERVICE || function >> 31 == 0 {
            return None;
        }
        Some(match function {
            function::VERSION => value(VERSION_1_1),
            function::FEATURES => value(features(args[1] as u32)),
            function::MIGRATE_INFO_TYPE => value(TRUSTED_OS_ABSENT),
            function::AFFINITY_INFO_32 | function::AFFINITY_INFO_64 => {
                value(self.affinity_info(args[1], args[2]))
            }
            function::CPU_ON_32 => value(self.cpu_on(args.map(|a| a & 0xffff_ffff))),
            function::CPU_ON_64 => value(self.cpu_on(args)),
            function::CPU_OFF => {
                self.power[cpu] = Power::Off;
                then(status::SUCCESS, AfterCall::Stop)
            }
            function::CPU_SUSPEND_32 | function::CPU_SUSPEND_64 => {
                then(status::SUCCESS, AfterCall::Wait)
            }
            function::SYSTEM_OFF => going_down(MachineRequest::Shutdown),
            function::SYSTEM_RESET => going_down(MachineRequest::Reset),
            _ => value(status::NOT_SUPPORTED),
        })
    }

    fn cpu_on(&mut self, args: [u64; 4]) -> u64 {
        let Some(target) = self.find(args[1]) else {
            return status::INVALID_PARAMETERS;
        };
        match self.power[target] {
            Power::On => status::ALREADY_ON,
            Power::Pending { .. } => status::ON_PENDING,
            Power::Off => {
                self.power[target] = Power::Pending {
                    entry: args[2],
                    context: args[3],
                };
                status::SUCCESS
            }
        }
    }

    fn affinity_info(&self, affinity: u64, level: u64) -> u64 {
        if level != 0 {
            // Every cluster above a CPU is always on.
            return 0;
        }
        match self.find(affinity).map(|cpu| self.power[cpu]) {
            None => status::INVALID_PARAMETERS,
            Some(Power::On) => 0,
            Some(Power::Off) => 1,
            Some(Power::Pending { .. }) => 2,
        }
    }
}

fn going_down(request: MachineRequest) -> Answer {
    Answer {
        request: Some(request),
        ..then(status::SUCCESS, AfterCall::Stop)
    }
}

fn features(queried: u32) -> u64 {
    use function as f;
    match queried {
        f::VERSION
        | f::CPU_SUSPEND_32
        | f::CPU_SUSPEND_64
        | f::CPU_OFF
        | f::CPU_ON_32
        | f::CPU_ON_64
        | f::AFFINITY_INFO_32
        | f::AFFINITY_INFO_64
        | f::MIGRATE_INFO_TYPE
        | f::SYSTEM_OFF
        | f::SYSTEM_RESET
        | f::FEATURES => status::SUCCESS,
        _ => status::NOT_SUPPORTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x0(psci: &mut Psci, args: [u64; 4]) -> i64 {
        psci.call(0, args).unwrap().result.x0 as i64
    }

    #[test]
    fn a_cpu_turns_on_once() {
        let mut psci = Psci::new(vec![0, 1]);
        let on = [u64::from(function::CPU_ON_64), 1, 0x4000_0000, 7];
        let info = [u64::from(function::AFFINITY_INFO_64), 1, 0, 0];
        assert_eq!(x0(&mut psci, info), 1);
        assert_eq!(x0(&mut psci, on), 0);
        assert_eq!(
            psci.power[1],
            Power::Pending {
                entry: 0x4000_0000,
                context: 7
            }
        );
        assert_eq!(x0(&mut psci, on), -5);
        psci.power[1] = Power::On;
        assert_eq!(x0(&mut psci, on), -4);
        assert_eq!(x0(&mut psci, [on[0], 2, 0, 0]), -2);
    }

    #[test]
    fn only_what_is_offered_is_a_feature() {
        let mut psci = Psci::new(vec![0]);
        for query in 0x8400_0000_u32..0x8400_0020 {
            let offered = x0(
                &mut psci,
                [u64::from(function::FEATURES), u64::from(query), 0, 0],
            ) == 0;
            if query == function::SYSTEM_OFF || query == function::SYSTEM_RESET {
                continue;
            }
            let works = x0(
                &mut Psci::new(vec![0]),
                [u64::from(query), u64::from(function::VERSION), 0, 0],
            ) != -1;
            assert_eq!(offered, works, "{query:#x}");
        }
        assert_eq!(psci.call(0, [0x8600_0000, 0, 0, 0]), None);
    }
}
