//! The tree of the machine's objects, for inspection.

use serde_json::Value;

/// A property of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// The type of its values, as QEMU writes it: `bool`, `uint32`, `str`, `link<bus>`.
    pub kind: &'static str,
    /// Its value now.
    pub value: Value,
}

/// An object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// Its name below its parent; empty for the root.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Its properties, the type and what is below it apart.
    pub properties: Vec<Property>,
    /// What is below it.
    pub children: Vec<Object>,
}

/// A type of objects.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// Its name.
    pub name: &'static str,
    /// The type that it refines; empty for the first.
    pub parent: &'static str,
    /// Whether no object is of exactly this type.
    pub is_abstract: bool,
    /// What can be set: name, type of value, default (`Null` for none).
    pub properties: Vec<(&'static str, &'static str, Value)>,
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// There is nothing.
    Nothing,
    /// A partial path fits several objects.
    Ambiguous,
}

impl Object {
    /// An object without properties or children.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            ..Self::default()
        }
    }

    /// The same with one property more.
    #[must_use]
    pub fn with(
        mut self,
        name: impl Into<String>,
        kind: &'static str,
        value: impl Into<Value>,
    ) -> Self {
        self.properties.push(Property {
            name: name.into(),
            kind,
            value: value.into(),
        });
        self
    }

    /// The same with an object below it.
    #[must_use]
    pub fn holding(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// The object at a path: from the root if it starts with `/`, anywhere otherwise.
    pub fn find(&self, path: &str) -> Result<&Self, Lost> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if path.starts_with('/') || parts.is_empty() {
            return self.below(&parts).ok_or(Lost::Nothing);
        }
        let mut found = Vec::new();
        self.search(&parts, &mut found);
        match found[..] {
            [] => Err(Lost::Nothing),
            [one] => Ok(one),
            _ => Err(Lost::Ambiguous),
        }
    }

    fn below(&self, parts: &[&str]) -> Option<&Self> {
        let Some((first, rest)) = parts.split_first() else {
            return Some(self);
        };
        let child = self.children.iter().find(|child| child.name == *first)?;
        child.below(rest)
    }

    fn search<'a>(&'a self, parts: &[&str], found: &mut Vec<&'a Self>) {
        found.extend(self.below(parts));
        for child in &self.children {
            child.search(parts, found);
        }
    }

    /// Every object of the tree, with its depth, parents first.
    #[must_use]
    pub fn walk(&self) -> Vec<(usize, &Self)> {
        let mut list = Vec::new();
        self.gather(0, &mut list);
        list
    }

    fn gather<'a>(&'a self, depth: usize, list: &mut Vec<(usize, &'a Self)>) {
        list.push((depth, self));
        for child in &self.children {
            child.gather(depth + 1, list);
        }
    }
}

/// Whether a type is, or refines, another.
#[must_use]
pub fn implements(types: &[Type], name: &str, wanted: &str) -> bool {
    let mut name = name;
    // No chain of parents is longer than the list.
    for _ in 0..=types.len() {
        if name == wanted {
            return true;
        }
        match types.iter().find(|row| row.name == name) {
            Some(row) if !row.parent.is_empty() => name = row.parent,
            _ => return false,
        }
    }
    false
}
