//! The tables that argument checks, introspection and documentation read.

use std::fmt::Write;

use crate::generate::{BUILTIN, Generator, Result, features, has, upper};
use crate::language::{Kind, Member, Module, Type};

impl Generator<'_> {
    fn table_type(&self, kind: &Type) -> Result<String> {
        match kind {
            Type::Array(element) => Ok(format!("Type::Array(&{})", self.table_type(element)?)),
            Type::Name(name) => match BUILTIN.iter().find(|b| b.0 == name) {
                Some((_, table, _)) => Ok(format!("Type::{table}")),
                None => {
                    self.rust_type(kind)?;
                    Ok(format!("Type::Named(&TYPE_{})", upper(name)))
                }
            },
        }
    }

    fn table_members(&self, members: &[Member]) -> Result<String> {
        let mut out = String::from("&[");
        for member in members {
            let _ = write!(
                out,
                "Member {{ name: {:?}, doc: {:?}, kind: {}, optional: {}, features: {} }}, ",
                member.name,
                member.doc,
                self.table_type(&member.kind)?,
                member.optional,
                features(&member.attributes)
            );
        }
        out.push(']');
        Ok(out)
    }

    pub(super) fn tables(&mut self, modules: &[Module]) -> Result {
        let (mut types, mut commands, mut events) = (Vec::new(), Vec::new(), Vec::new());
        let mut out = String::new();
        for item in modules.iter().flat_map(|m| &m.items) {
            let head = format!(
                "name: {:?}, doc: {:?}, features: {}",
                item.name,
                item.doc,
                features(&item.attributes)
            );
            let shape = match &item.kind {
                Kind::Enum(values) => {
                    let mut list = String::new();
                    for value in values {
                        let _ = write!(
                            list,
                            "EnumValue {{ name: {:?}, doc: {:?}, features: {} }}, ",
                            value.name,
                            value.doc,
                            features(&value.attributes)
                        );
                    }
                    format!("Shape::Enum(&[{list}])")
                }
                Kind::Struct(members) => format!("Shape::Struct({})", self.table_members(members)?),
                Kind::Union { tag, base, cases } => {
                    let mut list = String::new();
                    for case in cases {
                        let members = self.table_members(&case.members)?;
                        let _ = write!(list, "({:?}, {members}), ", case.name);
                    }
                    let base = self.table_members(base)?;
                    format!("Shape::Union {{ tag: {tag:?}, base: {base}, cases: &[{list}] }}")
                }
                Kind::Alternate(branches) => {
                    format!("Shape::Alternate({})", self.table_members(branches)?)
                }
                Kind::Command {
                    arguments,
                    boxed,
                    returns,
                } => {
                    let returns = match returns {
                        Some(kind) => format!("Some({})", self.table_type(kind)?),
                        None => "None".into(),
                    };
                    let boxed = match boxed {
                        Some(kind) => format!("Some({})", self.table_type(kind)?),
                        None => "None".into(),
                    };
                    commands.push((
                        item.name.clone(),
                        format!(
                            "CommandDefinition {{ {head}, oob: {}, preconfig: {}, open: {}, arguments: {}, boxed: {boxed}, returns: {returns} }}",
                            has(item, "oob"),
                            has(item, "preconfig"),
                            has(item, "open"),
                            self.table_members(arguments)?
                        ),
                    ));
                    continue;
                }
                Kind::Event(members) => {
                    let rate = item.attributes.iter().find(|a| a.name == "rate");
                    let rate = match rate.map(|a| &a.value) {
                        None => "Rate::Unlimited".into(),
                        Some(None) => "Rate::PerSecond { key: None }".into(),
                        Some(Some(key)) => format!("Rate::PerSecond {{ key: Some({key:?}) }}"),
                    };
                    let name = format!("EVENT_{}", upper(&item.name));
                    let _ = writeln!(
                        out,
                        "static {name}: EventDefinition = EventDefinition {{ {head}, rate: {rate}, data: {} }};",
                        self.table_members(members)?
                    );
                    events.push(format!("&{name}"));
                    continue;
                }
            };
            let name = format!("TYPE_{}", upper(&item.name));
            let _ = writeln!(
                out,
                "static {name}: Definition = Definition {{ {head}, shape: {shape} }};"
            );
            types.push(format!("&{name}"));
        }
        commands.sort();
        let commands: Vec<String> = commands.into_iter().map(|(_, row)| row).collect();
        let _ = write!(
            out,
            "\n/// Every type.\npub static TYPES: &[&Definition] = &[{}];\n\n/// Every command, by name.\npub static COMMANDS: &[CommandDefinition] = &[{}];\n\n/// Every event.\npub static EVENTS: &[&EventDefinition] = &[{}];\n",
            types.join(", "),
            commands.join(", "),
            events.join(", ")
        );
        self.out += &out;
        Ok(())
    }
}
