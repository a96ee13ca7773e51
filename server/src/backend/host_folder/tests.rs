use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use ferrite_machine::shared_folder::{
    Errno, FileName, FileTime, FolderPath, MODE_REGULAR, MODE_TYPE, OpenMode, SetAttributes,
    SetTime, SharedFolder,
};

use super::{HostFolder, SecurityModel};

const READ: OpenMode = OpenMode {
    read: true,
    write: false,
    truncate: false,
    append: false,
    sync: false,
    exclusive: false,
};
const WRITE: OpenMode = OpenMode {
    write: true,
    ..READ
};

fn path(text: &str) -> FolderPath {
    let names = text.split('/').filter(|n| !n.is_empty());
    names.fold(FolderPath::root(), |at, name| {
        at.join(&FileName::new(name.as_bytes()).unwrap()).unwrap()
    })
}

/// A shared folder next to a secret that it must not give away.
fn share() -> (tempfile::TempDir, HostFolder) {
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    fs::write(at("secret"), b"secret").unwrap();
    fs::create_dir_all(at("shared/dir")).unwrap();
    fs::write(at("shared/file"), b"contents").unwrap();
    fs::write(at("shared/dir/inner"), b"inner").unwrap();
    symlink("../secret", at("shared/up")).unwrap();
    symlink(outside.path(), at("shared/out")).unwrap();
    symlink("dir", at("shared/alias")).unwrap();
    let folder = HostFolder::open(&at("shared"), SecurityModel::None).unwrap();
    (outside, folder)
}

