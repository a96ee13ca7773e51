//! Rust source from the schema's syntax tree.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::language::{Attribute, Case, Item, Kind, Member, Module, Type};

/// Built-in types: schema name, variant of `Type` in the tables, Rust type.
pub(super) const BUILTIN: &[(&str, &str, &str)] = &[
    ("str", "Str", "String"),
    ("int", "Int", "i64"),
    ("number", "Number", "f64"),
    ("bool", "Bool", "bool"),
    ("null", "Null", "()"),
    ("any", "Any", "serde_json::Value"),
    ("uint8", "Uint8", "u8"),
    ("uint16", "Uint16", "u16"),
    ("uint32", "Uint32", "u32"),
    ("uint64", "Uint64", "u64"),
    ("size", "Size", "u64"),
];

/// Attributes that are not features of the introspection.
const NOT_FEATURES: &[&str] = &["oob", "session", "rate", "open", "preconfig"];

pub(super) type Result<T = ()> = std::result::Result<T, String>;

pub(super) struct Generator<'a> {
    /// Definitions that members can name.
    types: BTreeMap<&'a str, &'a Item>,
    /// The definition that is being written, whose own members of its type have to be boxed.
    owner: String,
    pub(super) out: String,
}

/// All modules as one Rust file.
pub fn generate(modules: &[Module]) -> Result<String> {
    let mut types = BTreeMap::new();
    for item in modules.iter().flat_map(|m| &m.items) {
        if matches!(
            item.kind,
            Kind::Enum(_) | Kind::Struct(_) | Kind::Union { .. } | Kind::Alternate(_)
        ) && types.insert(item.name.as_str(), item).is_some()
        {
            return Err(format!("{} is defined twice", item.name));
        }
    }
    let mut generator = Generator {
        types,
        owner: String::new(),
        out: String::new(),
    };
    for item in modules.iter().flat_map(|m| &m.items) {
        generator.item(item)?;
    }
    generator.traits(modules)?;
    generator.dispatch(modules)?;
    generator.events(modules)?;
    generator.tables(modules)?;
    Ok(generator.out)
}

fn camel(name: &str) -> String {
    let mut out = String::new();
    let all_upper = !name.chars().any(|c| c.is_ascii_lowercase());
    for word in name.split(['-', '_']).filter(|w| !w.is_empty()) {
        let (first, rest) = word.split_at(1);
        out += &first.to_ascii_uppercase();
        out += &if all_upper {
            rest.to_ascii_lowercase()
        } else {
            rest.to_owned()
        };
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, 'N');
    }
    out
}

fn snake(name: &str) -> String {
    let name = name.replace('-', "_").to_ascii_lowercase();
    match name.as_str() {
        "abstract" | "as" | "in" | "match" | "ref" | "static" | "type" => format!("r#{name}"),
        _ => name,
    }
}

/// Doc attributes for `doc`, or a sentence naming the thing where the schema has none.
fn doc(doc: &str, name: &str, indent: &str) -> String {
    let text = if doc.is_empty() {
        format!("`{name}` of the schema.")
    } else {
        doc.to_owned()
    };
    text.lines()
        .map(|line| format!("{indent}#[doc = {:?}]\n", format!(" {line}")))
        .collect()
}

pub(super) fn features(attributes: &[Attribute]) -> String {
    let list: Vec<String> = attributes
        .iter()
        .filter(|a| !NOT_FEATURES.contains(&a.name.as_str()))
        .map(|a| format!("{:?}", a.name))
        .collect();
    format!("&[{}]", list.join(", "))
}

pub(super) fn has(item: &Item, attribute: &str) -> bool {
    item.attributes.iter().any(|a| a.name == attribute)
}

fn arguments_name(command: &str) -> String {
    format!("{}Arguments", camel(command))
}

