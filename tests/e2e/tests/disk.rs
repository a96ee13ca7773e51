//! Disks: ext4 made and checked by the host's e2fsprogs, mounted by the guest.

use std::fs;
use std::path::Path;

use ferrite_e2e::{Guest, Kernel, ext4_image, fsck, noise, sha256};

/// How the guest mounts the first disk.
const MOUNT: &str = "mount -t ext4 /dev/vda /mnt";

/// The name of a transport's protocol on the command line, and the feature bit that tells it in
/// the guest: VIRTIO_F_VERSION_1 is bit 32 (virtio 1.2, section 6).
fn speaks_modern(guest: &mut Guest) -> bool {
    let features = guest.run("cat /sys/block/vda/device/features");
    features.as_bytes().get(32) == Some(&b'1')
}

/// A guest fills a disk over both protocols; the host agrees each time.
#[test]
fn what_a_guest_writes_stays() {
    let dir = tempfile::tempdir().unwrap();
    let content = dir.path().join("content");
    fs::create_dir(&content).unwrap();
    let big = content.join("big");
    fs::write(&big, noise(7, 5 << 20)).unwrap();
    let image = dir.path().join("disk.img");
    ext4_image(&image, 64, Some(&content));

    let drive = format!("-drive file={},format=raw,if=none,id=d0", image.display());
    let args = format!("{drive} -device virtio-blk-device,drive=d0,serial=ferrite-1 -m 512");
    let mut guest = Guest::boot(Kernel::Cloud61, &args);
    assert!(!speaks_modern(&mut guest));
    assert_eq!(guest.run("cat /sys/block/vda/serial"), "ferrite-1");
    assert_eq!(
        guest.run("cat /sys/block/vda/size"),
        ((64 << 20) / 512).to_string()
    );
    guest.run(MOUNT);
    let sum = guest.run("sha256sum /mnt/big");
    assert!(sum.starts_with(&sha256(&big)), "{sum}");
    guest.run("cp /mnt/big /mnt/copy && echo a guest was here > /mnt/note && rm /mnt/big");
    guest.run("mkdir /mnt/dir && mv /mnt/note /mnt/dir/note");
    guest.run("umount /mnt && sync");
    guest.power_off();
    fsck(&image);
    assert!(holds(&image, b"a guest was here"));

    // The same disk again, over the other protocol, as the short form of -drive gives it.
    let args = format!(
        "-drive file={},format=raw,if=virtio -m 512 -global virtio-mmio.force-legacy=off",
        image.display()
    );
    let mut guest = Guest::boot(Kernel::Cloud612, &args);
    assert!(speaks_modern(&mut guest));
    guest.run(MOUNT);
    assert_eq!(guest.run("cat /mnt/dir/note"), "a guest was here");
    let sum = guest.run("sha256sum /mnt/copy");
    assert!(sum.starts_with(&sha256(&big)), "{sum}");
    assert_ne!(guest.status("ls /mnt/big").0, 0);
    // A file that only `sync` brings to the disk: the machine goes away without unmounting.
    guest.run("dd if=/mnt/copy of=/mnt/again bs=64k && sync");
    guest.power_off();
    // Replaying the journal, which the missing unmount asks for, leaves a clean file system.
    ferrite_e2e::tool("e2fsck", ["-p", image.to_str().unwrap()]);
    fsck(&image);
    let dump = dir.path().join("again");
    let request = format!("dump /again {}", dump.display());
    ferrite_e2e::tool("debugfs", ["-R", &request, image.to_str().unwrap()]);
    assert_eq!(sha256(&dump), sha256(&big));
}

/// Several disks in one machine: read-only ones, one without a file system, a bare image.
#[test]
fn disks_of_several_kinds() {
    let dir = tempfile::tempdir().unwrap();
    let locked = dir.path().join("locked.img");
    ext4_image(&locked, 16, None);
    let before = sha256(&locked);
    let plain = dir.path().join("plain.img");
    fs::write(&plain, vec![0; 4 << 20]).unwrap();
    let node = dir.path().join("node.img");
    fs::write(&node, noise(3, 1 << 20)).unwrap();
    let args = format!(
        "-m 512 -smp 2 \
         -drive file={},format=raw,if=none,id=locked,readonly=on \
         -device virtio-blk-device,drive=locked,serial=locked \
         -drive file={},format=raw,if=none,id=plain,cache=none \
         -device virtio-blk-device,drive=plain,serial=plain \
         -blockdev driver=file,filename={},node-name=file0 \
         -blockdev driver=raw,file=file0,node-name=raw0 \
         -device virtio-blk-device,drive=raw0,serial=node",
        locked.display(),
        plain.display(),
        node.display()
    );
    let mut guest = Guest::boot(Kernel::Cloud61, &args);
    guest.run(
        "disk() { for d in /sys/block/vd*; do grep -q $1 $d/serial && echo /dev/${d##*/}; done; true; }",
    );
    let locked_disk = guest.run("disk locked");
    let plain_disk = guest.run("disk plain");
    let node_disk = guest.run("disk node");

    assert_eq!(guest.run(&format!("blockdev --getro {locked_disk}")), "1");
    let (status, _) = guest.status(&format!("echo no > {locked_disk}"));
    assert_ne!(status, 0);
    let (status, _) = guest.status(&format!(
        "mount -t ext4 {locked_disk} /mnt && touch /mnt/no"
    ));
    assert_ne!(status, 0);
    guest.run("umount /mnt");

    // Sectors reach the file where they belong, the last one included.
    guest.run(&format!(
        "echo first | dd of={plain_disk} bs=512 seek=1 conv=notrunc,sync"
    ));
    guest.run(&format!(
        "echo last | dd of={plain_disk} bs=512 seek=8191 conv=notrunc,sync"
    ));
    let (status, _) = guest.status(&format!(
        "echo beyond | dd of={plain_disk} bs=512 seek=8192"
    ));
    assert_ne!(status, 0);
    guest.run("sync");
    let sum = guest.run(&format!("sha256sum < {node_disk}"));
    assert!(sum.starts_with(&sha256(&node)), "{sum}");
    guest.power_off();

    assert_eq!(sha256(&locked), before);
    let plain = fs::read(&plain).unwrap();
    assert_eq!(plain.len(), 4 << 20);
    assert_eq!(&plain[512..518], b"first\n");
    assert_eq!(&plain[8191 * 512..][..5], b"last\n");
    let written = plain.iter().filter(|byte| **byte != 0).count();
    assert_eq!(written, b"first\nlast\n".len());
}

fn holds(file: &Path, text: &[u8]) -> bool {
    let bytes = fs::read(file).unwrap();
    bytes.windows(text.len()).any(|window| window == text)
}
