//! The core for a sandbox: the machine of `ferrite-wasm`, met by numbers and bytes alone.
//!
//! - `host`: what the module imports: clocks, random numbers, last words;
//! - `face`: what it exports, called between slices by the host's one thread.
//!
//! Arguments longer than a number go through one buffer: the host asks `buffer` for
//! a place, writes there and calls. Answers longer than a number are left where
//! `answer` says, until the next call.

#![cfg(target_arch = "wasm32")]
// Imports and exported names are declarations that the language counts as unsafe; there is no other
// unsafe code.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod face;
pub mod host;
