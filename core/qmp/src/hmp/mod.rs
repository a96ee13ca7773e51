//! The human monitor: commands as lines, answers as text.
//!
//! Its commands are the rows of `table.rs`; what a command prints follows QEMU's layout, since
//! scripts read it.

mod arguments;
mod devices;
mod expression;
mod info;
mod memory;
mod table;
#[cfg(test)]
mod tests;

use crate::control::VmControl;
use crate::session::Monitor;
use arguments::{Arguments, Cursor};
use table::{COMMANDS, INFO, Row};

pub use memory::DumpFormat;

/// A command at work: the machine, its monitor's memory, and what it prints.
struct Human<'a> {
    vm: &'a mut dyn VmControl,
    monitor: &'a mut Monitor,
    out: String,
}

/// The human monitor of one terminal: it remembers its processor and how it last showed memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct HumanMonitor {
    monitor: Monitor,
}

impl HumanMonitor {
    /// Runs one line and returns what it prints, lines ending in CR LF.
    pub fn run(&mut self, line: &str, vm: &mut dyn VmControl) -> String {
        run(line, vm, &mut self.monitor)
    }
}

/// Runs one line and returns what it prints, lines ending in CR LF.
pub(crate) fn run(line: &str, vm: &mut dyn VmControl, monitor: &mut Monitor) -> String {
    let mut human = Human {
        vm,
        monitor,
        out: String::new(),
    };
    human.line(line);
    human.out.replace('\n', "\r\n")
}

impl Human<'_> {
    fn line(&mut self, line: &str) {
        let mut cursor = Cursor::new(line);
        let name = cursor.name();
        if name.is_empty() {
            return;
        }
        let Some(row) = find(COMMANDS, name) else {
            self.unknown(name);
            return;
        };
        if row.name != "info" {
            self.command(row, "", &mut cursor);
            return;
        }
        let sub = cursor.name();
        match find(INFO, sub) {
            Some(row) => self.command(row, "info ", &mut cursor),
            None if sub.is_empty() => self.list(INFO, "info "),
            None => self.unknown(&format!("info {sub}")),
        }
    }

    fn unknown(&mut self, name: &str) {
        self.out += &format!("unknown command: '{name}'\n");
    }

    fn command(&mut self, row: &Row, prefix: &str, cursor: &mut Cursor<'_>) {
        match Arguments::parse(row, cursor, self) {
            Ok(arguments) => {
                if let Err(error) = (row.run)(self, &arguments) {
                    self.out += &format!("Error: {error}\n");
                }
            }
            Err(text) => {
                let first = row.name.split('|').next().unwrap_or(row.name);
                self.out += &format!("{text}\nTry \"help {prefix}{first}\" for more information\n");
            }
        }
    }

    /// A line of help for each row.
    fn list(&mut self, rows: &[Row], prefix: &str) {
        for row in rows {
            self.out += &format!("{prefix}{} {} -- {}\n", row.name, row.usage, row.help);
        }
    }

    fn help(&mut self, about: Option<&str>) {
        let Some(about) = about else {
            self.list(COMMANDS, "");
            return;
        };
        let mut words = about.split_whitespace();
        match (words.next(), words.next()) {
            (Some("info"), None) => self.list(INFO, "info "),
            (Some("info"), Some(sub)) => match find(INFO, sub) {
                Some(row) => self.list(std::slice::from_ref(row), "info "),
                None => self.unknown(&format!("info {sub}")),
            },
            (Some(name), _) => match find(COMMANDS, name) {
                Some(row) => self.list(std::slice::from_ref(row), ""),
                None => self.unknown(name),
            },
            (None, _) => {}
        }
    }
}

fn find<'r>(rows: &'r [Row], name: &str) -> Option<&'r Row> {
    rows.iter()
        .find(|row| row.name.split('|').any(|alias| alias == name))
}
