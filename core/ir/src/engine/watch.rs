//! What an engine tells of itself: the code that it makes, and figures.

/// Machine code that an engine has made of a region.
#[derive(Clone, Copy, Debug)]
pub struct HostCode<'a> {
    /// Name of the engine.
    pub engine: &'static str,
    /// Guest address of the region's entry.
    pub pc: u64,
    /// Host address that the code runs at.
    pub address: u64,
    /// The code.
    pub bytes: &'a [u8],
}

/// Somebody who wants to know of machine code as it is made.
pub trait CodeWatcher: Send {
    /// Code is ready to run.
    fn made(&mut self, code: HostCode<'_>);
}

/// A figure of an engine, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What it counts.
    pub name: &'static str,
    /// How much, with its unit.
    pub value: String,
}

impl Figure {
    /// A figure that is shown as `value` is.
    pub fn new(name: &'static str, value: impl std::fmt::Display) -> Self {
        Self {
            name,
            value: value.to_string(),
        }
    }
}
