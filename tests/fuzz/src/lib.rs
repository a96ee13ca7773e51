//! What the fuzz targets share: a way to take values from the fuzzer's bytes, and a host and a
//! machine for the code under test.
//!
//! A target is a file in `fuzz_targets/`; `seeds/` holds a few inputs for each, from which the
//! fuzzer starts. `cargo xtask fuzz` runs them all; with `cargo fuzz` installed,
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run -s none --fuzz-dir tests/fuzz TARGET` runs one for long.

#![forbid(unsafe_code)]

pub mod board;
pub mod guest;
pub mod host;
pub mod input;
pub mod network;

pub use board::Board;
pub use guest::Guest;
pub use input::Input;
