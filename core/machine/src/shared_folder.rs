//! A folder of the host that a guest may look into and change: what the 9P device serves.
//!
//! A path is a list of checked names below the folder's root, so that no path leads out of it by
//! its text. An implementation follows no symbolic link: those are the guest's to resolve.

use std::fmt;

/// A Linux error number of the generic ABI (`include/uapi/asm-generic/errno*.h`), whatever the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub u32);

macro_rules! errnos {
    ($($name:ident = $number:literal, $doc:literal;)*) => {
        impl Errno {
            $(#[doc = $doc] pub const $name: Self = Self($number);)*
        }
    };
}

errnos! {
    EPERM = 1, "Operation not permitted.";
    ENOENT = 2, "No such file or directory.";
    EIO = 5, "Input or output failed.";
    EBADF = 9, "Bad file descriptor.";
    EBUSY = 16, "Device or resource busy.";
    EACCES = 13, "Permission denied.";
    EEXIST = 17, "File exists.";
    ENOTDIR = 20, "Not a directory.";
    EISDIR = 21, "Is a directory.";
    EINVAL = 22, "Invalid argument.";
    ENFILE = 23, "Too many open files.";
    EFBIG = 27, "File too large.";
    ENOSPC = 28, "No space left.";
    EROFS = 30, "Read-only file system.";
    ENAMETOOLONG = 36, "File name too long.";
    ENOTEMPTY = 39, "Directory not empty.";
    ELOOP = 40, "Too many symbolic links.";
    EOVERFLOW = 75, "Value too large.";
    EOPNOTSUPP = 95, "Operation not supported.";
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "errno {}", self.0)
    }
}

/// What a folder operation yields.
pub type FolderResult<T> = Result<T, Errno>;

/// The name of a directory entry: 1 to 255 bytes without `/` and NUL, and neither `.` nor `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName(Vec<u8>);

impl FileName {
    /// Checks a name. `.` and `..` exist in every directory and are refused as such.
    pub fn new(name: &[u8]) -> FolderResult<Self> {
        match name {
            [] => Err(Errno::ENOENT),
            b"." | b".." => Err(Errno::EEXIST),
            _ if name.contains(&b'/') || name.contains(&0) => Err(Errno::ENOENT),
            _ if name.len() > 255 => Err(Errno::ENAMETOOLONG),
            _ => Ok(Self(name.to_vec())),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A place below the root: names with `/` between them; the root itself has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FolderPath(Vec<u8>);

impl FolderPath {
    /// Longest path that is built, as in Linux.
    const MAX_BYTES: usize = 4096;

    /// The root.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The names from the root down.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').filter(|name| !name.is_empty())
    }

    /// The entry `name` of this directory.
    pub fn join(&self, name: &FileName) -> FolderResult<Self> {
        self.extended(&name.0)
    }

    fn extended(&self, names: &[u8]) -> FolderResult<Self> {
        if self.0.len() + 1 + names.len() > Self::MAX_BYTES {
            return Err(Errno::ENAMETOOLONG);
        }
        let mut path = self.0.clone();
        if !path.is_empty() && !names.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(names);
        Ok(Self(path))
    }

    /// The directory that this lies in; the root lies in itself.
    #[must_use]
    pub fn parent(&self) -> Self {
        self.split().map_or_else(Self::root, |(parent, _)| parent)
    }

    /// The directory that this lies in, and its name there; `None` for the root.
    #[must_use]
    pub fn split(&self) -> Option<(Self, &[u8])> {
        if self.0.is_empty() {
            return None;
        }
        Some(match self.0.iter().rposition(|b| *b == b'/') {
            Some(at) => (Self(self.0[..at].to_vec()), &self.0[at + 1..]),
            None => (Self::root(), &self.0[..]),
        })
    }

    /// What leads from `above` to here, if this is `above` or lies below it.
    fn below(&self, above: &Self) -> Option<&[u8]> {
        let rest = self.0.strip_prefix(above.0.as_slice())?;
        match rest {
            _ if above.0.is_empty() => Some(rest),
            [] => Some(rest),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }

    /// This path after what was at `from` moved to `to`.
    pub fn moved(&self, from: &Self, to: &Self) -> FolderResult<Self> {
        match self.below(from) {
            Some(rest) => to.extended(rest),
            None => Ok(self.clone()),
        }
    }
}

/// A point in time since 1970 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileTime {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds beyond them.
    pub nanoseconds: u32,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// A number that no other file of the folder has while this one exists.
    pub id: u64,
    /// Type and permissions, as in Linux' `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Hard links.
    pub links: u64,
    /// Device number of a device file.
    pub rdev: u64,
    /// Bytes.
    pub size: u64,
    /// Preferred transfer size in bytes.
    pub block_size: u64,
    /// Space taken, in units of 512 bytes.
    pub blocks: u64,
    /// Last access.
    pub accessed: FileTime,
    /// Last change of contents.
    pub modified: FileTime,
    /// Last change of attributes.
    pub changed: FileTime,
}

/// Bits of [`Attributes::mode`] that hold the type.
pub const MODE_TYPE: u32 = 0o170_000;
/// The type of a directory.
pub const MODE_DIRECTORY: u32 = 0o040_000;
/// The type of a regular file.
pub const MODE_REGULAR: u32 = 0o100_000;
/// The type of a symbolic link.
pub const MODE_SYMLINK: u32 = 0o120_000;

impl Attributes {
    /// Whether this is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.mode & MODE_TYPE == MODE_DIRECTORY
    }

    /// Whether this is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.mode & MODE_TYPE == MODE_SYMLINK
    }
}

/// A time to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// The host's time.
    Now,
    /// This time.
    To(FileTime),
}

