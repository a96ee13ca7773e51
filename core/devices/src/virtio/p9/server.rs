//! A 9P2000.L server over a [`SharedFolder`].

use std::collections::BTreeMap;

use ferrite_machine::shared_folder::{
    Attributes, DirEntry, Errno, FileName, FileTime, FolderPath, FolderResult,
    MAX_DIRECTORY_ENTRIES, MODE_DIRECTORY, MODE_REGULAR, MODE_TYPE, OpenFile, OpenMode,
    SetAttributes, SetTime, SharedFolder,
};

use super::message::{Body, HEADER_BYTES, Qid, RLERROR, Request, Text};

/// The largest message that is agreed on.
pub const MAX_MSIZE: u32 = 1 << 20;
/// The smallest.
const MIN_MSIZE: u32 = 4096;
/// The one protocol spoken.
const VERSION: &[u8] = b"9P2000.L";
/// Most fids of a session.
const MAX_FIDS: usize = 1 << 15;
/// "No fid", where one is optional.
const NO_FID: u32 = u32::MAX;
/// File system type as `statfs` shows it.
const V9FS_MAGIC: u32 = 0x0102_1997;

/// `Tgetattr` bits that are answered: all that `stat` has.
const GETATTR_BASIC: u64 = 0x7ff;
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

/// Open flags, with the numbers of the generic Linux ABI.
mod open {
    pub const ACCESS: u32 = 3;
    pub const WRONLY: u32 = 1;
    pub const RDWR: u32 = 2;
    pub const EXCL: u32 = 0o200;
    pub const TRUNC: u32 = 0o1000;
    pub const APPEND: u32 = 0o2000;
    pub const DSYNC: u32 = 0o10000;
    pub const SYNC: u32 = 0o4_000_000;
}

/// What a client opened through a fid.
enum Opened {
    No,
    File(Box<dyn OpenFile>),
    /// With the entries as they were when reading started, `.` and `..` first.
    Directory(Vec<DirEntry>),
}

/// A client's handle of a place in the tree.
struct Fid {
    path: FolderPath,
    opened: Opened,
}

/// How a folder is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// Refuse every change with `EROFS`.
    pub read_only: bool,
    /// Most files that the client may have open at once; beyond them it gets `ENFILE`.
    pub max_open_files: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            max_open_files: 512,
        }
    }
}

/// One client's session.
pub struct Server {
    folder: Box<dyn SharedFolder>,
    options: ServerOptions,
    msize: u32,
    fids: BTreeMap<u32, Fid>,
}

fn qid(a: &Attributes) -> Qid {
    let kind = if a.is_directory() {
        0x80
    } else if a.is_symlink() {
        0x02
    } else {
        0
    };
    let time = a.modified.seconds as u32 ^ a.modified.nanoseconds;
    Qid {
        kind,
        version: time ^ (a.size as u32) << 8,
        path: a.id,
    }
}

fn open_mode(flags: u32) -> OpenMode {
    let access = flags & open::ACCESS;
    OpenMode {
        read: access != open::WRONLY,
        write: access == open::WRONLY || access == open::RDWR,
        truncate: flags & open::TRUNC != 0,
        append: flags & open::APPEND != 0,
        sync: flags & (open::SYNC | open::DSYNC) != 0,
        exclusive: flags & open::EXCL != 0,
    }
}

impl Server {
    /// Serves `folder`.
    #[must_use]
    pub fn new(folder: Box<dyn SharedFolder>, options: ServerOptions) -> Self {
        Self {
            folder,
            options,
            msize: MIN_MSIZE,
            fids: BTreeMap::new(),
        }
    }

    /// Ends the session: every fid is gone.
    pub fn reset(&mut self) {
        self.fids.clear();
        self.msize = MIN_MSIZE;
    }

    /// Answers one message with a reply of at most `limit` bytes. Empty when the message has no
    /// header to answer to, or `limit` has no room for an error.
    pub fn handle(&mut self, message: &[u8], limit: usize) -> Vec<u8> {
        let Some((&[s0, s1, s2, s3, kind, t0, t1], _)) =
            message.split_first_chunk::<HEADER_BYTES>()
        else {
            return Vec::new();
        };
        let tag = u16::from_le_bytes([t0, t1]);
        let size = u32::from_le_bytes([s0, s1, s2, s3]);
        let body = usize::try_from(size)
            .ok()
            .and_then(|size| message.get(HEADER_BYTES..size));
        let answer = match body.map(|body| Request::decode(kind, body)) {
            None | Some(Some(None)) => Err(Errno::EINVAL),
            Some(None) => Err(Errno::EOPNOTSUPP),
            Some(Some(Some(request))) => self.answer(request, limit),
        };
        let reply = match answer {
            Ok(body) => body.message(kind + 1, tag),
            Err(errno) => error_reply(errno, tag),
        };
        if reply.len() <= limit {
            return reply;
        }
        let error = error_reply(Errno::EIO, tag);
        if error.len() <= limit {
            error
        } else {
            Vec::new()
        }
    }

