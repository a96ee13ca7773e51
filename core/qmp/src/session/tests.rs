use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::Session;
use crate::events::{EventSink, Events};
use crate::fake::{FakeClock, FakeVm};
use crate::schema::Event;

/// A client with a fake machine, all on one thread.
struct Bench {
    session: Arc<Mutex<Session>>,
    vm: FakeVm,
}

impl Bench {
    fn new() -> Self {
        let events = Events::new(Arc::new(FakeClock::default()));
        let session = Arc::new(Mutex::new(Session::default()));
        let sink: Arc<dyn EventSink> = session.clone();
        events.subscribe(Arc::downgrade(&sink));
        Self {
            session,
            vm: FakeVm::new(events),
        }
    }

    /// A client that has read the greeting and negotiated.
    fn negotiated(oob: bool) -> Self {
        let mut bench = Self::new();
        bench.lines();
        let enable = if oob { json!(["oob"]) } else { json!([]) };
        let request = json!({"execute": "qmp_capabilities", "arguments": {"enable": enable}});
        assert_eq!(bench.say(&request.to_string()), [json!({"return": {}})]);
        bench
    }

    /// What the session has said since.
    fn lines(&mut self) -> Vec<Value> {
        let mut out = Vec::new();
        while let Some(line) = {
            let mut session = self.session.lock().unwrap();
            session.output()
        } {
            assert!(line.is_ascii() && line.ends_with("\r\n"), "{line:?}");
            assert_eq!(line.lines().count(), 1);
            out.push(serde_json::from_str(&line).unwrap());
        }
        out
    }

    /// Executes what the session asks for.
    fn run(&mut self) {
        while let Some(request) = {
            let mut session = self.session.lock().unwrap();
            session.take_request()
        } {
            let response = request.execute(&mut self.vm);
            self.session.lock().unwrap().complete(response);
        }
    }

    fn say(&mut self, text: &str) -> Vec<Value> {
        self.say_bytes(text.as_bytes())
    }

    fn say_bytes(&mut self, bytes: &[u8]) -> Vec<Value> {
        self.session.lock().unwrap().input(bytes);
        self.run();
        self.lines()
    }
}

fn generic(desc: &str) -> Value {
    json!({"error": {"class": "GenericError", "desc": desc}})
}

