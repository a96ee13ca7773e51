//! The images of a sandbox's machine.

use std::path::Path;

use ferrite_machine::backend::{BlockBackend, BlockRequest};
use ferrite_sandbox::{DiskRequest, Machine, SandboxError, Work};

use crate::backend::block_file::{BlockFile, BlockFileOptions, OpenError};
use crate::wake::Waker;

/// Bytes that one request may ask for.
const MOST: usize = 64 << 20;

/// The images, by the numbers that the machine gave them.
#[derive(Default)]
pub struct Disks(Vec<BlockFile>);

impl Disks {
    /// Opens the next image; its size, and whether writes fail.
    pub fn open(
        &mut self,
        path: &Path,
        read_only: bool,
        waker: &Waker,
    ) -> Result<(u64, bool), OpenError> {
        let options = BlockFileOptions {
            read_only,
            ..BlockFileOptions::default()
        };
        let file = BlockFile::open(path, options, waker.function())?;
        let facts = (file.size(), file.read_only());
        self.0.push(file);
        Ok(facts)
    }

    /// Starts what the machine has asked for.
    pub fn begin(&mut self, machine: &mut Machine) -> Result<(), SandboxError> {
        while let Some(request) = machine.disk_request()? {
            let disk = self.0.get_mut(request.disk as usize);
            // What comes out of the sandbox is not to be trusted.
            match (disk, block_request(&request)) {
                (Some(disk), Some(work)) => disk.submit(request.tag, work),
                _ => machine.disk_done(request.disk, request.tag, Err("no such request"))?,
            }
        }
        Ok(())
    }

    /// Passes on what is done.
    pub fn finish(&mut self, machine: &mut Machine) -> Result<(), SandboxError> {
        for (number, disk) in self.0.iter_mut().enumerate() {
            while let Some(done) = disk.poll() {
                let why = done.result.as_ref().err().map(ToString::to_string);
                let result = match (&done.result, &why) {
                    (Ok(bytes), _) => Ok(bytes.as_slice()),
                    (Err(_), why) => Err(why.as_deref().unwrap_or_default()),
                };
                machine.disk_done(number as u32, done.tag, result)?;
            }
        }
        Ok(())
    }
}

fn block_request(request: &DiskRequest) -> Option<BlockRequest> {
    let offset = request.offset;
    Some(match &request.work {
        Work::Read(len) if *len > MOST => return None,
        Work::Read(len) => BlockRequest::Read { offset, len: *len },
        Work::Write(data) => BlockRequest::Write {
            offset,
            data: data.clone(),
        },
        Work::Flush => BlockRequest::Flush,
        Work::Discard(len) => BlockRequest::Discard { offset, len: *len },
        Work::Zero(len) => BlockRequest::WriteZeroes {
            offset,
            len: *len,
            unmap: false,
        },
    })
}
