//! The `ferrite` command: QEMU's options, a machine, its monitors.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use ferrite_machine::clock::HostClock;

use ferrite::cli::{self, Invocation};
use ferrite::{clock, process};

fn main() -> ExitCode {
    match cli::parse(
        std::env::args().skip(1),
        clock::SystemClock::default().wall_ns(),
    ) {
        Ok(Invocation::Run(line)) => process::run(&line),
        Ok(Invocation::Print(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ferrite: {error}");
            ExitCode::FAILURE
        }
    }
}
