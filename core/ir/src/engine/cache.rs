//! Every translation, by what it was made from.

use ferrite_ram::RamOffset;

use super::key::{Key, Map};
use crate::interp::Lowered;

/// Names a translation, dead or alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id {
    index: u32,
    /// Tells it from others that had the place: not used twice before every name is forgotten.
    serial: u32,
}

impl Id {
    /// The name of none.
    pub(super) const NONE: Self = Self {
        index: u32::MAX,
        serial: 0,
    };
}

/// Exits whose links are beside the code.
const NEAR_LINKS: usize = 2;

/// A region, ready to run: a cache line of what every pass through it touches.
#[repr(align(64))]
pub(super) struct Translation {
    /// 0 while the place is free.
    serial: u32,
    /// Where the first exits lead, once known.
    links: [Id; NEAR_LINKS],
    pub(super) code: Lowered,
    rest: Box<Rest>,
}

/// What is rarely needed of a translation.
struct Rest {
    key: Key,
    /// Where the other exits lead.
    links: Vec<Id>,
}

impl Translation {
    /// Where an exit leads, if that is known.
    #[inline(always)]
    pub(super) fn link(&self, exit: u16) -> Id {
        let exit = usize::from(exit);
        match self.links.get(exit) {
            Some(&id) => id,
            None => self.far_link(exit),
        }
    }

    #[cold]
    fn far_link(&self, exit: usize) -> Id {
        let link = self.rest.links.get(exit - NEAR_LINKS);
        link.copied().unwrap_or(Id::NONE)
    }

    fn set_link(&mut self, exit: u16, to: Id) {
        let exit = usize::from(exit);
        let link = match self.links.get_mut(exit) {
            Some(link) => Some(link),
            None => self.rest.links.get_mut(exit - NEAR_LINKS),
        };
        if let Some(link) = link {
            *link = to;
        }
    }
}

/// The translations.
#[derive(Default)]
pub(super) struct Cache {
    places: Vec<Translation>,
    free: Vec<u32>,
    by_key: Map<Key, u32>,
    /// Indices of the translations that start in a page.
    by_page: Map<u64, Vec<u32>>,
    bytes: usize,
    last_serial: u32,
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
        self.get(id).is_some()
    }

    /// Whether names are used up: then whoever keeps some forgets them all, and [`Self::restart`]
    /// is called.
    pub(super) fn is_out_of_names(&self) -> bool {
        self.last_serial == u32::MAX
    }

    /// Drops every translation and begins with names anew.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
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
            links: [Id::NONE; NEAR_LINKS],
            rest: Box::new(Rest {
                key,
                links: vec![Id::NONE; code.exits().len().saturating_sub(NEAR_LINKS)],
            }),
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
        if source.rest.key.may_link(&target.rest.key)
            && let Some(source) = self.places.get_mut(from.index as usize)
        {
            source.set_link(exit, to);
        }
    }

    fn kill(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        place.serial = 0;
        self.bytes -= footprint(&place.code);
        place.code = Lowered::default();
        place.rest.links = Vec::new();
        self.by_key.remove(&place.rest.key);
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
    code.bytes() + size_of::<Translation>() + size_of::<Rest>()
}
