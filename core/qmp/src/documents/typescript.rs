//! The schema as types of TypeScript: one for each type, and tables of commands and events by name.

use std::fmt::Write;

use super::line;
use crate::schema::{COMMANDS, Definition, EVENTS, EnumValue, Member, Shape, TYPES, Type};

const HEAD: &str = "\
// The types of QMP: `cargo xtask reference` writes this file from the schema in core/qmp/schema.

/** An object without members. */
export type Nothing = Record<string, never>;
";

/// The module.
#[must_use]
pub fn typescript() -> String {
    let mut out = String::from(HEAD);
    let mut types: Vec<&Definition> = TYPES.to_vec();
    types.sort_by_key(|row| row.name);
    for row in types {
        out.push('\n');
        comment(&mut out, "", row.doc, row.features);
        definition(&mut out, row);
    }
    out += "\n/** Commands by name: what they take and what they return. */\nexport interface Commands {\n";
    for row in COMMANDS {
        comment(&mut out, "  ", row.doc, row.features);
        let arguments = match row.boxed {
            Some(kind) => type_name(kind),
            None => object(row.arguments, row.open, "    "),
        };
        let returns = row.returns.map_or("Nothing".into(), type_name);
        put(
            &mut out,
            &format!(
                "  {}: {{\n    arguments: {arguments};\n    returns: {returns};\n  }};",
                key(row.name)
            ),
        );
    }
    out += "}\n\n/** Events by name: their data, if they have any. */\nexport interface Events {\n";
    for row in EVENTS {
        comment(&mut out, "  ", row.doc, row.features);
        let data = match row.data {
            [] => "undefined".into(),
            members => object(members, false, "  "),
        };
        put(&mut out, &format!("  {}: {data};", key(row.name)));
    }
    out += "}\n";
    out
}

fn put(out: &mut String, text: &str) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "{text}");
}

fn comment(out: &mut String, indent: &str, doc: &str, features: &[&str]) {
    let mut text = line(doc);
    for feature in features {
        text += &match *feature {
            "deprecated" => " @deprecated".to_owned(),
            other => format!(" ({other})"),
        };
    }
    if !text.is_empty() {
        put(out, &format!("{indent}/** {} */", text.trim_start()));
    }
}

/// A member's name, quoted unless it is an identifier.
fn key(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        true => name.to_owned(),
        false => format!("{name:?}"),
    }
}

fn type_name(kind: Type) -> String {
    match kind {
        Type::Str => "string".into(),
        Type::Int
        | Type::Number
        | Type::Uint8
        | Type::Uint16
        | Type::Uint32
        | Type::Uint64
        | Type::Size => "number".into(),
        Type::Bool => "boolean".into(),
        Type::Null => "null".into(),
        Type::Any => "unknown".into(),
        Type::Array(of) => format!("{}[]", type_name(*of)),
        Type::Named(row) => row.name.into(),
    }
}

/// Members as the inside of an object type, a line each.
fn members(list: &[Member], indent: &str) -> String {
    let mut out = String::new();
    for member in list {
        comment(&mut out, indent, member.doc, member.features);
        let mark = if member.optional { "?" } else { "" };
        let (name, kind) = (key(member.name), type_name(member.kind));
        put(&mut out, &format!("{indent}{name}{mark}: {kind};"));
    }
    out
}

/// An object type; `open` ones have members beyond these.
fn object(list: &[Member], open: bool, indent: &str) -> String {
    if list.is_empty() && !open {
        return "Nothing".into();
    }
    let inner = format!("{indent}  ");
    let mut out = format!("{{\n{}", members(list, &inner));
    if open {
        put(&mut out, &format!("{inner}[member: string]: unknown;"));
    }
    out + indent + "}"
}

fn definition(out: &mut String, row: &Definition) {
    let name = row.name;
    match row.shape {
        Shape::Enum(values) => {
            put(out, &format!("export type {name} ="));
            let last = values.len().saturating_sub(1);
            for (n, value) in values.iter().enumerate() {
                comment(out, "  ", value.doc, value.features);
                let end = if n == last { ";" } else { "" };
                put(out, &format!("  | {:?}{end}", value.name));
            }
        }
        Shape::Struct([]) => put(out, &format!("export type {name} = Nothing;")),
        Shape::Struct(list) => {
            let members = members(list, "  ");
            put(out, &format!("export interface {name} {{\n{members}}}"));
        }
        Shape::Alternate(branches) => {
            let kinds: Vec<String> = branches.iter().map(|b| type_name(b.kind)).collect();
            put(out, &format!("export type {name} = {};", kinds.join(" | ")));
        }
        Shape::Union { tag, base, cases } => union(out, name, tag, base, cases),
    }
}

/// Common members, and a case for each value of the tag.
fn union(
    out: &mut String,
    name: &str,
    tag: &str,
    base: &[Member],
    cases: &[(&str, &'static [Member])],
) {
    let values: &[EnumValue] = match base.iter().find(|m| m.name == tag).map(|m| m.kind) {
        Some(Type::Named(row)) => match row.shape {
            Shape::Enum(values) => values,
            _ => &[],
        },
        _ => &[],
    };
    put(out, &format!("export type {name} = {{"));
    *out += &members(base, "  ");
    put(out, "} & (");
    for value in values {
        let case = cases.iter().find(|(name, _)| *name == value.name);
        let list = case.map_or(&[][..], |(_, list)| list);
        let text = members(list, "      ");
        put(
            out,
            &format!(
                "  | {{\n      {}: {:?};\n{text}    }}",
                key(tag),
                value.name
            ),
        );
    }
    put(out, ");");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_commands_and_events_are_written() {
        let module = typescript();
        for text in [
            "export interface StatusInfo {\n",
            "  \"query-status\": {\n    arguments: Nothing;\n    returns: StatusInfo;\n  };\n",
            "    /** Whose address space; the monitor's processor when absent. */\n      \"cpu-index\"?: number;\n",
            "      [member: string]: unknown;\n",
            "  STOP: undefined;\n",
            "  | \"guest-panicked\"",
        ] {
            assert!(module.contains(text), "{text}");
        }
    }

    /// Every name that is used is one that is defined.
    #[test]
    fn names_are_types_of_the_language() {
        for row in TYPES {
            let mut letters = row.name.chars();
            assert!(letters.all(|c| c.is_ascii_alphanumeric()), "{}", row.name);
            assert!(row.name.starts_with(|c: char| c.is_ascii_alphabetic()));
            assert!(!["Nothing", "Commands", "Events", "Record"].contains(&row.name));
        }
    }
}
