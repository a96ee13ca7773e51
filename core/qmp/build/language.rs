//! The schema language: its syntax tree and parser.

use std::collections::BTreeMap;

/// One schema file.
pub struct Module {
    /// The file's name without ending.
    pub name: String,
    /// What it defines, in order.
    pub items: Vec<Item>,
}

/// A definition.
pub struct Item {
    pub name: String,
    pub doc: String,
    pub attributes: Vec<Attribute>,
    pub kind: Kind,
}

/// `@name` or `@name(value)`.
#[derive(Clone)]
pub struct Attribute {
    pub name: String,
    pub value: Option<String>,
}

/// What kind of definition.
pub enum Kind {
    Enum(Vec<Value>),
    Struct(Vec<Member>),
    Union {
        tag: String,
        base: Vec<Member>,
        cases: Vec<Case>,
    },
    /// One of several types, told apart by their JSON type.
    Alternate(Vec<Member>),
    Command {
        arguments: Vec<Member>,
        /// The type that holds the arguments, where they are not listed.
        boxed: Option<Type>,
        returns: Option<Type>,
    },
    Event(Vec<Member>),
}

/// A value of an enumeration.
pub struct Value {
    pub name: String,
    pub doc: String,
    pub attributes: Vec<Attribute>,
}

/// A member of an object, or a branch of an alternate.
#[derive(Clone)]
pub struct Member {
    pub name: String,
    pub doc: String,
    pub optional: bool,
    pub kind: Type,
    pub attributes: Vec<Attribute>,
}

/// The members that a union has for one value of its tag.
pub struct Case {
    pub name: String,
    pub members: Vec<Member>,
}

/// A type's name, or an array of a type.
#[derive(Clone)]
pub enum Type {
    Name(String),
    Array(Box<Type>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Doc(String),
    Mark(char),
    Arrow,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let mut out = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let mut rest = line.trim();
        while !rest.is_empty() {
            if let Some(doc) = rest.strip_prefix('#') {
                out.push((number, Token::Doc(doc.trim().to_owned())));
                break;
            }
            if let Some(after) = rest.strip_prefix("->") {
                out.push((number, Token::Arrow));
                rest = after.trim_start();
                continue;
            }
            let first = rest.chars().next().unwrap_or(' ');
            let len = if is_word(first) {
                let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                out.push((number, Token::Word(rest[..len].to_owned())));
                len
            } else if "{}[]()@:?.".contains(first) {
                out.push((number, Token::Mark(first)));
                1
            } else {
                return Err(format!("line {number}: unexpected {first:?}"));
            };
            rest = rest[len..].trim_start();
        }
    }
    Ok(out)
}

/// Structures that were defined so far, for `..Name`.
pub type Structures = BTreeMap<String, Vec<Member>>;

