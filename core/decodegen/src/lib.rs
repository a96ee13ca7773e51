//! Decoders from tables: the build-time generator.
//!
//! A table lists the instructions of one encoding group, a bit pattern each; its syntax is told in
//! the README beside the tables. [`generate`] reads every `*.decode` file of a folder and writes a
//! Rust module for each, which holds operand structs, an instruction enum, a visitor trait, a
//! decoder and the table itself as data.
//!
//! ```text
//!  *.decode ──table::parse──> rows ──check──> order of precedence ──tree──> emit ──> *.rs
//! ```
//!
//! The generated modules name `Features`, `Row`, `Field`, `Constraint`, `Test` and `Pattern`, all of
//! which their parent module has to provide. Nothing else ties the generator to a guest
//! architecture.

#![forbid(unsafe_code)]

mod check;
mod emit;
mod table;
mod tree;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

/// What went wrong, and where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A table breaks a rule.
    #[error("{}:{line}: {message}", file.display())]
    Table {
        /// The table.
        file: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The rule.
        message: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A rule broken at a line of the table at hand.
#[derive(Debug, PartialEq, Eq)]
struct Broken {
    line: usize,
    message: String,
}

impl Broken {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
        }
    }
}

/// Writes a module to `out` for every `*.decode` file in `tables`, and `decode.rs`, which declares
/// them all and lists them in `GROUPS`. `has_feature` tells which names `feat=` may give (in upper
/// case). Returns the files read, for the build system to watch.
///
/// # Errors
/// The first rule that a table breaks, or a file that cannot be read or written.
pub fn generate(
    tables: &Path,
    out: &Path,
    has_feature: &dyn Fn(&str) -> bool,
) -> Result<Vec<PathBuf>, Error> {
    let io = |file: &Path| {
        let file = file.to_path_buf();
        move |source| Error::Io { file, source }
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(tables).map_err(io(tables))? {
        let path = entry.map_err(io(tables))?.path();
        if path.extension().is_some_and(|e| e == "decode") {
            files.push(path);
        }
    }
    files.sort();
    let mut groups = Vec::new();
    for file in &files {
        let group = file.file_stem().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(file).map_err(io(file))?;
        let module = module(&group, &text, has_feature).map_err(|broken| Error::Table {
            file: file.clone(),
            line: broken.line,
            message: broken.message,
        })?;
        let to = out.join(format!("{group}.rs"));
        std::fs::write(&to, module).map_err(io(&to))?;
        groups.push(group.into_owned());
    }
    let to = out.join("decode.rs");
    std::fs::write(&to, emit::index(&groups)).map_err(io(&to))?;
    Ok(files)
}

/// The module for one table.
fn module(group: &str, text: &str, has_feature: &dyn Fn(&str) -> bool) -> Result<String, Broken> {
    let rows = table::parse(text, has_feature)?;
    let ranks = check::ranks(&rows)?;
    let tree = tree::build(&rows, &ranks);
    Ok(emit::module(group, &rows, &tree))
}
