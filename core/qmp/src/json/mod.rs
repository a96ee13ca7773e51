//! QMP's JSON: a dialect on input, a strict subset on output.
//!
//! Input is a stream of values in any chunks ([`Parser`]); its rules are those of QEMU's QMP
//! specification ("Server Responses", "JSON extensions") and what QEMU is seen to do. Output is one
//! line of ASCII per message ([`write_line`]).

mod decode;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod writer;

pub use parser::{Item, Limits, Parser};
pub use writer::{to_text, write_line};
