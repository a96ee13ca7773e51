//! A shared folder that lives in memory: what a host without files shares, and what tests use.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_machine::shared_folder::{
    Attributes, DirEntry, Errno, FileName, FileSystemInfo, FolderPath, FolderResult,
    MAX_DIRECTORY_ENTRIES, MODE_DIRECTORY, MODE_REGULAR, MODE_SYMLINK, MODE_TYPE, OpenFile,
    OpenMode, SetAttributes, SharedFolder,
};

/// Bytes that a folder holds at most.
const CAPACITY: u64 = 256 << 20;
/// Files, directories and links that it holds at most.
const MAX_NODES: usize = 1 << 16;
/// Bytes in a block, as `statfs` tells them.
const BLOCK: u32 = 4096;

/// A file, directory or symbolic link. Names and open files share it.
#[derive(Debug)]
struct Node {
    mode: u32,
    id: u64,
    links: u64,
    data: Vec<u8>,
    /// Which of the folder's changes was this one's last.
    version: u64,
}

impl Node {
    fn attributes(&self) -> Attributes {
        let size = self.data.len() as u64;
        Attributes {
            id: self.id,
            mode: self.mode,
            size,
            links: self.links,
            block_size: BLOCK.into(),
            blocks: size.div_ceil(512),
            ..Attributes::default()
        }
    }
}

type Shared<T> = Arc<Mutex<T>>;

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nodes by path.
#[derive(Default)]
struct Tree {
    nodes: BTreeMap<FolderPath, Shared<Node>>,
    next_id: u64,
}

/// A folder that lives in memory. Clones are the same folder.
#[derive(Clone)]
pub struct Folder {
    tree: Shared<Tree>,
    /// Bytes of all files.
    used: Shared<u64>,
    changes: Arc<AtomicU64>,
}

/// Something in the folder, for those who follow what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: FolderPath,
    /// Type and permissions.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Differs whenever its bytes may.
    pub version: u64,
}

