//! A directory of the host, shared with a guest.
//!
//! Every path is walked name by name from the directory's own handle, without following symbolic
//! links, so that whatever the guest (or someone on the host) puts into the folder, no call leaves it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ferrite_machine::shared_folder::{
    Attributes, DirEntry, Errno, FileName, FileSystemInfo, FileTime, FolderPath, FolderResult,
    MAX_DIRECTORY_ENTRIES, MODE_REGULAR, MODE_TYPE, OpenFile, OpenMode, SetAttributes, SetTime,
    SharedFolder,
};
use rustix::fs::{self as sys, AtFlags, Mode, OFlags};

/// Who owns what the guest creates, and where its permissions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityModel {
    /// The host's own owners and permissions; what the emulator may not change stays.
    None,
}

/// A security model that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("security model '{0}' is not supported; use security_model=none")]
pub struct UnsupportedModel(String);

impl FromStr for SecurityModel {
    type Err = UnsupportedModel;

    fn from_str(name: &str) -> Result<Self, UnsupportedModel> {
        match name {
            "none" => Ok(Self::None),
            _ => Err(UnsupportedModel(name.to_owned())),
        }
    }
}

/// A directory could not be shared.
#[derive(Debug, thiserror::Error)]
#[error("cannot share '{path}': {error}")]
pub struct ShareError {
    path: PathBuf,
    error: io::Error,
}

/// A directory of the host.
pub struct HostFolder {
    root: OwnedFd,
    device: u64,
}

/// An open directory on the way.
enum Directory<'a> {
    Root(BorrowedFd<'a>),
    Below(OwnedFd),
}

impl AsFd for Directory<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(fd) => *fd,
            Self::Below(fd) => fd.as_fd(),
        }
    }
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno(error.raw_os_error().unsigned_abs())
}

fn io_errno(error: &io::Error) -> Errno {
    error
        .raw_os_error()
        .map_or(Errno::EIO, |raw| Errno(raw.unsigned_abs()))
}

#[allow(
    clippy::useless_conversion,
    reason = "some fields are narrower on other hosts"
)]
fn attributes(stat: &sys::Stat, root_device: u64) -> Attributes {
    let time = |seconds: i64, nanoseconds: u64| FileTime {
        seconds,
        nanoseconds: nanoseconds as u32,
    };
    Attributes {
        id: file_id(stat.st_dev, root_device, stat.st_ino),
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        links: u64::from(stat.st_nlink),
        rdev: stat.st_rdev,
        size: stat.st_size.unsigned_abs(),
        block_size: i64::from(stat.st_blksize).unsigned_abs(),
        blocks: stat.st_blocks.unsigned_abs(),
        accessed: time(stat.st_atime, stat.st_atime_nsec),
        modified: time(stat.st_mtime, stat.st_mtime_nsec),
        changed: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

/// One number for a file: the inode's, told apart from other file systems mounted in the folder.
fn file_id(device: u64, root_device: u64, inode: u64) -> u64 {
    inode ^ (device ^ root_device).rotate_left(40)
}

impl HostFolder {
    /// Shares the directory at `path`.
    pub fn open(path: &Path, model: SecurityModel) -> Result<Self, ShareError> {
        let SecurityModel::None = model;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = sys::open(path, flags, Mode::empty()).and_then(|root| {
            let device = sys::fstat(&root)?.st_dev;
            Ok(Self { root, device })
        });
        opened.map_err(|error| ShareError {
            path: path.to_owned(),
            error: error.into(),
        })
    }

    fn directory(&self, path: &FolderPath) -> FolderResult<Directory<'_>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = Directory::Root(self.root.as_fd());
        path.names().try_fold(root, |at, name| {
            sys::openat(&at, OsStr::from_bytes(name), flags, Mode::empty())
                .map(Directory::Below)
                .map_err(errno)
        })
    }

    /// The directory that an entry lies in, and its name there: `.` for the root.
    fn entry<'p>(&self, path: &'p FolderPath) -> FolderResult<(Directory<'_>, &'p OsStr)> {
        match path.split() {
            Some((parent, name)) => Ok((self.directory(&parent)?, OsStr::from_bytes(name))),
            None => Ok((Directory::Root(self.root.as_fd()), OsStr::new("."))),
        }
    }

    /// The same for an entry that is made, moved or removed, which the root cannot be.
    fn place<'p>(&self, path: &'p FolderPath) -> FolderResult<(Directory<'_>, &'p OsStr)> {
        if path.split().is_none() {
            return Err(Errno::EBUSY);
        }
        self.entry(path)
    }

    /// Opens an entry as it is, following nothing and waiting for nobody.
    fn open_entry(&self, path: &FolderPath, flags: OFlags, mode: Mode) -> FolderResult<OwnedFd> {
        let (parent, name) = self.entry(path)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        sys::openat(&parent, name, flags, mode).map_err(errno)
    }

    fn opened(&self, fd: OwnedFd) -> FolderResult<Box<dyn OpenFile>> {
        let stat = sys::fstat(&fd).map_err(errno)?;
        if stat.st_mode & MODE_TYPE != MODE_REGULAR {
            return Err(Errno::EINVAL);
        }
        Ok(Box::new(HostFile {
            file: File::from(fd),
            root_device: self.device,
        }))
    }

    /// Hands a new file to the guest's group. Without the right to do so it stays as it is, which is
    /// what security model `none` means.
    fn give_group(fd: impl AsFd, name: &OsStr, gid: u32) {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let _ = sys::chownat(fd, name, None, Some(sys::Gid::from_raw(gid)), flags);
    }

    fn set_mode(&self, path: &FolderPath, mode: u32) -> FolderResult<()> {
        use std::os::fd::AsRawFd;
        let handle = self.open_entry(path, OFlags::PATH, Mode::empty())?;
        let stat = sys::fstat(&handle).map_err(errno)?;
        if attributes(&stat, self.device).is_symlink() {
            return Err(Errno::EOPNOTSUPP);
        }
        // A handle without rights has a name that stands for the very file.
        let name = format!("/proc/self/fd/{}", handle.as_raw_fd());
        sys::chmod(name, Mode::from_raw_mode(mode)).map_err(errno)
    }

    fn set_times(&self, path: &FolderPath, set: &SetAttributes) -> FolderResult<()> {
        let time = |t: Option<SetTime>| match t {
            None => (0, sys::UTIME_OMIT),
            Some(SetTime::Now) => (0, sys::UTIME_NOW),
            Some(SetTime::To(t)) => (t.seconds, t.nanoseconds.into()),
        };
        let spec = |(tv_sec, tv_nsec)| sys::Timespec { tv_sec, tv_nsec };
        let times = sys::Timestamps {
            last_access: spec(time(set.accessed)),
            last_modification: spec(time(set.modified)),
        };
        let (parent, name) = self.entry(path)?;
        sys::utimensat(&parent, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(errno)
    }
}

