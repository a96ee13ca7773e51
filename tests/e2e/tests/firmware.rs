//! U-Boot as firmware: its prompt, and a kernel that it loads from a disk.

use std::fs;

use ferrite_e2e::{BOOT, COMMAND, Guest, Kernel, ext4_image, fat_image, guests};

/// How U-Boot asks for a command.
const PROMPT: &str = "=> ";

fn u_boot() -> String {
    let path = guests().join("root/u-boot-qemu/usr/lib/u-boot/qemu_arm64/u-boot.bin");
    assert!(
        path.exists(),
        "{} is not there: cargo xtask guests",
        path.display()
    );
    path.display().to_string()
}

fn start(args: &str) -> Guest {
    let line = format!("-M virt -nographic -bios {} {args}", u_boot());
    let mut guest = Guest::start(line.split_whitespace());
    guest.expect_within("Hit any key to stop autoboot", BOOT);
    guest.type_keys(" ");
    guest.expect(PROMPT);
    guest
}

/// Types a command and returns what it printed.
fn command(guest: &mut Guest, line: &str) -> String {
    guest.type_line(line);
    guest.expect(line);
    guest.expect(PROMPT)
}

#[test]
fn u_boot_loads_a_kernel_from_a_disk() {
    let dir = tempfile::tempdir().unwrap();
    let content = dir.path().join("content");
    fs::create_dir(&content).unwrap();
    fs::copy(Kernel::Cloud61.image(), content.join("Image")).unwrap();
    fs::copy(Kernel::Cloud61.initrd(), content.join("initrd")).unwrap();
    let image = dir.path().join("disk.img");
    ext4_image(&image, 64, Some(&content));
    let mut guest = start(&format!(
        "-m 512 -cpu cortex-a53 -drive file={},format=raw,if=virtio",
        image.display()
    ));
    let info = command(&mut guest, "bdinfo");
    assert!(
        info.contains("0x0000000020000000"),
        "no 512 MiB of RAM: {info}"
    );
    command(&mut guest, "virtio scan");
    let files = command(&mut guest, "ls virtio 0 /");
    assert!(
        files.contains("Image") && files.contains("initrd"),
        "{files}"
    );
    let kernel = command(&mut guest, "load virtio 0 ${kernel_addr_r} /Image");
    let size = fs::metadata(Kernel::Cloud61.image()).unwrap().len();
    assert!(kernel.contains(&format!("{size} bytes read")), "{kernel}");
    command(&mut guest, "load virtio 0 ${ramdisk_addr_r} /initrd");
    command(&mut guest, "setenv bootargs console=ttyAMA0 loglevel=4");
    guest.type_line("booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdtcontroladdr}");
    guest.expect("Starting kernel");
    guest.ready();
    assert!(guest.run("cat /proc/cmdline").contains("loglevel=4"));
    assert!(guest.run("uname -r").starts_with(Kernel::Cloud61.release()));
    guest.power_off();
}

/// What distributions put on their disks: U-Boot finds the file by itself and boots what it names.
#[test]
fn u_boot_boots_a_fat_disk_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("extlinux.conf");
    let entry = "default linux\nlabel linux\nkernel /Image\ninitrd /initrd\nappend console=ttyAMA0 loglevel=4 from=extlinux\n";
    fs::write(&config, entry).unwrap();
    let image = dir.path().join("fat.img");
    let (kernel, initrd) = (Kernel::Cloud61.image(), Kernel::Cloud61.initrd());
    let files = [
        (kernel.as_path(), "Image"),
        (initrd.as_path(), "initrd"),
        (config.as_path(), "extlinux/extlinux.conf"),
    ];
    fat_image(&image, 64, &files);
    let line = format!(
        "-M virt -nographic -bios {} -m 512 -cpu cortex-a57 -drive file={},format=raw,if=virtio",
        u_boot(),
        image.display()
    );
    let mut guest = Guest::start(line.split_whitespace());
    guest.expect_within("extlinux.conf", BOOT);
    guest.ready();
    assert!(guest.run("cat /proc/cmdline").contains("from=extlinux"));
    guest.power_off();
}

#[test]
fn u_boot_resets_and_powers_off() {
    let mut guest = start("-m 256 -cpu cortex-a72 -smp 2");
    let version = command(&mut guest, "version");
    assert!(version.contains("U-Boot 20"), "{version}");
    // Variables survive a reset only in flash, which -bios gives no image for.
    command(&mut guest, "setenv trace left");
    guest.type_line("reset");
    guest.expect_within("Hit any key to stop autoboot", BOOT);
    guest.type_keys(" ");
    guest.expect(PROMPT);
    let trace = command(&mut guest, "printenv trace");
    assert!(trace.contains("not defined"), "{trace}");
    guest.type_line("poweroff");
    guest.succeeds(COMMAND);
}

#[test]
fn u_boot_finds_files_of_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, [0; 1234]).unwrap();
    let mut guest = start(&format!(
        "-fw_cfg name=opt/org.test/text,string=abc -fw_cfg opt/org.test/file,file={}",
        file.display()
    ));
    let files = command(&mut guest, "qfw list");
    for name in ["opt/org.test/text", "opt/org.test/file"] {
        assert!(files.lines().any(|line| line.trim() == name), "{files}");
    }
}
