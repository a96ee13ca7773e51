//! Command lines that cannot work: one clear message that names the culprit, status 1, at once.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use ferrite_e2e::{Exit, Ferrite, Kernel};

/// Generous for a busy machine; a refusal takes milliseconds.
const AT_ONCE: Duration = Duration::from_secs(20);

fn start(args: &str) -> Exit {
    Ferrite::start(args.split_whitespace().map(OsString::from)).end(AT_ONCE)
}

/// Fails unless the command line is refused in one line that has all of `words` in it.
#[track_caller]
fn refused(args: &str, words: &[&str]) {
    let exit = start(args);
    let message = &exit.stderr;
    assert_eq!(exit.code, Some(1), "{args}: {exit:?}");
    assert_eq!(message.lines().count(), 1, "{args}: {message}");
    assert!(
        message.starts_with("ferrite: ") && message.ends_with('\n'),
        "{args}: {message}"
    );
    for word in words {
        assert!(message.contains(word), "{args}: no {word:?} in {message}");
    }
    assert!(!message.contains("panicked"), "{args}: {message}");
    assert!(exit.stdout.is_empty(), "{args}: {}", exit.stdout);
}

#[test]
fn options() {
    for (args, words) in [
        ("-nonsense", ["-nonsense", "invalid option"]),
        ("-M virt -m", ["-m", "requires an argument"]),
        ("-M virt -m 0", ["-m", "0"]),
        ("-M virt -m nonsense", ["-m", "nonsense"]),
        ("-M virt -m -1", ["-m", "-1"]),
        ("-M virt -m 99999999G", ["-m 99999999G", "255 GiB"]),
        ("-M nonsense", ["-M nonsense", "machine"]),
        ("-M virt,nonsense=on", ["nonsense", "virt"]),
        ("-M virt,gic-version=9", ["gic-version", "9"]),
        ("-M virt -cpu nonsense", ["-cpu nonsense", "CPU model"]),
        ("-M virt -cpu max,nonsense=on", ["-cpu", "nonsense"]),
        ("-M virt -cpu max,sve=on", ["-cpu", "'sve' feature"]),
        ("-M virt -smp 0", ["-smp 0", "greater than zero"]),
        ("-M virt -smp nonsense", ["-smp", "nonsense"]),
        ("-M virt,gic-version=2 -smp 9", ["-smp 9", "8"]),
        ("-M virt,gic-version=3 -smp 9999", ["-smp 9999", "123"]),
        ("-M virt -accel kvm", ["-accel", "kvm"]),
        ("-M virt -display gtk", ["-display", "gtk"]),
        ("-M virt -uuid nonsense", ["-uuid", "nonsense"]),
        ("-M virt -rtc base=nonsense", ["-rtc", "nonsense"]),
        ("-M virt -append x", ["-append", "-kernel"]),
        ("-M virt -initrd x", ["-initrd", "-kernel"]),
        (
            "-M virt -daemonize -nographic",
            ["-daemonize", "-nographic"],
        ),
    ] {
        refused(args, &words);
    }
}

#[test]
fn devices_and_back_ends() {
    for (args, words) in [
        ("-device nonsense", ["-device", "nonsense"]),
        ("-device virtio-blk-pci", ["-device", "virtio-blk-pci"]),
        (
            "-device virtio-blk-device,drive=d9",
            ["-device virtio-blk-device", "drive 'd9'"],
        ),
        (
            "-device virtio-net-device,netdev=n9",
            ["-device virtio-net-device", "netdev 'n9'"],
        ),
        (
            "-device virtio-rng-device,rng=r9",
            ["-device virtio-rng-device", "object 'r9'"],
        ),
        (
            "-device virtio-9p-device,fsdev=f9,mount_tag=t",
            ["fsdev", "f9"],
        ),
        (
            "-device virtserialport,chardev=c9,name=n",
            ["-device virtserialport", "virtio-serial-bus"],
        ),
        (
            "-device virtio-serial-device -device virtconsole,chardev=c9",
            ["chardev", "c9"],
        ),
        ("-device virtio-rng-device,bus=pcie.0", ["bus", "pcie.0"]),
        (
            "-device virtio-rng-device,nonsense=1",
            ["nonsense", "-device"],
        ),
        (
            "-device virtio-rng-device,bus=virtio-mmio-bus.0 -device virtio-rng-device,bus=virtio-mmio-bus.0",
            ["virtio-mmio-bus.0", "in use"],
        ),
        (
            "-device virtio-rng-device,id=r -device virtio-rng-device,id=r",
            ["device", "'r'"],
        ),
        ("-netdev user,id=n -netdev user,id=n", ["netdev", "'n'"]),
        ("-netdev tap,id=n", ["-netdev", "tap"]),
        ("-netdev user,id=n,hostfwd=nonsense", ["hostfwd", "-netdev"]),
        ("-chardev nonsense,id=c", ["-chardev", "nonsense"]),
        ("-chardev null", ["-chardev", "id"]),
        (
            "-chardev null,id=c -serial chardev:c -mon c",
            ["-mon c", "chardev 'c'"],
        ),
        ("-serial chardev:c9", ["-serial chardev:c9", "chardev 'c9'"]),
        ("-serial nonsense", ["-serial", "nonsense"]),
        ("-serial stdio -monitor stdio", ["stdio", "multiple"]),
        ("-object nonsense,id=o", ["-object", "nonsense"]),
        (
            "-object rng-random,id=r,filename=/nonsense -device virtio-rng-device,rng=r",
            ["-object", "/nonsense"],
        ),
        (
            "-virtfs local,path=/nonsense,mount_tag=t,security_model=none",
            ["/nonsense", "No such file"],
        ),
        ("-global nonsense.x=1", ["-global", "nonsense"]),
    ] {
        refused(&format!("-M virt -display none {args}"), &words);
    }
}