fn open_flags(how: OpenMode) -> OFlags {
    let mut flags = match (how.read, how.write) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    };
    flags.set(OFlags::TRUNC, how.truncate);
    flags.set(OFlags::APPEND, how.append);
    flags.set(OFlags::DSYNC, how.sync);
    flags.set(OFlags::EXCL, how.exclusive);
    flags
}

impl SharedFolder for HostFolder {
    fn attributes(&mut self, path: &FolderPath) -> FolderResult<Attributes> {
        let (parent, name) = self.entry(path)?;
        let stat = sys::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(errno)?;
        Ok(attributes(&stat, self.device))
    }

    fn set_attributes(&mut self, path: &FolderPath, set: &SetAttributes) -> FolderResult<()> {
        if set.uid.is_some() || set.gid.is_some() {
            let (parent, name) = self.entry(path)?;
            let owner = set.uid.map(sys::Uid::from_raw);
            let group = set.gid.map(sys::Gid::from_raw);
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            sys::chownat(&parent, name, owner, group, flags).map_err(errno)?;
        }
        if let Some(mode) = set.mode {
            self.set_mode(path, mode)?;
        }
        if let Some(size) = set.size {
            let how = OpenMode {
                write: true,
                ..OpenMode::default()
            };
            self.open(path, how)?.set_size(size)?;
        }
        if set.accessed.is_some() || set.modified.is_some() {
            self.set_times(path, set)?;
        }
        Ok(())
    }

    fn open(&mut self, path: &FolderPath, how: OpenMode) -> FolderResult<Box<dyn OpenFile>> {
        let flags = open_flags(OpenMode {
            exclusive: false,
            ..how
        });
        let fd = self.open_entry(path, flags, Mode::empty())?;
        self.opened(fd)
    }

    fn create(
        &mut self,
        path: &FolderPath,
        how: OpenMode,
        permissions: u32,
        gid: u32,
    ) -> FolderResult<Box<dyn OpenFile>> {
        let (parent, name) = self.place(path)?;
        let flags = open_flags(how) | OFlags::CREATE;
        let fd = self.open_entry(path, flags, Mode::from_raw_mode(permissions))?;
        Self::give_group(&parent, name, gid);
        self.opened(fd)
    }

