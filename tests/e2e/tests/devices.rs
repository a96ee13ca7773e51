//! Shared folders, random numbers, virtio consoles and ports.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ferrite_e2e::{COMMAND, Console, Guest, Kernel, noise, sha256};

const MOUNT: &str = "mount -t 9p -o trans=virtio,version=9p2000.L";

#[test]
fn a_shared_folder() {
    let dir = tempfile::tempdir().unwrap();
    let share = dir.path().join("share");
    let locked = dir.path().join("locked");
    for folder in [&share, &locked] {
        fs::create_dir(folder).unwrap();
    }
    fs::write(share.join("hello"), "from the host\n").unwrap();
    fs::write(locked.join("kept"), "as it is\n").unwrap();
    fs::write(dir.path().join("outside"), "not shared\n").unwrap();
    let big = share.join("big");
    fs::write(&big, noise(5, 3 << 20)).unwrap();
    for n in 0..200 {
        fs::write(share.join(format!("many-{n}")), "").unwrap();
    }
    let args = format!(
        "-m 512 -virtfs local,path={},mount_tag=share,security_model=none \
         -fsdev local,id=f1,path={},security_model=none,readonly=on \
         -device virtio-9p-device,fsdev=f1,mount_tag=locked \
         -object rng-random,id=r0,filename=/dev/urandom -device virtio-rng-device,rng=r0",
        share.display(),
        locked.display()
    );
    let mut guest = Guest::boot(Kernel::Generic61, &args);
    guest.run(&format!("{MOUNT} share /mnt"));
    assert_eq!(guest.run("cat /mnt/hello"), "from the host");
    assert_eq!(guest.run("ls /mnt | wc -l"), "202");
    let sum = guest.run("sha256sum /mnt/big");
    assert!(sum.starts_with(&sha256(&big)), "{sum}");

    guest.run("echo from the guest > /mnt/new && cat /mnt/new /mnt/hello > /mnt/both");
    guest.run("mkdir /mnt/dir && mv /mnt/new /mnt/dir/moved && rm /mnt/hello");
    guest.run("cp /mnt/big /mnt/dir/copy && ln -s moved /mnt/dir/link && chmod 640 /mnt/both");
    assert_eq!(guest.run("cat /mnt/dir/link"), "from the guest");
    guest.run("dd if=/dev/zero of=/mnt/both bs=1 count=4 seek=5 conv=notrunc && sync");
    assert_eq!(guest.run("stat -c %s%a /mnt/both"), "29640");
    // Nothing outside is reached, whichever way the path goes.
    assert_eq!(guest.run("ls /mnt/.. | grep -c outside; true"), "0");
    guest.run("ln -s ../outside /mnt/escape");
    assert_ne!(guest.status("cat /mnt/escape").0, 0);

    assert!(!share.join("new").exists() && !share.join("hello").exists());
    assert_eq!(
        fs::read_to_string(share.join("dir/moved")).unwrap(),
        "from the guest\n"
    );
    assert_eq!(
        fs::read_link(share.join("dir/link")).unwrap(),
        Path::new("moved")
    );
    assert_eq!(sha256(&share.join("dir/copy")), sha256(&big));
    assert_eq!(
        fs::read(share.join("both")).unwrap(),
        b"from \0\0\0\0guest\nfrom the host\n"
    );
    // What the host changes, the guest sees.
    fs::write(share.join("later"), "a later word\n").unwrap();
    assert_eq!(guest.run("cat /mnt/later"), "a later word");

    guest.run(&format!(
        "umount /mnt && {MOUNT} locked /mnt && cat /mnt/kept"
    ));
    assert_ne!(guest.status("echo no > /mnt/kept").0, 0);
    assert_ne!(guest.status("rm /mnt/kept").0, 0);
    assert_eq!(
        fs::read_to_string(locked.join("kept")).unwrap(),
        "as it is\n"
    );

    random(&mut guest);
    guest.power_off();
}

/// The random device is the kernel's choice, and its bytes are not the same twice.
fn random(guest: &mut Guest) {
    let current = guest.run("cat /sys/class/misc/hw_random/rng_current");
    assert!(current.starts_with("virtio_rng"), "{current}");
    let draw = "dd if=/dev/hwrng bs=16 count=8 iflag=fullblock 2>/dev/null | sha256sum";
    let [one, two] = [guest.run(draw), guest.run(draw)];
    let nothing = guest.run("printf '' | sha256sum");
    assert!(
        one != two && one != nothing && two != nothing,
        "{one} {two}"
    );
}

#[test]
fn consoles_and_ports() {
    let dir = tempfile::tempdir().unwrap();
    let socket = |name: &str| dir.path().join(name);
    let args = format!(
        "-m 512 -device virtio-serial-device,id=vs0 \
         -chardev socket,id=c0,path={},server=on,wait=off -device virtconsole,chardev=c0 \
         -chardev socket,id=p0,path={},server=on,wait=off \
         -device virtserialport,chardev=p0,name=org.example.port",
        socket("console").display(),
        socket("port").display()
    );
    let mut guest = Guest::boot(Kernel::Cloud612, &args);

    // A shell on the virtio console, beside the one on the serial port.
    let mut second = connect(&socket("console"));
    guest.run("(setsid sh -c 'PS1=second: exec sh -i </dev/hvc0 >/dev/hvc0 2>&1' &)");
    second.expect("second:");
    let nothing = second.run("tty; echo on the console > /tmp/from-console");
    assert_eq!(nothing, "/dev/hvc0");
    assert_eq!(guest.run("cat /tmp/from-console"), "on the console");

    let port = guest.run("cd /sys/class/virtio-ports && grep -l org.example.port */name");
    let port = format!("/dev/{}", port.trim_end_matches("/name"));
    let mut peer = connect(&socket("port"));
    guest.run(&format!("exec 5<>{port}; echo to the host >&5"));
    peer.expect("to the host\n");
    peer.type_keys("to the guest\n");
    assert_eq!(
        guest.run("read -r line <&5; echo \"$line\""),
        "to the guest"
    );
    // More than any queue holds at once.
    guest.run("seq 100000 >&5; echo end >&5");
    let numbers = peer.expect_within("end\n", COMMAND);
    let expected: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    assert!(numbers == expected, "{} bytes arrived", numbers.len());
    guest.power_off();
}

fn connect(path: &Path) -> Console {
    let end = Instant::now() + Duration::from_secs(20);
    let stream = loop {
        match UnixStream::connect(path) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < end, "{}: {error}", path.display()),
        }
        thread::sleep(Duration::from_millis(20));
    };
    let input = stream.try_clone().unwrap();
    Console::new(stream, input)
}
