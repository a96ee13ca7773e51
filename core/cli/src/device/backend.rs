//! What devices work on, by `-fsdev`, `-virtfs` and `-object`: shared folders and random sources.

use std::path::PathBuf;

use super::{DeviceKind, DeviceSpec, PciPlace, Place};
use crate::CliError;
use crate::keyval::{ArgError, KeyVal};

/// A shared folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsdevSpec {
    /// Its name.
    pub id: String,
    /// The folder.
    pub path: PathBuf,
    /// Refuse changes.
    pub read_only: bool,
}

impl FsdevSpec {
    /// `-fsdev`.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("fsdev", text, "fsdriver")?;
        let id = kv.require("id")?;
        let spec = Self::local(&mut kv, id)?;
        kv.finish()?;
        Ok(spec)
    }

    fn local(kv: &mut KeyVal, id: String) -> Result<Self, ArgError> {
        kv.accept("fsdriver", &["local"])?;
        kv.accept("security_model", &["none"])?;
        kv.accept("multidevs", &["remap", "warn"])?;
        let read_only = kv.take_bool("readonly")?.unwrap_or(false);
        Ok(Self {
            id,
            path: kv.require("path")?.into(),
            read_only,
        })
    }
}

/// `-virtfs`: a folder and the device that shares it.
pub fn virtfs(text: &str, index: usize) -> Result<(FsdevSpec, DeviceSpec), CliError> {
    let mut kv = KeyVal::parse("virtfs", text, "fsdriver")?;
    let id = kv.take("id").unwrap_or_else(|| format!("fs{index}"));
    let mount_tag = kv.require("mount_tag")?;
    let fsdev = FsdevSpec::local(&mut kv, id.clone())?;
    kv.finish()?;
    Ok((
        fsdev,
        DeviceSpec {
            id: None,
            place: Place::Pci(PciPlace::default()),
            kind: DeviceKind::P9 {
                fsdev: id,
                mount_tag,
            },
        },
    ))
}

/// `-object`: the only kind is a random source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RngSpec {
    /// Its name.
    pub id: String,
    /// The file or device that random bytes come from.
    pub filename: PathBuf,
}

impl RngSpec {
    /// `-object rng-random,…`.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("object", text, "qom-type")?;
        kv.accept("qom-type", &["rng-random"])?;
        let spec = Self {
            id: kv.require("id")?,
            filename: kv
                .take("filename")
                .unwrap_or_else(|| "/dev/urandom".into())
                .into(),
        };
        kv.finish()?;
        Ok(spec)
    }
}