/// The path with these names; `None` if one of them is no good.
#[must_use]
pub fn path(text: &str) -> Option<FolderPath> {
    let mut names = text.split('/').filter(|n| !n.is_empty());
    names.try_fold(FolderPath::root(), |at, name| {
        at.join(&FileName::new(name.as_bytes()).ok()?).ok()
    })
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// An empty folder.
    #[must_use]
    pub fn new() -> Self {
        let root = Node {
            mode: MODE_DIRECTORY | 0o755,
            id: 0,
            links: 1,
            data: Vec::new(),
            version: 0,
        };
        let tree = Tree {
            nodes: BTreeMap::from([(FolderPath::root(), Arc::new(Mutex::new(root)))]),
            next_id: 1,
        };
        Self {
            tree: Arc::new(Mutex::new(tree)),
            used: Arc::default(),
            changes: Arc::default(),
        }
    }

    /// How many changes there were so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Everything in the folder, directories before what is in them.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let tree = lock(&self.tree);
        let inside = tree.nodes.iter().filter(|(path, _)| path.split().is_some());
        let entry = |(path, node): (&FolderPath, &Shared<Node>)| {
            let node = lock(node);
            Entry {
                path: path.clone(),
                mode: node.mode,
                size: node.data.len() as u64,
                version: node.version,
            }
        };
        inside.map(entry).collect()
    }

    /// Counts a change, and returns its number.
    fn changed(&self) -> u64 {
        self.changes.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Adds a file, directory or symbolic link by its mode.
    pub fn put(&self, at: FolderPath, mode: u32, data: &[u8]) -> FolderResult<()> {
        let node = self.filled(mode, data)?;
        let named = self.name(at, &node);
        if named.is_err() {
            self.forget(&node);
        }
        named
    }

    /// Puts a regular file at `at`, in the place of one that is there. If that fails, nothing has
    /// changed.
    pub fn replace(&self, at: &FolderPath, data: &[u8]) -> FolderResult<()> {
        let node = self.filled(MODE_REGULAR | 0o644, data)?;
        let named = match self.name(at.clone(), &node) {
            Err(Errno::EEXIST) => self.exchange(at, &node),
            other => other,
        };
        if named.is_err() {
            self.forget(&node);
        }
        named
    }

    /// Gives a file's name to another node.
    fn exchange(&self, at: &FolderPath, node: &Shared<Node>) -> FolderResult<()> {
        let old = {
            let mut tree = lock(&self.tree);
            let place = tree.nodes.get_mut(at).ok_or(Errno::ENOENT)?;
            if lock(place).mode & MODE_TYPE == MODE_DIRECTORY {
                return Err(Errno::EISDIR);
            }
            lock(node).links += 1;
            std::mem::replace(place, Arc::clone(node))
        };
        self.changed();
        self.forget(&old);
        Ok(())
    }

    /// A node without a name that holds `data`.
    fn filled(&self, mode: u32, data: &[u8]) -> FolderResult<Shared<Node>> {
        let id = {
            let mut tree = lock(&self.tree);
            tree.next_id += 1;
            tree.next_id
        };
        let mut node = Node {
            mode,
            id,
            links: 0,
            data: Vec::new(),
            version: 0,
        };
        self.resize(&mut node, data.len() as u64)?;
        node.data.copy_from_slice(data);
        Ok(Arc::new(Mutex::new(node)))
    }

    /// What the file at `at` holds.
    pub fn get(&self, at: &FolderPath) -> FolderResult<Vec<u8>> {
        let node = self.find(at)?;
        let contents = lock(&node).data.clone();
        Ok(contents)
    }

    /// The version of what is at `at`: see [`Entry::version`].
    pub fn version(&self, at: &FolderPath) -> FolderResult<u64> {
        let node = self.find(at)?;
        let version = lock(&node).version;
        Ok(version)
    }

    /// Whether there is something at `at`.
    #[must_use]
    pub fn contains(&self, at: &FolderPath) -> bool {
        lock(&self.tree).nodes.contains_key(at)
    }

    /// How many files, directories and links there are, the folder itself among them.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "the folder itself is always there"
    )]
    pub fn len(&self) -> usize {
        lock(&self.tree).nodes.len()
    }

    fn find(&self, at: &FolderPath) -> FolderResult<Shared<Node>> {
        lock(&self.tree).nodes.get(at).cloned().ok_or(Errno::ENOENT)
    }

    /// Gives a node a name that is free.
    fn name(&self, at: FolderPath, node: &Shared<Node>) -> FolderResult<()> {
        let mut tree = lock(&self.tree);
        let parent = tree.nodes.get(&at.parent()).ok_or(Errno::ENOENT)?;
        if lock(parent).mode & MODE_TYPE != MODE_DIRECTORY {
            return Err(Errno::ENOTDIR);
        }
        if tree.nodes.contains_key(&at) {
            return Err(Errno::EEXIST);
        }
        if tree.nodes.len() >= MAX_NODES {
            return Err(Errno::ENOSPC);
        }
        lock(node).links += 1;
        tree.nodes.insert(at, Arc::clone(node));
        self.changed();
        Ok(())
    }

    /// Sets a file's size, within what the folder may hold.
    fn resize(&self, node: &mut Node, size: u64) -> FolderResult<()> {
        let mut used = lock(&self.used);
        let old = node.data.len() as u64;
        let after = (*used - old).checked_add(size).ok_or(Errno::EFBIG)?;
        if after > CAPACITY && size > old {
            return Err(Errno::ENOSPC);
        }
        // At most the capacity, or less than before.
        node.data.resize(size as usize, 0);
        node.version = self.changed();
        *used = after;
        Ok(())
    }

    /// Takes a name from a node; its bytes are free when nothing has it open.
    fn forget(&self, node: &Shared<Node>) {
        let mut inner = lock(node);
        inner.links = inner.links.saturating_sub(1);
        // The caller's reference and the tree's former one are all that is left.
        if inner.links == 0 && Arc::strong_count(node) <= 1 {
            *lock(&self.used) -= inner.data.len() as u64;
            inner.data = Vec::new();
        }
    }
}

struct Handle {
    folder: Folder,
    node: Shared<Node>,
    append: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut node = lock(&self.node);
        if node.links == 0 && Arc::strong_count(&self.node) <= 1 {
            *lock(&self.folder.used) -= node.data.len() as u64;
            node.data = Vec::new();
        }
    }
}