    fn answer(&mut self, request: Request, limit: usize) -> FolderResult<Body> {
        let mut out = Body::default();
        match request {
            Request::Version { msize, version } => self.version(&mut out, msize, &version)?,
            Request::Attach { fid, afid, .. } => self.attach(&mut out, fid, afid)?,
            // Requests are answered in order: what is to be flushed has been answered.
            Request::Flush { .. } => {}
            Request::Walk {
                fid,
                new_fid,
                names,
            } => {
                self.walk(&mut out, fid, new_fid, &names.0)?;
            }
            Request::Clunk { fid } => {
                self.fids.remove(&fid).ok_or(Errno::EBADF)?;
            }
            Request::Remove { fid } => {
                let Fid { path, .. } = self.fids.remove(&fid).ok_or(Errno::EBADF)?;
                self.changing()?;
                let directory = self.folder.attributes(&path)?.is_directory();
                self.folder.remove(&path, directory)?;
            }
            Request::Lopen { fid, flags } => self.open(&mut out, fid, flags)?,
            Request::Read { fid, offset, count } => {
                self.read(&mut out, fid, offset, count, limit)?;
            }
            Request::Write { fid, offset, data } => {
                let Opened::File(file) = &mut self.fid(fid)?.opened else {
                    return Err(Errno::EBADF);
                };
                out.u32(file.write_at(offset, &data.0)? as u32);
            }
            Request::Readdir { fid, offset, count } => {
                self.read_directory(&mut out, fid, offset, count, limit)?;
            }
            Request::Getattr { fid, mask } => self.get_attributes(&mut out, fid, mask)?,
            Request::Readlink { fid } => {
                let path = self.path(fid)?;
                out.text(&self.folder.read_link(&path)?);
            }
            Request::Statfs { fid } => self.statfs(&mut out, fid)?,
            Request::Fsync { fid, datasync } => match &mut self.fid(fid)?.opened {
                Opened::File(file) => file.sync(datasync != 0)?,
                Opened::Directory(_) => {
                    let path = self.path(fid)?;
                    self.folder.sync_directory(&path)?;
                }
                Opened::No => return Err(Errno::EBADF),
            },
            // One client has the folder's locks to itself, as with QEMU.
            Request::Lock { fid, .. } => {
                self.fid(fid)?;
                out.u8(0);
            }
            Request::Getlock {
                fid,
                start,
                length,
                pid,
                client,
                ..
            } => {
                self.fid(fid)?;
                // F_UNLCK: nobody holds it.
                out.u8(2).u64(start).u64(length).u32(pid).text(&client.0);
            }
            change => {
                self.changing()?;
                self.change(&mut out, change)?;
            }
        }
        Ok(out)
    }

