//! A set of pages that may name too many.

/// Bits, and so pages that it tells apart.
const BITS: usize = 1 << 16;

/// Remembers pages by number: those put in are in it, and some others with them.
#[derive(Debug)]
pub struct PageFilter {
    words: Box<[u64]>,
}

impl Default for PageFilter {
    fn default() -> Self {
        Self {
            words: vec![0; BITS / 64].into_boxed_slice(),
        }
    }
}

impl PageFilter {
    fn bit(page: u64) -> (usize, u64) {
        let hash = (page ^ page >> 16) as usize & (BITS - 1);
        (hash / 64, 1 << (hash % 64))
    }

    /// Puts a page in.
    pub fn insert(&mut self, page: u64) {
        let (word, bit) = Self::bit(page);
        self.words[word] |= bit;
    }

    /// Whether the page may have been put in; `false` is sure.
    #[must_use]
    pub fn may_contain(&self, page: u64) -> bool {
        let (word, bit) = Self::bit(page);
        self.words[word] & bit != 0
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }
}
