//! EDK2, the UEFI firmware that Debian packages for `virt`: its shell, its variables in flash, a
//! kernel that it is handed.

use std::fs;
use std::path::{Path, PathBuf};

use ferrite_e2e::{BOOT, COMMAND, Guest, Kernel, fat_image, guests};

/// The vendor of the variables that the test makes.
const VENDOR: &str = "6ab2ab2d-9bb3-4c0c-9e0e-0a1f0f5d6e11";

fn packaged(name: &str) -> PathBuf {
    let path = guests().join("root/qemu-efi-aarch64/usr/share").join(name);
    assert!(
        path.exists(),
        "{} is not there: cargo xtask guests",
        path.display()
    );
    path
}

fn bios() -> String {
    let path = packaged("qemu-efi-aarch64/QEMU_EFI.fd");
    format!("-bios {}", path.display())
}

/// Starts a machine and waits for the shell's prompt.
fn shell(args: &str) -> Guest {
    let line = format!("-M virt -cpu cortex-a57 -m 256 -nographic {args}");
    let mut guest = Guest::start(line.split_whitespace());
    guest.expect_within("to skip", BOOT);
    guest.type_keys("\x1b");
    guest.expect("Shell> ");
    guest
}

/// Types a command, and returns what came up to the next prompt. The shell's echo moves the cursor
/// for each key.
fn command(guest: &mut Guest, line: &str) -> String {
    guest.type_keys(&format!("{line}\r"));
    guest.expect("Shell> ")
}

fn power_off(mut guest: Guest) {
    guest.type_keys("reset -s\r");
    guest.succeeds(COMMAND);
}

#[test]
fn the_shell_reads_a_disk() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hello.txt");
    fs::write(&file, "a file on a disk\r\n").unwrap();
    let image = dir.path().join("fat.img");
    fat_image(&image, 40, &[(&file, "HELLO.TXT")]);
    let disk = format!("-drive file={},format=raw,if=virtio", image.display());
    let mut guest = shell(&format!("{} {disk}", bios()));
    let version = command(&mut guest, "ver");
    assert!(version.contains("UEFI Interactive Shell"), "{version}");
    let text = command(&mut guest, "type fs0:\\hello.txt");
    assert!(text.contains("a file on a disk"), "{text}");
    power_off(guest);
}

#[test]
fn variables_live_in_the_second_flash_bank() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("vars.fd");
    fs::copy(packaged("AAVMF/AAVMF_VARS.fd"), &store).unwrap();
    let flash = |path: &Path, rest: &str| {
        let path = path.display();
        format!("-drive if=pflash,format=raw,file={path}{rest}")
    };
    let code = flash(&packaged("AAVMF/AAVMF_CODE.fd"), ",readonly=on");
    let args = format!("{code} {}", flash(&store, ""));
    let variable = format!("-guid {VENDOR}");
    let mut guest = shell(&args);
    let none = command(&mut guest, &format!("dmpstore Ferrite {variable}"));
    assert!(none.contains("No matching"), "{none}");
    command(
        &mut guest,
        &format!("setvar Ferrite {variable} -bs -nv =0x46657272"),
    );
    power_off(guest);
    let mut guest = shell(&args);
    let found = command(&mut guest, &format!("dmpstore Ferrite {variable}"));
    assert!(
        found.contains("NV+BS") && found.contains("DataSize = 0x04"),
        "{found}"
    );
    power_off(guest);
}

#[test]
fn a_kernel_is_started_through_the_firmware() {
    let mut guest = Guest::boot(Kernel::Cloud61, &format!("{} -m 512", bios()));
    let command_line = guest.run("cat /proc/cmdline");
    assert!(command_line.contains("loglevel=4"), "{command_line}");
    assert_eq!(
        guest.run("ls -d /sys/firmware/efi/systab"),
        "/sys/firmware/efi/systab"
    );
    guest.power_off();
}
