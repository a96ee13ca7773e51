//! To a flattened tree (Devicetree Specification 0.4, sections 5.2 to 5.6).

use std::collections::BTreeMap;

use super::read::token;
use super::{DeviceTree, Node};

/// The header's first word.
pub(super) const MAGIC: u32 = 0xd00d_feed;
const HEADER_BYTES: usize = 40;
const VERSION: u32 = 17;
const LAST_COMPATIBLE: u32 = 16;

#[derive(Default)]
struct Writer<'a> {
    structure: Vec<u8>,
    strings: Vec<u8>,
    /// Where the names of properties are in the strings.
    names: BTreeMap<&'a str, u32>,
}

impl DeviceTree {
    /// The flattened form.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.node(&self.root);
        writer.word(token::END);
        let Writer {
            structure, strings, ..
        } = writer;
        let mut reserved = Vec::new();
        for (at, bytes) in self.reserved.iter().chain([&(0, 0)]) {
            reserved.extend(at.to_be_bytes());
            reserved.extend(bytes.to_be_bytes());
        }
        let structure_at = HEADER_BYTES + reserved.len();
        let strings_at = structure_at + structure.len();
        let words = [
            MAGIC,
            (strings_at + strings.len()) as u32,
            structure_at as u32,
            strings_at as u32,
            HEADER_BYTES as u32,
            VERSION,
            LAST_COMPATIBLE,
            self.boot_cpu,
            strings.len() as u32,
            structure.len() as u32,
        ];
        let mut blob: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
        for block in [reserved, structure, strings] {
            blob.extend(block);
        }
        blob
    }
}

impl<'a> Writer<'a> {
    fn word(&mut self, word: u32) {
        self.structure.extend(word.to_be_bytes());
    }

    /// Bytes, up to the next word.
    fn bytes(&mut self, bytes: &[u8]) {
        self.structure.extend(bytes);
        let len = self.structure.len().next_multiple_of(4);
        self.structure.resize(len, 0);
    }

    fn node(&mut self, node: &'a Node) {
        self.word(token::BEGIN_NODE);
        self.bytes(&[node.name.as_bytes(), &[0]].concat());
        for (name, value) in &node.properties {
            let name = self.name(name);
            self.word(token::PROP);
            self.word(value.len() as u32);
            self.word(name);
            self.bytes(value);
        }
        for child in &node.children {
            self.node(child);
        }
        self.word(token::END_NODE);
    }

    fn name(&mut self, name: &'a str) -> u32 {
        let next = self.strings.len() as u32;
        let at = *self.names.entry(name).or_insert(next);
        if at == next {
            self.strings.extend(name.bytes().chain([0]));
        }
        at
    }
}
