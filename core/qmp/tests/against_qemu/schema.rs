//! Every command and event that both have: arguments, answers, optional members, enumerations.
//! Type names are no part of the protocol, so types are followed and compared by structure.

use std::collections::{BTreeMap, BTreeSet};

use ferrite_qmp::schema::introspect;
use serde_json::{Value, json};

use crate::qemu::Qemu;

/// Differences that are meant, one a line: a pattern (`*` stands for anything), ` -- `, the reason.
const EXPECTED: &str = include_str!("differences.txt");
/// The same for QEMU 10.
const EXPECTED_LATER: &str = include_str!("differences-10.txt");

/// The entities of one schema, by name.
struct Schema(BTreeMap<String, Value>);

impl Schema {
    fn new(entities: Value) -> Self {
        let Value::Array(entities) = entities else {
            panic!("the schema is a list");
        };
        let name = |entity: &Value| entity["name"].as_str().unwrap().to_owned();
        Self(entities.into_iter().map(|e| (name(&e), e)).collect())
    }

    fn entity(&self, name: &Value) -> &Value {
        &self.0[name.as_str().unwrap()]
    }
}

/// A walk through both schemas at once.
struct Comparison<'a> {
    ours: &'a Schema,
    theirs: &'a Schema,
    seen: BTreeSet<(String, String)>,
    found: Vec<String>,
}

fn named(list: &Value) -> BTreeMap<&str, &Value> {
    let list = list.as_array().into_iter().flatten();
    list.map(|item| (item["name"].as_str().unwrap(), item))
        .collect()
}

impl Comparison<'_> {
    fn say(&mut self, text: String) {
        self.found.push(text);
    }

    fn features(&mut self, path: &str, ours: &Value, theirs: &Value) {
        let set = |entity: &Value| -> BTreeSet<String> {
            let list = entity["features"].as_array().into_iter().flatten();
            list.map(|f| f.as_str().unwrap().to_owned()).collect()
        };
        let (ours, theirs) = (set(ours), set(theirs));
        for feature in theirs.symmetric_difference(&ours) {
            let what = if ours.contains(feature) {
                "added"
            } else {
                "missing"
            };
            self.say(format!("{path} @{feature}: {what}"));
        }
    }

    fn types(&mut self, path: &str, ours: &Value, theirs: &Value) {
        let pair = (ours.to_string(), theirs.to_string());
        let structured = |name: &str| name.starts_with(|c: char| c.is_ascii_digit() || c == '[');
        if structured(ours.as_str().unwrap()) && !self.seen.insert(pair) {
            return;
        }
        let (ours, theirs) = (self.ours.entity(ours), self.theirs.entity(theirs));
        let kind = |entity: &Value| match entity["meta-type"].as_str().unwrap() {
            "builtin" => entity["json-type"].as_str().unwrap().to_owned(),
            other => other.to_owned(),
        };
        let (our_kind, their_kind) = (kind(ours), kind(theirs));
        if our_kind != their_kind {
            self.say(format!("{path}: {our_kind} for {their_kind}"));
            return;
        }
        match our_kind.as_str() {
            "array" => {
                let path = format!("{path}[]");
                self.types(&path, &ours["element-type"], &theirs["element-type"]);
            }
            "enum" => self.members(path, "=", ours, theirs),
            "alternate" => self.alternate(path, ours, theirs),
            "object" => self.object(path, ours, theirs),
            _ => {}
        }
    }

    fn object(&mut self, path: &str, ours: &Value, theirs: &Value) {
        self.features(path, ours, theirs);
        self.members(path, ".", ours, theirs);
        if ours.get("tag") != theirs.get("tag") {
            self.say(format!("{path}: tag {} for {}", ours["tag"], theirs["tag"]));
            return;
        }
        let cases = |entity: &Value| -> BTreeMap<String, Value> {
            let list = entity["variants"].as_array().into_iter().flatten();
            list.map(|v| (v["case"].as_str().unwrap().to_owned(), v["type"].clone()))
                .collect()
        };
        let (ours, theirs) = (cases(ours), cases(theirs));
        // Cases that one of them lacks are values that its tag lacks.
        for (case, theirs) in theirs {
            if let Some(ours) = ours.get(&case) {
                self.types(&format!("{path}<{case}>"), ours, &theirs);
            }
        }
    }

    /// The members of objects, or the values of enumerations.
    fn members(&mut self, path: &str, mark: &str, ours: &Value, theirs: &Value) {
        let (ours, theirs) = (named(&ours["members"]), named(&theirs["members"]));
        for (name, ours) in &ours {
            let path = format!("{path}{mark}{name}");
            let Some(theirs) = theirs.get(name) else {
                self.say(format!("{path}: added"));
                continue;
            };
            self.features(&path, ours, theirs);
            if ours.get("default") != theirs.get("default") {
                let optional = match ours.get("default") {
                    Some(_) => "optional",
                    None => "mandatory",
                };
                self.say(format!("{path}: {optional}"));
            }
            if ours.get("type").is_some() {
                self.types(&path, &ours["type"], &theirs["type"]);
            }
        }
        for name in theirs.keys().filter(|name| !ours.contains_key(*name)) {
            self.say(format!("{path}{mark}{name}: missing"));
        }
    }

    fn alternate(&mut self, path: &str, ours: &Value, theirs: &Value) {
        let branches = |schema: &Schema, entity: &Value| -> BTreeMap<String, Value> {
            let list = entity["members"].as_array().into_iter().flatten();
            list.map(|b| {
                let entity = schema.entity(&b["type"]);
                let kind = entity.get("json-type").unwrap_or(&entity["meta-type"]);
                (kind.as_str().unwrap().to_owned(), b["type"].clone())
            })
            .collect()
        };
        let (ours, theirs) = (branches(self.ours, ours), branches(self.theirs, theirs));
        for kind in ours.keys().filter(|kind| !theirs.contains_key(*kind)) {
            self.say(format!("{path}|{kind}: added"));
        }
        for (kind, theirs) in &theirs {
            match ours.get(kind) {
                Some(ours) => self.types(&format!("{path}|{kind}"), ours, theirs),
                None => self.say(format!("{path}|{kind}: missing")),
            }
        }
    }

    fn all(&mut self) {
        for (name, ours) in &self.ours.0 {
            let Some(theirs) = self.theirs.0.get(name) else {
                continue;
            };
            let kind = ours["meta-type"].as_str().unwrap();
            if kind != "command" && kind != "event" {
                continue;
            }
            self.features(name, ours, theirs);
            if ours.get("allow-oob") != theirs.get("allow-oob") {
                self.say(format!("{name}: allow-oob {}", ours["allow-oob"]));
            }
            self.seen.clear();
            self.types(&format!("{name}()"), &ours["arg-type"], &theirs["arg-type"]);
            if kind == "command" {
                self.seen.clear();
                self.types(
                    &format!("{name} ->"),
                    &ours["ret-type"],
                    &theirs["ret-type"],
                );
            }
        }
    }
}

