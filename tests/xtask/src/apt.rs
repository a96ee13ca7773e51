//! Debian packages: of another architecture or release into a private folder, and tools onto this
//! machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{have, output, progress, root, run};

/// Waits for another package tool on this machine to end, instead of failing.
const LOCK: &str = "-oDPkg::Lock::Timeout=600";

/// Releases that guests come from, beside the one of this machine.
const SUITES: [&str; 2] = ["bookworm", "trixie"];

/// A private package state that leaves the system's own alone.
pub struct Packages {
    dir: PathBuf,
    options: Vec<String>,
}

impl Packages {
    /// The state that guests come from.
    pub fn of_guests() -> Result<Self> {
        if !have("apt-get") || !have("dpkg-deb") {
            bail!(
                "the guests come from Debian's packages: install apt and dpkg, or put the files that \
                 `cargo xtask guests` lists under target/guests by hand"
            );
        }
        Self::open("target/guests/apt", "arm64", &SUITES)
    }

    /// Sets up a state for an architecture and some releases in a folder, and fetches the lists,
    /// once.
    pub fn open(dir: &str, architecture: &str, suites: &[&str]) -> Result<Self> {
        let dir = root().join(dir);
        for part in ["lists/partial", "cache/archives/partial", "debs"] {
            fs::create_dir_all(dir.join(part))?;
        }
        fs::write(dir.join("status"), "")?;
        fs::write(dir.join("sources.list"), sources(suites)?)?;
        let state = dir.canonicalize()?;
        let state = state.display();
        let options = [
            format!("APT::Architecture={architecture}"),
            format!("APT::Architectures::={architecture}"),
            format!("Dir::State={state}"),
            format!("Dir::State::lists={state}/lists/"),
            format!("Dir::State::status={state}/status"),
            format!("Dir::Cache={state}/cache"),
            format!("Dir::Etc::sourcelist={state}/sources.list"),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
        ];
        let options = options
            .into_iter()
            .flat_map(|o| ["-o".to_owned(), o])
            .collect();
        let apt = Self { dir, options };
        let stamp = apt.dir.join("updated");
        if !stamp.exists() {
            progress(format!("fetching Debian's {architecture} package lists"));
            apt.apt("apt-get", &["-qq", "update"])?;
            fs::write(stamp, "")?;
        }
        Ok(apt)
    }

    fn apt(&self, program: &str, args: &[&str]) -> Result<String> {
        output(
            program,
            self.options
                .iter()
                .map(String::as_str)
                .chain(args.iter().copied()),
        )
    }

    /// The package that `name` of `suite` depends on and that starts with `prefix`: the way from a
    /// kernel's dependency package to the kernel.
    pub fn dependency(&self, name: &str, suite: &str, prefix: &str) -> Result<String> {
        let shown = self.apt("apt-cache", &["show", &format!("{name}/{suite}")])?;
        let depends = shown
            .lines()
            .filter_map(|l| l.strip_prefix("Depends: "))
            .flat_map(|l| l.split(", "));
        let mut packages = depends.filter_map(|d| d.split_whitespace().next());
        packages
            .find(|p| p.starts_with(prefix))
            .map(str::to_owned)
            .with_context(|| format!("{name} in {suite} depends on no {prefix}*"))
    }

    /// Downloads a package and unpacks it, once; returns the folder.
    pub fn unpack(&self, name: &str, suite: Option<&str>) -> Result<PathBuf> {
        let into = self.dir.join("..").join("root").join(name);
        if into.exists() {
            return Ok(into);
        }
        progress(format!("fetching {name}"));
        let package = self.download(name, suite)?;
        let partial = into.with_extension("partial");
        fs::create_dir_all(&partial)?;
        run(
            "dpkg-deb",
            [Path::new("-x"), &package, &partial.canonicalize()?],
        )?;
        fs::rename(partial, &into)?;
        Ok(into)
    }

    /// Downloads a package, and returns the file.
    pub fn download(&self, name: &str, suite: Option<&str>) -> Result<PathBuf> {
        let wanted = suite.map_or_else(|| name.to_owned(), |s| format!("{name}/{s}"));
        let printed = self.apt("apt-get", &["-qq", "--print-uris", "download", &wanted])?;
        let file = printed
            .split_whitespace()
            .nth(1)
            .with_context(|| format!("no package {wanted}"))?;
        let debs = self.dir.join("debs").canonicalize()?;
        let status = std::process::Command::new("apt-get")
            .args(&self.options)
            .args(["-qq", "download", &wanted])
            .current_dir(&debs)
            .status()?;
        if !status.success() {
            bail!("apt-get download {wanted} ended with {status}");
        }
        Ok(debs.join(file))
    }
}

impl Packages {
    /// Downloads packages with everything that they depend on, unpacks all of it into `root`.
    pub fn unpack_with_dependencies(&self, names: &[&str], root: &Path) -> Result<()> {
        progress(format!("fetching {} and what they need", names.join(", ")));
        let mut install = vec![
            "-qq",
            "-y",
            "--no-install-recommends",
            "--download-only",
            "install",
        ];
        install.extend(names);
        self.apt("apt-get", &install)?;
        for entry in fs::read_dir(self.dir.join("cache/archives"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "deb") {
                run("dpkg-deb", [Path::new("-x"), &path, root])?;
            }
        }
        Ok(())
    }
}

/// Package sources by the mirror that this machine already uses.
fn sources(suites: &[&str]) -> Result<String> {
    let mirror = mirror().context(
        "no Debian mirror in /etc/apt/sources.list.d/debian.sources or /etc/apt/sources.list",
    )?;
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let line = |suite| format!("deb [signed-by={keyring}] {mirror} {suite} main\n");
    Ok(suites.iter().map(line).collect())
}

/// The first mirror in apt's configuration, in its new form or its old one.
fn mirror() -> Option<String> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let new = read("/etc/apt/sources.list.d/debian.sources");
    let new = new.lines().filter_map(|line| line.strip_prefix("URIs:"));
    let old = read("/etc/apt/sources.list");
    let old = old.lines().filter_map(|line| line.strip_prefix("deb "));
    new.chain(old)
        .flat_map(str::split_whitespace)
        .find(|word| word.contains("://"))
        .map(str::to_owned)
}

/// Installs tools on this machine, those that are missing: pairs of a program and its
/// packages, separated by blanks.
/// Where there is no `apt-get`, says what to install and goes on.
pub fn install(tools: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> = tools
        .iter()
        .filter(|(p, _)| !have(p))
        .flat_map(|(_, packages)| packages.split(' '))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !have("apt-get") {
        progress(format!(
            "please install {}; what needs them is left out",
            missing.join(", ")
        ));
        return Ok(());
    }
    progress(format!("installing {}", missing.join(", ")));
    run("apt-get", [LOCK, "-qq", "update"])?;
    run(
        "apt-get",
        [LOCK, "-qq", "install", "-y", "--no-install-recommends"]
            .iter()
            .chain(&missing),
    )
}
