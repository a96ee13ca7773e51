//! `-add-fd`: descriptors that the process was started with, in sets.

use std::path::Path;

use super::CliError;
use super::keyval::KeyVal;

/// Where a set's descriptors are opened as files.
const FOLDER: &str = "/dev/fdset";

/// A descriptor in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescriptorSpec {
    /// The set.
    pub set: i64,
    /// Its number.
    pub fd: i32,
    /// What it is, for whoever asks.
    pub opaque: Option<String>,
}

impl DescriptorSpec {
    /// `-add-fd`.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("add-fd", text, "")?;
        let set = kv.require("set")?;
        let fd = kv.require("fd")?;
        let set = match set.parse() {
            Ok(set @ 0..) => set,
            _ => return Err(kv.invalid("set", "the number of a set").into()),
        };
        let fd = match fd.parse() {
            // The first three are the process's own.
            Ok(fd @ 3..) => fd,
            _ => {
                return Err(kv
                    .invalid("fd", "the number of a descriptor, above 2")
                    .into());
            }
        };
        let opaque = kv.take("opaque");
        kv.finish()?;
        Ok(Self { set, fd, opaque })
    }
}

/// The set that a path names.
#[must_use]
pub fn set_of(path: &Path) -> Option<i64> {
    path.strip_prefix(FOLDER).ok()?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors() {
        let spec = DescriptorSpec::parse("set=2,fd=9,opaque=log").unwrap();
        assert_eq!(
            (spec.set, spec.fd, spec.opaque.as_deref()),
            (2, 9, Some("log"))
        );
        for wrong in [
            "set=2",
            "fd=9",
            "set=-1,fd=9",
            "set=1,fd=2",
            "set=1,fd=9,x=1",
        ] {
            assert!(DescriptorSpec::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(set_of(Path::new("/dev/fdset/12")), Some(12));
        assert_eq!(set_of(Path::new("/dev/fdset/x")), None);
        assert_eq!(set_of(Path::new("/dev/fd/1")), None);
    }
}
