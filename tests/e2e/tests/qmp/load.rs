//! Many monitors at once, over WebSockets, while a guest boots.

use std::net::Shutdown;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ferrite_e2e::{BOOT, Kernel, Qmp, free_port};
use serde_json::{Value, json};

use super::websocket::Client;
use super::{Server, resident};

const MONITORS: usize = 500;
const COMMANDS: usize = 5000;
const PER_SECOND: u64 = 1000;
/// Commands between two things that every monitor is told of.
const BETWEEN: usize = 250;

/// What monitors ask, each with a member of its answer.
const ASKED: &[(&str, &str)] = &[
    (r#""query-status""#, "/return/status"),
    (r#""query-cpus-fast""#, "/return/0/cpu-index"),
    (r#""qom-list","arguments":{"path":"/"}"#, "/return/0/name"),
    (r#""query-version""#, "/return/qemu/major"),
    (r#""no-such-command""#, "/error/class"),
];

/// What a monitor hears: answers by their ids, and events.
#[derive(Debug, Default)]
struct Heard {
    ids: Vec<usize>,
    events: Vec<Value>,
}

/// Hears everything up to an answer whose id is a text.
fn listen(mut client: Client) -> JoinHandle<Heard> {
    let hear = move || {
        let mut heard = Heard::default();
        loop {
            let text = client.receive();
            if text.get("event").is_some() {
                heard.events.push(text);
                continue;
            }
            let Some(id) = text["id"].as_u64() else {
                return heard;
            };
            let (_, member) = ASKED[id as usize % ASKED.len()];
            assert!(text.pointer(member).is_some(), "{text}");
            heard.ids.push(id as usize);
        }
    };
    // Hundreds of threads that need little.
    let thread = thread::Builder::new().stack_size(256 << 10);
    thread.spawn(hear).unwrap()
}

/// Something that every monitor is told of.
fn happen(qmp: &mut Qmp, n: usize, dump: &str) {
    match n % 3 {
        0 => {
            qmp.run("stop", json!({}));
            qmp.run("cont", json!({}));
        }
        1 => {
            let part = json!({"paging": false, "protocol": format!("file:{dump}"),
                "begin": 1 << 30, "length": 4096});
            qmp.run("dump-guest-memory", part);
        }
        // Nobody in the guest listens to its power button.
        _ => {
            qmp.run("system_powerdown", json!({}));
        }
    }
}

/// A guest boots meanwhile: nothing is lost or out of order, everybody hears of every event, memory
/// stays, and the guest comes up.
#[test]
fn five_hundred_monitors() {
    let port = free_port();
    let kernel = Kernel::Cloud61;
    let server = Server::start(&format!(
        "-cpu cortex-a57 -m 256 -kernel {} -initrd {} -append console=ttyAMA0 \
         -serial file:{{dir}}/serial -qmp tcp:127.0.0.1:{port},server=on,wait=off,websocket=on",
        kernel.image().display(),
        kernel.initrd().display()
    ));
    let mut qmp = server.connect();
    let mut clients: Vec<Client> = (0..MONITORS).map(|_| Client::connect(port)).collect();
    let listeners: Vec<_> = clients.iter().map(|c| listen(c.try_clone())).collect();
    let dump = server.path("dump").display().to_string();
    qmp.run("cont", json!({}));
    let before = resident(server.process.id());
    let start = Instant::now();
    for n in 0..COMMANDS {
        let due = start + Duration::from_micros(n as u64 * 1_000_000 / PER_SECOND);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let (command, _) = ASKED[n % ASKED.len()];
        clients[n % MONITORS].send(&format!(r#"{{"execute":{command},"id":{n}}}"#));
        if n % BETWEEN == 0 {
            happen(&mut qmp, n / BETWEEN, &dump);
        }
    }
    for client in &mut clients {
        client.send(r#"{"execute":"query-name","id":"end"}"#);
    }
    let heard: Vec<Heard> = listeners.into_iter().map(|l| l.join().unwrap()).collect();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    // This monitor heard of everything, too.
    qmp.status();
    let events = qmp.events();
    for name in ["STOP", "RESUME", "DUMP_COMPLETED", "POWERDOWN"] {
        let kind = events.iter().filter(|event| event["event"] == name);
        assert!(kind.count() >= 5, "{name}: {events:?}");
    }
    for (n, heard) in heard.iter().enumerate() {
        let asked: Vec<usize> = (n..COMMANDS).step_by(MONITORS).collect();
        assert_eq!(heard.ids, asked, "monitor {n}");
        assert_eq!(heard.events, events, "monitor {n}");
    }
    // Some that stop in the middle of everything, and some that send nonsense.
    for (n, client) in clients.iter_mut().enumerate().take(100) {
        match n % 3 {
            0 => client.stream.shutdown(Shutdown::Both).unwrap(),
            1 => client.send(r#"{"execute":"query-sta"#),
            _ => client.send("]]]"),
        }
    }
    drop(clients);
    assert_eq!(qmp.status(), "running");
    let serial = server.path("serial");
    let deadline = Instant::now() + BOOT;
    loop {
        let said = std::fs::read(&serial).unwrap_or_default();
        if String::from_utf8_lossy(&said).contains("guest ready") {
            break;
        }
        assert!(Instant::now() < deadline, "the guest did not come up");
        thread::sleep(Duration::from_millis(100));
    }
    // The guest's memory, what is made of its code, and little for the monitors.
    let grown = resident(server.process.id()).saturating_sub(before);
    assert!(grown < (256 + 192) << 10, "{grown} KiB more");
    server.quit(qmp);
}
