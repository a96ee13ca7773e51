//! What a translation is known by.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use ferrite_ram::{PAGE_SIZE, RamOffset};

use crate::env::CodeKey;

/// What a translation was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Place of the first instruction.
    pub at: RamOffset,
    /// Its virtual address.
    pub pc: u64,
    /// The context.
    pub code_key: CodeKey,
}

impl Key {
    /// Whether an exit of a translation with this key to one with the other may be followed without
    /// asking.
    #[must_use]
    pub fn may_link(&self, to: &Self) -> bool {
        let same = |a: u64, b: u64| a / PAGE_SIZE == b / PAGE_SIZE;
        self.code_key == to.code_key && same(self.pc, to.pc) && same(self.at.0, to.at.0)
    }
}

/// Multiplies and folds: keys are addresses, and nothing hostile is gained by collisions beyond
/// slowing oneself down.
#[derive(Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A map from addresses, or what holds some.
pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<AddressHasher>>;