#[test]
fn disks() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    for name in ["one", "two", "locked"] {
        fs::write(at(name), vec![0; 1 << 20]).unwrap();
    }
    let drive = |text: &str| format!("-M virt -display none -drive {text}");
    refused(
        &drive(&format!("file={},format=raw", at("missing"))),
        &["-drive file=", &at("missing"), "No such file"],
    );
    refused(
        &drive(&format!("file={},format=raw", at(""))),
        &[&at(""), "director"],
    );
    refused(&drive("if=virtio,format=raw"), &["-drive", "file"]);
    refused(
        &drive(&format!("file={},format=qcow2", at("one"))),
        &["-drive", "qcow2"],
    );
    refused(
        &drive(&format!("file={},if=scsi", at("one"))),
        &["-drive", "scsi"],
    );
    let twice = format!(
        "file={},if=none,id=d0 -drive file={},if=none,id=d0",
        at("one"),
        at("two")
    );
    refused(&drive(&twice), &["drive", "'d0'"]);
    let shared = format!(
        "file={},if=none,id=d0 -device virtio-blk-device,drive=d0 -device virtio-blk-device,drive=d0",
        at("one")
    );
    refused(
        &drive(&shared),
        &["-device virtio-blk-device,drive=d0", "'d0'", "in use"],
    );
    read_only(Path::new(&at("locked")), &drive);
}

/// A file without write permission is opened read-only or not at all. The superuser may write
/// regardless, who gets to see no refusal.
fn read_only(file: &Path, drive: &dyn Fn(&str) -> String) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o444)).unwrap();
    if fs::File::options().write(true).open(file).is_ok() {
        eprintln!("SKIPPED: permissions do not bind this user");
        return;
    }
    let name = file.display().to_string();
    refused(
        &drive(&format!("file={name},format=raw")),
        &[&name, "ermission"],
    );
}

#[test]
fn kernels() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let image = fs::read(Kernel::Cloud61.image()).unwrap();
    fs::write(at("short"), &image[..40]).unwrap();
    fs::write(at("text"), "this is no kernel\n".repeat(100)).unwrap();
    fs::write(at("empty"), "").unwrap();
    // A gzip'd kernel that breaks off.
    fs::write(at("broken.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2]).unwrap();
    fs::write(at("initrd"), vec![0; 100 << 20]).unwrap();
    let kernel =
        |name: &str, rest: &str| format!("-M virt -display none -kernel {} {rest}", at(name));
    for name in ["text", "short", "empty", "broken.gz"] {
        refused(&kernel(name, ""), &["-kernel", &at(name)]);
    }
    refused(
        &kernel("missing", ""),
        &["-kernel", &at("missing"), "No such file"],
    );
    refused(&kernel("", ""), &["-kernel", &at(""), "director"]);
    let cloud = Kernel::Cloud61.image().display().to_string();
    let small = format!("-M virt -display none -kernel {cloud} -m");
    refused(&format!("{small} 16"), &["-kernel", "RAM"]);
    refused(
        &format!("{small} 64 -initrd {}", at("initrd")),
        &["-initrd", "RAM"],
    );
    refused(
        &format!("{small} 512 -initrd {}", at("missing")),
        &["-initrd", &at("missing")],
    );
    refused(&format!("{small} 512 -dtb {}", at("text")), &["-dtb"]);
    refused(
        &format!("-M virt -display none -bios {}", at("missing")),
        &["-bios", &at("missing")],
    );
    fs::write(at("firmware"), vec![0; (64 << 20) + 1]).unwrap();
    refused(
        &format!("-M virt -display none -bios {}", at("firmware")),
        &["-bios", "64 MiB"],
    );
}

#[test]
fn sockets() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = listener.local_addr().unwrap();
    let port = taken.port().to_string();
    let missing = dir.path().join("missing/qmp").display().to_string();
    for option in [
        format!("-qmp tcp:{taken},server=on,wait=off"),
        format!("-qmp tcp:{taken},server=on,wait=off,websocket=on"),
        format!(
            "-chardev socket,id=c,host=127.0.0.1,port={port},server=on,wait=off -serial chardev:c"
        ),
        format!(
            "-netdev user,id=n,hostfwd=tcp:127.0.0.1:{port}-:80 -device virtio-net-device,netdev=n"
        ),
    ] {
        refused(
            &format!("-M virt -display none {option}"),
            &[&port, "in use"],
        );
    }
    refused(
        &format!("-M virt -display none -qmp unix:{missing},server=on,wait=off"),
        &[&missing, "No such file"],
    );
    refused(
        &format!("-M virt -display none -qmp unix:{missing}"),
        &[&missing],
    );
    refused(
        &format!("-M virt -display none -pidfile {missing}"),
        &["-pidfile", &missing],
    );
    refused(
        &format!("-M virt -display none -serial file:{missing}"),
        &[&missing],
    );
}

/// What asks for a list or a version gets it on standard output, and status 0.
#[test]
fn questions() {
    for (args, word) in [
        ("-help", "-kernel"),
        ("-version", "errite"),
        ("-M help", "virt"),
        ("-M virt -cpu help", "cortex-a57"),
        ("-M virt -device help", "virtio-blk-device"),
        ("-d help", "in_asm"),
    ] {
        let exit = start(args);
        assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""), "{args}");
        assert!(exit.stdout.contains(word), "{args}: {}", exit.stdout);
    }
}
