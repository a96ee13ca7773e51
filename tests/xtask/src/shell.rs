//! Running other programs, with a line of progress for each.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The top of the work tree.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Tells what is going on.
pub fn progress(what: impl AsRef<str>) {
    eprintln!("xtask: {}", what.as_ref());
}

/// Whether a program is on the path.
pub fn have(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Runs a program to its end in the top folder; an exit status other than 0 is an error.
pub fn run<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Result<()> {
    run_with(program, args, &[])
}

/// The same with additional environment variables.
pub fn run_with<S: AsRef<OsStr>>(
    program: &str,
    args: impl IntoIterator<Item = S>,
    environment: &[(&str, &str)],
) -> Result<()> {
    let mut command = command(program, args);
    let status = command.envs(environment.iter().copied()).status();
    let status = status.with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}

/// The same in a folder of the work tree.
pub fn run_in<S: AsRef<OsStr>>(
    folder: &str,
    program: &str,
    args: impl IntoIterator<Item = S>,
) -> Result<()> {
    let mut command = command(program, args);
    let status = command.current_dir(root().join(folder)).status();
    let status = status.with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("{program} in {folder} ended with {status}");
    }
    Ok(())
}

/// Runs a program and returns what it prints.
pub fn output<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Result<String> {
    let output = command(program, args)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} ended with {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn command<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command
}
