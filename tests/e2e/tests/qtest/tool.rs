//! A test tool that an emulator has connected to, as libqtest does.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ferrite_e2e::{Ferrite, Qmp};
use serde_json::json;

/// Longest time for an answer.
const END: Duration = Duration::from_secs(20);

/// Commands that are sent before their answers are read: as many as a socket surely takes.
const AT_ONCE: usize = 256;

/// Where the board keeps its parts.
const FOLDER: &str = "/machine/unattached";

/// A test tool that an emulator has connected to.
pub struct Tool {
    _process: Ferrite,
    stream: BufReader<UnixStream>,
    pub qmp: Qmp,
}

impl Tool {
    /// Starts `program` with these options; its sockets are in `folder`.
    pub fn start(program: &Path, folder: &Path, options: &str) -> Self {
        let name = program.file_name().unwrap().to_string_lossy();
        let place = |what: &str| folder.join(format!("{name}.{what}"));
        let listener = UnixListener::bind(place("qtest")).unwrap();
        let common = "-M virt -cpu cortex-a57 -m 16 -nodefaults -display none -qtest-log none";
        let mut command = Command::new(program);
        command
            .args(common.split_whitespace())
            .args(options.split_whitespace())
            .arg("-qtest")
            .arg(format!("unix:{}", place("qtest").display()))
            .arg("-qmp")
            .arg(format!(
                "unix:{},server=on,wait=off",
                place("qmp").display()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = Ferrite::spawn(&mut command);
        let stream = accept(&listener);
        stream.set_read_timeout(Some(END)).unwrap();
        Self {
            _process: process,
            stream: BufReader::new(stream),
            qmp: Qmp::unix(&place("qmp")),
        }
    }

    /// The path of the interrupt controller.
    pub fn gic(&mut self) -> String {
        let listed = self.children();
        let kinds = ["arm_gic", "arm-gicv3"];
        let kind = kinds
            .into_iter()
            .find(|kind| listed.iter().any(|(_, k)| k == kind));
        self.path(kind.expect("a GIC"))
    }

    /// The path of the only device of this type.
    pub fn path(&mut self, kind: &str) -> String {
        let listed = self.children();
        let found: Vec<_> = listed.iter().filter(|(_, k)| k == kind).collect();
        assert_eq!(found.len(), 1, "{kind}");
        format!("{FOLDER}/{}", found[0].0)
    }

    /// The board's parts: name and type of each.
    fn children(&mut self) -> Vec<(String, String)> {
        let listed = self.qmp.run("qom-list", json!({"path": FOLDER}));
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let entries = listed.as_array().unwrap().iter();
        entries
            .filter_map(|entry| {
                let kind = text(&entry["type"]);
                let kind = kind.strip_prefix("child<")?.strip_suffix('>')?;
                Some((text(&entry["name"]), kind.to_owned()))
            })
            .collect()
    }

    /// The lines that answer a command, the last being `OK` or `FAIL`.
    pub fn ask(&mut self, command: &str) -> Vec<String> {
        self.ask_all(&[command.to_owned()]).remove(0)
    }

    /// What answers each of the commands, which are sent together.
    pub fn ask_all(&mut self, commands: &[String]) -> Vec<Vec<String>> {
        let mut answers = Vec::new();
        for some in commands.chunks(AT_ONCE) {
            let text = some.join("\n") + "\n";
            self.stream.get_mut().write_all(text.as_bytes()).unwrap();
            answers.extend(some.iter().map(|command| self.answer(command)));
        }
        answers
    }

    fn answer(&mut self, command: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        while !lines
            .last()
            .is_some_and(|line| line.starts_with("OK") || line.starts_with("FAIL"))
        {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).unwrap() > 0, "{command}");
            lines.push(line.trim_end().to_owned());
        }
        lines
    }
}

/// Waits for the emulator, which may have found something wrong with its options instead.
fn accept(listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    let end = Instant::now() + END;
    loop {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            return stream;
        }
        assert!(Instant::now() < end, "nobody connects");
        std::thread::sleep(Duration::from_millis(5));
    }
}