impl OpenFile for Handle {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> FolderResult<usize> {
        let node = lock(&self.node);
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let data = node.data.get(offset..).unwrap_or_default();
        let len = data.len().min(into.len());
        into[..len].copy_from_slice(&data[..len]);
        Ok(len)
    }

    fn write_at(&mut self, offset: u64, from: &[u8]) -> FolderResult<usize> {
        let mut node = lock(&self.node);
        let size = node.data.len() as u64;
        let offset = if self.append { size } else { offset };
        let end = offset.checked_add(from.len() as u64).ok_or(Errno::EFBIG)?;
        if end > size {
            self.folder.resize(&mut node, end)?;
        }
        // Inside the file, which is in memory.
        node.data[offset as usize..end as usize].copy_from_slice(from);
        node.version = self.folder.changed();
        Ok(from.len())
    }

    fn sync(&mut self, _data_only: bool) -> FolderResult<()> {
        Ok(())
    }

    fn attributes(&mut self) -> FolderResult<Attributes> {
        Ok(lock(&self.node).attributes())
    }

    fn set_size(&mut self, size: u64) -> FolderResult<()> {
        self.folder.resize(&mut lock(&self.node), size)
    }
}

impl SharedFolder for Folder {
    fn attributes(&mut self, path: &FolderPath) -> FolderResult<Attributes> {
        let node = self.find(path)?;
        let attributes = lock(&node).attributes();
        Ok(attributes)
    }

    fn set_attributes(&mut self, path: &FolderPath, set: &SetAttributes) -> FolderResult<()> {
        let node = self.find(path)?;
        let mut node = lock(&node);
        if let Some(mode) = set.mode {
            node.mode = node.mode & MODE_TYPE | mode & !MODE_TYPE;
        }
        match set.size {
            Some(_) if node.mode & MODE_TYPE != MODE_REGULAR => Err(Errno::EISDIR),
            Some(size) => self.resize(&mut node, size),
            None => Ok(()),
        }
    }

    fn open(&mut self, path: &FolderPath, mode: OpenMode) -> FolderResult<Box<dyn OpenFile>> {
        let node = self.find(path)?;
        if mode.truncate {
            self.resize(&mut lock(&node), 0)?;
        }
        Ok(Box::new(Handle {
            folder: self.clone(),
            node,
            append: mode.append,
        }))
    }

    fn create(
        &mut self,
        path: &FolderPath,
        mode: OpenMode,
        permissions: u32,
        _gid: u32,
    ) -> FolderResult<Box<dyn OpenFile>> {
        match self.put(path.clone(), MODE_REGULAR | permissions & !MODE_TYPE, b"") {
            Err(Errno::EEXIST) if !mode.exclusive => {}
            other => other?,
        }
        self.open(path, mode)
    }

    fn read_directory(&mut self, path: &FolderPath) -> FolderResult<Vec<DirEntry>> {
        let tree = lock(&self.tree);
        let inside = tree.nodes.iter().filter_map(|(at, node)| {
            let (parent, name) = at.split()?;
            let node = lock(node);
            (parent == *path).then_some(DirEntry {
                // Paths are made of good names.
                name: FileName::new(name).ok()?,
                id: node.id,
                mode: node.mode,
            })
        });
        // There are fewer nodes than the limit.
        Ok(inside.take(MAX_DIRECTORY_ENTRIES).collect())
    }

    fn make_directory(&mut self, path: &FolderPath, mode: u32, _gid: u32) -> FolderResult<()> {
        self.put(path.clone(), MODE_DIRECTORY | mode & !MODE_TYPE, b"")
    }

    fn symlink(&mut self, path: &FolderPath, target: &[u8], _gid: u32) -> FolderResult<()> {
        self.put(path.clone(), MODE_SYMLINK | 0o777, target)
    }

    fn link(&mut self, existing: &FolderPath, new: &FolderPath) -> FolderResult<()> {
        let node = self.find(existing)?;
        if lock(&node).mode & MODE_TYPE == MODE_DIRECTORY {
            return Err(Errno::EPERM);
        }
        self.name(new.clone(), &node)
    }

    fn read_link(&mut self, path: &FolderPath) -> FolderResult<Vec<u8>> {
        self.get(path)
    }

