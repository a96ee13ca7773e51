//! Requests that read: contents, directories, attributes.

use ferrite_machine::shared_folder::{
    Attributes, Errno, FileTime, FolderResult, MAX_DIRECTORY_ENTRIES, MODE_DIRECTORY,
};

use super::{Fid, Opened, Server, qid};
use crate::virtio::p9::message::{Body, HEADER_BYTES};

/// File system type as `statfs` shows it.
const V9FS_MAGIC: u32 = 0x0102_1997;

/// `Tgetattr` bits that are answered: all that `stat` has.
const GETATTR_BASIC: u64 = 0x7ff;
impl Server {
    /// Directory entries that are kept for all fids.
    fn listed(&self) -> usize {
        let entries = |f: &Fid| match &f.opened {
            Opened::Directory(list) => list.len(),
            _ => 0,
        };
        self.fids.values().map(entries).sum()
    }

    /// The most bytes that fit a reply with a 32-bit count ahead of them.
    fn payload(&self, count: u32, limit: usize) -> usize {
        let room = limit.min(self.msize as usize);
        (count as usize).min(room.saturating_sub(HEADER_BYTES + 4))
    }

    pub(super) fn read(
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

    pub(super) fn read_directory(
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

    pub(super) fn get_attributes(
        &mut self,
        out: &mut Body,
        fid: u32,
        mask: u64,
    ) -> FolderResult<()> {
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

    pub(super) fn statfs(&mut self, out: &mut Body, fid: u32) -> FolderResult<()> {
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
}
