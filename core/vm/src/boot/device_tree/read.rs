//! From a flattened tree (Devicetree Specification 0.4, sections 5.2 to 5.5).

use super::{DeviceTree, MAX_BYTES, Node, TreeError};

/// Nodes within each other.
const MAX_DEPTH: usize = 64;

/// Big-endian words and zero-ended strings of a block.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.0.get(at..at.checked_add(4)?)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    }

    fn double(&self, at: usize) -> Option<u64> {
        let bytes = self.0.get(at..at.checked_add(8)?)?;
        Some(u64::from_be_bytes(bytes.try_into().ok()?))
    }

    fn string(&self, at: usize) -> Option<&'a str> {
        let rest = self.0.get(at..)?;
        let len = rest.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&rest[..len]).ok()
    }
}

/// Fields of the header, at their offsets.
mod header {
    pub const MAGIC: usize = 0;
    pub const TOTAL_SIZE: usize = 4;
    pub const STRUCTURE: usize = 8;
    pub const STRINGS: usize = 12;
    pub const RESERVED: usize = 16;
    pub const VERSION: usize = 20;
    pub const LAST_COMPATIBLE: usize = 24;
    pub const BOOT_CPU: usize = 28;
    pub const STRINGS_SIZE: usize = 32;
    pub const STRUCTURE_SIZE: usize = 36;
}

impl DeviceTree {
    /// Reads a flattened tree. What follows it in the file is ignored.
    pub fn read(file: &[u8]) -> Result<Self, TreeError> {
        if Bytes(file).word(header::MAGIC) != Some(super::write::MAGIC) {
            return Err(TreeError::Magic);
        }
        let field = |at| {
            let value = Bytes(file).word(at).map(|value| value as usize);
            value.ok_or(TreeError::Truncated("the header"))
        };
        let size = field(header::TOTAL_SIZE)?;
        if size > MAX_BYTES {
            return Err(TreeError::TooLarge(size));
        }
        let blob = file
            .get(..size)
            .ok_or(TreeError::Truncated("the tree's size"))?;
        for (at, wrong) in [
            (header::VERSION, (|v| v < 17) as fn(u32) -> bool),
            (header::LAST_COMPATIBLE, |v| v > 17),
        ] {
            let version = field(at)? as u32;
            if wrong(version) {
                return Err(TreeError::Version(version));
            }
        }
        let block = |at, len, what| {
            let at = field(at)?;
            let bytes = blob.get(at..at.saturating_add(field(len)?));
            bytes.map(Bytes).ok_or(TreeError::Truncated(what))
        };
        let strings = block(header::STRINGS, header::STRINGS_SIZE, "the strings block")?;
        let structure = block(
            header::STRUCTURE,
            header::STRUCTURE_SIZE,
            "the structure block",
        )?;
        Ok(Self {
            reserved: reserved(&Bytes(blob), field(header::RESERVED)?)?,
            boot_cpu: field(header::BOOT_CPU)? as u32,
            root: Reader {
                structure,
                strings,
                at: 0,
            }
            .root()?,
        })
    }
}

/// The memory reservation block: pairs up to one of zeros.
fn reserved(blob: &Bytes<'_>, start: usize) -> Result<Vec<(u64, u64)>, TreeError> {
    let beyond = TreeError::Truncated("the memory reservation block");
    let mut list = Vec::new();
    loop {
        let at = start.saturating_add(16 * list.len());
        let pair = blob.double(at).zip(blob.double(at.saturating_add(8)));
        match pair.ok_or(beyond)? {
            (0, 0) => return Ok(list),
            pair => list.push(pair),
        }
    }
}

/// Tokens of the structure block.
pub(super) mod token {
    pub const BEGIN_NODE: u32 = 1;
    pub const END_NODE: u32 = 2;
    pub const PROP: u32 = 3;
    pub const NOP: u32 = 4;
    pub const END: u32 = 9;
}

struct Reader<'a> {
    structure: Bytes<'a>,
    strings: Bytes<'a>,
    at: usize,
}

impl Reader<'_> {
    fn broken(&self, what: &'static str) -> TreeError {
        TreeError::Structure { at: self.at, what }
    }

    fn word(&mut self) -> Result<u32, TreeError> {
        let word = self.structure.word(self.at);
        let word = word.ok_or_else(|| self.broken("it ends here"))?;
        self.at += 4;
        Ok(word)
    }

    /// Moves on by some bytes and to the next multiple of 4.
    fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).saturating_add(3) & !3;
    }

    fn root(mut self) -> Result<Node, TreeError> {
        // The nodes that are open, outermost first.
        let mut open: Vec<Node> = Vec::new();
        loop {
            match self.word()? {
                token::BEGIN_NODE if open.len() == MAX_DEPTH => {
                    return Err(self.broken("nodes within nodes without end"));
                }
                token::BEGIN_NODE => {
                    let name = self.structure.string(self.at);
                    let name = name.ok_or_else(|| self.broken("a name that is no text"))?;
                    open.push(Node::new(name));
                    self.skip(name.len() + 1);
                }
                token::PROP => {
                    let (name, value) = self.property()?;
                    let node = open.last_mut();
                    node.ok_or_else(|| self.broken("a property outside of nodes"))?
                        .properties
                        .push((name, value));
                }
                token::END_NODE => {
                    let node = open.pop();
                    let node = node.ok_or_else(|| self.broken("the end of no node"))?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(node),
                        None => return self.end(node),
                    }
                }
                token::NOP => {}
                _ => return Err(self.broken("an unknown token")),
            }
        }
    }

    /// After the root only the end may follow.
    fn end(mut self, root: Node) -> Result<Node, TreeError> {
        loop {
            match self.word()? {
                token::NOP => {}
                token::END => return Ok(root),
                _ => return Err(self.broken("something after the root node")),
            }
        }
    }

    fn property(&mut self) -> Result<(String, Vec<u8>), TreeError> {
        let (len, name) = (self.word()? as usize, self.word()? as usize);
        let name = self.strings.string(name);
        let name = name.ok_or_else(|| self.broken("a property without a name"))?;
        let value = self.structure.0.get(self.at..self.at.saturating_add(len));
        let value = value.ok_or_else(|| self.broken("a value longer than the block"))?;
        self.skip(len);
        Ok((name.to_owned(), value.to_vec()))
    }
}
