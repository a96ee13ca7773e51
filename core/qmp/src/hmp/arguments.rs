//! A command line's arguments.

use super::Human;
use super::expression;
use super::memory::{Format, format};
use super::table::Row;

/// An argument's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `/` with a count, format and size letter; may be absent.
    Format,
    /// An expression.
    Expression,
    /// An expression that may be absent.
    OptionalExpression,
    /// A word, or a string in double quotes.
    Text,
    /// The rest of the line; may be absent.
    OptionalRest,
    /// `-` and this letter; may be absent.
    Flag(char),
}

/// What was given.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) format: Option<Format>,
    numbers: Vec<i64>,
    words: Vec<String>,
    pub(super) flag: bool,
}

impl Arguments {
    /// The value of the expression of this position.
    pub(super) fn number(&self, i: usize) -> i64 {
        self.numbers.get(i).copied().unwrap_or(0)
    }

    /// The value of the expression, if one was given.
    pub(super) fn optional_number(&self) -> Option<i64> {
        self.numbers.first().copied()
    }

    /// The text of this position.
    pub(super) fn word(&self, i: usize) -> &str {
        self.words.get(i).map_or("", String::as_str)
    }

    /// The text, if one was given.
    pub(super) fn text(&self) -> Option<&str> {
        self.words.first().map(String::as_str)
    }

    /// Reads the arguments of `row`; says what is wrong with them.
    pub(super) fn parse(
        row: &Row,
        cursor: &mut Cursor<'_>,
        human: &mut Human<'_>,
    ) -> Result<Self, String> {
        let mut out = Self::default();
        let name = row.name;
        for kind in row.arguments {
            cursor.blanks();
            match kind {
                Kind::Format => out.format = Some(format(cursor, &mut human.monitor.dump)?),
                Kind::OptionalExpression if cursor.rest.is_empty() => {}
                Kind::Expression | Kind::OptionalExpression => {
                    out.numbers.push(expression::evaluate(cursor, human)?);
                }
                Kind::Text => match cursor.text()? {
                    Some(word) => out.words.push(word),
                    None => return Err(format!("{name}: string expected")),
                },
                Kind::OptionalRest => {
                    let rest = std::mem::take(&mut cursor.rest).trim();
                    if !rest.is_empty() {
                        out.words.push(rest.into());
                    }
                }
                Kind::Flag(letter) => out.flag = flag(*letter, name, cursor)?,
            }
        }
        cursor.blanks();
        if cursor.rest.is_empty() {
            return Ok(out);
        }
        Err(format!("{name}: extraneous characters at the end of line"))
    }
}

fn flag(letter: char, name: &str, cursor: &mut Cursor<'_>) -> Result<bool, String> {
    let Some(after) = cursor.rest.strip_prefix('-') else {
        return Ok(false);
    };
    match after.chars().next() {
        Some(found) if found == letter => {
            cursor.rest = &after[letter.len_utf8()..];
            Ok(true)
        }
        Some(other) => Err(format!("{name}: unsupported option -{other}")),
        None => Err(format!("{name}: unsupported option -")),
    }
}

/// What is left of a line.
pub(super) struct Cursor<'l> {
    pub(super) rest: &'l str,
}

impl<'l> Cursor<'l> {
    pub(super) fn new(line: &'l str) -> Self {
        Self { rest: line }
    }

    /// Skips white space.
    pub(super) fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// The next character, which stays.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes this character if it is next.
    pub(super) fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes what fits from the front.
    pub(super) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'l str {
        let len = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }

    /// A command's name: up to white space or a slash.
    pub(super) fn name(&mut self) -> &'l str {
        self.blanks();
        self.take_while(|c| !c.is_whitespace() && c != '/')
    }

    /// A word, or a string in double quotes with backslash escapes.
    fn text(&mut self) -> Result<Option<String>, String> {
        if !self.eat('"') {
            let word = self.take_while(|c| !c.is_whitespace());
            return Ok((!word.is_empty()).then(|| word.to_owned()));
        }
        let mut out = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => {
                    self.rest = chars.as_str();
                    return Ok(Some(out));
                }
                '\\' => match chars.next() {
                    Some('n') => out.push('\n'),
                    Some('r') => out.push('\r'),
                    Some(c @ ('\\' | '\'' | '"')) => out.push(c),
                    other => {
                        let shown = other.map_or(String::new(), String::from);
                        return Err(format!("unsupported escape code: '\\{shown}'"));
                    }
                },
                c => out.push(c),
            }
        }
        Err("unterminated string".into())
    }
}
