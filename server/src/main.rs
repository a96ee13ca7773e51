//! The `ferrite` command: QEMU's options, a machine, its monitors.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use ferrite_machine::clock::HostClock;

use ferrite::cli::{self, Invocation};
use ferrite::{attach, clock, process, serve};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if_eq("serve").is_some() {
        return serve::run(args);
    }
    if args.next_if_eq("attach").is_some() {
        return attach::run(args);
    }
    if let Some(options) = args.next_if(|arg| is_sandbox(arg)) {
        let options = options.split_once('=').map_or("", |(_, options)| options);
        return in_sandbox(options, args.collect());
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

/// Whether an argument asks for the sandbox, with or without options to it.
fn is_sandbox(argument: &str) -> bool {
    let name = argument.split('=').next().unwrap_or_default();
    matches!(name, "-sandbox" | "--sandbox")
}

#[cfg(feature = "sandbox")]
fn in_sandbox(options: &str, args: Vec<String>) -> ExitCode {
    ferrite::sandbox::run(options, args)
}

#[cfg(not(feature = "sandbox"))]
fn in_sandbox(_options: &str, _args: Vec<String>) -> ExitCode {
    eprintln!("ferrite: this build has no sandbox (cargo build --release --features sandbox)");
    ExitCode::FAILURE
}
