//! The user-mode network, with servers and clients of the host.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use ferrite_e2e::{COMMAND, Guest, Kernel, free_port, noise, sha256};

/// Serves one file over HTTP/1.0 to whoever asks, on a port of the host; takes uploads of lines.
fn http_server(file: Vec<u8>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away early is its own affair.
            let _ = answer(stream, &file);
        }
    });
    port
}

fn answer(mut stream: TcpStream, file: &[u8]) -> std::io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    write!(
        stream,
        "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n",
        file.len()
    )?;
    stream.write_all(file)
}

/// Takes one upload and returns it whole.
fn collector() -> (u16, thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let collected = thread::spawn(move || {
        let mut bytes = Vec::new();
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    });
    (port, collected)
}

/// Fetches a page through a forwarded port, trying until the guest listens.
fn fetch(port: u16, path: &str) -> Vec<u8> {
    let end = Instant::now() + COMMAND;
    loop {
        let mut page = Vec::new();
        let fetched = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(COMMAND))?;
            write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
            stream.read_to_end(&mut page)
        });
        if fetched.is_ok() && !page.is_empty() {
            let body = page
                .windows(4)
                .position(|w| w == b"\r\n\r\n")
                .map(|at| at + 4);
            return page.split_off(body.expect("a header's end"));
        }
        assert!(Instant::now() < end, "no page: {fetched:?}");
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_guest_on_the_user_network() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let bytes = noise(11, 6 << 20);
    std::fs::write(&file, &bytes).unwrap();
    let web = http_server(bytes.clone());
    let (upload_port, upload) = collector();
    let [http, udp] = [free_port(), free_port()];
    let args = format!(
        "-m 512 -netdev user,id=n0,hostfwd=tcp:127.0.0.1:{http}-:80,hostfwd=udp:127.0.0.1:{udp}-:7 \
         -device virtio-net-device,netdev=n0,mac=52:54:00:12:34:99"
    );
    let mut guest = Guest::boot(Kernel::Cloud61, &args);

    addresses(&mut guest);
    guest.run("ping -c 2 -W 20 10.0.2.2");

    // Down: a file of several megabytes, twice at the same time.
    let sum = sha256(&file);
    let get = format!("wget -q -O - http://10.0.2.2:{web}/file | sha256sum");
    let output = guest.run(&format!(
        "({get} > /tmp/a & {get} > /tmp/b; wait); cat /tmp/a /tmp/b"
    ));
    assert_eq!(output.matches(&sum).count(), 2, "{output}");
    // Up: a file, and the end of the connection.
    guest.run(&format!(
        "wget -q -O /tmp/file http://10.0.2.2:{web}/ && nc 10.0.2.2 {upload_port} < /tmp/file"
    ));
    assert!(upload.join().unwrap() == bytes);
    // A port where nobody listens is refused, not left to time out.
    let closed = free_port();
    let start = Instant::now();
    let (status, output) = guest.status(&format!("timeout 60 wget -O - http://10.0.2.2:{closed}/"));
    assert!(status != 0 && output.contains("refused"), "{output}");
    assert!(start.elapsed() < Duration::from_secs(50));

    // Into the guest, over TCP and UDP.
    guest.run("mkdir /tmp/www && cp /tmp/file /tmp/www/ && httpd -h /tmp/www");
    assert!(fetch(http, "/file") == bytes);
    datagrams(&mut guest, udp);
    let tftp = tftp_server(bytes[..40_000].to_vec());
    let small = dir.path().join("small");
    std::fs::write(&small, &bytes[..40_000]).unwrap();
    guest.run(&format!("tftp -g -l /tmp/small -r small 10.0.2.2 {tftp}"));
    let sum = guest.run("sha256sum < /tmp/small");
    assert!(sum.starts_with(&sha256(&small)), "{sum}");

    names(&mut guest);
    guest.power_off();
}

/// The first lease, the gateway and the name server of QEMU's user network.
fn addresses(guest: &mut Guest) {
    assert_eq!(
        guest.run("cat /sys/class/net/eth0/address"),
        "52:54:00:12:34:99"
    );
    guest.run("ifconfig eth0 up && udhcpc -q -n -t 10 -i eth0");
    let interface = guest.run("ifconfig eth0");
    assert!(interface.contains("inet addr:10.0.2.15"), "{interface}");
    assert!(interface.contains("Mask:255.255.255.0"), "{interface}");
    let routes = guest.run("route -n");
    assert!(routes.contains("0.0.0.0         10.0.2.2"), "{routes}");
    assert_eq!(guest.run("cat /etc/resolv.conf"), "nameserver 10.0.2.3");
}

/// Datagrams to the forwarded port reach the guest, where nobody listens, as its kernel counts.
fn datagrams(guest: &mut Guest, port: u16) {
    // Field 3 of the line of numbers is NoPorts.
    let mut refused = || -> u64 {
        let count = guest.run("grep '^Udp: [0-9]' /proc/net/snmp | cut -d' ' -f3");
        count.parse().unwrap()
    };
    let before = refused();
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    for _ in 0..3 {
        socket.send(b"over the wire").unwrap();
    }
    let end = Instant::now() + COMMAND;
    while refused() != before + 3 {
        assert!(Instant::now() < end, "not every datagram arrived");
    }
}

/// Serves one file by TFTP (RFC 1350) to one client at a time, on a port of the host.
fn tftp_server(file: Vec<u8>) -> u16 {
    const BLOCK: usize = 512;
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut buf = [0; 1024];
        while let Ok((_, peer)) = socket.recv_from(&mut buf) {
            // A read request is answered by block 1, an acknowledgement by the block after it.
            let done = match buf[1] {
                1 => 0,
                4 => usize::from(u16::from_be_bytes([buf[2], buf[3]])),
                _ => continue,
            };
            let Some(rest) = file.get(done * BLOCK..) else {
                continue;
            };
            let number = (done as u16 + 1).to_be_bytes();
            let mut data = vec![0, 3, number[0], number[1]];
            data.extend(&rest[..rest.len().min(BLOCK)]);
            if socket.send_to(&data, peer).is_err() {
                return;
            }
        }
    });
    port
}

/// 10.0.2.3 asks the host's name servers, so its answers are those of the host; a host that can
/// resolve nothing cannot test it.
fn names(guest: &mut Guest) {
    let Some(name) = known_name() else {
        eprintln!("SKIPPED: no name to ask for");
        return;
    };
    let host = std::process::Command::new("getent")
        .args(["ahostsv4", &name])
        .output();
    let host = String::from_utf8_lossy(&host.unwrap().stdout).into_owned();
    if host.is_empty() {
        eprintln!("SKIPPED: the host resolves no names");
        return;
    }
    let found = guest.run(&format!("nslookup -type=a {name} 10.0.2.3"));
    let known = host
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    assert!(
        known.into_iter().any(|address| found.contains(address)),
        "{found}\nhost: {host}"
    );
}

/// A name that this host has use for: that of its package mirror.
fn known_name() -> Option<String> {
    let sources = std::fs::read_to_string("/etc/apt/sources.list.d/debian.sources").ok()?;
    let mirror = sources
        .lines()
        .find_map(|line| line.strip_prefix("URIs:"))?;
    let (_, rest) = mirror.split_once("://")?;
    rest.split(['/', ' ']).next().map(str::to_owned)
}
