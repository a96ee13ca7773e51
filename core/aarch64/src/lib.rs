//! The AArch64 guest front end: decode tables, translation, system registers, MMU, exceptions.
//!
//! A board makes a [`cpu::Cpu`] per core, gives it a [`platform::Platform`] and an
//! [`Engine`](ferrite_ir::Engine) to run with, and looks at interrupts and timers between runs.
//!
//! ```text
//!  board ──> cpu::Cpu::run ──> Engine ──> translate::region ──> IR ──┐
//!                                 ^                                  │ helpers, slow memory path
//!                                 └── cpu::CpuEnv <──────────────────┘
//!                                       │ sysreg, exception, mmu, debug, timer, pmu
//!                                       v
//!                                 platform::Platform (the board)
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod cpu;
pub mod debug;
pub mod decode;
pub mod exception;
pub mod features;
pub mod log;
pub mod mmu;
pub mod model;
pub mod observer;
pub mod platform;
pub mod pmu;
pub mod pstate;
pub mod state;
pub mod sysreg;
pub mod timer;
pub mod translate;
