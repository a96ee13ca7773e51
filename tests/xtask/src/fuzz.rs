//! Fuzz targets: built with coverage feedback by the ordinary compiler, run for a while each.
//!
//! What a run learns stays in `target/fuzz/corpus`, and inputs that break something go to
//! `target/fuzz/artifacts`; both survive until the folder is removed.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{output, progress, root};

/// Where the targets are.
const PACKAGE: &str = "tests/fuzz";

/// What libFuzzer needs of the compiler: counters of edges and the operands of comparisons.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Seconds that one input may take: one that takes longer has found a loop.
const INPUT_SECONDS: u64 = 20;
/// MiB of memory that a target may use.
const MEMORY_MIB: u64 = 2048;

/// Builds every target and runs each for `seconds_each`, beginning with the inputs in the tree.
pub fn smoke(seconds_each: u64) -> Result<()> {
    run(&targets()?, seconds_each)
}

/// The same for some targets, by name.
pub fn chosen(names: &[String], seconds_each: u64) -> Result<()> {
    let mut targets = targets()?;
    if let Some(unknown) = names.iter().find(|name| !targets.contains(name)) {
        bail!("no fuzz target {unknown}: there are {}", targets.join(", "));
    }
    targets.retain(|target| names.contains(target));
    run(&targets, seconds_each)
}

/// Every target: a file in the folder.
fn targets() -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(root().join(PACKAGE).join("fuzz_targets"))? {
        let path = entry?.path();
        if let (Some("rs"), Some(name)) = (
            path.extension().and_then(|e| e.to_str()),
            path.file_stem().and_then(|s| s.to_str()),
        ) {
            targets.push(name.to_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

/// The platform that is built for. Naming it keeps the flags away from build scripts.
fn host() -> Result<String> {
    let version = output("rustc", ["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .context("rustc does not say what it runs on")
}

fn run(targets: &[String], seconds_each: u64) -> Result<()> {
    let host = host()?;
    let folder = root().canonicalize()?.join("target/fuzz");
    progress(format!("building {} fuzz targets", targets.len()));
    let mut build = Command::new("cargo");
    build
        .current_dir(root().join(PACKAGE))
        .args(["build", "--quiet", "--release", "--target", &host])
        .arg("--target-dir")
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    for target in targets {
        build.args(["--bin", target]);
    }
    let status = build.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the fuzz targets do not build: cargo ended with {status}");
    }
    for target in targets {
        progress(format!("fuzzing {target} for {seconds_each} s"));
        let corpus = folder.join("corpus").join(target);
        let artifacts = folder.join("artifacts").join(target);
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&artifacts)?;
        let log = artifacts.join("log");
        // Inputs to begin with, where the target has some.
        let seeds = root().join(PACKAGE).join("seeds").join(target);
        let binary = folder.join(&host).join("release").join(target);
        let status = Command::new(binary)
            .arg(format!("-max_total_time={seconds_each}"))
            .arg(format!("-timeout={INPUT_SECONDS}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg("-print_final_stats=1")
            .arg(corpus)
            .args(seeds.is_dir().then_some(seeds))
            .stdout(fs::File::create(&log)?)
            .stderr(fs::File::options().append(true).open(&log)?)
            .status()
            .with_context(|| format!("cannot run the fuzz target {target}"))?;
        let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        if !status.success() {
            let end: Vec<&str> = said.lines().rev().take(40).collect();
            for line in end.iter().rev() {
                eprintln!("{line}");
            }
            bail!(
                "{target} broke ({status}): the input is in {}",
                artifacts.display()
            );
        }
        let stat = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or("an unknown number of").trim().to_owned()
        };
        let runs = stat("stat::number_of_executed_units:");
        progress(format!("{target} stood {runs} inputs"));
    }
    Ok(())
}
