//! Arguments as old documentation writes them.

use serde_json::{Map, Value};

/// Commands and arguments for which a string stands for a truth value in documented examples.
const TEXT_FOR_BOOL: &[(&str, &str)] = &[("trace-event-set-state", "enable")];

/// Arguments by an old name, and their name now.
const RENAMED: &[(&str, &str, &str)] = &[("blockdev-mirror", "buf_size", "buf-size")];

/// Brings arguments into the form that the schema has.
pub(crate) fn old_forms(command: &str, arguments: &mut Map<String, Value>) {
    for (_, name) in TEXT_FOR_BOOL.iter().filter(|(of, _)| *of == command) {
        if let Some(value) = arguments.get_mut(*name) {
            match value.as_str() {
                Some("true" | "on") => *value = true.into(),
                Some("false" | "off") => *value = false.into(),
                _ => {}
            }
        }
    }
    for (_, old, new) in RENAMED.iter().filter(|(of, ..)| *of == command) {
        if !arguments.contains_key(*new)
            && let Some(value) = arguments.remove(*old)
        {
            arguments.insert((*new).to_owned(), value);
        }
    }
}
