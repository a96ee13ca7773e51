//! Monitors and consoles behind TLS, with clients that know nothing of Ferrite: Python's `ssl` and
//! `openssl s_client`. Certificates are made by `openssl`, in the folder that QEMU documents.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ferrite_e2e::{Ferrite, Qmp, binary, free_port, tool};
use serde_json::{Value, json};

/// Connects, perhaps with a certificate, does what `session` says with the stream, and prints it.
const CLIENT: &str = r#"
import json, socket, ssl, sys
folder, port, certificate = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=f"{folder}/ca-cert.pem")
if certificate:
    context.load_cert_chain(f"{folder}/{certificate}-cert.pem", f"{folder}/{certificate}-key.pem")
with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
        lines = stream.makefile("rw")
        greeting = json.loads(lines.readline())
        answers = [stream.version(), "QMP" in greeting]
        for command in ["qmp_capabilities", "query-status"]:
            lines.write(json.dumps({"execute": command}) + "\n")
            lines.flush()
            answers.append(json.loads(lines.readline())["return"])
        print(json.dumps(answers))
"#;

/// A folder with an authority and certificates of it for a server and a client; `stranger` has one
/// of another authority.
fn certificates(dir: &Path) {
    let openssl = |args: &str| {
        let args: Vec<String> = args
            .split_whitespace()
            .map(|arg| arg.replace("DIR", &dir.display().to_string()))
            .collect();
        tool("openssl", &args);
    };
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for (authority, name) in [("ca", "ca-cert"), ("other", "other-cert")] {
        openssl(&format!(
            "{new} -x509 -days 2 -subj /CN={authority} -keyout DIR/{authority}-key.pem \
             -out DIR/{name}.pem -addext basicConstraints=critical,CA:TRUE \
             -addext keyUsage=critical,keyCertSign,cRLSign"
        ));
    }
    for (name, authority, names) in [
        ("server", "ca", "IP:127.0.0.1,DNS:localhost"),
        ("client", "ca", "DNS:client"),
        ("stranger", "other", "DNS:stranger"),
    ] {
        std::fs::write(dir.join("names"), format!("subjectAltName={names}\n")).unwrap();
        openssl(&format!(
            "{new} -subj /CN={name} -keyout DIR/{name}-key.pem -out DIR/{name}.csr"
        ));
        openssl(&format!(
            "x509 -req -in DIR/{name}.csr -days 2 -CA DIR/{authority}-cert.pem \
             -CAkey DIR/{authority}-key.pem -CAcreateserial -extfile DIR/names \
             -out DIR/{name}-cert.pem"
        ));
    }
}

fn start(args: &str) -> Ferrite {
    let mut command = Command::new(binary());
    command
        .args("-M virt -m 32 -S -nodefaults -display none".split_whitespace())
        .args(args.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    Ferrite::spawn(&mut command)
}

/// What the Python client prints; `None` where it fails.
fn python(folder: &Path, port: u16, certificate: &str) -> Option<Value> {
    let output = Command::new("python3")
        .args(["-c", CLIENT])
        .arg(folder)
        .args([&port.to_string(), certificate])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).ok()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("pki");
    std::fs::create_dir(&folder).unwrap();
    certificates(&folder);
    (dir, folder)
}

#[test]
fn monitors_over_tcp() {
    let (dir, folder) = folder();
    let socket = dir.path().join("qmp");
    let [checked, open, plain] = [free_port(), free_port(), free_port()];
    let pki = folder.display();
    let _ferrite = start(&format!(
        "-object tls-creds-x509,id=t0,dir={pki},endpoint=server \
         -chardev socket,id=c0,host=127.0.0.1,port={checked},server=on,wait=off,tls-creds=t0 \
         -mon chardev=c0,mode=control \
         -object tls-creds-x509,id=t1,dir={pki},endpoint=server,verify-peer=off \
         -qmp tcp:127.0.0.1:{open},server=on,wait=off,tls-creds=t1 \
         -qmp unix:{},server=on,wait=off",
        socket.display()
    ));
    let mut qmp = Qmp::unix(&socket);
    let good = json!(["TLSv1.3", true, {}, {"running": false, "status": "prelaunch"}]);
    // An answer has members that are none of this test's concern.
    let short = |answers: Value| {
        let mut answers = answers;
        let status = &answers[3];
        answers[3] = json!({"running": status["running"], "status": status["status"]});
        answers
    };
    assert_eq!(
        python(&folder, checked, "client").map(short),
        Some(good.clone())
    );
    assert_eq!(python(&folder, checked, ""), None, "no certificate");
    assert_eq!(
        python(&folder, checked, "stranger"),
        None,
        "of another authority"
    );
    assert_eq!(python(&folder, open, "").map(short), Some(good));
    // Later ones come by the monitor, and a peer that does not speak TLS gets nothing.
    qmp.run(
        "object-add",
        json!({"qom-type": "tls-creds-x509", "id": "t2", "endpoint": "server",
            "dir": pki.to_string(), "verify-peer": false}),
    );
    let address = json!({"type": "inet", "data": {"host": "127.0.0.1", "port": plain.to_string()}});
    qmp.run(
        "chardev-add",
        json!({"id": "late", "backend": {"type": "socket", "data":
            {"addr": address, "server": true, "wait": false, "tls-creds": "t2"}}}),
    );
    let chardevs = qmp.run("query-chardev", json!({}));
    assert!(chardevs.to_string().contains("late"), "{chardevs}");
    for (options, message) in [
        (
            json!({"qom-type": "tls-creds-x509", "id": "t3", "endpoint": "server", "dir": "/none"}),
            "/none",
        ),
        (
            json!({"qom-type": "tls-creds-psk", "id": "t3", "endpoint": "server"}),
            "does not accept value",
        ),
    ] {
        let refused = qmp.answer("object-add", options);
        let text = refused["error"]["desc"].as_str().unwrap_or_default();
        assert!(text.contains(message), "{refused}");
    }
    qmp.run("object-del", json!({"id": "t1"}));
    qmp.run("quit", json!({}));
}

