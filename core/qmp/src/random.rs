//! Commands that fit the schema, or do but for one thing, chosen by whoever wants to try many.

use serde_json::{Map, Value, json};

use crate::schema::{COMMANDS, CommandDefinition, Definition, Member, Shape, Type};

/// How deep objects are filled; recursive types end there.
const DEPTH: usize = 5;
/// Most elements of a list.
const LENGTH: usize = 3;

/// Integers at the edges of what something may hold.
const INTEGERS: &[i64] = &[
    0,
    1,
    2,
    -1,
    64,
    255,
    256,
    4096,
    65_536,
    0x4000_0000,
    0x1_0000_0000,
    i64::MAX,
    i64::MIN,
];

/// Texts that are odd in one way or another.
const TEXTS: &[&str] = &[
    "",
    "x",
    "a b",
    "ü€😀",
    "-1",
    "0x10",
    "../x",
    "a,b=c",
    "*",
    "\u{7f}\n\t",
    "#block",
    "a.b[3]/c",
];

/// Chooses what a command is and what it takes.
pub struct Chooser<'a> {
    /// A number below the given one, which is not zero.
    pub below: &'a mut dyn FnMut(usize) -> usize,
    /// Texts that mean something to the machine at hand: ids, paths, names of properties.
    pub names: &'a [&'a str],
    /// Commands that are left out.
    pub without: &'a [&'a str],
}

