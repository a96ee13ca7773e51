//! The machine's part of a command line.

use crate::cli::CommandLine;

/// Options about connections of the process, which the machine hears nothing of.
const PROCESS: [&str; 6] = ["serial", "chardev", "monitor", "mon", "qmp", "nographic"];

/// The command line without what the process does itself; `serial` if the port leads somewhere.
#[must_use]
pub fn of_the_machine(line: &CommandLine, serial: bool) -> String {
    let port = if serial { "stdio" } else { "none" };
    let mut words = format!("-nographic -monitor none -serial {port}");
    for (name, argument) in &line.given {
        if PROCESS.contains(name) {
            continue;
        }
        words.push_str(&format!(" -{name}"));
        if !argument.is_empty() {
            words.push_str(&format!(" '{}'", argument.replace('\'', r"'\''")));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Invocation, parse};

    #[test]
    fn the_process_keeps_its_own() {
        let args = [
            "-M",
            "virt",
            "-append",
            "it's -qmp",
            "-qmp",
            "unix:a,server=on",
            "-S",
            "-nographic",
        ];
        let Ok(Invocation::Run(line)) = parse(args.map(str::to_owned), 0) else {
            panic!("it does not parse");
        };
        assert_eq!(
            of_the_machine(&line, true),
            r"-nographic -monitor none -serial stdio -M 'virt' -append 'it'\''s -qmp' -S"
        );
    }
}
