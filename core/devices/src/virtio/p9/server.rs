//! A 9P2000.L server over a [`SharedFolder`].

mod change;
mod read;

use std::collections::BTreeMap;

use ferrite_machine::shared_folder::{
    Attributes, DirEntry, Errno, FileName, FolderPath, FolderResult, MODE_DIRECTORY, MODE_REGULAR,
    MODE_TYPE, OpenFile, OpenMode, SharedFolder,
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
}

fn error_reply(errno: Errno, tag: u16) -> Vec<u8> {
    let mut body = Body::default();
    body.u32(errno.0);
    body.message(RLERROR, tag)
}