impl Chooser<'_> {
    /// A message; half of them have one thing wrong.
    pub fn message(&mut self) -> Value {
        let row = self.command();
        let mut arguments = match row.boxed {
            Some(kind) => self.value(kind, DEPTH),
            None => self.object(&[row.arguments], DEPTH).into(),
        };
        if row.open
            && let Value::Object(arguments) = &mut arguments
        {
            for _ in 0..self.pick(LENGTH) {
                let name = self.text();
                arguments.insert(name, self.anything());
            }
        }
        if self.pick(2) == 0 {
            self.spoil(&mut arguments);
        }
        json!({"execute": row.name, "arguments": arguments})
    }

    fn pick(&mut self, below: usize) -> usize {
        (self.below)(below).min(below - 1)
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.pick(list.len())]
    }

    fn command(&mut self) -> &'static CommandDefinition {
        let first = self.pick(COMMANDS.len());
        let mut rows = COMMANDS.iter().cycle().skip(first).take(COMMANDS.len());
        rows.find(|row| !self.without.contains(&row.name))
            .unwrap_or(&COMMANDS[first])
    }

    fn text(&mut self) -> String {
        if self.names.is_empty() || self.pick(4) == 0 {
            return self.one_of(TEXTS).into();
        }
        let names = self.names;
        self.one_of(names).into()
    }

    /// A value of any type.
    fn anything(&mut self) -> Value {
        match self.pick(8) {
            0 => Value::Null,
            1 => json!(1.5),
            2 => json!(u64::MAX),
            3 => json!([]),
            4 => json!({}),
            5 => json!(self.pick(2) == 0),
            6 => self.one_of(INTEGERS).into(),
            _ => self.text().into(),
        }
    }

    fn value(&mut self, kind: Type, depth: usize) -> Value {
        let unsigned = |max: u64, value: i64| json!(value.cast_unsigned() & max);
        match kind {
            Type::Str => self.text().into(),
            Type::Any => self.anything(),
            Type::Bool => json!(self.pick(2) == 0),
            Type::Null => Value::Null,
            Type::Number => json!(1.5),
            Type::Int => self.one_of(INTEGERS).into(),
            Type::Uint8 => unsigned(u8::MAX.into(), self.one_of(INTEGERS)),
            Type::Uint16 => unsigned(u16::MAX.into(), self.one_of(INTEGERS)),
            Type::Uint32 => unsigned(u32::MAX.into(), self.one_of(INTEGERS)),
            Type::Uint64 | Type::Size => unsigned(u64::MAX, self.one_of(INTEGERS)),
            Type::Array(_) if depth == 0 => json!([]),
            Type::Array(element) => (0..self.pick(LENGTH + 1))
                .map(|_| self.value(*element, depth - 1))
                .collect(),
            Type::Named(definition) => self.defined(definition, depth),
        }
    }

    fn defined(&mut self, definition: &Definition, depth: usize) -> Value {
        match definition.shape {
            Shape::Enum([]) => Value::Null,
            Shape::Enum(values) => values[self.pick(values.len())].name.into(),
            Shape::Alternate(branches) => {
                let branch = self.pick(branches.len());
                self.value(branches[branch].kind, depth)
            }
            Shape::Struct(members) => self.object(&[members], depth).into(),
            Shape::Union { tag, base, cases } => {
                let mut members = self.object(&[base], depth);
                let chosen = members.get(tag).and_then(Value::as_str);
                let case = cases.iter().find(|(name, _)| Some(*name) == chosen);
                if let Some((_, case)) = case {
                    members.extend(self.object(&[case], depth));
                }
                members.into()
            }
        }
    }

    /// The members that have to be there, and half of the others.
    fn object(&mut self, groups: &[&[Member]], depth: usize) -> Map<String, Value> {
        let mut out = Map::new();
        for member in groups.iter().copied().flatten() {
            if member.optional && (depth == 0 || self.pick(2) == 0) {
                continue;
            }
            let value = self.value(member.kind, depth.saturating_sub(1));
            out.insert(member.name.into(), value);
        }
        out
    }

    /// Makes one thing wrong.
    fn spoil(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                let which = self.pick(members.len() + 1);
                let Some(name) = members.keys().nth(which).cloned() else {
                    members.insert(self.text(), self.anything());
                    return;
                };
                match self.pick(3) {
                    0 => drop(members.remove(&name)),
                    1 => drop(members.insert(name, self.anything())),
                    _ => self.spoil(&mut members[&name]),
                }
            }
            Value::Array(items) if !items.is_empty() => {
                let which = self.pick(items.len());
                self.spoil(&mut items[which]);
            }
            other => *other = self.anything(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::events::{EventSink, Events};
    use crate::fake::{FakeClock, FakeVm};
    use crate::schema::{EVENTS, check_answer, check_data, command};
    use crate::session::Session;

    /// Whether a line is an answer or an event of the schema's form.
    fn well_formed(line: &Value, asked: &str) -> bool {
        if let Some(name) = line.get("event") {
            let row = EVENTS.iter().find(|row| row.name == name).unwrap();
            let data = line["data"].as_object().cloned().unwrap_or_default();
            return check_data(row, &data).is_ok();
        }
        match line.get("return") {
            Some(answer) => check_answer(command(asked).unwrap(), answer).is_ok(),
            None => line["error"]["class"].is_string() && line["error"]["desc"].is_string(),
        }
    }

    #[test]
    fn answers_are_well_formed_whatever_is_asked() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize % n
        };
        let events = Events::new(Arc::new(FakeClock::default()));
        let session = Arc::new(Mutex::new(Session::default()));
        let sink: Arc<dyn EventSink> = session.clone();
        events.subscribe(Arc::downgrade(&sink));
        let mut vm = FakeVm::new(events);
        let negotiation = br#"{"execute": "qmp_capabilities"}"#;
        session.lock().unwrap().input(negotiation);
        while session.lock().unwrap().output().is_some() {}
        let (mut returned, mut refused) = (HashSet::new(), HashSet::new());
        for _ in 0..10_000 {
            let mut chooser = Chooser {
                below: &mut below,
                names: &[
                    "rb",
                    "null",
                    "file",
                    "info registers",
                    "/machine",
                    "pl011_*",
                ],
                // The last two write as much as they are told to.
                without: &["quit", "memsave", "pmemsave"],
            };
            let message = chooser.message();
            let asked = message["execute"].as_str().unwrap();
            session
                .lock()
                .unwrap()
                .input(message.to_string().as_bytes());
            let mut answers = 0;
            loop {
                let request = session.lock().unwrap().take_request();
                let Some(request) = request else { break };
                let response = request.execute(&mut vm);
                session.lock().unwrap().complete(response);
            }
            while let Some(line) = session.lock().unwrap().output() {
                let line: Value = serde_json::from_str(&line).unwrap();
                assert!(well_formed(&line, asked), "{message}\n{line}");
                answers += usize::from(line.get("event").is_none());
                let of = if line.get("return").is_some() {
                    &mut returned
                } else {
                    &mut refused
                };
                of.insert(asked.to_owned());
            }
            assert_eq!(answers, 1, "{message}");
        }
        assert!(returned.len() > COMMANDS.len() / 2, "{returned:?}");
        assert!(refused.len() > COMMANDS.len() * 3 / 4, "{refused:?}");
    }
}
