//! Kernel modules: which there are, what each depends on, in which order to load them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use object::{Object, ObjectSection};

/// A module's file name without ending, dashes as underscores, as the kernel names it.
fn kernel_name(file: &str) -> Option<String> {
    let stem = file
        .strip_suffix(".ko")
        .or_else(|| file.strip_suffix(".ko.xz"))?;
    Some(stem.replace('-', "_"))
}

/// The modules of a kernel package.
pub struct Modules {
    files: BTreeMap<String, PathBuf>,
}

impl Modules {
    /// Looks for modules under `lib/modules` or `usr/lib/modules` of an unpacked package.
    pub fn find(package: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for dir in ["lib/modules", "usr/lib/modules"] {
            collect(&package.join(dir), &mut files)?;
        }
        Ok(Self { files })
    }

    /// The wanted modules and what they depend on, dependencies first, with their contents. Names
    /// that this kernel does not have as modules (built in, or absent) are passed over.
    pub fn load_order(&self, wanted: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for name in wanted {
            self.visit(name, &mut seen, &mut order)?;
        }
        Ok(order)
    }

    fn visit(
        &self,
        name: &str,
        seen: &mut BTreeSet<String>,
        order: &mut Vec<(String, Vec<u8>)>,
    ) -> Result<()> {
        let Some(path) = self.files.get(name) else {
            return Ok(());
        };
        if !seen.insert(name.to_owned()) {
            return Ok(());
        }
        let module = read(path)?;
        for dependency in depends(&module).with_context(|| format!("reading {}", path.display()))? {
            self.visit(&dependency, seen, order)?;
        }
        order.push((name.to_owned(), module));
        Ok(())
    }
}

fn collect(dir: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if let Some(name) = kernel_name(&entry.file_name().to_string_lossy()) {
            files.insert(name, entry.path());
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let file = fs::read(path)?;
    if path.extension().is_some_and(|e| e == "xz") {
        let mut module = Vec::new();
        lzma_rs::xz_decompress(&mut file.as_slice(), &mut module)
            .map_err(|e| anyhow::anyhow!("{}: {e:?}", path.display()))?;
        return Ok(module);
    }
    Ok(file)
}

/// The `depends=` entry of a module's `.modinfo` section.
fn depends(module: &[u8]) -> Result<Vec<String>> {
    let file = object::read::elf::ElfFile64::<object::LittleEndian>::parse(module)?;
    let section = file
        .section_by_name(".modinfo")
        .context("no .modinfo section")?;
    let entries = section.data()?.split(|b| *b == 0);
    let list = entries
        .into_iter()
        .find_map(|e| e.strip_prefix(b"depends="))
        .unwrap_or_default();
    let names = String::from_utf8_lossy(list);
    Ok(names
        .split(',')
        .filter(|n| !n.is_empty())
        .map(|n| n.replace('-', "_"))
        .collect())
}