    fn remove(&mut self, path: &FolderPath, directory: bool) -> FolderResult<()> {
        let is_directory = self.attributes(path)?.is_directory();
        if is_directory != directory {
            return Err(if directory {
                Errno::ENOTDIR
            } else {
                Errno::EISDIR
            });
        }
        if path.split().is_none() {
            return Err(Errno::EBUSY);
        }
        if directory && !self.read_directory(path)?.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        let removed = lock(&self.tree).nodes.remove(path);
        if let Some(node) = removed {
            self.forget(&node);
        }
        self.changed();
        Ok(())
    }

    fn rename(&mut self, from: &FolderPath, to: &FolderPath) -> FolderResult<()> {
        let moving = self.find(from)?;
        if from == to {
            return Ok(());
        }
        if from.split().is_none() || to.moved(from, to)? != *to {
            return Err(Errno::EINVAL);
        }
        if let Ok(there) = self.find(to) {
            if Arc::ptr_eq(&there, &moving) {
                return Ok(());
            }
            drop(there);
            let directory = lock(&moving).mode & MODE_TYPE == MODE_DIRECTORY;
            self.remove(to, directory)?;
        }
        let mut tree = lock(&self.tree);
        let parent = tree.nodes.get(&to.parent()).ok_or(Errno::ENOENT)?;
        if lock(parent).mode & MODE_TYPE != MODE_DIRECTORY {
            return Err(Errno::ENOTDIR);
        }
        let moved = tree.nodes.keys().map(|at| at.moved(from, to));
        let moved: Vec<FolderPath> = moved.collect::<FolderResult<_>>()?;
        let nodes = std::mem::take(&mut tree.nodes).into_values();
        tree.nodes = moved.into_iter().zip(nodes).collect();
        self.changed();
        Ok(())
    }

    fn sync_directory(&mut self, _path: &FolderPath) -> FolderResult<()> {
        Ok(())
    }

    fn info(&mut self, _path: &FolderPath) -> FolderResult<FileSystemInfo> {
        let block = u64::from(BLOCK);
        let free = CAPACITY.saturating_sub(*lock(&self.used)) / block;
        Ok(FileSystemInfo {
            block_size: BLOCK,
            blocks: CAPACITY / block,
            blocks_free: free,
            blocks_available: free,
            files: MAX_NODES as u64,
            files_free: (MAX_NODES - self.len().min(MAX_NODES)) as u64,
            id: 0,
            name_max: 255,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted_and_versions_tell_files_apart() {
        let mut folder = Folder::new();
        let at = |text| path(text).unwrap();
        let version = |folder: &Folder, name| {
            let entries = folder.entries();
            let entry = entries.into_iter().find(|entry| entry.path == at(name));
            entry.map(|entry| entry.version)
        };
        folder.make_directory(&at("d"), 0o755, 0).unwrap();
        folder.replace(&at("d/f"), b"one").unwrap();
        let paths: Vec<_> = folder.entries().into_iter().map(|e| e.path).collect();
        assert_eq!(paths, [at("d"), at("d/f")]);

        let (changes, first) = (folder.changes(), version(&folder, "d/f"));
        folder.get(&at("d/f")).unwrap();
        folder.read_directory(&at("d")).unwrap();
        assert_eq!(folder.changes(), changes);

        // Bytes in the middle change no size.
        let mode = OpenMode {
            write: true,
            ..OpenMode::default()
        };
        let mut file = folder.open(&at("d/f"), mode).unwrap();
        file.write_at(1, b"N").unwrap();
        assert!(folder.changes() > changes);
        let second = version(&folder, "d/f");
        assert_ne!(second, first);
        folder.replace(&at("d/f"), b"oNe").unwrap();
        assert_ne!(version(&folder, "d/f"), second);

        let changes = folder.changes();
        assert_eq!(folder.version(&at("d/f")).ok(), version(&folder, "d/f"));
        folder.rename(&at("d/f"), &at("g")).unwrap();
        assert!(folder.changes() > changes);
        assert_eq!(version(&folder, "d/f"), None);
        let changes = folder.changes();
        folder.remove(&at("g"), false).unwrap();
        assert!(folder.changes() > changes);
    }
}
