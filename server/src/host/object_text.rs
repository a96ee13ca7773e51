//! Objects of the command line, whose properties are text, in the schema's terms.

use ferrite_cli::keyval::{parse_number, parse_size};
use ferrite_cli::object::ObjectSpec;
use ferrite_qmp::error::Error;
use ferrite_qmp::schema::{self, Member, ObjectOptions, Shape, TYPES, Type};
use serde_json::{Map, Value};

/// What `object-add` would be given.
pub fn options(spec: &ObjectSpec) -> Result<ObjectOptions, Error> {
    let mut all = Map::new();
    all.insert("qom-type".into(), spec.kind.clone().into());
    all.insert("id".into(), spec.id.clone().into());
    let members = members(&spec.kind);
    for (name, text) in &spec.properties {
        let member = members.iter().find(|member| member.name == name);
        let kind = member.map_or(Type::Str, |member| member.kind);
        let value = value(kind, text).ok_or_else(|| {
            Error::generic(format!(
                "Property '{}.{name}' doesn't take value '{text}'",
                spec.kind
            ))
        })?;
        all.insert(name.clone(), value);
    }
    if let Some(command) = schema::command("object-add") {
        schema::check(command, &all)?;
    }
    serde_json::from_value(all.into()).map_err(|error| Error::generic(error.to_string()))
}

/// The properties of a type.
fn members(kind: &str) -> &'static [Member] {
    let options = TYPES.iter().find(|row| row.name == "ObjectOptions");
    match options.map(|row| &row.shape) {
        Some(Shape::Union { cases, .. }) => cases
            .iter()
            .find(|(case, _)| *case == kind)
            .map_or(&[], |(_, members)| members),
        _ => &[],
    }
}

fn value(kind: Type, text: &str) -> Option<Value> {
    Some(match kind {
        Type::Bool => match text {
            "on" | "true" | "yes" | "y" => true.into(),
            "off" | "false" | "no" | "n" => false.into(),
            _ => return None,
        },
        Type::Size => parse_size(text, 'b')?.into(),
        Type::Int | Type::Uint8 | Type::Uint16 | Type::Uint32 | Type::Uint64 => {
            parse_number(text)?.into()
        }
        Type::Array(_) => return None,
        _ => text.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrite_qmp::schema::ObjectOptionsVariant;

    fn read(text: &str) -> Result<ObjectOptions, String> {
        options(&ObjectSpec::parse(text).unwrap()).map_err(|error| error.message)
    }

    #[test]
    fn text_is_read_against_the_schema() {
        let memory = read("memory-backend-ram,id=m,size=64M,share=on").unwrap();
        let ObjectOptionsVariant::MemoryBackendRam { size, share, .. } = memory.variant else {
            panic!("{memory:?}");
        };
        assert_eq!(
            (memory.id.as_str(), size, share),
            ("m", 64 << 20, Some(true))
        );
        let json = r#"{"qom-type":"secret","id":"s","data":"abc","format":"raw"}"#;
        assert!(read(json).is_ok());
        for (text, message) in [
            ("memory-backend-ram,id=m", "Parameter 'size' is missing"),
            (
                "memory-backend-ram,id=m,size=big",
                "Property 'memory-backend-ram.size' doesn't take value 'big'",
            ),
            (
                "memory-backend-ram,id=m,size=1,x=1",
                "Parameter 'x' is unexpected",
            ),
            (
                "nonsense,id=m",
                "Parameter 'qom-type' does not accept value 'nonsense'",
            ),
        ] {
            assert_eq!(read(text), Err(message.to_owned()), "{text}");
        }
    }
}
