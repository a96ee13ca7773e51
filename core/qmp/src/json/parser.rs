//! Tokens to values.

use serde_json::{Map, Value};

use super::lexer::{Lexer, Token};

/// How large one value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of its tokens.
    pub bytes: usize,
    /// How many tokens.
    pub tokens: usize,
    /// Levels of arrays and objects in one another.
    pub depth: usize,
}

impl Default for Limits {
    /// QEMU's: 64 MiB, 2 Mi tokens, 1,024 levels.
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            tokens: 2 << 20,
            depth: 1024,
        }
    }
}

/// What a piece of the input turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A value.
    Value(Value),
    /// Text that is none; says why. The input after it is read on.
    Error(String),
}

/// An array or object that is not closed yet.
#[derive(Debug)]
enum Frame {
    Array(Vec<Value>),
    Object(Map<String, Value>, Option<String>),
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expect {
    /// A value.
    Value,
    /// A value or the end of the array.
    ValueOrEnd,
    /// A member's name.
    Key,
    /// A member's name or the end of the object.
    KeyOrEnd,
    /// A colon.
    Colon,
    /// A comma or the end.
    Separator,
}

/// Reads a stream of values.
///
/// ```
/// use ferrite_qmp::json::{Item, Parser};
/// let mut parser = Parser::default();
/// let mut input = &b"{'a': [1, 2]} 5x"[..];
/// let Some(Item::Value(value)) = parser.next(&mut input) else { panic!() };
/// assert_eq!(value["a"][1], 2);
/// ```
#[derive(Debug)]
pub struct Parser {
    lexer: Lexer,
    limits: Limits,
    /// Open objects less closed ones in this group of tokens; the group ends when neither count is
    /// positive or one is negative.
    braces: i64,
    brackets: i64,
    bytes: usize,
    tokens: usize,
    frames: Vec<Frame>,
    expect: Expect,
    error: Option<String>,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Parser {
    /// A parser of values up to these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            lexer: Lexer::new(),
            limits,
            braces: 0,
            brackets: 0,
            bytes: 0,
            tokens: 0,
            frames: Vec::new(),
            expect: Expect::Value,
            error: None,
        }
    }

