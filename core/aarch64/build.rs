//! Generates the decoders from the tables in `decode/`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[path = "src/features.rs"]
mod features;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=decode");
    println!("cargo::rerun-if-changed=src/features.rs");
    let Some(out) = std::env::var_os("OUT_DIR") else {
        eprintln!("OUT_DIR is not set: this is run by cargo");
        return ExitCode::FAILURE;
    };
    let has_feature = |name: &str| features::Features::from_name(name).is_some();
    match ferrite_decodegen::generate(Path::new("decode"), &PathBuf::from(out), &has_feature) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}
