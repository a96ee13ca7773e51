//! The page: building it, the guests beside it, and its tests in a browser.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::apt;
use crate::guests;
use crate::shell::{have, progress, root, run, run_in};
use crate::wasm;

/// Programs that building the page takes, and the Debian packages that have them.
const BUILD_TOOLS: [(&str, &str); 2] = [("node", "nodejs"), ("npm", "npm")];
/// What its tests take beside.
const BROWSER: [(&str, &str); 1] = [("chromium", "chromium")];

/// Builds the page into `web/dist`.
pub fn build() -> Result<()> {
    apt::install(&BUILD_TOOLS)?;
    wasm::build_module()?;
    install_packages("web")?;
    progress("building the page");
    run_in("web", "npm", ["run", "--silent", "build"])
}

/// Builds the JavaScript package into `web/package/dist`, after [`build`].
fn package() -> Result<()> {
    progress("building the JavaScript package");
    run_in("web", "npm", ["run", "--silent", "package"])
}

/// Puts the guests of the gallery into a folder of their own and returns it.
pub fn guests() -> Result<PathBuf> {
    let dir = root().join("target/playground/guests");
    fs::create_dir_all(&dir)?;
    let (kernels, u_boot) = guests::fetch_gallery()?;
    let kernels = kernels.iter().flat_map(|k| [&k.image, &k.initrd]);
    for file in kernels.chain([&u_boot]) {
        let name = file.file_name().context("a guest without a name")?;
        place(file, &dir.join(name))?;
    }
    Ok(dir)
}

/// Links a file, or copies it where that is not possible.
fn place(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_file(to)?;
    }
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to)?;
    }
    Ok(())
}

/// Installs a folder's packages as its lock file says, unless they are there. Not by `npm ci`, which
/// refuses where a registry lacks the packages of other platforms.
fn install_packages(folder: &str) -> Result<()> {
    let lock = root().join(folder).join("package-lock.json");
    let stamp = root().join(folder).join("node_modules/.lock-of-these");
    let wanted = fs::read(&lock)?;
    if fs::read(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    progress(format!("fetching the packages of {folder}"));
    run_in(
        folder,
        "npm",
        [
            "install",
            "--no-save",
            "--silent",
            "--no-audit",
            "--no-fund",
        ],
    )?;
    fs::write(stamp, wanted)?;
    Ok(())
}

/// Builds the page, `ferrite`, and what drives a browser.
pub fn prepare_browser() -> Result<()> {
    apt::install(&BUILD_TOOLS)?;
    apt::install(&BROWSER)?;
    build()?;
    guests()?;
    run(
        "cargo",
        ["build", "--quiet", "--release", "--package", "ferrite"],
    )?;
    install_packages("tests/web")
}

/// Builds the page and goes through it in a browser.
pub fn test() -> Result<()> {
    apt::install(&BUILD_TOOLS)?;
    apt::install(&BROWSER)?;
    if !["node", "npm", "chromium"].into_iter().all(have) {
        progress("left out: the page's tests need node, npm and chromium");
        return Ok(());
    }
    prepare_browser()?;
    package()?;
    progress("going through the page in a browser");
    run_in("tests/web", "npm", ["test", "--silent"])
}
