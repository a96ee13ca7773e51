//! Makes the JavaScript module around the compiled core: `ferrite-bindgen CORE.wasm FOLDER`.
//!
//! It does what the `wasm-bindgen` program does, as a library, so that nothing has to be installed
//! and the version is the one that `Cargo.lock` has.

#![forbid(unsafe_code)]

use anyhow::{Result, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [core, folder] = args.as_slice() else {
        bail!("usage: ferrite-bindgen CORE.wasm FOLDER");
    };
    Bindgen::new()
        .input_path(core)
        .out_name("ferrite")
        .web(true)?
        .typescript(true)
        // The table of functions, which compiled guest code goes into.
        .keep_lld_exports(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(folder)?;
    Ok(())
}
