//! Code generators for the intermediate representation of [`ferrite_ir`].
//!
//! ```text
//!  Region ──optimise──┬─> interp::lower ──> dispatch loop      (core/ir, every host)
//!                     └─> x64: one pass ──> machine code       (this crate)
//! ```
//!
//! [`x64`] turns a region into x86-64 code in one pass over its operations, at about a microsecond a
//! block, so that code is compiled the first time it runs. It exists on hosts that can run it
//! ([`x64::Engine::new`] says why where one cannot); elsewhere guests run in the interpreter, which
//! is also what every generator here is tested against.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub mod x64;