/// Whether `pattern`, in which `*` stands for anything, describes all of `text`.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
        last = Some(part);
    }
    match last {
        None => rest.is_empty(),
        Some(part) => text.ends_with(part),
    }
}

/// Compares with what a QEMU says; the differences have to be those of the list.
fn compare(mut qemu: Qemu, list: &str) {
    let answer = qemu.ask(&json!({"execute": "query-qmp-schema"}));
    let theirs = Schema::new(answer["return"].clone());
    let ours = Schema::new(serde_json::to_value(introspect()).unwrap());
    let mut comparison = Comparison {
        ours: &ours,
        theirs: &theirs,
        seen: BTreeSet::new(),
        found: Vec::new(),
    };
    comparison.all();
    let expected: Vec<&str> = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(" -- ").expect("a reason").0.trim())
        .collect();
    let mut unused: BTreeSet<&str> = expected.iter().copied().collect();
    let mut surprises = Vec::new();
    for found in &comparison.found {
        match expected.iter().find(|pattern| matches(pattern, found)) {
            Some(pattern) => {
                unused.remove(pattern);
            }
            None => surprises.push(found.as_str()),
        }
    }
    assert!(
        surprises.is_empty(),
        "unexplained:\n{}",
        surprises.join("\n")
    );
    assert!(unused.is_empty(), "no longer true: {unused:#?}");
}

#[test]
fn the_schema_differs_from_qemus_where_it_is_meant_to() {
    compare(Qemu::start(), EXPECTED);
}

#[test]
fn and_from_a_later_qemus() {
    match Qemu::start_later() {
        Some(qemu) => compare(qemu, EXPECTED_LATER),
        None => eprintln!("SKIPPED: no QEMU 10: cargo xtask qemu"),
    }
}

#[test]
fn patterns() {
    assert!(matches("a*c: added", "abbc: added"));
    assert!(matches("*.x", "a.x"));
    assert!(!matches("a.x", "a.xy"));
    assert!(!matches("*.x", "a.xy"));
}