impl Generator<'_> {
    pub(super) fn rust_type(&self, kind: &Type) -> Result<String> {
        match kind {
            Type::Array(element) => Ok(format!("Vec<{}>", self.rust_type(element)?)),
            Type::Name(name) => {
                if let Some((_, _, rust)) = BUILTIN.iter().find(|b| b.0 == name) {
                    return Ok((*rust).to_owned());
                }
                if self.types.contains_key(name.as_str()) {
                    return Ok(camel(name));
                }
                Err(format!("type {name} is not defined"))
            }
        }
    }

    fn fields(&self, members: &[Member], indent: &str, public: &str) -> Result<String> {
        let mut out = String::new();
        for member in members {
            out += &doc(&member.doc, &member.name, indent);
            let mut kind = self.rust_type(&member.kind)?;
            if kind == self.owner {
                kind = format!("Box<{kind}>");
            }
            let mut serde = format!("rename = {:?}", member.name);
            if member.optional {
                kind = format!("Option<{kind}>");
                serde += ", default, skip_serializing_if = \"Option::is_none\"";
            }
            let name = snake(&member.name);
            let _ = writeln!(
                out,
                "{indent}#[serde({serde})]\n{indent}{public}{name}: {kind},"
            );
        }
        Ok(out)
    }

    fn structure(&mut self, name: &str, about: &str, members: &[Member], open: bool) -> Result {
        let mut fields = self.fields(members, "    ", "pub ")?;
        if open {
            fields += "    /// Further members.\n    #[serde(flatten)]\n    pub rest: Map<String, Value>,\n";
        }
        let about = doc(about, name, "");
        let _ = write!(
            self.out,
            "{about}#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]\npub struct {} {{\n{fields}}}\n\n",
            camel(name)
        );
        Ok(())
    }

    fn item(&mut self, item: &Item) -> Result {
        self.owner = camel(&item.name);
        match &item.kind {
            Kind::Enum(_) => {
                self.enumeration(item);
                Ok(())
            }
            Kind::Struct(members) => self.structure(&item.name, &item.doc, members, false),
            Kind::Alternate(branches) => self.alternate(item, branches),
            Kind::Union { tag, base, cases } => self.union(item, tag, base, cases),
            Kind::Command { arguments, .. }
                if (!arguments.is_empty() || has(item, "open")) && !has(item, "session") =>
            {
                let about = format!("Arguments of `{}`.", item.name);
                let name = arguments_name(&item.name);
                self.structure(&name, &about, arguments, has(item, "open"))
            }
            Kind::Command { .. } | Kind::Event(_) => Ok(()),
        }
    }

    fn enumeration(&mut self, item: &Item) {
        let Kind::Enum(values) = &item.kind else {
            return;
        };
        let name = camel(&item.name);
        let about = doc(&item.doc, &item.name, "");
        let _ = write!(
            self.out,
            "{about}#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]\npub enum {name} {{\n"
        );
        let mut arms = String::new();
        for value in values {
            let variant = camel(&value.name);
            self.out += &doc(&value.doc, &value.name, "    ");
            let _ = writeln!(
                self.out,
                "    #[serde(rename = {:?})]\n    {variant},",
                value.name
            );
            let _ = writeln!(arms, "            Self::{variant} => {:?},", value.name);
        }
        let _ = write!(
            self.out,
            "}}\n\nimpl {name} {{\n    /// The value's name on the wire.\n    #[must_use]\n    pub fn as_str(self) -> &'static str {{\n        match self {{\n{arms}        }}\n    }}\n}}\n\n"
        );
    }

    /// A union: an enumeration tagged by the tag's member. Where there are further common members,
    /// a structure of them with the enumeration as its `variant`.
    fn union(&mut self, item: &Item, tag: &str, base: &[Member], cases: &[Case]) -> Result {
        let kind = base.iter().find(|m| m.name == tag).map(|m| &m.kind);
        let Some(Type::Name(tag_type)) = kind else {
            return Err(format!("{}: the tag {tag} is no common member", item.name));
        };
        let Some(Kind::Enum(values)) = self.types.get(tag_type.as_str()).map(|i| &i.kind) else {
            return Err(format!("{}: the tag is no enumeration", item.name));
        };
        let mut body = String::new();
        for value in values {
            let about = doc(&value.doc, &value.name, "    ");
            let variant = camel(&value.name);
            let _ = write!(
                body,
                "{about}    #[serde(rename = {:?})]\n    {variant}",
                value.name
            );
            match cases.iter().find(|case| case.name == value.name) {
                Some(case) => {
                    let fields = self.fields(&case.members, "        ", "")?;
                    let _ = write!(body, " {{\n{fields}    }},\n");
                }
                None => body += ",\n",
            }
        }
        let mut name = camel(&item.name);
        let mut about = doc(&item.doc, &item.name, "");
        if base.len() > 1 {
            let common: Vec<Member> = base.iter().filter(|m| m.name != tag).cloned().collect();
            let fields = self.fields(&common, "    ", "pub ")?;
            let _ = write!(
                self.out,
                "{about}#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]\npub struct {name} {{\n{fields}    /// What depends on `{tag}`.\n    #[serde(flatten)]\n    pub variant: {name}Variant,\n}}\n\n"
            );
            about = format!("/// What depends on `{tag}` in [`{name}`].\n");
            name += "Variant";
        }
        let _ = write!(
            self.out,
            "{about}#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]\n#[serde(tag = {tag:?})]\npub enum {name} {{\n{body}}}\n\n"
        );
        Ok(())
    }

    /// An alternate: an enumeration whose branches look different in JSON.
    fn alternate(&mut self, item: &Item, branches: &[Member]) -> Result {
        let mut body = String::new();
        for branch in branches {
            body += &doc(&branch.doc, &branch.name, "    ");
            let kind = self.rust_type(&branch.kind)?;
            let _ = writeln!(body, "    {}({kind}),", camel(&branch.name));
        }
        let about = doc(&item.doc, &item.name, "");
        let _ = write!(
            self.out,
            "{about}#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]\n#[serde(untagged)]\npub enum {} {{\n{body}}}\n\n",
            camel(&item.name)
        );
        Ok(())
    }

    fn traits(&mut self, modules: &[Module]) -> Result {
        for module in modules {
            let mut methods = String::new();
            for item in commands(module) {
                let Kind::Command { returns, .. } = &item.kind else {
                    continue;
                };
                methods += &doc(&item.doc, &item.name, "    ");
                let arguments = match self.arguments_type(item)? {
                    None => String::new(),
                    Some(kind) => format!(", arguments: {kind}"),
                };
                let returns = match returns {
                    Some(kind) => self.rust_type(kind)?,
                    None => "()".into(),
                };
                let _ = writeln!(
                    methods,
                    "    fn {}(&mut self{arguments}) -> Result<{returns}, Error>;",
                    snake(&item.name)
                );
            }
            if !methods.is_empty() {
                let _ = write!(
                    self.out,
                    "/// The commands of the schema's module `{}`.\npub trait {}Commands {{\n{methods}}}\n\n",
                    module.name,
                    camel(&module.name)
                );
            }
        }
        Ok(())
    }

    /// The Rust type of a command's arguments, if it has any.
    fn arguments_type(&self, item: &Item) -> Result<Option<String>> {
        match &item.kind {
            Kind::Command {
                boxed: Some(kind), ..
            } => self.rust_type(kind).map(Some),
            Kind::Command { arguments, .. } if !arguments.is_empty() || has(item, "open") => {
                Ok(Some(arguments_name(&item.name)))
            }
            _ => Ok(None),
        }
    }

    fn dispatch(&mut self, modules: &[Module]) -> Result {
        let with_commands: Vec<String> = modules
            .iter()
            .filter(|m| commands(m).next().is_some())
            .map(|m| format!("{}Commands", camel(&m.name)))
            .collect();
        let mut arms = String::new();
        for item in modules.iter().flat_map(commands) {
            let Kind::Command { returns, .. } = &item.kind else {
                continue;
            };
            let method = snake(&item.name);
            let call = if self.arguments_type(item)?.is_none() {
                format!("handler.{method}()?")
            } else {
                format!("handler.{method}(typed(arguments)?)?")
            };
            let body = if returns.is_some() {
                format!("answer({call})")
            } else {
                format!("{{ {call}; Ok(nothing()) }}")
            };
            let _ = writeln!(arms, "        {:?} => {body},", item.name);
        }
        let _ = write!(
            self.out,
            "/// Calls the handler of `command` with arguments that the schema has accepted.\npub(crate) fn dispatch<H: {}>(handler: &mut H, command: &str, arguments: serde_json::Value) -> Result<serde_json::Value, Error> {{\n    match command {{\n{arms}        _ => Err(Error::command_not_found(command)),\n    }}\n}}\n\n",
            with_commands.join(" + ")
        );
        Ok(())
    }

    fn events(&mut self, modules: &[Module]) -> Result {
        let (mut variants, mut names, mut data) = (String::new(), String::new(), String::new());
        for item in modules.iter().flat_map(|m| &m.items) {
            let Kind::Event(members) = &item.kind else {
                continue;
            };
            let variant = camel(&item.name);
            variants += &doc(&item.doc, &item.name, "    ");
            let _ = writeln!(
                names,
                "            Self::{variant} {{ .. }} => &EVENT_{},",
                upper(&item.name)
            );
            if members.is_empty() {
                let _ = writeln!(variants, "    {variant},");
                let _ = writeln!(data, "            Self::{variant} => None,");
                continue;
            }
            let mut fields = String::new();
            let mut inserts = String::new();
            let mut bound = Vec::new();
            for member in members {
                fields += &doc(&member.doc, &member.name, "        ");
                let mut kind = self.rust_type(&member.kind)?;
                if member.optional {
                    kind = format!("Option<{kind}>");
                }
                let name = snake(&member.name);
                let _ = writeln!(fields, "        {name}: {kind},");
                let _ = writeln!(
                    inserts,
                    "                insert(&mut data, {:?}, {name});",
                    member.name
                );
                bound.push(name);
            }
            let _ = writeln!(variants, "    {variant} {{\n{fields}    }},");
            let _ = write!(
                data,
                "            Self::{variant} {{ {} }} => {{\n                let mut data = serde_json::Map::new();\n{inserts}                Some(data)\n            }}\n",
                bound.join(", ")
            );
        }
        let _ = write!(
            self.out,
            "/// Something that happened, told to every monitor.\n#[derive(Clone, Debug, PartialEq)]\npub enum Event {{\n{variants}}}\n\nimpl Event {{\n    /// The event's row in the schema.\n    #[must_use]\n    pub fn definition(&self) -> &'static EventDefinition {{\n        match self {{\n{names}        }}\n    }}\n\n    /// Its data, if it has any.\n    #[must_use]\n    pub fn data(&self) -> Option<serde_json::Map<String, serde_json::Value>> {{\n        match self {{\n{data}        }}\n    }}\n}}\n\n"
        );
        Ok(())
    }
}

pub(super) fn upper(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c == '-' {
            out.push('_');
        } else {
            if c.is_ascii_uppercase() && out.ends_with(|p: char| p.is_ascii_lowercase()) {
                out.push('_');
            }
            out.push(c);
        }
    }
    out.to_ascii_uppercase()
}

/// The module's commands that a handler trait has to implement.
fn commands(module: &Module) -> impl Iterator<Item = &Item> {
    module
        .items
        .iter()
        .filter(|item| matches!(item.kind, Kind::Command { .. }) && !has(item, "session"))
}
