//! The reference of commands, events and types, as a page in Markdown.

use std::fmt::Write;

use super::{examples, line};
use crate::schema::{
    COMMANDS, CommandDefinition, Definition, EVENTS, EventDefinition, Member, Rate, Shape, TYPES,
    Type,
};

const HEAD: &str = "\
# QMP reference

Every command and event of Ferrite's QMP server, and the types that they speak of. `cargo xtask
reference` writes this page from the schema in [`schema/`](schema/README.md), whose rows are also
what `query-qmp-schema` answers with. Members in [brackets] may be left out.
";

/// How many examples of a command are shown.
const EXAMPLES: usize = 3;

/// The page.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    page += "\n## Commands\n";
    for row in COMMANDS {
        command(&mut page, row);
    }
    page += "\n## Events\n";
    for row in EVENTS {
        event(&mut page, row);
    }
    page += "\n## Types\n";
    let mut types: Vec<&Definition> = TYPES.to_vec();
    types.sort_by_key(|row| row.name);
    for row in types {
        definition(&mut page, row);
    }
    page
}

// Writing to a `String` cannot fail.
macro_rules! put {
    ($page:expr, $($text:tt)*) => {{
        let _ = writeln!($page, $($text)*);
    }};
}

/// A heading, the features as a remark, and the text.
fn head(page: &mut String, name: &str, remarks: &[String], doc: &str) {
    put!(page, "\n### `{name}`\n");
    if !remarks.is_empty() {
        put!(page, "*{}*\n", remarks.join(", "));
    }
    put!(page, "{doc}");
}

fn remarks(features: &[&str]) -> Vec<String> {
    features.iter().map(|&name| name.to_owned()).collect()
}

/// A type's name, with a link to what it is.
fn type_name(kind: Type) -> String {
    match kind {
        Type::Str => "string".into(),
        Type::Int => "integer".into(),
        Type::Number => "number".into(),
        Type::Bool => "boolean".into(),
        Type::Null => "null".into(),
        Type::Any => "any value".into(),
        Type::Uint8 => "integer from 0 to 255".into(),
        Type::Uint16 => "integer from 0 to 65535".into(),
        Type::Uint32 => "unsigned integer of 32 bits".into(),
        Type::Uint64 => "unsigned integer of 64 bits".into(),
        Type::Size => "number of bytes".into(),
        Type::Array(of) => format!("list of {}", type_name(*of)),
        Type::Named(row) => format!("[{}](#{})", row.name, row.name.to_ascii_lowercase()),
    }
}

fn members(page: &mut String, members: &[Member]) {
    if !members.is_empty() {
        page.push('\n');
    }
    for member in members {
        let name = match member.optional {
            true => format!("[`{}`]", member.name),
            false => format!("`{}`", member.name),
        };
        let kind = type_name(member.kind);
        put!(
            page,
            "- {name}: {kind}. {}{}",
            line(member.doc),
            after(member.features)
        );
    }
}

/// Features at the end of a line.
fn after(features: &[&str]) -> String {
    match features {
        [] => String::new(),
        features => format!(" *({})*", features.join(", ")),
    }
}

fn command(page: &mut String, row: &CommandDefinition) {
    let mut notes = remarks(row.features);
    if row.oob {
        notes.push("may run out of band".into());
    }
    if row.preconfig {
        notes.push("may run before the machine is made".into());
    }
    head(page, row.name, &notes, row.doc);
    members(page, row.arguments);
    if row.open {
        put!(page, "- further members: what the ones above call for.");
    }
    if let Some(boxed) = row.boxed {
        put!(page, "\nArguments: {}.", type_name(boxed));
    }
    if let Some(returns) = row.returns {
        put!(page, "\nReturns: {}.", type_name(returns));
    }
    let shown = examples().filter(|example| example.command == row.name);
    let shown: Vec<String> = shown
        .filter(|example| example.refused.is_none() && !example.arguments.is_empty())
        .take(EXAMPLES)
        .filter_map(|example| example.message("/tmp"))
        .map(|message| message.to_string())
        .collect();
    if !shown.is_empty() {
        put!(page, "\n```json\n{}\n```", shown.join("\n"));
    }
}

fn event(page: &mut String, row: &EventDefinition) {
    let mut notes = remarks(row.features);
    if let Rate::PerSecond { key } = row.rate {
        notes.push(match key {
            None => "once a second at most".into(),
            Some(key) => format!("once a second at most for each `{key}`"),
        });
    }
    head(page, row.name, &notes, row.doc);
    members(page, row.data);
}

fn definition(page: &mut String, row: &Definition) {
    let doc = match row.doc {
        "" => "As the name says.",
        doc => doc,
    };
    head(page, row.name, &remarks(row.features), doc);
    match row.shape {
        Shape::Enum(values) => {
            page.push('\n');
            for value in values {
                let doc = match value.doc {
                    "" => String::new(),
                    doc => format!(": {}", line(doc)),
                };
                put!(page, "- `\"{}\"`{doc}{}", value.name, after(value.features));
            }
        }
        Shape::Struct(list) => members(page, list),
        Shape::Alternate(branches) => {
            put!(page, "\nOne of:\n");
            for branch in branches {
                put!(page, "- {}. {}", type_name(branch.kind), line(branch.doc));
            }
        }
        Shape::Union { tag, base, cases } => {
            members(page, base);
            for (value, list) in cases.iter().filter(|(_, list)| !list.is_empty()) {
                put!(page, "\nWhere `{tag}` is `\"{value}\"`:");
                members(page, list);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Links go to the first heading of a name, so no type may share one with what comes before.
    #[test]
    fn links_to_types_are_unique() {
        for row in TYPES {
            let anchor = row.name.to_ascii_lowercase();
            let before = COMMANDS.iter().map(|row| row.name);
            let before = before.chain(EVENTS.iter().map(|row| row.name));
            let others = TYPES.iter().map(|row| row.name);
            let mut others = before.chain(others.filter(|name| *name != row.name));
            assert!(
                others.all(|name| !name.eq_ignore_ascii_case(&anchor)),
                "{anchor}"
            );
        }
    }

    #[test]
    fn commands_and_events_are_told_with_their_members() {
        let page = markdown();
        for text in [
            "### `memsave`\n\nWrites guest-virtual memory to a file.\n\n- `val`: integer.",
            "- [`cpu-index`]: integer.",
            "### `yank`\n\n*may run out of band*\n",
            "### `BALLOON_CHANGE`\n\n*once a second at most*\n",
            "Returns: [StatusInfo](#statusinfo).",
            "Where `type` is `\"ringbuf\"`:",
        ] {
            assert!(page.contains(text), "{text}");
        }
    }
}
