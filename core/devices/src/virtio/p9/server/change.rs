//! Requests that change the tree.

use ferrite_machine::shared_folder::{
    Errno, FileTime, FolderPath, FolderResult, MODE_REGULAR, MODE_TYPE, OpenMode, SetAttributes,
    SetTime,
};

use super::{Opened, Server, open_mode, qid};
use crate::virtio::p9::message::{Body, Request};

/// `Tunlinkat` flag: a directory.
const AT_REMOVEDIR: u32 = 0x200;

/// `Tsetattr` bits.
mod setattr {
    pub const MODE: u32 = 1;
    pub const UID: u32 = 2;
    pub const GID: u32 = 4;
    pub const SIZE: u32 = 8;
    pub const ATIME: u32 = 0x10;
    pub const MTIME: u32 = 0x20;
    pub const ATIME_SET: u32 = 0x80;
    pub const MTIME_SET: u32 = 0x100;
}

impl Server {
    /// Requests that change the tree.
    pub(super) fn change(&mut self, out: &mut Body, request: Request) -> FolderResult<()> {
        match request {
            Request::Lcreate {
                fid,
                name,
                flags,
                mode,
                gid,
            } => {
                let path = self.child(fid, &name)?;
                self.create(out, fid, path, open_mode(flags), mode, gid)
            }
            Request::Symlink {
                fid,
                name,
                target,
                gid,
            } => {
                let path = self.child(fid, &name)?;
                if target.0.is_empty() || target.0.contains(&0) {
                    return Err(Errno::ENOENT);
                }
                self.folder.symlink(&path, &target.0, gid)?;
                self.put_qid(out, &path)
            }
            Request::Mknod {
                dfid,
                name,
                mode,
                gid,
                ..
            } => {
                if !matches!(mode & MODE_TYPE, 0 | MODE_REGULAR) {
                    return Err(Errno::EOPNOTSUPP);
                }
                let path = self.child(dfid, &name)?;
                let how = OpenMode {
                    write: true,
                    exclusive: true,
                    ..OpenMode::default()
                };
                self.folder.create(&path, how, mode & 0o7777, gid)?;
                self.put_qid(out, &path)
            }
            Request::Mkdir {
                dfid,
                name,
                mode,
                gid,
            } => {
                let path = self.child(dfid, &name)?;
                self.folder.make_directory(&path, mode & 0o7777, gid)?;
                self.put_qid(out, &path)
            }
            Request::Link { dfid, fid, name } => {
                let existing = self.path(fid)?;
                let new = self.child(dfid, &name)?;
                self.folder.link(&existing, &new)
            }
            Request::Rename { fid, dfid, name } => {
                let from = self.path(fid)?;
                let to = self.child(dfid, &name)?;
                self.rename(&from, &to)
            }
            Request::Renameat {
                old_dfid,
                old_name,
                new_dfid,
                new_name,
            } => {
                let from = self.child(old_dfid, &old_name)?;
                let to = self.child(new_dfid, &new_name)?;
                self.rename(&from, &to)
            }
            Request::Unlinkat { dfid, name, flags } => {
                let path = self.child(dfid, &name)?;
                self.folder.remove(&path, flags & AT_REMOVEDIR != 0)
            }
            Request::Setattr {
                fid,
                valid,
                mode,
                uid,
                gid,
                size,
                atime_sec,
                atime_nsec,
                mtime_sec,
                mtime_nsec,
            } => {
                let has = |bit| valid & bit != 0;
                let set = SetAttributes {
                    mode: has(setattr::MODE).then_some(mode & 0o7777),
                    uid: has(setattr::UID).then_some(uid),
                    gid: has(setattr::GID).then_some(gid),
                    size: has(setattr::SIZE).then_some(size),
                    accessed: has(setattr::ATIME)
                        .then(|| to_time(has(setattr::ATIME_SET), atime_sec, atime_nsec)),
                    modified: has(setattr::MTIME)
                        .then(|| to_time(has(setattr::MTIME_SET), mtime_sec, mtime_nsec)),
                };
                self.set_attributes(fid, set)
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    fn create(
        &mut self,
        out: &mut Body,
        fid: u32,
        path: FolderPath,
        how: OpenMode,
        mode: u32,
        gid: u32,
    ) -> FolderResult<()> {
        self.check_open_files()?;
        let mut file = self.folder.create(&path, how, mode & 0o7777, gid)?;
        let attributes = file.attributes()?;
        let fid = self.fid(fid)?;
        fid.path = path;
        fid.opened = Opened::File(file);
        out.qid(qid(&attributes)).u32(0);
        Ok(())
    }

    fn set_attributes(&mut self, fid: u32, mut set: SetAttributes) -> FolderResult<()> {
        let path = self.path(fid)?;
        // An open file may be cut though its mode no longer allows that.
        if let (Opened::File(file), Some(size)) = (&mut self.fid(fid)?.opened, set.size)
            && file.set_size(size).is_ok()
        {
            set.size = None;
        }
        self.folder.set_attributes(&path, &set)
    }

    fn rename(&mut self, from: &FolderPath, to: &FolderPath) -> FolderResult<()> {
        self.folder.rename(from, to)?;
        for fid in self.fids.values_mut() {
            // A path that became too long for words is left to fail when it is used.
            if let Ok(moved) = fid.path.moved(from, to) {
                fid.path = moved;
            }
        }
        Ok(())
    }
}

/// The host's time, or the one that was `given`.
fn to_time(given: bool, seconds: u64, nanoseconds: u64) -> SetTime {
    if !given {
        return SetTime::Now;
    }
    SetTime::To(FileTime {
        seconds: seconds as i64,
        nanoseconds: nanoseconds.min(999_999_999) as u32,
    })
}