    fn read_directory(&mut self, path: &FolderPath) -> FolderResult<Vec<DirEntry>> {
        let fd = self.open_entry(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let device = sys::fstat(&fd).map_err(errno)?.st_dev;
        let mut entries = Vec::new();
        for entry in sys::Dir::new(fd).map_err(errno)? {
            let entry = entry.map_err(errno)?;
            // `.` and `..` are no file names.
            let Ok(name) = FileName::new(entry.file_name().to_bytes()) else {
                continue;
            };
            if entries.len() >= MAX_DIRECTORY_ENTRIES {
                return Err(Errno::EOVERFLOW);
            }
            entries.push(DirEntry {
                name,
                id: file_id(device, self.device, entry.ino()),
                mode: entry.file_type().as_raw_mode(),
            });
        }
        Ok(entries)
    }

    fn make_directory(
        &mut self,
        path: &FolderPath,
        permissions: u32,
        gid: u32,
    ) -> FolderResult<()> {
        let (parent, name) = self.place(path)?;
        sys::mkdirat(&parent, name, Mode::from_raw_mode(permissions)).map_err(errno)?;
        Self::give_group(&parent, name, gid);
        Ok(())
    }

    fn symlink(&mut self, path: &FolderPath, target: &[u8], gid: u32) -> FolderResult<()> {
        let (parent, name) = self.place(path)?;
        sys::symlinkat(OsStr::from_bytes(target), &parent, name).map_err(errno)?;
        Self::give_group(&parent, name, gid);
        Ok(())
    }

    fn link(&mut self, existing: &FolderPath, new: &FolderPath) -> FolderResult<()> {
        let (from, old_name) = self.place(existing)?;
        let (to, new_name) = self.place(new)?;
        sys::linkat(&from, old_name, &to, new_name, AtFlags::empty()).map_err(errno)
    }

    fn read_link(&mut self, path: &FolderPath) -> FolderResult<Vec<u8>> {
        let (parent, name) = self.entry(path)?;
        sys::readlinkat(&parent, name, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(errno)
    }

    fn remove(&mut self, path: &FolderPath, directory: bool) -> FolderResult<()> {
        let (parent, name) = self.place(path)?;
        let flags = if directory {
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        sys::unlinkat(&parent, name, flags).map_err(errno)
    }

    fn rename(&mut self, from: &FolderPath, to: &FolderPath) -> FolderResult<()> {
        let (old_parent, old_name) = self.place(from)?;
        let (new_parent, new_name) = self.place(to)?;
        sys::renameat(&old_parent, old_name, &new_parent, new_name).map_err(errno)
    }

    fn sync_directory(&mut self, path: &FolderPath) -> FolderResult<()> {
        let fd = self.open_entry(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        sys::fsync(&fd).map_err(errno)
    }

    fn info(&mut self, path: &FolderPath) -> FolderResult<FileSystemInfo> {
        let handle = self.open_entry(path, OFlags::PATH, Mode::empty())?;
        let s = sys::fstatvfs(&handle).map_err(errno)?;
        Ok(FileSystemInfo {
            block_size: u32::try_from(s.f_bsize).unwrap_or(u32::MAX),
            blocks: s.f_blocks,
            blocks_free: s.f_bfree,
            blocks_available: s.f_bavail,
            files: s.f_files,
            files_free: s.f_ffree,
            id: s.f_fsid,
            name_max: u32::try_from(s.f_namemax).unwrap_or(u32::MAX),
        })
    }
}

/// An open regular file of the host.
struct HostFile {
    file: File,
    root_device: u64,
}

impl OpenFile for HostFile {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> FolderResult<usize> {
        check_end(offset, into.len())?;
        let mut got = 0;
        while got < into.len() {
            match self.file.read_at(&mut into[got..], offset + got as u64) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if got == 0 => return Err(io_errno(&error)),
                Err(_) => break,
            }
        }
        Ok(got)
    }

    fn write_at(&mut self, offset: u64, from: &[u8]) -> FolderResult<usize> {
        check_end(offset, from.len())?;
        self.file.write_at(from, offset).map_err(|e| io_errno(&e))
    }

    fn sync(&mut self, data_only: bool) -> FolderResult<()> {
        let synced = if data_only {
            self.file.sync_data()
        } else {
            self.file.sync_all()
        };
        synced.map_err(|e| io_errno(&e))
    }

    fn attributes(&mut self) -> FolderResult<Attributes> {
        let stat = sys::fstat(&self.file).map_err(errno)?;
        Ok(attributes(&stat, self.root_device))
    }

    fn set_size(&mut self, size: u64) -> FolderResult<()> {
        self.file.set_len(size).map_err(|e| io_errno(&e))
    }
}

/// File offsets end at 2^63.
fn check_end(offset: u64, len: usize) -> FolderResult<()> {
    match offset.checked_add(len as u64) {
        Some(end) if i64::try_from(end).is_ok() => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests;