/// Attributes to change; `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttributes {
    /// Permissions.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Bytes.
    pub size: Option<u64>,
    /// Last access.
    pub accessed: Option<SetTime>,
    /// Last change of contents.
    pub modified: Option<SetTime>,
}

/// How to open a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenMode {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Drop what is in it.
    pub truncate: bool,
    /// Write at the end always.
    pub append: bool,
    /// Make every write durable.
    pub sync: bool,
    /// When creating: the file must not exist yet.
    pub exclusive: bool,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name.
    pub name: FileName,
    /// The number of the file, as in [`Attributes::id`].
    pub id: u64,
    /// The file's type, as in [`Attributes::mode`].
    pub mode: u32,
}

/// The state of the file system as a whole, as `statfs` tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSystemInfo {
    /// Bytes in a block.
    pub block_size: u32,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub blocks_free: u64,
    /// Free blocks for ordinary users.
    pub blocks_available: u64,
    /// Files in all.
    pub files: u64,
    /// Files that can still be made.
    pub files_free: u64,
    /// File system number.
    pub id: u64,
    /// Longest file name in bytes.
    pub name_max: u32,
}

/// An open regular file.
pub trait OpenFile: Send {
    /// Reads at `offset`; fewer bytes than asked for only at the end.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> FolderResult<usize>;
    /// Writes at `offset` (at the end when opened so) and returns how many bytes.
    fn write_at(&mut self, offset: u64, from: &[u8]) -> FolderResult<usize>;
    /// Makes writes durable; `data_only` leaves attributes out.
    fn sync(&mut self, data_only: bool) -> FolderResult<()>;
    /// What is known of the file, even when it has no name any more.
    fn attributes(&mut self) -> FolderResult<Attributes>;
    /// Sets the file's size.
    fn set_size(&mut self, size: u64) -> FolderResult<()>;
}

/// Most entries of a directory that are listed.
pub const MAX_DIRECTORY_ENTRIES: usize = 1 << 20;

/// A folder shared with a guest. No method follows a symbolic link, at any component of a path.
pub trait SharedFolder: Send {
    /// What is known of a file.
    fn attributes(&mut self, path: &FolderPath) -> FolderResult<Attributes>;
    /// Changes attributes.
    fn set_attributes(&mut self, path: &FolderPath, set: &SetAttributes) -> FolderResult<()>;
    /// Opens a regular file.
    fn open(&mut self, path: &FolderPath, mode: OpenMode) -> FolderResult<Box<dyn OpenFile>>;
    /// Creates and opens a regular file, for group `gid`.
    fn create(
        &mut self,
        path: &FolderPath,
        mode: OpenMode,
        permissions: u32,
        gid: u32,
    ) -> FolderResult<Box<dyn OpenFile>>;
    /// The entries of a directory, without `.` and `..`; `EOVERFLOW` for more than
    /// [`MAX_DIRECTORY_ENTRIES`].
    fn read_directory(&mut self, path: &FolderPath) -> FolderResult<Vec<DirEntry>>;
    /// Makes a directory.
    fn make_directory(&mut self, path: &FolderPath, permissions: u32, gid: u32)
    -> FolderResult<()>;
    /// Makes a symbolic link that holds `target`.
    fn symlink(&mut self, path: &FolderPath, target: &[u8], gid: u32) -> FolderResult<()>;
    /// Gives the file at `existing` another name.
    fn link(&mut self, existing: &FolderPath, new: &FolderPath) -> FolderResult<()>;
    /// What a symbolic link holds.
    fn read_link(&mut self, path: &FolderPath) -> FolderResult<Vec<u8>>;
    /// Removes a file, or an empty directory.
    fn remove(&mut self, path: &FolderPath, directory: bool) -> FolderResult<()>;
    /// Moves a file or directory, replacing what is there.
    fn rename(&mut self, from: &FolderPath, to: &FolderPath) -> FolderResult<()>;
    /// Makes changes of a directory durable.
    fn sync_directory(&mut self, path: &FolderPath) -> FolderResult<()>;
    /// The file system that the folder lies in.
    fn info(&mut self, path: &FolderPath) -> FolderResult<FileSystemInfo>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> FolderPath {
        let names = text.split('/').filter(|n| !n.is_empty());
        names.fold(FolderPath::root(), |path, name| {
            path.join(&FileName::new(name.as_bytes()).unwrap()).unwrap()
        })
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = [b'x'; 256];
        for name in [&b""[..], b".", b"..", b"/", b"a/b", b"../x", b"a\0", &long] {
            assert!(FileName::new(name).is_err(), "{name:?}");
        }
        for name in [&b"..."[..], b".a", b"a b", b"\xff", &long[1..]] {
            assert!(FileName::new(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_move_takes_what_lies_below_along() {
        let moved = |at: &str| path(at).moved(&path("a/b"), &path("c")).unwrap();
        assert_eq!(moved("a/b"), path("c"));
        assert_eq!(moved("a/b/d/e"), path("c/d/e"));
        assert_eq!(moved("a/bd"), path("a/bd"));
        assert_eq!(moved("a"), path("a"));
    }

    #[test]
    fn parents_end_at_the_root() {
        assert_eq!(path("a/b").parent(), path("a"));
        assert_eq!(path("a").parent(), FolderPath::root());
        assert_eq!(FolderPath::root().parent(), FolderPath::root());
        assert!(path("a/b").names().eq([&b"a"[..], b"b"]));
        assert_eq!(path("a/b").split(), Some((path("a"), &b"b"[..])));
    }

    #[test]
    fn paths_have_a_longest_length() {
        let name = FileName::new(&[b'x'; 255]).unwrap();
        let mut path = FolderPath::root();
        for _ in 0..16 {
            path = path.join(&name).unwrap();
        }
        assert_eq!(path.join(&name), Err(Errno::ENAMETOOLONG));
    }
}
