use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Client, EVENT, Machine, PATIENCE, connect, on_unix, socket_path};

#[test]
fn a_conversation_on_a_unix_socket() {
    let (machine, path) = on_unix();
    let mut client = Client::negotiated(connect(&path));
    let status = client.ask("{'execute':'query-status','id':1}");
    assert_eq!(
        status,
        json!({"return": {"status": "prelaunch", "running": false}, "id": 1})
    );
    client.write("{'execute':'cont'}");
    assert_eq!(client.read()["event"], "RESUME");
    assert_eq!(client.read(), json!({"return": {}}));
    client.write("{'execute':'quit'}");
    let end = client.read();
    assert_eq!(end["event"], "SHUTDOWN");
    assert_eq!(
        end["data"],
        json!({"guest": false, "reason": "host-qmp-quit"})
    );
    assert_eq!(client.read(), json!({"return": {}}));
    assert!(client.at_end());
    machine.join();
    assert!(!path.exists());
}

#[test]
fn tcp_works_alike_and_waits_for_nobody() {
    let (_machine, address) = Machine::start(|hub| {
        hub.serve_tcp(([127, 0, 0, 1], 0).into(), false, None)
            .unwrap()
            .0
    });
    let stream = TcpStream::connect(address).unwrap();
    let mut client = Client::negotiated(stream);
    assert_eq!(
        client.ask("{'execute':'query-name'}"),
        json!({"return": {"name": "fake"}})
    );
}