struct Parser<'a> {
    tokens: Vec<(usize, Token)>,
    at: usize,
    structures: &'a mut Structures,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn fail<T>(&self, expected: &str) -> Result<T, String> {
        let line = self.tokens.get(self.at).map_or(0, |(line, _)| *line);
        Err(format!(
            "line {line}: expected {expected}, found {:?}",
            self.peek()
        ))
    }

    fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn mark(&mut self, mark: char) -> Result<(), String> {
        if self.eat(&Token::Mark(mark)) {
            Ok(())
        } else {
            self.fail(&format!("{mark:?}"))
        }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => self.fail("a name"),
        }
    }

    fn doc(&mut self) -> String {
        let mut lines = Vec::new();
        while let Some(Token::Doc(line)) = self.peek() {
            lines.push(line.clone());
            self.at += 1;
        }
        lines.join("\n")
    }

    fn attributes(&mut self) -> Result<Vec<Attribute>, String> {
        let mut out = Vec::new();
        while self.eat(&Token::Mark('@')) {
            let name = self.word()?;
            let mut value = None;
            if self.eat(&Token::Mark('(')) {
                value = Some(self.word()?);
                self.mark(')')?;
            }
            out.push(Attribute { name, value });
        }
        Ok(out)
    }

    fn kind(&mut self) -> Result<Type, String> {
        if self.eat(&Token::Mark('[')) {
            let element = self.kind()?;
            self.mark(']')?;
            return Ok(Type::Array(Box::new(element)));
        }
        Ok(Type::Name(self.word()?))
    }

    fn member(&mut self, doc: String) -> Result<Member, String> {
        let name = self.word()?;
        let optional = self.eat(&Token::Mark('?'));
        self.mark(':')?;
        Ok(Member {
            name,
            doc,
            optional,
            kind: self.kind()?,
            attributes: self.attributes()?,
        })
    }

    fn members(&mut self) -> Result<Vec<Member>, String> {
        let mut out = Vec::new();
        self.mark('{')?;
        loop {
            let doc = self.doc();
            if self.eat(&Token::Mark('}')) {
                return Ok(out);
            }
            if self.eat(&Token::Mark('.')) {
                self.mark('.')?;
                let name = self.word()?;
                let Some(members) = self.structures.get(&name) else {
                    return self.fail(&format!("{name} to be a structure defined above"));
                };
                out.extend(members.iter().cloned());
                continue;
            }
            out.push(self.member(doc)?);
        }
    }

    fn values(&mut self) -> Result<Vec<Value>, String> {
        let mut out = Vec::new();
        self.mark('{')?;
        loop {
            let doc = self.doc();
            if self.eat(&Token::Mark('}')) {
                return Ok(out);
            }
            out.push(Value {
                name: self.word()?,
                doc,
                attributes: self.attributes()?,
            });
        }
    }

    fn union_body(&mut self, tag: String) -> Result<Kind, String> {
        let (mut base, mut cases) = (Vec::new(), Vec::new());
        self.mark('{')?;
        loop {
            let doc = self.doc();
            if self.eat(&Token::Mark('}')) {
                return Ok(Kind::Union { tag, base, cases });
            }
            if self.eat(&Token::Word("case".into())) {
                cases.push(Case {
                    name: self.word()?,
                    members: self.members()?,
                });
            } else {
                base.push(self.member(doc)?);
            }
        }
    }

    fn item(&mut self, doc: String) -> Result<Item, String> {
        let keyword = self.word()?;
        let name = self.word()?;
        let tag = if self.eat(&Token::Word("on".into())) {
            Some(self.word()?)
        } else {
            None
        };
        let attributes = self.attributes()?;
        let kind = match (keyword.as_str(), tag) {
            ("enum", None) => Kind::Enum(self.values()?),
            ("struct", None) => {
                let members = self.members()?;
                self.structures.insert(name.clone(), members.clone());
                Kind::Struct(members)
            }
            ("alternate", None) => Kind::Alternate(self.members()?),
            ("union", Some(tag)) => self.union_body(tag)?,
            ("command", None) => Kind::Command {
                boxed: if self.eat(&Token::Mark(':')) {
                    Some(self.kind()?)
                } else {
                    None
                },
                arguments: self.optional_members()?,
                returns: if self.eat(&Token::Arrow) {
                    Some(self.kind()?)
                } else {
                    None
                },
            },
            ("event", None) => Kind::Event(self.optional_members()?),
            _ => return Err(format!("{keyword} {name}: not a kind of definition")),
        };
        Ok(Item {
            name,
            doc,
            attributes,
            kind,
        })
    }

    fn optional_members(&mut self) -> Result<Vec<Member>, String> {
        if self.peek() == Some(&Token::Mark('{')) {
            self.members()
        } else {
            Ok(Vec::new())
        }
    }
}

/// Parses one file; `structures` are those of the files before.
pub fn parse(name: &str, text: &str, structures: &mut Structures) -> Result<Module, String> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        structures,
    };
    let mut items = Vec::new();
    while parser.peek().is_some() {
        let doc = parser.doc();
        if parser.peek().is_none() {
            break;
        }
        items.push(parser.item(doc)?);
    }
    Ok(Module {
        name: name.to_owned(),
        items,
    })
}
