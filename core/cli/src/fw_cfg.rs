//! `-fw_cfg`: files that firmware and guests find in the firmware configuration device.

use std::path::PathBuf;

use super::CliError;
use super::keyval::KeyVal;

/// Bytes of the longest name (QEMU `docs/specs/fw_cfg`).
const NAME_MAX: usize = 55;

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FwCfgSpec {
    /// Its name there.
    pub name: String,
    /// What it holds.
    pub content: Content,
}

/// Where a file's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These are they, without a zero behind them.
    Text(String),
    /// A file of the host.
    File(PathBuf),
}

impl FwCfgSpec {
    /// `-fw_cfg`.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("fw_cfg", text, "name")?;
        let name = kv.require("name")?;
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(kv.invalid("name", "1 to 55 bytes").into());
        }
        if kv.take("gen_id").is_some() {
            return Err(kv.unsupported("gen_id".to_owned()).into());
        }
        let content = match (kv.take("string"), kv.take("file")) {
            (Some(text), None) => Content::Text(text),
            (None, Some(path)) => Content::File(path.into()),
            _ => {
                return Err(kv
                    .invalid("file", "a file, or string a text, not both")
                    .into());
            }
        };
        kv.finish()?;
        Ok(Self { name, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_texts() {
        let text = FwCfgSpec::parse("opt/org.test/a,string=one,,two").unwrap();
        assert_eq!(text.name, "opt/org.test/a");
        assert_eq!(text.content, Content::Text("one,two".into()));
        let file = FwCfgSpec::parse("name=opt/b,file=b.bin").unwrap();
        assert_eq!(file.content, Content::File("b.bin".into()));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let long = format!("name={},string=a", "n".repeat(56));
        for wrong in [
            "opt/a",
            "string=a",
            "opt/a,string=b,file=c",
            "opt/a,gen_id=x",
            "opt/a,string=b,size=4",
            &long,
        ] {
            assert!(FwCfgSpec::parse(wrong).is_err(), "{wrong}");
        }
    }
}