fn read(folder: &mut HostFolder, at: &str) -> Result<Vec<u8>, Errno> {
    let mut file = folder.open(&path(at), READ)?;
    let mut bytes = vec![0; 100];
    let len = file.read_at(0, &mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}

#[test]
fn files_are_read_written_and_described() {
    let (outside, mut folder) = share();
    assert_eq!(read(&mut folder, "dir/inner").unwrap(), b"inner");
    let mut file = folder.create(&path("dir/new"), WRITE, 0o640, 0).unwrap();
    assert_eq!(file.write_at(2, b"xyz"), Ok(3));
    file.sync(false).unwrap();
    file.set_size(4).unwrap();
    let attributes = file.attributes().unwrap();
    assert_eq!(attributes, folder.attributes(&path("dir/new")).unwrap());
    let host = fs::metadata(outside.path().join("shared/dir/new")).unwrap();
    assert_eq!(host.len(), 4);
    assert_eq!((attributes.id, attributes.mode), (host.ino(), host.mode()));
    assert_eq!(attributes.modified.seconds, host.mtime());
    // It has its handle even without a name.
    folder.remove(&path("dir/new"), false).unwrap();
    assert_eq!(file.attributes().unwrap().links, 0);
    assert_eq!(file.read_at(u64::MAX, &mut [0; 4]), Err(Errno::EINVAL));
}

#[test]
fn appending_ignores_the_offset() {
    let (_outside, mut folder) = share();
    let append = OpenMode {
        append: true,
        ..WRITE
    };
    let mut file = folder.open(&path("file"), append).unwrap();
    file.write_at(0, b"!").unwrap();
    assert_eq!(read(&mut folder, "file").unwrap(), b"contents!");
}

#[test]
fn links_are_not_followed() {
    let (outside, mut folder) = share();
    for at in ["up", "out/secret", "alias/inner", "out/shared/file"] {
        assert!(read(&mut folder, at).is_err(), "{at}");
        assert!(folder.open(&path(at), WRITE).is_err(), "{at}");
        assert!(folder.create(&path(at), WRITE, 0o600, 0).is_err(), "{at}");
    }
    for at in ["out/x", "alias/x"] {
        let at = path(at);
        assert!(folder.create(&at, WRITE, 0o600, 0).is_err());
        assert!(folder.make_directory(&at, 0o700, 0).is_err());
        assert!(folder.symlink(&at, b"t", 0).is_err());
        assert!(folder.link(&path("file"), &at).is_err());
        assert!(folder.rename(&path("file"), &at).is_err());
    }
    assert!(folder.remove(&path("out/secret"), false).is_err());
    assert!(folder.attributes(&path("out/secret")).is_err());
    assert!(folder.read_directory(&path("out")).is_err());
    assert!(folder.read_link(&path("out/shared/up")).is_err());
    assert!(folder.rename(&path("out/secret"), &path("mine")).is_err());
    let set = SetAttributes {
        mode: Some(0),
        size: Some(0),
        ..SetAttributes::default()
    };
    for at in ["up", "out/secret"] {
        assert!(folder.set_attributes(&path(at), &set).is_err());
    }
    let secret = outside.path().join("secret");
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    assert_ne!(
        fs::metadata(&secret).unwrap().permissions().mode() & 0o777,
        0
    );
    let mut there: Vec<_> = fs::read_dir(outside.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    there.sort();
    assert_eq!(there, ["secret", "shared"]);
}

#[test]
fn a_link_is_a_thing_of_its_own() {
    let (outside, mut folder) = share();
    assert!(folder.attributes(&path("up")).unwrap().is_symlink());
    assert_eq!(folder.read_link(&path("up")).unwrap(), b"../secret");
    // A second name for the link, not for what it points to.
    folder.link(&path("up"), &path("up2")).unwrap();
    assert!(folder.attributes(&path("up2")).unwrap().is_symlink());
    let secret = outside.path().join("secret");
    let before = fs::metadata(&secret).unwrap().mtime();
    let then = SetTime::To(FileTime {
        seconds: 1000,
        nanoseconds: 5,
    });
    let times = SetAttributes {
        modified: Some(then),
        ..SetAttributes::default()
    };
    folder.set_attributes(&path("up"), &times).unwrap();
    assert_eq!(fs::metadata(&secret).unwrap().mtime(), before);
    assert_eq!(
        folder.attributes(&path("up")).unwrap().modified.seconds,
        1000
    );
    folder.remove(&path("up"), false).unwrap();
    assert!(secret.exists());
}

/// A directory on the way that becomes a link while the guest uses it.
#[test]
fn a_directory_that_turns_into_a_link_is_no_way_out() {
    let (outside, mut folder) = share();
    let dir = outside.path().join("shared/dir");
    assert!(read(&mut folder, "dir/inner").is_ok());
    fs::remove_dir_all(&dir).unwrap();
    symlink("/etc", &dir).unwrap();
    assert_eq!(read(&mut folder, "dir/passwd"), Err(Errno::ENOTDIR));
}

#[test]
fn the_root_stays() {
    let (outside, mut folder) = share();
    let root = FolderPath::root();
    assert!(folder.attributes(&root).unwrap().is_directory());
    assert_eq!(folder.remove(&root, true), Err(Errno::EBUSY));
    assert_eq!(folder.rename(&root, &path("x")), Err(Errno::EBUSY));
    assert_eq!(folder.rename(&path("dir"), &root), Err(Errno::EBUSY));
    assert_eq!(folder.make_directory(&root, 0o700, 0), Err(Errno::EBUSY));
    let set = SetAttributes {
        mode: Some(0o711),
        ..SetAttributes::default()
    };
    folder.set_attributes(&root, &set).unwrap();
    let shared = fs::metadata(outside.path().join("shared")).unwrap();
    assert_eq!(shared.permissions().mode() & 0o777, 0o711);
}

#[test]
fn directories_list_what_is_in_them() {
    let (_outside, mut folder) = share();
    folder.make_directory(&path("dir/sub"), 0o755, 0).unwrap();
    let mut entries = folder.read_directory(&path("dir")).unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<_> = entries.iter().map(|e| e.name.as_bytes()).collect();
    assert_eq!(names, [&b"inner"[..], b"sub"]);
    let inner = folder.attributes(&path("dir/inner")).unwrap();
    assert_eq!(entries[0].id, inner.id);
    assert_eq!(entries[0].mode & MODE_TYPE, MODE_REGULAR);
    folder.sync_directory(&path("dir")).unwrap();
    assert_eq!(folder.remove(&path("dir"), true), Err(Errno::ENOTEMPTY));
    assert_eq!(folder.remove(&path("dir/sub"), true), Ok(()));
}

#[test]
fn special_files_are_not_opened() {
    let (outside, mut folder) = share();
    let fifo = outside.path().join("shared/fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    // Opening a pipe that nobody writes to must not wait either.
    assert_eq!(read(&mut folder, "fifo"), Err(Errno::EINVAL));
    assert!(folder.open(&path("dir"), READ).is_err());
}

#[test]
fn attributes_are_set() {
    let (outside, mut folder) = share();
    let then = SetTime::To(FileTime {
        seconds: 12345,
        nanoseconds: 678,
    });
    let set = SetAttributes {
        mode: Some(0o600),
        size: Some(3),
        accessed: Some(SetTime::Now),
        modified: Some(then),
        ..SetAttributes::default()
    };
    folder.set_attributes(&path("file"), &set).unwrap();
    let host = fs::metadata(outside.path().join("shared/file")).unwrap();
    assert_eq!(host.len(), 3);
    assert_eq!(host.permissions().mode() & 0o777, 0o600);
    assert_eq!((host.mtime(), host.mtime_nsec()), (12345, 678));
    assert!(host.atime() > 12345);
}

#[test]
fn the_file_system_is_described() {
    let (_outside, mut folder) = share();
    let info = folder.info(&path("dir")).unwrap();
    assert!(info.blocks >= info.blocks_free && info.block_size > 0);
    assert_eq!(info.name_max, 255);
}

#[test]
fn only_what_is_there_can_be_chosen() {
    assert_eq!("none".parse(), Ok(SecurityModel::None));
    assert!("mapped-xattr".parse::<SecurityModel>().is_err());
    let missing = HostFolder::open(Path::new("/nonexistent/folder"), SecurityModel::None);
    assert!(missing.is_err_and(|e| e.to_string().contains("/nonexistent/folder")));
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(HostFolder::open(file.path(), SecurityModel::None).is_err());
}