    /// Requests that change the tree.
    fn change(&mut self, out: &mut Body, request: Request) -> FolderResult<()> {
        match request {
            Request::Lcreate {
                fid,
                name,
                flags,
                mode,
                gid,
            } => {
                let path = self.child(fid, &name)?;
                self.check_open_files()?;
                let mut file = self
                    .folder
                    .create(&path, open_mode(flags), mode & 0o7777, gid)?;
                let attributes = file.attributes()?;
                let fid = self.fid(fid)?;
                fid.path = path;
                fid.opened = Opened::File(file);
                out.qid(qid(&attributes)).u32(0);
                Ok(())
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
                let time = |now, set, sec, nsec| {
                    has(now).then(|| {
                        if has(set) {
                            to_time(sec, nsec)
                        } else {
                            SetTime::Now
                        }
                    })
                };
                let mut set = SetAttributes {
                    mode: has(setattr::MODE).then_some(mode & 0o7777),
                    uid: has(setattr::UID).then_some(uid),
                    gid: has(setattr::GID).then_some(gid),
                    size: has(setattr::SIZE).then_some(size),
                    accessed: time(setattr::ATIME, setattr::ATIME_SET, atime_sec, atime_nsec),
                    modified: time(setattr::MTIME, setattr::MTIME_SET, mtime_sec, mtime_nsec),
                };
                let path = self.path(fid)?;
                if let (Opened::File(file), Some(size)) = (&mut self.fid(fid)?.opened, set.size)
                    && file.set_size(size).is_ok()
                {
                    set.size = None;
                }
                self.folder.set_attributes(&path, &set)
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    fn changing(&self) -> FolderResult<()> {
        if self.options.read_only {
            Err(Errno::EROFS)
        } else {
            Ok(())
        }
    }

    /// Whether one more file may be opened.
    fn check_open_files(&self) -> FolderResult<()> {
        let open = |f: &&Fid| matches!(f.opened, Opened::File(_));
        if self.fids.values().filter(open).count() < self.options.max_open_files {
            Ok(())
        } else {
            Err(Errno::ENFILE)
        }
    }

    /// Directory entries that are kept for all fids.
    fn listed(&self) -> usize {
        let entries = |f: &Fid| match &f.opened {
            Opened::Directory(list) => list.len(),
            _ => 0,
        };
        self.fids.values().map(entries).sum()
    }

    fn fid(&mut self, fid: u32) -> FolderResult<&mut Fid> {
        self.fids.get_mut(&fid).ok_or(Errno::EBADF)
    }

    fn path(&mut self, fid: u32) -> FolderResult<FolderPath> {
        self.fid(fid).map(|f| f.path.clone())
    }

    /// The place that `name` has in the directory of `fid`.
    fn child(&mut self, fid: u32, name: &Text) -> FolderResult<FolderPath> {
        self.fid(fid)?.path.join(&FileName::new(&name.0)?)
    }

    fn put_qid(&mut self, out: &mut Body, path: &FolderPath) -> FolderResult<()> {
        let attributes = self.folder.attributes(path)?;
        out.qid(qid(&attributes));
        Ok(())
    }

    fn add_fid(&mut self, fid: u32, path: FolderPath) -> FolderResult<()> {
        if self.fids.len() >= MAX_FIDS {
            return Err(Errno::ENFILE);
        }
        let opened = Opened::No;
        self.fids.insert(fid, Fid { path, opened });
        Ok(())
    }

    fn version(&mut self, out: &mut Body, msize: u32, version: &Text) -> FolderResult<()> {
        if msize < MIN_MSIZE {
            return Err(Errno::EINVAL);
        }
        self.reset();
        self.msize = msize.min(MAX_MSIZE);
        let known = version.0 == VERSION;
        out.u32(self.msize)
            .text(if known { VERSION } else { b"unknown" });
        Ok(())
    }

    fn attach(&mut self, out: &mut Body, fid: u32, afid: u32) -> FolderResult<()> {
        if afid != NO_FID || self.fids.contains_key(&fid) {
            return Err(Errno::EINVAL);
        }
        self.put_qid(out, &FolderPath::root())?;
        self.add_fid(fid, FolderPath::root())
    }

    fn walk(&mut self, out: &mut Body, fid: u32, new_fid: u32, names: &[Text]) -> FolderResult<()> {
        let from = self.fid(fid)?;
        if !matches!(from.opened, Opened::No) && fid == new_fid {
            return Err(Errno::EINVAL);
        }
        let mut path = from.path.clone();
        if fid != new_fid && self.fids.contains_key(&new_fid) {
            return Err(Errno::EINVAL);
        }
        let mut qids = Vec::with_capacity(names.len());
        for name in names {
            match self.step(&path, name) {
                Ok((next, found)) => {
                    path = next;
                    qids.push(found);
                }
                // The first name must be there; later ones may be missing.
                Err(errno) if qids.is_empty() => return Err(errno),
                Err(_) => break,
            }
        }
        if qids.len() == names.len() {
            self.add_fid(new_fid, path)?;
        }
        out.u16(qids.len() as u16);
        for found in qids {
            out.qid(found);
        }
        Ok(())
    }

    fn step(&mut self, path: &FolderPath, name: &Text) -> FolderResult<(FolderPath, Qid)> {
        let next = match name.0.as_slice() {
            b".." => path.parent(),
            b"." => path.clone(),
            name => path.join(&FileName::new(name)?)?,
        };
        let attributes = self.folder.attributes(&next)?;
        Ok((next, qid(&attributes)))
    }

    fn open(&mut self, out: &mut Body, fid: u32, flags: u32) -> FolderResult<()> {
        let entry = self.fid(fid)?;
        if !matches!(entry.opened, Opened::No) {
            return Err(Errno::EINVAL);
        }
        let path = entry.path.clone();
        let mode = open_mode(flags);
        if mode.write || mode.truncate {
            self.changing()?;
        }
        let attributes = self.folder.attributes(&path)?;
        let opened = match attributes.mode & MODE_TYPE {
            MODE_DIRECTORY if mode.write => return Err(Errno::EISDIR),
            MODE_DIRECTORY => Opened::Directory(Vec::new()),
            MODE_REGULAR => {
                self.check_open_files()?;
                Opened::File(self.folder.open(&path, mode)?)
            }
            // Links and special files are the client's business.
            _ => return Err(Errno::EINVAL),
        };
        self.fid(fid)?.opened = opened;
        out.qid(qid(&attributes)).u32(0);
        Ok(())
    }

    /// The most bytes that fit a reply with a 32-bit count ahead of them.
    fn payload(&self, count: u32, limit: usize) -> usize {
        let room = limit.min(self.msize as usize);
        (count as usize).min(room.saturating_sub(HEADER_BYTES + 4))
    }

    fn read(
        &mut self,
        out: &mut Body,
        fid: u32,
        offset: u64,
        count: u32,
        limit: usize,
    ) -> FolderResult<()> {
        let mut data = vec![0; self.payload(count, limit)];
        let Opened::File(file) = &mut self.fid(fid)?.opened else {
            return Err(Errno::EBADF);
        };
        let got = file.read_at(offset, &mut data)?.min(data.len());
        out.u32(got as u32).raw(&data[..got]);
        Ok(())
    }

    fn read_directory(
        &mut self,
        out: &mut Body,
        fid: u32,
        offset: u64,
        count: u32,
        limit: usize,
    ) -> FolderResult<()> {
        let room = self.payload(count, limit);
        let path = self.path(fid)?;
        if offset == 0 {
            let entries = self.folder.read_directory(&path)?;
            let Opened::Directory(list) = &mut self.fid(fid)?.opened else {
                return Err(Errno::EBADF);
            };
            list.clear();
            if self.listed() + entries.len() > 2 * MAX_DIRECTORY_ENTRIES {
                return Err(Errno::ENFILE);
            }
            self.fid(fid)?.opened = Opened::Directory(entries);
        }
        let here = self.folder.attributes(&path)?.id;
        let above = self.folder.attributes(&path.parent())?.id;
        let Opened::Directory(list) = &self.fid(fid)?.opened else {
            return Err(Errno::EBADF);
        };
        let mut packed = Body::default();
        let mut used = 0;
        let dots = [
            (&b"."[..], here, MODE_DIRECTORY),
            (b"..", above, MODE_DIRECTORY),
        ];
        let named = list.iter().map(|e| (e.name.as_bytes(), e.id, e.mode));
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        for (n, (name, id, mode)) in dots.into_iter().chain(named).enumerate().skip(start) {
            // qid, offset, type, name with its length
            used += 13 + 8 + 1 + 2 + name.len();
            if used > room {
                break;
            }
            let attributes = Attributes {
                id,
                mode,
                ..Attributes::default()
            };
            let kind = (mode >> 12) as u8;
            let next = n as u64 + 1;
            packed.qid(qid(&attributes)).u64(next).u8(kind).text(name);
        }
        out.block(&packed);
        Ok(())
    }

    fn get_attributes(&mut self, out: &mut Body, fid: u32, mask: u64) -> FolderResult<()> {
        let path = self.path(fid)?;
        let a = match &mut self.fid(fid)?.opened {
            Opened::File(file) => file.attributes()?,
            _ => self.folder.attributes(&path)?,
        };
        out.u64(mask & GETATTR_BASIC).qid(qid(&a));
        out.u32(a.mode).u32(a.uid).u32(a.gid);
        out.u64(a.links).u64(a.rdev).u64(a.size);
        out.u64(a.block_size).u64(a.blocks);
        // The time of birth, which is not told, follows.
        for time in [a.accessed, a.modified, a.changed, FileTime::default()] {
            out.u64(time.seconds as u64)
                .u64(u64::from(time.nanoseconds));
        }
        // Generation and data version are not told either.
        out.u64(0).u64(0);
        Ok(())
    }

    fn statfs(&mut self, out: &mut Body, fid: u32) -> FolderResult<()> {
        let path = self.path(fid)?;
        let info = self.folder.info(&path)?;
        out.u32(V9FS_MAGIC).u32(info.block_size);
        out.u64(info.blocks)
            .u64(info.blocks_free)
            .u64(info.blocks_available);
        out.u64(info.files).u64(info.files_free).u64(info.id);
        out.u32(info.name_max);
        Ok(())
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

fn error_reply(errno: Errno, tag: u16) -> Vec<u8> {
    let mut body = Body::default();
    body.u32(errno.0);
    body.message(RLERROR, tag)
}

fn to_time(seconds: u64, nanoseconds: u64) -> SetTime {
    SetTime::To(FileTime {
        seconds: seconds as i64,
        nanoseconds: nanoseconds.min(999_999_999) as u32,
    })
}