#[test]
fn with_wait_the_first_client_is_awaited() {
    let path = socket_path();
    let (told, machine) = mpsc::channel();
    let place = path.clone();
    let waiting = thread::spawn(move || {
        told.send(Machine::start(|hub| {
            drop(hub.serve_unix(&place, true).unwrap())
        }))
        .unwrap();
    });
    let stream = loop {
        if let Ok(stream) = UnixStream::connect(&path) {
            break stream;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let _machine = machine.recv_timeout(PATIENCE).unwrap();
    waiting.join().unwrap();
    assert!(Client::negotiated(stream).ask("{'execute':'query-name'}")["return"].is_object());
}

#[test]
fn one_client_at_a_time_the_next_waits() {
    let (_machine, path) = on_unix();
    let first = Client::negotiated(connect(&path));
    let second = connect(&path);
    second
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    assert!((&second).read(&mut [0; 1]).is_err());
    drop(first);
    second.set_read_timeout(Some(PATIENCE)).unwrap();
    // The second has a conversation of its own, from the greeting on.
    Client::negotiated(second);
}

#[test]
fn requests_cut_and_joined_anyhow() {
    let (_machine, path) = on_unix();
    let mut client = Client::new(connect(&path));
    let text = "{'execute':'qmp_capabilities'} {'execute':'query-name',\n 'id':'\u{e9}'}{'execute':'query-name'}";
    for byte in text.bytes() {
        client.lines.get_mut().write_all(&[byte]).unwrap();
    }
    assert_eq!(client.read(), json!({"return": {}}));
    assert_eq!(client.read()["id"], "é");
    assert_eq!(client.read()["return"]["name"], "fake");
}

#[test]
fn what_was_asked_before_the_end_is_answered() {
    let (_machine, path) = on_unix();
    let mut stream = connect(&path);
    let mut text = "{'execute':'qmp_capabilities'}".to_owned();
    for i in 0..100 {
        text += &format!("{{'execute':'query-status','id':{i}}}");
    }
    stream.write_all(text.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut client = Client::new(stream);
    assert_eq!(client.read(), json!({"return": {}}));
    for i in 0..100 {
        assert_eq!(client.read()["id"], i);
    }
    assert!(client.at_end());
}

#[test]
fn a_flood_is_answered_in_order() {
    const COUNT: usize = 20_000;
    let (_machine, path) = on_unix();
    let mut client = Client::negotiated(connect(&path));
    let mut writer = client.lines.get_ref().try_clone().unwrap();
    let flood = thread::spawn(move || {
        let mut text = String::new();
        for i in 0..COUNT {
            text += &format!("{{'execute':'query-status','id':{i}}}\n");
        }
        writer.write_all(text.as_bytes()).unwrap();
    });
    for i in 0..COUNT {
        assert_eq!(client.read()["id"], i);
    }
    flood.join().unwrap();
}

#[test]
fn a_client_that_does_not_read_stalls_itself_only() {
    let path = socket_path();
    let (machine, address) = Machine::start(|hub| {
        hub.serve_unix(&path, false).unwrap();
        hub.serve_tcp(([127, 0, 0, 1], 0).into(), false, None)
            .unwrap()
            .0
    });
    let mut lazy = Client::negotiated(connect(&path));
    // Answers of some 20 KiB each, never read: the server has to stop taking requests.
    let stalled = {
        let mut stream = lazy.lines.get_ref().try_clone().unwrap();
        stream
            .set_write_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let batch = "{'execute':'query-qmp-schema'}\n".repeat(1000);
        (0..1000).any(|_| stream.write_all(batch.as_bytes()).is_err())
    };
    assert!(stalled);
    let mut other = Client::negotiated(TcpStream::connect(address).unwrap());
    assert!(other.ask("{'execute':'query-status'}")["return"].is_object());
    // When it reads, it gets whole answers.
    for _ in 0..20 {
        assert!(lazy.read()["return"].is_array());
    }
    drop(machine);
}

#[test]
fn a_client_that_loses_events_is_disconnected() {
    let (machine, path) = on_unix();
    let mut lazy = Client::negotiated(connect(&path));
    for _ in 0..400_000 {
        machine.events.emit(&EVENT);
    }
    let mut taken = Vec::new();
    let end = lazy.lines.get_mut().read_to_end(&mut taken);
    assert!(end.is_ok() || taken.len() < 64 << 20);
    // The next one is served.
    Client::negotiated(connect(&path));
}

#[test]
fn broken_text_does_not_end_the_conversation() {
    let (_machine, path) = on_unix();
    let mut client = Client::negotiated(connect(&path));
    for broken in [
        "foo\n",
        "}\n",
        "{'execute':'stop',}",
        "{'a':01\n",
        "\u{1}",
        "[[[]\u{7f}\n",
    ] {
        client.write(broken);
        let answer = client.ask("\n}\n{'execute':'query-name','id':7}");
        let mut last = answer;
        while last.get("id").is_none() {
            assert_eq!(last["error"]["class"], "GenericError", "{broken:?}");
            last = client.read();
        }
        assert_eq!(last["return"]["name"], "fake");
    }
}

#[test]
fn limited_events_come_late_not_never() {
    let (machine, path) = on_unix();
    let mut client = Client::negotiated(connect(&path));
    let event = |open| ferrite_qmp::Event::VserportChange {
        id: "port".into(),
        open,
    };
    let start = Instant::now();
    machine.events.emit(&event(true));
    machine.events.emit(&event(false));
    machine.events.emit(&event(true));
    machine.events.emit(&event(false));
    assert_eq!(client.read()["data"]["open"], true);
    assert_eq!(client.read()["data"]["open"], false);
    assert!(start.elapsed() > Duration::from_millis(800));
    assert!(client.ask("{'execute':'query-name'}")["return"].is_object());
}

#[test]
fn a_round_trip_waits_for_no_timer() {
    let (_machine, path) = on_unix();
    let mut client = Client::negotiated(connect(&path));
    let mut times: Vec<Duration> = (0..300)
        .map(|_| {
            let start = Instant::now();
            client.ask("{'execute':'query-status'}");
            start.elapsed()
        })
        .collect();
    times.sort();
    let median = times[times.len() / 2];
    println!("median round trip: {median:?}, fastest {:?}", times[0]);
    assert!(median < Duration::from_millis(5), "{median:?}");
}

/// A pipe's far end that can be looked at.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // Slower than the monitor, as terminals are.
        thread::sleep(Duration::from_millis(20));
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn pipes_are_written_to_the_end() {
    let written = Written::default();
    let output = written.clone();
    let input =
        &b"{'execute':'qmp_capabilities'}{'execute':'query-qmp-schema'}{'execute':'quit'}"[..];
    let (machine, ()) = Machine::start(|hub| hub.serve_pipes(input, output).unwrap());
    machine.join();
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[2]["return"].is_array());
    assert_eq!(lines[3]["event"], "SHUTDOWN");
    assert_eq!(lines[4], json!({"return": {}}));
}
