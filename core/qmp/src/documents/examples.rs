//! Examples of commands: `schema/examples.txt`, which describes its form.

use serde_json::{Map, Value};

const TEXT: &str = include_str!("../../schema/examples.txt");

/// A command with arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The command.
    pub command: &'static str,
    /// Its arguments as they are written; `{dir}` in them stands for a folder. Empty where there
    /// are none.
    pub arguments: &'static str,
    /// The class of the error that it is refused with, if it is.
    pub refused: Option<&'static str>,
    /// Why QEMU 7.2 answers otherwise, where it does.
    pub differs: Option<&'static str>,
}

impl Example {
    /// The message that a client sends, with `folder` for `{dir}`; `None` if the arguments are no
    /// object.
    #[must_use]
    pub fn message(&self, folder: &str) -> Option<Value> {
        let mut message = Map::from_iter([("execute".to_owned(), self.command.into())]);
        if !self.arguments.is_empty() {
            let text = self.arguments.replace("{dir}", folder);
            let arguments: Map<String, Value> = serde_json::from_str(&text).ok()?;
            message.insert("arguments".into(), arguments.into());
        }
        Some(message.into())
    }
}

/// All of them, in an order that one machine can follow.
pub fn examples() -> impl Iterator<Item = Example> {
    TEXT.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(example)
}

fn example(line: &'static str) -> Example {
    let (line, differs) = split(line, " ~~ ");
    let (line, refused) = split(line, " !! ");
    let (command, arguments) = line.split_once(' ').unwrap_or((line, ""));
    Example {
        command,
        arguments,
        refused,
        differs,
    }
}

fn split<'a>(text: &'a str, mark: &str) -> (&'a str, Option<&'a str>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{COMMANDS, check, command, old_forms};

    #[test]
    fn every_command_has_one_that_succeeds() {
        // What no machine of the examples can do, or what takes a descriptor beside the text.
        const REFUSED: &[&str] = &[
            "qmp_capabilities",
            "x-exit-preconfig",
            "query-hotpluggable-cpus",
            "query-acpi-ospm-status",
            "getfd",
            "closefd",
            "add-fd",
            "remove-fd",
            "inject-nmi",
            "system_wakeup",
        ];
        for row in COMMANDS {
            let mut of = examples().filter(|example| example.command == row.name);
            let job = row.name.starts_with("job-");
            let refused = job || REFUSED.contains(&row.name);
            assert!(
                of.any(|example| example.refused.is_some() == refused),
                "{} has no example in schema/examples.txt",
                row.name
            );
        }
    }

    #[test]
    fn arguments_are_those_of_the_schema() {
        for example in examples() {
            let row = command(example.command).expect(example.command);
            let message = example.message("/tmp").expect(example.arguments);
            let arguments = message.get("arguments").and_then(Value::as_object);
            let mut arguments = arguments.cloned().unwrap_or_default();
            old_forms(example.command, &mut arguments);
            if example.refused.is_none() {
                assert_eq!(check(row, &arguments), Ok(()), "{message}");
            }
        }
    }
}
