//! The schema as `query-qmp-schema` tells it.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::{
    COMMANDS, Definition, EVENTS, EnumValue, JSONType, Member, SchemaInfo,
    SchemaInfoAlternateMember, SchemaInfoEnumMember, SchemaInfoObjectMember,
    SchemaInfoObjectVariant, SchemaInfoVariant, Shape, Type,
};

/// Every command and event, then the types that they reach. Types are named by numbers: their own
/// names are no part of the protocol.
#[must_use]
pub fn introspect() -> Vec<SchemaInfo> {
    let mut writer = Writer::default();
    for row in COMMANDS {
        let variant = SchemaInfoVariant::Command {
            arg_type: match row.boxed {
                Some(kind) => writer.reference(kind),
                None => writer.members(row.arguments),
            },
            ret_type: match row.returns {
                Some(kind) => writer.reference(kind),
                None => writer.members(&[]),
            },
            allow_oob: row.oob.then_some(true),
        };
        writer.push(row.name, row.features, variant);
    }
    for row in EVENTS {
        let variant = SchemaInfoVariant::Event {
            arg_type: writer.members(row.data),
        };
        writer.push(row.name, row.features, variant);
    }
    writer.entities
}

fn features(list: &[&str]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.iter().map(|&f| f.to_owned()).collect())
}

#[derive(Default)]
struct Writer {
    entities: Vec<SchemaInfo>,
    /// Numbers given to defined types.
    named: HashMap<&'static str, String>,
    /// Built-in types and arrays that are written already.
    written: BTreeSet<String>,
    /// The number of the object without members.
    empty: Option<String>,
    count: usize,
}

impl Writer {
    fn number(&mut self) -> String {
        let number = self.count.to_string();
        self.count += 1;
        number
    }

    fn push(&mut self, name: &str, list: &[&str], variant: SchemaInfoVariant) {
        self.entities.push(SchemaInfo {
            name: name.into(),
            features: features(list),
            variant,
        });
    }

    fn reference(&mut self, kind: Type) -> String {
        let (name, json_type) = match kind {
            Type::Str => ("str", JSONType::String),
            Type::Number => ("number", JSONType::Number),
            Type::Bool => ("bool", JSONType::Boolean),
            Type::Null => ("null", JSONType::Null),
            Type::Any => ("any", JSONType::Value),
            Type::Int | Type::Uint8 | Type::Uint16 | Type::Uint32 | Type::Uint64 | Type::Size => {
                ("int", JSONType::Int)
            }
            Type::Array(element) => {
                let element_type = self.reference(*element);
                let name = format!("[{element_type}]");
                if self.written.insert(name.clone()) {
                    self.push(&name, &[], SchemaInfoVariant::Array { element_type });
                }
                return name;
            }
            Type::Named(definition) => return self.definition(definition),
        };
        if self.written.insert(name.into()) {
            self.push(name, &[], SchemaInfoVariant::Builtin { json_type });
        }
        name.into()
    }

    fn definition(&mut self, definition: &'static Definition) -> String {
        if let Some(number) = self.named.get(definition.name) {
            return number.clone();
        }
        let name = self.number();
        self.named.insert(definition.name, name.clone());
        let info = match definition.shape {
            Shape::Enum(values) => SchemaInfoVariant::Enum {
                members: values.iter().map(enum_member).collect(),
                values: values.iter().map(|v| v.name.to_owned()).collect(),
            },
            Shape::Struct(members) => SchemaInfoVariant::Object {
                members: self.object_members(members),
                tag: None,
                variants: None,
            },
            Shape::Alternate(branches) => SchemaInfoVariant::Alternate {
                members: branches
                    .iter()
                    .map(|branch| SchemaInfoAlternateMember {
                        r#type: self.reference(branch.kind),
                    })
                    .collect(),
            },
            Shape::Union { tag, base, cases } => SchemaInfoVariant::Object {
                members: self.object_members(base),
                tag: Some(tag.into()),
                variants: Some(self.variants(tag, base, cases)),
            },
        };
        self.push(&name, definition.features, info);
        name
    }

    /// A variant for every value of the tag.
    fn variants(
        &mut self,
        tag: &str,
        base: &'static [Member],
        cases: &'static [(&'static str, &'static [Member])],
    ) -> Vec<SchemaInfoObjectVariant> {
        let values: &[EnumValue] = match base.iter().find(|m| m.name == tag).map(|m| m.kind) {
            Some(Type::Named(Definition {
                shape: Shape::Enum(values),
                ..
            })) => values,
            _ => &[],
        };
        values
            .iter()
            .map(|value| {
                let case = cases.iter().find(|(name, _)| *name == value.name);
                SchemaInfoObjectVariant {
                    case: value.name.into(),
                    r#type: self.members(case.map_or(&[][..], |(_, members)| members)),
                }
            })
            .collect()
    }

    /// An object type for members that have no type of their own.
    fn members(&mut self, members: &'static [Member]) -> String {
        if let Some(empty) = self.empty.as_ref().filter(|_| members.is_empty()) {
            return empty.clone();
        }
        let name = self.number();
        if members.is_empty() {
            self.empty = Some(name.clone());
        }
        let members = self.object_members(members);
        let object = SchemaInfoVariant::Object {
            members,
            tag: None,
            variants: None,
        };
        self.push(&name, &[], object);
        name
    }

    fn object_members(&mut self, members: &'static [Member]) -> Vec<SchemaInfoObjectMember> {
        members
            .iter()
            .map(|member| SchemaInfoObjectMember {
                name: member.name.into(),
                r#type: self.reference(member.kind),
                default: member.optional.then_some(Value::Null),
                features: features(member.features),
            })
            .collect()
    }
}

fn enum_member(value: &EnumValue) -> SchemaInfoEnumMember {
    SchemaInfoEnumMember {
        name: value.name.into(),
        features: features(value.features),
    }
}
