//! The `ferrite` command: QEMU's options, a machine, its monitors.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use ferrite_machine::clock::HostClock;

use ferrite::cli::{self, Invocation};
use ferrite::{clock, process, serve};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if_eq("serve").is_some() {
        return serve::run(args);
    }
    match cli::parse(args, clock::SystemClock::default().wall_ns()) {
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
