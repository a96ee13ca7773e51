//! Code generators for the intermediate representation of [`ferrite_ir`].
//!
//! ```text
//!  Region ──optimise──┬─> interp::lower ──> dispatch loop           (core/ir, every host)
//!                     ├─> x64: one pass ──> machine code            (x86-64)
//!                     ├─> cranelift: SSA, register allocation ──>   (x86-64, AArch64, RISC-V)
//!                     └─> wasm: modules for the host ──>            (WebAssembly)
//! ```
//!
//! `x64` turns a region into x86-64 code in one pass over its operations, at about a microsecond a
//! block, so that code is compiled the first time it runs, and again, as regions with their loops,
//! where it runs often. `cranelift` takes a hundred times as long, on a thread of its own, while the
//! interpreter runs. `wasm` is for builds that are WebAssembly themselves: the host compiles what it
//! generates. Each exists on hosts that can run it (`new` says why where one cannot); elsewhere guests run in the interpreter, which is also what every
//! generator here is tested against.

#[cfg(any(target_os = "linux", target_arch = "wasm32"))]
mod atomic;
#[cfg(target_os = "linux")]
mod buffer;
#[cfg(all(feature = "cranelift", target_os = "linux"))]
pub mod cranelift;
#[cfg(any(
    all(target_arch = "x86_64", target_os = "linux"),
    target_arch = "wasm32"
))]
mod lookup;
#[cfg(target_arch = "wasm32")]
pub mod wasm;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub mod x64;
