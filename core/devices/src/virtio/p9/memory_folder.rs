//! A shared folder that lives in memory, for tests and fuzzers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_machine::shared_folder::{
    Attributes, DirEntry, Errno, FileName, FileSystemInfo, FolderPath, FolderResult,
    MODE_DIRECTORY, MODE_REGULAR, MODE_SYMLINK, MODE_TYPE, OpenFile, OpenMode, SetAttributes,
    SharedFolder,
};

/// A file, directory or symbolic link.
#[derive(Clone, Debug)]
struct Node {
    mode: u32,
    id: u64,
    data: Vec<u8>,
}

/// Nodes by path.
#[derive(Default)]
struct Tree {
    nodes: BTreeMap<FolderPath, Node>,
    next_id: u64,
}

/// A folder that lives in memory. Clones are the same folder.
#[derive(Clone)]
pub struct Folder(Arc<Mutex<Tree>>);

/// The path with these names, which must be good ones.
///
/// # Panics
/// When a name is not.
#[must_use]
pub fn path(text: &str) -> FolderPath {
    let names = text.split('/').filter(|n| !n.is_empty());
    names.fold(FolderPath::root(), |at, name| {
        at.join(&FileName::new(name.as_bytes()).unwrap()).unwrap()
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
        let folder = Self(Arc::default());
        folder
            .put(FolderPath::root(), MODE_DIRECTORY | 0o755, b"")
            .unwrap();
        folder
    }

    /// Adds a file, directory or symbolic link by its mode.
    pub fn put(&self, at: FolderPath, mode: u32, data: &[u8]) -> FolderResult<()> {
        let mut tree = self.tree();
        let parent = tree.nodes.get(&at.parent());
        if parent.is_some_and(|p| p.mode & MODE_TYPE != MODE_DIRECTORY) {
            return Err(Errno::ENOTDIR);
        }
        if tree.nodes.contains_key(&at) {
            return Err(Errno::EEXIST);
        }
        tree.next_id += 1;
        let id = tree.next_id;
        tree.nodes.insert(
            at,
            Node {
                mode,
                id,
                data: data.to_vec(),
            },
        );
        Ok(())
    }

    /// Whether there is something at `at`.
    #[must_use]
    pub fn contains(&self, at: &FolderPath) -> bool {
        self.tree().nodes.contains_key(at)
    }

    /// How many files, directories and links there are, the folder itself among them.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "the folder itself is always there"
    )]
    pub fn len(&self) -> usize {
        self.tree().nodes.len()
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, at: &FolderPath, body: impl FnOnce(&mut Node) -> T) -> FolderResult<T> {
        let mut tree = self.tree();
        tree.nodes.get_mut(at).map(body).ok_or(Errno::ENOENT)
    }
}

struct Handle(Folder, FolderPath);

impl OpenFile for Handle {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> FolderResult<usize> {
        self.0.with(&self.1, |node| {
            let data = node.data.get(offset as usize..).unwrap_or_default();
            let len = data.len().min(into.len());
            into[..len].copy_from_slice(&data[..len]);
            len
        })
    }
    fn write_at(&mut self, offset: u64, from: &[u8]) -> FolderResult<usize> {
        if offset > 1 << 20 {
            return Err(Errno::EFBIG);
        }
        self.0.with(&self.1, |node| {
            let end = offset as usize + from.len();
            node.data.resize(node.data.len().max(end), 0);
            node.data[offset as usize..end].copy_from_slice(from);
            from.len()
        })
    }
    fn sync(&mut self, _data_only: bool) -> FolderResult<()> {
        Ok(())
    }
    fn attributes(&mut self) -> FolderResult<Attributes> {
        self.0.attributes(&self.1)
    }
    fn set_size(&mut self, size: u64) -> FolderResult<()> {
        self.0.with(&self.1, |node| {
            node.data.resize(size.min(1 << 20) as usize, 0)
        })
    }
}

impl SharedFolder for Folder {
    fn attributes(&mut self, path: &FolderPath) -> FolderResult<Attributes> {
        self.with(path, |node| Attributes {
            id: node.id,
            mode: node.mode,
            size: node.data.len() as u64,
            links: 1,
            ..Attributes::default()
        })
    }
    fn set_attributes(&mut self, path: &FolderPath, set: &SetAttributes) -> FolderResult<()> {
        self.with(path, |node| {
            if let Some(mode) = set.mode {
                node.mode = node.mode & MODE_TYPE | mode;
            }
            if let Some(size) = set.size {
                node.data.resize(size.min(1 << 20) as usize, 0);
            }
        })
    }
    fn open(&mut self, path: &FolderPath, mode: OpenMode) -> FolderResult<Box<dyn OpenFile>> {
        self.with(path, |node| {
            if mode.truncate {
                node.data.clear();
            }
        })?;
        Ok(Box::new(Handle(self.clone(), path.clone())))
    }
    fn create(
        &mut self,
        path: &FolderPath,
        mode: OpenMode,
        permissions: u32,
        _gid: u32,
    ) -> FolderResult<Box<dyn OpenFile>> {
        match self.put(path.clone(), MODE_REGULAR | permissions, b"") {
            Err(Errno::EEXIST) if !mode.exclusive => {}
            other => other?,
        }
        self.open(path, mode)
    }
    fn read_directory(&mut self, path: &FolderPath) -> FolderResult<Vec<DirEntry>> {
        let tree = self.tree();
        let inside = tree.nodes.iter().filter_map(|(at, node)| {
            let (parent, name) = at.split()?;
            (parent == *path).then(|| DirEntry {
                name: FileName::new(name).unwrap(),
                id: node.id,
                mode: node.mode,
            })
        });
        Ok(inside.collect())
    }
    fn make_directory(&mut self, path: &FolderPath, mode: u32, _gid: u32) -> FolderResult<()> {
        self.put(path.clone(), MODE_DIRECTORY | mode, b"")
    }
    fn symlink(&mut self, path: &FolderPath, target: &[u8], _gid: u32) -> FolderResult<()> {
        self.put(path.clone(), MODE_SYMLINK | 0o777, target)
    }
    fn link(&mut self, existing: &FolderPath, new: &FolderPath) -> FolderResult<()> {
        let node = self.with(existing, |node| node.clone())?;
        self.put(new.clone(), node.mode, &node.data)
    }
    fn read_link(&mut self, path: &FolderPath) -> FolderResult<Vec<u8>> {
        self.with(path, |node| node.data.clone())
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
        if !self.read_directory(path)?.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.tree().nodes.remove(path);
        Ok(())
    }
    fn rename(&mut self, from: &FolderPath, to: &FolderPath) -> FolderResult<()> {
        let mut tree = self.tree();
        tree.nodes.get(from).ok_or(Errno::ENOENT)?;
        let old = std::mem::take(&mut tree.nodes);
        for (at, node) in old {
            tree.nodes.insert(at.moved(from, to)?, node);
        }
        Ok(())
    }
    fn sync_directory(&mut self, _path: &FolderPath) -> FolderResult<()> {
        Ok(())
    }
    fn info(&mut self, _path: &FolderPath) -> FolderResult<FileSystemInfo> {
        Ok(FileSystemInfo {
            block_size: 4096,
            blocks: 77,
            name_max: 255,
            ..Default::default()
        })
    }
}
