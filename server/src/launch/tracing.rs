//! What `-trace` asks for: which points are on, and what their lines become.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use ferrite_machine::clock::HostClock;
use ferrite_machine::trace::{POINTS, Sink, Trace, matches};
use serde_json::json;

use super::LaunchError;
use crate::cli::CommandLine;
use crate::clock::SystemClock;

/// Turns on the trace points that `-trace` names.
pub(super) fn start(line: &CommandLine, trace: &Trace) -> Result<(), LaunchError> {
    let failed = |path: &Path, error| LaunchError::File {
        option: "trace",
        path: path.to_owned(),
        error,
    };
    trace.set_sink(match &line.trace_file {
        None => lines(io::stderr()),
        Some(path) => {
            let file = File::create(path).map_err(|error| failed(path, error))?;
            match path.extension().is_some_and(|ending| ending == "json") {
                true => events(file).map_err(|error| failed(path, error))?,
                false => lines(file),
            }
        }
    });
    let mut patterns = line.trace.clone();
    if let Some(path) = &line.trace_events {
        let text = fs::read_to_string(path).map_err(|error| failed(path, error))?;
        let listed = text.lines().map(str::trim);
        let listed = listed.filter(|name| !name.is_empty() && !name.starts_with('#'));
        patterns.extend(listed.map(str::to_owned));
    }
    for pattern in &patterns {
        // After a dash, what it names is turned off again.
        let (name, on) = match pattern.strip_prefix('-') {
            Some(name) => (name, false),
            None => (pattern.as_str(), true),
        };
        let mut known = false;
        for (number, _) in POINTS
            .iter()
            .enumerate()
            .filter(|row| matches(name, row.1.name))
        {
            trace.set(number, on);
            known = true;
        }
        if !known && !name.contains('*') {
            return Err(LaunchError::Conflict(format!(
                "-trace {name}: trace event '{name}' does not exist"
            )));
        }
    }
    Ok(())
}

/// A line for each, as QEMU's log back end writes it.
fn lines(mut out: impl Write + Send + 'static) -> Sink {
    let (process, clock) = (std::process::id(), SystemClock::default());
    Box::new(move |name, text| {
        let us = clock.wall_ns() / 1_000;
        let (seconds, us) = (us / 1_000_000, us % 1_000_000);
        // A trace that cannot be written must not stop the guest.
        let _ = writeln!(out, "{process}@{seconds}.{us:06}:{name} {text}");
    })
}

/// An instant event for each, in the "JSON Array Format" of the Trace Event Format that Chrome and
/// Perfetto read; the bracket at its end may be missing there. What belongs to a processor is on a
/// track of its own.
fn events(mut out: impl Write + Send + 'static) -> io::Result<Sink> {
    let (process, clock) = (std::process::id(), SystemClock::default());
    out.write_all(b"[")?;
    let mut separator = "\n";
    Ok(Box::new(move |name, text| {
        let cpu = text
            .strip_prefix("cpu ")
            .and_then(|rest| rest.split(' ').next());
        let cpu: Option<u32> = cpu.and_then(|number| number.parse().ok());
        let event = json!({
            "name": name,
            "cat": name.split('_').next().unwrap_or_default(),
            "ph": "i",
            "s": "t",
            "ts": clock.monotonic_ns() as f64 / 1e3,
            "pid": process,
            "tid": cpu.map_or(0, |cpu| cpu + 1),
            "args": {"text": text},
        });
        // A trace that cannot be written must not stop the guest.
        let _ = write!(out, "{separator}{event}");
        separator = ",\n";
    }))
}

#[cfg(test)]
mod tests {
    use ferrite_machine::trace::Point;

    use super::*;
    use crate::cli::{Invocation, parse};

    fn trace(options: &str) -> Result<Trace, String> {
        let words = options.split_whitespace().map(str::to_owned);
        let Ok(Invocation::Run(line)) = parse(words, 0) else {
            panic!("{options}");
        };
        let trace = Trace::default();
        start(&line, &trace).map_err(|error| error.to_string())?;
        Ok(trace)
    }

    #[test]
    fn a_file_for_viewers() {
        let folder = tempfile::tempdir().unwrap();
        let (names, file) = (folder.path().join("names"), folder.path().join("t.json"));
        fs::write(&names, "# serial port\npl011_*\n\n-pl011_write\n").unwrap();
        let options = format!("-trace events={},file={}", names.display(), file.display());
        let trace = trace(&options).unwrap();
        trace.tell(Point::Pl011Read, || "cpu 1 offset 0x18".into());
        trace.tell(Point::Pl011Write, || unreachable!());
        trace.tell(Point::Pl011Read, || "a \"b\"".into());
        let text = fs::read_to_string(&file).unwrap();
        let events: serde_json::Value = serde_json::from_str(&format!("{text}]")).unwrap();
        assert_eq!(events.as_array().unwrap().len(), 2);
        assert_eq!(events[0]["name"], "pl011_read");
        assert_eq!(
            (&events[0]["ph"], &events[0]["tid"]),
            (&json!("i"), &json!(2))
        );
        assert_eq!(events[1]["args"]["text"], "a \"b\"");
    }

    #[test]
    fn names_that_do_not_exist() {
        assert!(trace("-trace nonsense*").is_ok());
        assert!(trace("-trace nonsense").is_err());
    }
}
