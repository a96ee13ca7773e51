//! `-drive`, `-blockdev` and bare disk images.

use std::path::PathBuf;

use super::CliError;
use super::keyval::KeyVal;

/// Where a drive is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// By a `-device` that names it.
    None,
    /// A virtio disk of its own.
    Virtio,
    /// The next flash bank.
    Pflash,
}

/// A raw image and how to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveSpec {
    /// The drive's id, or the block node's name.
    pub id: String,
    /// The image.
    pub file: PathBuf,
    /// Where it is attached.
    pub interface: Interface,
    /// Refuse writes.
    pub read_only: bool,
}

impl DriveSpec {
    /// `-drive`. `index` counts the drives, for those without an id.
    pub fn drive(text: &str, index: usize) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("drive", text, "file")?;
        let interface = match kv.take("if").as_deref() {
            None | Some("virtio") => Interface::Virtio,
            Some("none") => Interface::None,
            Some("pflash") => Interface::Pflash,
            Some(other) => return Err(kv.unsupported(format!("if={other}")).into()),
        };
        kv.accept("format", &["raw"])?;
        kv.accept("media", &["disk"])?;
        kv.accept(
            "cache",
            &["writeback", "none", "writethrough", "directsync"],
        )?;
        kv.accept("aio", &["threads"])?;
        kv.accept("discard", &["unmap", "on", "ignore", "off"])?;
        kv.accept("detect-zeroes", &["off"])?;
        kv.accept("werror", &["report"])?;
        kv.accept("rerror", &["report"])?;
        for ignored in ["index", "unit", "bus"] {
            kv.take_number(ignored)?;
        }
        let read_only = kv
            .take_bool("readonly")?
            .or(kv.take_bool("read-only")?)
            .unwrap_or(false);
        if kv.take_bool("snapshot")? == Some(true) {
            return Err(kv.unsupported("snapshot=on").into());
        }
        let id = kv.take("id").unwrap_or_else(|| {
            format!(
                "{}{index}",
                if interface == Interface::Pflash {
                    "pflash"
                } else {
                    "virtio"
                }
            )
        });
        let spec = Self {
            id,
            file: kv.require("file")?.into(),
            interface,
            read_only,
        };
        kv.finish()?;
        Ok(spec)
    }

    /// A bare image on the command line.
    #[must_use]
    pub fn bare(file: &str, index: usize) -> Self {
        Self {
            id: format!("virtio{index}"),
            file: file.into(),
            interface: Interface::Virtio,
            read_only: false,
        }
    }

    /// `-blockdev`: a `file` node, or a `raw` one over an inline or earlier `file` node.
    pub fn blockdev(text: &str, earlier: &[Self]) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("blockdev", text, "driver")?;
        let driver = kv.require("driver")?;
        let id = kv.require("node-name")?;
        let mut read_only = kv.take_bool("read-only")?.unwrap_or(false);
        kv.take_bool("auto-read-only")?;
        kv.accept("discard", &["unmap", "ignore"])?;
        kv.accept("cache.direct", &["on", "off"])?;
        kv.accept("cache.no-flush", &["off"])?;
        let file = match driver.as_str() {
            "file" => {
                kv.accept("aio", &["threads"])?;
                PathBuf::from(kv.require("filename")?)
            }
            "raw" => match kv.take("file") {
                Some(node) => {
                    let child = earlier.iter().find(|d| d.id == node);
                    let child = child
                        .ok_or_else(|| kv.invalid("file", "the name of an earlier block node"))?;
                    read_only |= child.read_only;
                    child.file.clone()
                }
                None => {
                    kv.accept("file.driver", &["file"])?;
                    kv.accept("file.aio", &["threads"])?;
                    kv.take("file.node-name");
                    PathBuf::from(kv.require("file.filename")?)
                }
            },
            other => return Err(kv.unsupported(format!("block driver '{other}'")).into()),
        };
        kv.finish()?;
        Ok(Self {
            id,
            file,
            interface: Interface::None,
            read_only,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives() {
        let drive = DriveSpec::drive("file=a.img,if=none,format=raw,id=d0,readonly=on", 0).unwrap();
        assert!(drive.read_only && drive.interface == Interface::None && drive.id == "d0");
        assert!(DriveSpec::drive("file=a.qcow2,format=qcow2", 0).is_err());
        assert!(DriveSpec::drive("if=none,id=d0", 0).is_err());
        assert!(DriveSpec::drive("file=a,if=scsi", 0).is_err());
    }

    #[test]
    fn block_nodes() {
        let protocol =
            DriveSpec::blockdev("driver=file,filename=a.img,node-name=f0,read-only=on", &[])
                .unwrap();
        let format = DriveSpec::blockdev("driver=raw,file=f0,node-name=n0", &[protocol]).unwrap();
        assert!(format.read_only);
        assert_eq!(format.file, PathBuf::from("a.img"));
        let text =
            r#"{"driver":"raw","node-name":"n1","file":{"driver":"file","filename":"b.img"}}"#;
        assert_eq!(
            DriveSpec::blockdev(text, &[]).unwrap().file,
            PathBuf::from("b.img")
        );
        assert!(DriveSpec::blockdev("driver=qcow2,node-name=q,file=f0", &[]).is_err());
    }
}