    /// Takes bytes from the front of `input` until something can be told; `None` when all are taken
    /// and nothing could.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Item> {
        loop {
            let before = input.len();
            // No more than what is left of the limit, so that one token cannot pass it.
            let room = self.limits.bytes.saturating_sub(self.bytes) + 1;
            let mut window = &input[..before.min(room)];
            let offered = window.len();
            let token = self.lexer.next(&mut window);
            let used = offered - window.len();
            *input = &input[used..];
            self.bytes = self.bytes.saturating_add(used);
            let item = match token {
                Some(token) => self.token(token),
                None if self.lexer.pending() == 0 && self.tokens == 0 => {
                    self.bytes = 0;
                    None
                }
                None if self.bytes > self.limits.bytes => {
                    self.lexer.abandon();
                    self.fail("JSON token size limit exceeded".into())
                }
                None => None,
            };
            if item.is_some() {
                return item;
            }
            if input.is_empty() {
                return None;
            }
        }
    }

    fn token(&mut self, token: Token) -> Option<Item> {
        self.tokens += 1;
        match &token {
            Token::OpenObject => self.braces += 1,
            Token::CloseObject => self.braces -= 1,
            Token::OpenArray => self.brackets += 1,
            Token::CloseArray => self.brackets -= 1,
            Token::Stray(text) => {
                return self.fail(format!("JSON parse error, stray '{text}'"));
            }
            _ => {}
        }
        if self.bytes > self.limits.bytes {
            return self.fail("JSON token size limit exceeded".into());
        }
        if self.tokens > self.limits.tokens {
            return self.fail("JSON token count limit exceeded".into());
        }
        let depth = self.braces.saturating_add(self.brackets);
        if depth > i64::try_from(self.limits.depth).unwrap_or(i64::MAX) {
            return self.fail("JSON nesting depth limit exceeded".into());
        }
        let mut done = None;
        if self.error.is_none() {
            match self.grammar(token) {
                Ok(value) => done = value,
                Err(error) => {
                    self.error = Some(format!("JSON parse error, {error}"));
                    self.frames.clear();
                }
            }
        }
        let open = (self.braces > 0 || self.brackets > 0) && self.braces >= 0 && self.brackets >= 0;
        if open {
            return None;
        }
        let item = match (self.error.take(), done) {
            (None, Some(value)) => Item::Value(value),
            (error, _) => Item::Error(error.unwrap_or_else(|| "JSON parse error".into())),
        };
        self.reset();
        Some(item)
    }

    fn fail(&mut self, error: String) -> Option<Item> {
        self.reset();
        Some(Item::Error(error))
    }

    fn reset(&mut self) {
        self.braces = 0;
        self.brackets = 0;
        self.bytes = 0;
        self.tokens = 0;
        self.frames = Vec::new();
        self.expect = Expect::Value;
        self.error = None;
    }

    /// Fits a token in; a whole value comes back.
    fn grammar(&mut self, token: Token) -> Result<Option<Value>, String> {
        match self.expect {
            Expect::Colon => {
                if token != Token::Colon {
                    return Err("missing : in object pair".into());
                }
                self.expect = Expect::Value;
                return Ok(None);
            }
            Expect::Separator => return self.separator(&token),
            Expect::Key | Expect::KeyOrEnd => return self.key(token),
            Expect::ValueOrEnd if token == Token::CloseArray => return self.close(),
            Expect::Value | Expect::ValueOrEnd => {}
        }
        match token {
            Token::OpenObject => {
                self.frames.push(Frame::Object(Map::new(), None));
                self.expect = Expect::KeyOrEnd;
                Ok(None)
            }
            Token::OpenArray => {
                self.frames.push(Frame::Array(Vec::new()));
                self.expect = Expect::ValueOrEnd;
                Ok(None)
            }
            _ => self.complete(scalar(token)?),
        }
    }

    fn separator(&mut self, token: &Token) -> Result<Option<Value>, String> {
        let (end, after, kind) = match self.frames.last() {
            Some(Frame::Object(..)) => (Token::CloseObject, Expect::Key, "dict"),
            _ => (Token::CloseArray, Expect::Value, "list"),
        };
        if *token == end {
            return self.close();
        }
        if *token != Token::Comma {
            return Err(format!("expected separator in {kind}"));
        }
        self.expect = after;
        Ok(None)
    }

    fn key(&mut self, token: Token) -> Result<Option<Value>, String> {
        if self.expect == Expect::KeyOrEnd && token == Token::CloseObject {
            return self.close();
        }
        let key = match token {
            Token::OpenArray | Token::OpenObject => None,
            token => scalar(token)?.as_str().map(str::to_owned),
        };
        let key = key.ok_or("key is not a string in object")?;
        if let Some(Frame::Object(_, place)) = self.frames.last_mut() {
            *place = Some(key);
        }
        self.expect = Expect::Colon;
        Ok(None)
    }

    fn close(&mut self) -> Result<Option<Value>, String> {
        match self.frames.pop() {
            Some(Frame::Array(values)) => self.complete(Value::Array(values)),
            Some(Frame::Object(members, _)) => self.complete(Value::Object(members)),
            None => Err("expecting value".into()),
        }
    }

    /// Puts a finished value where it belongs.
    fn complete(&mut self, value: Value) -> Result<Option<Value>, String> {
        self.expect = Expect::Separator;
        match self.frames.last_mut() {
            None => return Ok(Some(value)),
            Some(Frame::Array(values)) => values.push(value),
            Some(Frame::Object(members, key)) => {
                let key = key.take().unwrap_or_default();
                if members.insert(key, value).is_some() {
                    return Err("duplicate key".into());
                }
            }
        }
        Ok(None)
    }
}

/// The value that a token is by itself.
fn scalar(token: Token) -> Result<Value, String> {
    match token {
        Token::String(text) => text.map(Value::String),
        Token::Number(number) => Ok(Value::Number(number)),
        Token::Keyword(word) => match word.as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            _ => Err(format!(
                "invalid keyword '{}'",
                word.get(..64).unwrap_or(&word)
            )),
        },
        _ => Err("expecting value".into()),
    }
}
