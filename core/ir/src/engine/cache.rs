//! Every translation, by what it was made from.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use ferrite_ram::RamOffset;

use super::may_link;
use crate::env::CodeKey;
use crate::interp::Lowered;

/// What a translation was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Place of the first instruction.
    pub at: RamOffset,
    /// Its virtual address.
    pub pc: u64,
    /// The context.
    pub code_key: CodeKey,
}

/// Names a translation, dead or alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id {
    index: u32,
    /// Never used twice.
    serial: u64,
}

impl Id {
    /// The name of none.
    pub(super) const NONE: Self = Self {
        index: 0,
        serial: 0,
    };
}

/// A region, ready to run.
pub(super) struct Translation {
    /// 0 while the place is free.
    serial: u64,
    key: Key,
    pub(super) code: Lowered,
    /// By exit: where it leads, once known.
    pub(super) links: Box<[Id]>,
}

/// Multiplies and folds: keys are addresses, and nothing hostile is gained by collisions beyond
/// slowing oneself down.
#[derive(Default)]
struct AddressHasher(u64);

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

type Map<K, V> = HashMap<K, V, BuildHasherDefault<AddressHasher>>;

/// The translations.
#[derive(Default)]
pub(super) struct Cache {
    places: Vec<Translation>,
    free: Vec<u32>,
    by_key: Map<Key, u32>,
    /// Indices of the translations that start in a page.
    by_page: Map<u64, Vec<u32>>,
    bytes: usize,
    last_serial: u64,
}

impl Cache {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Host bytes, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline(always)]
    pub(super) fn get(&self, id: Id) -> Option<&Translation> {
        self.places
            .get(id.index as usize)
            .filter(|t| t.serial == id.serial)
    }

    #[inline(always)]
    pub(super) fn is_alive(&self, id: Id) -> bool {
        id.serial != 0 && self.get(id).is_some()
    }

    pub(super) fn find(&self, key: &Key) -> Option<Id> {
        let &index = self.by_key.get(key)?;
        Some(Id {
            index,
            serial: self.places.get(index as usize)?.serial,
        })
    }

    pub(super) fn insert(&mut self, key: Key, code: Lowered) -> Id {
        self.last_serial += 1;
        self.bytes += footprint(&code);
        let translation = Translation {
            serial: self.last_serial,
            key,
            links: vec![Id::NONE; code.exits().len()].into(),
            code,
        };
        let index = match self.free.pop() {
            Some(index) => {
                self.places[index as usize] = translation;
                index
            }
            None => {
                self.places.push(translation);
                self.places.len() as u32 - 1
            }
        };
        self.by_key.insert(key, index);
        self.by_page.entry(key.at.page().0).or_default().push(index);
        Id {
            index,
            serial: self.last_serial,
        }
    }

    /// Lets exit `exit` of `from` lead straight to `to`, where that is safe.
    pub(super) fn link(&mut self, from: Id, exit: u16, to: Id) {
        let (Some(source), Some(target)) = (self.get(from), self.get(to)) else {
            return;
        };
        if may_link(&source.key, &target.key)
            && let Some(link) = self
                .places
                .get_mut(from.index as usize)
                .and_then(|t| t.links.get_mut(usize::from(exit)))
        {
            *link = to;
        }
    }

    fn kill(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        place.serial = 0;
        self.bytes -= footprint(&place.code);
        place.code = Lowered::default();
        place.links = Box::default();
        self.by_key.remove(&place.key);
        self.free.push(index);
    }

    /// Drops the translations of a page and returns how many there were.
    pub(super) fn drop_page(&mut self, page: RamOffset) -> usize {
        let indices = self.by_page.remove(&page.page().0).unwrap_or_default();
        for &index in &indices {
            self.kill(index);
        }
        indices.len()
    }

    /// Drops every translation.
    pub(super) fn clear(&mut self) {
        for (_, indices) in std::mem::take(&mut self.by_page) {
            for index in indices {
                self.kill(index);
            }
        }
    }
}

fn footprint(code: &Lowered) -> usize {
    code.bytes() + size_of::<Translation>() + code.exits().len() * size_of::<Id>()
}