#[test]
fn greeting_and_negotiation() {
    let mut bench = Bench::new();
    let greeting = bench.lines();
    assert_eq!(greeting[0]["QMP"]["capabilities"], json!(["oob"]));
    let version = &greeting[0]["QMP"]["version"];
    assert_eq!(
        version["qemu"],
        json!({"major": 10, "minor": 0, "micro": 0})
    );
    assert!(version["package"].as_str().unwrap().starts_with("Ferrite "));
    // Each answer as QEMU gives it.
    assert_eq!(
        bench.say(r#"{"execute":"query-version"}"#),
        [json!({"error": {"class": "CommandNotFound",
            "desc": "Expecting capabilities negotiation with 'qmp_capabilities'"}})]
    );
    assert_eq!(
        bench.say(r#"{"execute":"qmp_capabilities","arguments":{"enable":[1]}}"#),
        [generic(
            "Invalid parameter type for 'enable[0]', expected: string"
        )]
    );
    assert_eq!(
        bench.say(r#"{"execute":"qmp_capabilities","arguments":{"enable":"oob"}}"#),
        [generic(
            "Invalid parameter type for 'enable', expected: array"
        )]
    );
    assert_eq!(
        bench.say(r#"{"exec-oob":"qmp_capabilities"}"#),
        [generic("QMP input member 'exec-oob' is unexpected")]
    );
    let id = r#"[1, {"a": "\u00E9"}, 1.5, 1.0000000000000001e+300, 18446744073709551615, -9223372036854775808, 1.8446744073709552e+19]"#;
    bench
        .session
        .lock()
        .unwrap()
        .input(format!("{{'execute':'qmp_capabilities','id':{id}}}").as_bytes());
    let line = bench.session.lock().unwrap().output().unwrap();
    assert_eq!(&*line, format!("{{\"id\": {id}, \"return\": {{}}}}\r\n"));
    assert_eq!(
        bench.say(r#"{"execute":"qmp_capabilities"}"#),
        [json!({"error": {"class": "CommandNotFound",
            "desc": "Capabilities negotiation is already complete, command ignored"}})]
    );
    assert_eq!(
        bench.say(r#"{"execute":"query-name"}"#),
        [json!({"return": {"name": "fake"}})]
    );
}

#[test]
fn messages_of_the_wrong_form() {
    let mut bench = Bench::negotiated(true);
    let unexpected = "QMP input member 'foo' is unexpected";
    let cases = [
        ("[]", generic("QMP input must be a JSON object")),
        ("null", generic("QMP input must be a JSON object")),
        ("{'foo':1}", generic(unexpected)),
        (
            "{'execute':'query-version','exec-oob':'x'}",
            generic("QMP input member 'execute' clashes with 'exec-oob'"),
        ),
        ("{}", generic("QMP input lacks member 'execute'")),
        (
            "{'execute':1}",
            generic("QMP input member 'execute' must be a string"),
        ),
        (
            "{'execute':'query-version','arguments':null}",
            generic("QMP input member 'arguments' must be an object"),
        ),
        (
            "{'execute':'query-version','arguments':{'a':1}}",
            generic("Parameter 'a' is unexpected"),
        ),
        (
            "{'execute':''}",
            json!({"error": {"class": "CommandNotFound", "desc": "The command  has not been found"}}),
        ),
        (
            "{'exec-oob':'query-version'}",
            generic("The command query-version does not support OOB"),
        ),
    ];
    for (text, answer) in cases {
        assert_eq!(bench.say(&format!("{text}\n")), [answer], "{text}");
    }
    let answer = bench.say("{'id':[null],'execute':'query-version','foo':1}");
    assert_eq!(answer[0]["id"], json!([null]));
    assert_eq!(answer[0]["error"]["desc"], unexpected);
}

#[test]
fn a_syntax_error_keeps_its_place() {
    let mut bench = Bench::negotiated(true);
    let answers = bench.say("{'execute':'query-name','id':1}\n}\n{'execute':'query-name','id':2}");
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0]["id"], 1);
    assert_eq!(answers[1], generic("JSON parse error, expecting value"));
    assert_eq!(answers[2]["id"], 2);
}

#[test]
fn without_oob_one_command_at_a_time() {
    let mut bench = Bench::negotiated(false);
    let mut session = bench.session.lock().unwrap();
    session.input(b"{'execute':'query-name','id':1}{'execute':'query-name','id':2}");
    let first = session.take_request().unwrap();
    assert!(session.take_request().is_none());
    session.complete(first.execute(&mut bench.vm));
    let second = session.take_request().unwrap();
    session.complete(second.execute(&mut bench.vm));
    assert!(session.take_request().is_none() && session.wants_input());
}

#[test]
fn out_of_band_overtakes() {
    let mut bench = Bench::negotiated(true);
    {
        let mut session = bench.session.lock().unwrap();
        session.input(b"{'execute':'stop','id':1}{'execute':'stop','id':2}");
        let running = session.take_request().unwrap();
        session.input(b"{'exec-oob':'yank','arguments':{'instances':[]},'id':3}");
        let oob = session.take_request().unwrap();
        assert_eq!(oob.command(), "yank");
        session.complete(oob.execute(&mut bench.vm));
        session.complete(running.execute(&mut bench.vm));
    }
    bench.run();
    let ids: Vec<_> = bench.lines().iter().map(|l| l["id"].clone()).collect();
    assert_eq!(ids, [3, 1, 2]);
}

#[test]
fn the_queue_pauses_the_reader() {
    let mut bench = Bench::negotiated(true);
    let mut session = bench.session.lock().unwrap();
    for i in 0..8 {
        assert!(session.wants_input(), "{i}");
        session.input(b"{'execute':'stop'}");
    }
    // A ninth is not parsed, and blocks an out-of-band command behind it, too.
    session.input(b"{'execute':'stop'}{'exec-oob':'yank','arguments':{'instances':[]}}");
    assert!(!session.wants_input());
    let stop = session.take_request().unwrap();
    assert_eq!(stop.command(), "stop");
    assert!(!session.wants_input());
    // With room for the ninth, the out-of-band one overtakes.
    session.complete(stop.execute(&mut bench.vm));
    assert_eq!(session.take_request().unwrap().command(), "stop");
    assert_eq!(session.take_request().unwrap().command(), "yank");
}

#[test]
fn events_only_after_negotiation_and_before_the_answer() {
    let mut bench = Bench::new();
    bench.vm.events.emit(&Event::Powerdown);
    assert_eq!(bench.lines().len(), 1);
    bench.say("{'execute':'qmp_capabilities'}");
    let lines = bench.say("{'execute':'cont'}");
    assert_eq!(lines[0]["event"], "RESUME");
    assert_eq!(
        lines[0]["timestamp"],
        json!({"seconds": 0, "microseconds": 0})
    );
    assert_eq!(lines[1], json!({"return": {}}));
}

#[test]
fn a_client_that_does_not_read_is_bounded() {
    let mut bench = Bench::negotiated(true);
    let mut answered = 0;
    loop {
        let mut session = bench.session.lock().unwrap();
        session.input(b"{'execute':'query-qmp-schema'}");
        let Some(request) = session.take_request() else {
            break;
        };
        session.complete(request.execute(&mut bench.vm));
        answered += 1;
    }
    assert!(answered < 100, "{answered}");
    assert!(!bench.session.lock().unwrap().wants_input());
    // Reading lets it go on.
    bench.lines();
    assert!(bench.session.lock().unwrap().wants_input());
    for _ in 0..300_000 {
        bench.vm.events.emit(&Event::Powerdown);
    }
    assert!(bench.session.lock().unwrap().overrun());
}

#[test]
fn error_floods_are_bounded() {
    let bench = Bench::negotiated(false);
    let mut session = bench.session.lock().unwrap();
    session.input(&b"]".repeat(1 << 20));
    assert!(!session.wants_input());
    let mut bytes = 0;
    while let Some(line) = session.output() {
        bytes += line.len();
    }
    assert!(bytes > 60 << 20, "every bracket was answered: {bytes}");
    assert!(session.wants_input());
}

#[test]
fn documented_examples_run_as_written() {
    let mut bench = Bench::negotiated(false);
    let on = r#"{"execute": "trace-event-set-state", "arguments": {"name": "pl011_read", "enable": "true"}}"#;
    assert_eq!(bench.say(on), [json!({"return": {}})]);
    let get = r#"{"execute": "trace-event-get-state", "arguments": {"name": "pl011_read"}}"#;
    assert_eq!(
        bench.say(get),
        [json!({"return": [{"name": "pl011_read", "state": "enabled", "vcpu": false}]})]
    );
    let wrong = on.replace("true", "yes");
    assert_eq!(
        bench.say(&wrong),
        [generic(
            "Invalid parameter type for 'enable', expected: boolean"
        )]
    );
}

/// A small generator, so that failures repeat.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

#[test]
fn mutated_text_never_breaks_the_session() {
    const SEEDS: &[&str] = &[
        "{'execute':'query-status','id':1}",
        r#"{"execute":"human-monitor-command","arguments":{"command-line":"xp /4xw 0x40000000"}}"#,
        r#"{"execute":"human-monitor-command","arguments":{"command-line":"print ((1+2)*-3|$pc)%7"}}"#,
        r#"{"execute":"memsave","arguments":{"val":0,"size":99,"filename":"f","cpu-index":1}}"#,
        r#"{"exec-oob":"yank","arguments":{"instances":[{"type":"chardev","id":"x"}]},"id":{}}"#,
        r#"{"execute":"ringbuf-write","arguments":{"device":"rb","data":"\u00e9\ud83d\ude00","format":"utf8"}}"#,
        r#"{"execute":"ringbuf-read","arguments":{"device":"rb","size":50,"format":"base64"}}"#,
        "[1, -2.5e3, 18446744073709551616, true, null, [[{}]]]\n",
    ];
    const PIECES: &[&[u8]] = &[
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"\"",
        b"'",
        b"\\",
        b"\\u",
        b"d83d",
        b"0",
        b"-",
        b"1e9",
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\x00",
        b"\n",
        b"true",
        b"#",
        b"/",
        b"$",
        b"x/",
        b"9223372036854775808",
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..3000 {
        let mut bench = Bench::negotiated(round % 2 == 0);
        let mut text = Vec::new();
        for _ in 0..=random.below(3) {
            text.extend_from_slice(SEEDS[random.below(SEEDS.len())].as_bytes());
        }
        for _ in 0..random.below(6) {
            let at = random.below(text.len() + 1);
            match random.below(3) {
                0 => {
                    let piece = PIECES[random.below(PIECES.len())];
                    text.splice(at..at, piece.iter().copied());
                }
                1 if at < text.len() => text[at] = random.below(256) as u8,
                _ => text.truncate(at),
            }
        }
        let mut rest = &text[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(1 + random.below(rest.len()));
            bench.say_bytes(now);
            rest = later;
        }
        // A control character ends whatever was open; then the session answers as ever.
        bench.say_bytes(b"\x01\n}\n");
        let answer = bench.say("{'execute':'query-name','id':'after'}");
        assert_eq!(
            answer,
            [json!({"return": {"name": "fake"}, "id": "after"})],
            "{:?}",
            String::from_utf8_lossy(&text)
        );
    }
}
