//! What follows `--sandbox=`.

use std::path::PathBuf;
use std::time::Duration;

use ferrite_sandbox::Limits;

use crate::cli::keyval::{ArgError, KeyVal};

/// The core's file, beside the program.
const CORE: &str = "ferrite-core.wasm";

/// Limits, and where the core is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxOptions {
    core: Option<PathBuf>,
    memory: Option<u64>,
    time: Option<Duration>,
}

impl SandboxOptions {
    /// Reads `memory=SIZE,time=SECONDS,core=FILE`, each of which may be left out.
    pub fn parse(text: &str) -> Result<Self, ArgError> {
        let mut kv = KeyVal::parse("-sandbox", text, "core")?;
        let options = Self {
            core: kv.take("core").filter(|c| !c.is_empty()).map(PathBuf::from),
            memory: kv.take_size("memory", 'M')?,
            time: kv.take_number("time")?.map(Duration::from_secs),
        };
        kv.finish()?;
        Ok(options)
    }

    /// Where the core is.
    pub fn core(&self) -> std::io::Result<PathBuf> {
        match &self.core {
            Some(path) => Ok(path.clone()),
            None => Ok(std::env::current_exe()?.with_file_name(CORE)),
        }
    }

    /// The limits for a guest with this much memory.
    #[must_use]
    pub fn limits(&self, ram: u64) -> Limits {
        let usual = Limits::for_guest(ram);
        Limits {
            memory: self.memory.unwrap_or(usual.memory),
            time: self.time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let options = SandboxOptions::parse("memory=256,time=7,core=a.wasm").unwrap();
        let limits = options.limits(1);
        assert_eq!(limits.memory, 256 << 20);
        assert_eq!(limits.time, Some(Duration::from_secs(7)));
        assert_eq!(options.core().unwrap(), PathBuf::from("a.wasm"));
        assert!(SandboxOptions::parse("memroy=1").is_err());
        assert_eq!(
            SandboxOptions::parse("").unwrap(),
            SandboxOptions::default()
        );
    }
}
