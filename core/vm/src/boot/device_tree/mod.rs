//! Device trees that are given as files: read, changed, and flattened again (Devicetree
//! Specification 0.4, chapters 2 and 5).

mod read;
#[cfg(test)]
mod tests;
mod write;

/// Largest flattened tree, in bytes: what an arm64 kernel maps (Linux, arm64/booting).
pub const MAX_BYTES: usize = 2 << 20;

/// Why a blob is no device tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The magic number is missing.
    #[error("the file is not a flattened device tree")]
    Magic,
    /// It is longer than [`MAX_BYTES`].
    #[error("the tree has {0} bytes: kernels take up to 2 MiB")]
    TooLarge(usize),
    /// A version of the format that is not compatible with 17.
    #[error("version {0} of the format is not supported")]
    Version(u32),
    /// The header places a part beyond the file's end.
    #[error("{0} reaches beyond the end of the file")]
    Truncated(&'static str),
    /// Something at an offset of the structure block does not fit there.
    #[error("the structure block is broken at offset {at:#x}: {what}")]
    Structure {
        /// Bytes from the block's start.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// A tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceTree {
    /// Memory that the guest must leave alone: address and bytes.
    pub reserved: Vec<(u64, u64)>,
    /// Physical ID of the boot CPU.
    pub boot_cpu: u32,
    /// The root node, whose name is empty.
    pub root: Node,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name with its unit address.
    pub name: String,
    /// Properties in order, by name.
    pub properties: Vec<(String, Vec<u8>)>,
    /// The nodes below, in order.
    pub children: Vec<Node>,
}

impl Node {
    /// A node with nothing in it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// The value of a property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&[u8]> {
        let found = self.properties.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_slice())
    }

    /// The value of a property that is one 32-bit cell.
    #[must_use]
    pub fn cell(&self, name: &str) -> Option<u32> {
        let bytes = self.property(name)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    /// Whether a property is this string.
    #[must_use]
    pub fn has_string(&self, name: &str, text: &str) -> bool {
        self.property(name)
            .and_then(|value| value.strip_suffix(b"\0"))
            == Some(text.as_bytes())
    }

    /// Gives a property its value; it is added if it is not there.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let value = value.into();
        match self.properties.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value,
            None => self.properties.push((name.to_owned(), value)),
        }
    }

    /// The same for strings, which are ended by a zero each.
    pub fn set_strings(&mut self, name: &str, strings: &[&str]) {
        let value: Vec<u8> = strings
            .iter()
            .flat_map(|text| text.bytes().chain([0]))
            .collect();
        self.set(name, value);
    }

    /// The same for numbers of a number of 32-bit cells each; upper bits that do not fit are lost.
    pub fn set_numbers(&mut self, name: &str, numbers: &[(u64, u32)]) {
        let mut value = Vec::new();
        for &(number, cells) in numbers {
            for cell in (0..cells).rev() {
                let bits = number.checked_shr(32 * cell).unwrap_or(0);
                value.extend((bits as u32).to_be_bytes());
            }
        }
        self.set(name, value);
    }

    /// The child of this name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|node| node.name == name)
    }

    /// The child of this name, which is added if it is not there.
    pub fn child_mut(&mut self, name: &str) -> &mut Node {
        let at = match self.children.iter().position(|node| node.name == name) {
            Some(at) => at,
            None => {
                self.children.push(Node::new(name));
                self.children.len() - 1
            }
        };
        &mut self.children[at]
    }
}
