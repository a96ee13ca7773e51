use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ferrite_machine::backend::{BlockBackend, BlockRequest};

use super::{BlockFile, BlockFileOptions, OpenError};

struct Disk {
    file: BlockFile,
    woken: Receiver<()>,
}

fn open(path: &std::path::Path, options: BlockFileOptions) -> Result<Disk, OpenError> {
    let (wake, woken) = channel();
    let waker = Arc::new(move || {
        let _ = wake.send(());
    });
    BlockFile::open(path, options, waker).map(|file| Disk { file, woken })
}

impl Disk {
    /// Waits for the wake-up that announces the answer.
    fn run(&mut self, request: BlockRequest) -> std::io::Result<Vec<u8>> {
        self.file.submit(3, request);
        self.woken.recv_timeout(Duration::from_secs(30)).unwrap();
        let done = self.file.poll().unwrap();
        assert_eq!(done.tag, 3);
        done.result
    }

    fn read(&mut self, offset: u64, len: usize) -> Vec<u8> {
        self.run(BlockRequest::Read { offset, len }).unwrap()
    }
}

#[test]
fn contents_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    fs::write(&path, vec![7; 700]).unwrap();
    let mut disk = open(&path, BlockFileOptions::default()).unwrap();
    assert_eq!(disk.file.size(), 700);
    let data = disk.read(512, 512);
    assert_eq!(data, [vec![7; 188], vec![0; 324]].concat());
    let written = BlockRequest::Write {
        offset: 512,
        data: vec![9; 512],
    };
    disk.run(written).unwrap();
    disk.run(BlockRequest::Flush).unwrap();
    assert_eq!(disk.file.size(), 1024);
    drop(disk);
    assert_eq!(
        fs::read(&path).unwrap(),
        [vec![7; 512], vec![9; 512]].concat()
    );
}

#[test]
fn zeros_and_discards_read_as_zeros() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    fs::write(&path, vec![7; 4 << 20]).unwrap();
    let mut disk = open(&path, BlockFileOptions::default()).unwrap();
    let zero = |offset, unmap| BlockRequest::WriteZeroes {
        offset,
        len: 8192,
        unmap,
    };
    disk.run(zero(0, false)).unwrap();
    disk.run(zero(1 << 20, true)).unwrap();
    disk.run(BlockRequest::Discard {
        offset: 2 << 20,
        len: 1 << 20,
    })
    .unwrap();
    for at in [0, 1 << 20] {
        assert_eq!(disk.read(at, 8192), [0; 8192]);
        assert_eq!(disk.read(at + 8192, 512), [7; 512]);
    }
    assert_eq!(disk.file.size(), 4 << 20);
    // Past the end the file grows, as it does for other writes.
    disk.run(zero((4 << 20) - 4096, false)).unwrap();
    assert_eq!(disk.file.size(), (4 << 20) + 4096);
    drop(disk);
    assert_eq!(fs::metadata(&path).unwrap().len(), (4 << 20) + 4096);
}

#[test]
fn requests_survive_the_drop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    fs::write(&path, vec![0; 1 << 20]).unwrap();
    let mut disk = open(&path, BlockFileOptions::default()).unwrap();
    for n in 0..256_u32 {
        let data = vec![n as u8; 4096];
        disk.file.submit(
            u64::from(n),
            BlockRequest::Write {
                offset: u64::from(n) * 4096,
                data,
            },
        );
    }
    drop(disk);
    let data = fs::read(&path).unwrap();
    assert!(
        data.chunks(4096)
            .enumerate()
            .all(|(n, chunk)| chunk == vec![n as u8; 4096])
    );
}

#[test]
fn host_errors_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let missing = open(&path, BlockFileOptions::default()).err().unwrap();
    let text = missing.to_string();
    assert!(
        text.contains("disk") && text.contains("No such file"),
        "{text}"
    );

    fs::write(&path, vec![0; 512]).unwrap();
    let options = BlockFileOptions {
        read_only: true,
        ..BlockFileOptions::default()
    };
    let mut disk = open(&path, options).unwrap();
    assert!(disk.file.read_only());
    let refused = disk.run(BlockRequest::Write {
        offset: 0,
        data: vec![1; 512],
    });
    assert!(refused.is_err());
}

#[test]
fn one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    fs::write(&path, vec![0; 512]).unwrap();
    let reading = BlockFileOptions {
        read_only: true,
        ..BlockFileOptions::default()
    };
    let writer = open(&path, BlockFileOptions::default()).unwrap();
    for options in [reading, BlockFileOptions::default()] {
        assert!(matches!(
            open(&path, options),
            Err(OpenError::Locked { .. })
        ));
    }
    let careless = BlockFileOptions {
        lock: false,
        ..BlockFileOptions::default()
    };
    assert!(open(&path, careless).is_ok());
    drop(writer);
    let _first = open(&path, reading).unwrap();
    assert!(open(&path, reading).is_ok(), "readers share");
}