#[test]
fn a_monitor_on_a_websocket() {
    let (_dir, folder) = folder();
    let port = free_port();
    let pki = folder.display();
    let _ferrite = start(&format!(
        "-object tls-creds-x509,id=t0,dir={pki},endpoint=server,verify-peer=on \
         -qmp tcp:127.0.0.1:{port},server=on,wait=off,websocket=on,tls-creds=t0"
    ));
    let upgrade = format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    let with = openssl_client(&folder, port, &upgrade, true);
    // The answer to that key is RFC 6455's example (section 1.3).
    assert!(with.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{with}");
    assert!(with.contains("\"QMP\""), "{with}");
    let without = openssl_client(&folder, port, &upgrade, false);
    assert!(!without.contains("101 Switching"), "{without}");
}

/// What a server says to `openssl s_client`, which says `text` first.
fn openssl_client(folder: &Path, port: u16, text: &str, certificate: bool) -> String {
    let file = |name: &str| folder.join(name);
    for _ in 0..50 {
        let mut command = Command::new("timeout");
        command
            .args([
                "10",
                "openssl",
                "s_client",
                "-quiet",
                "-verify_return_error",
            ])
            .args(["-connect", &format!("127.0.0.1:{port}"), "-CAfile"])
            .arg(file("ca-cert.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if certificate {
            command.arg("-cert").arg(file("client-cert.pem"));
            command.arg("-key").arg(file("client-key.pem"));
        }
        let mut client = command.spawn().unwrap();
        let mut input = client.stdin.take().unwrap();
        // It may have gone already.
        let _ = input.write_all(text.as_bytes());
        std::thread::sleep(Duration::from_secs(2));
        drop(input);
        let output = client.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        if !errors.contains("Connection refused") {
            return said;
        }
    }
    panic!("nobody listens on port {port}");
}

/// A serial port that is reached over TLS, and one that reaches out: the machine is the client.
#[test]
fn a_serial_port_reaches_out() {
    let (dir, folder) = folder();
    let port = free_port();
    let script = r#"
import socket, ssl, sys
folder, port = sys.argv[1], int(sys.argv[2])
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=f"{folder}/ca-cert.pem")
context.verify_mode = ssl.CERT_REQUIRED
context.load_cert_chain(f"{folder}/server-cert.pem", f"{folder}/server-key.pem")
with socket.create_server(("127.0.0.1", port)) as server:
    print("listens", flush=True)
    peer, _ = server.accept()
    with context.wrap_socket(peer, server_side=True) as stream:
        subject = dict(pair for row in stream.getpeercert()["subject"] for pair in row)
        text = b""
        while len(text) < 3:
            text += stream.recv(3)
        print(subject["commonName"], text.decode(), flush=True)
"#;
    let mut server = Command::new("python3")
        .args(["-c", script])
        .arg(&folder)
        .arg(port.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(server.stdout.take().unwrap()));
    assert_eq!(lines.next().unwrap().unwrap(), "listens");
    let qtest = dir.path().join("qtest");
    let listener = std::os::unix::net::UnixListener::bind(&qtest).unwrap();
    let _ferrite = start(&format!(
        "-object tls-creds-x509,id=t0,dir={},endpoint=client \
         -chardev socket,id=c0,host=127.0.0.1,port={port},tls-creds=t0 -serial chardev:c0 \
         -qtest unix:{}",
        folder.display(),
        qtest.display()
    ));
    let (mut stream, _) = listener.accept().unwrap();
    // The port on, and three letters to it.
    stream
        .write_all(b"writel 0x9000030 0x301\nwritel 0x9000000 0x48\nwritel 0x9000000 0x69\nwritel 0x9000000 0x21\n")
        .unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "client Hi!");
    assert!(server.wait().unwrap().success());
}
