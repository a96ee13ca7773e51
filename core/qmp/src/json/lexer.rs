//! Bytes to tokens.

use super::decode;

/// A token of the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `{`
    OpenObject,
    /// `}`
    CloseObject,
    /// `[`
    OpenArray,
    /// `]`
    CloseArray,
    /// `:`
    Colon,
    /// `,`
    Comma,
    /// A string's characters, or what is wrong with them.
    String(Result<String, String>),
    /// A number.
    Number(serde_json::Number),
    /// A word of lower-case letters.
    Keyword(String),
    /// Bytes that are no token.
    Stray(String),
}

/// How much of a stray text an error message repeats.
const STRAY_SHOWN: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Between tokens.
    Start,
    /// After bytes that are no token: skips to something that can begin one.
    Recovery,
    Keyword,
    String {
        quote: u8,
        escaped: bool,
    },
    /// `-` was seen.
    Minus,
    /// A leading zero.
    Zero,
    Digits,
    /// `.` was seen, no digit yet.
    Point,
    Fraction,
    /// `e` was seen.
    Exponent,
    /// The exponent's sign was seen.
    ExponentSign,
    ExponentDigits,
}

/// What a byte does to the token being read.
enum Step {
    /// It belongs to the token.
    Take(State),
    /// It belongs to the token and ends it.
    Finish,
    /// The token ended before it.
    Before,
    /// It makes the token invalid.
    Break,
}

impl State {
    fn step(self, byte: u8) -> Step {
        use Step::{Before, Break, Finish, Take};
        let digit = byte.is_ascii_digit();
        match self {
            Self::Start | Self::Recovery => Break,
            Self::Keyword if byte.is_ascii_lowercase() => Take(Self::Keyword),
            Self::Keyword => Before,
            Self::String { .. } if !(0x20..0xfe).contains(&byte) => Break,
            Self::String {
                quote,
                escaped: true,
            } => Take(Self::String {
                quote,
                escaped: false,
            }),
            Self::String { quote, .. } if byte == quote => Finish,
            Self::String { quote, .. } => Take(Self::String {
                quote,
                escaped: byte == b'\\',
            }),
            Self::Minus if byte == b'0' => Take(Self::Zero),
            Self::Minus | Self::Digits if digit => Take(Self::Digits),
            Self::Zero if digit => Break,
            Self::Zero | Self::Digits if byte == b'.' => Take(Self::Point),
            Self::Zero | Self::Digits | Self::Fraction if matches!(byte, b'e' | b'E') => {
                Take(Self::Exponent)
            }
            Self::Point | Self::Fraction if digit => Take(Self::Fraction),
            Self::Exponent if matches!(byte, b'+' | b'-') => Take(Self::ExponentSign),
            Self::Exponent | Self::ExponentSign | Self::ExponentDigits if digit => {
                Take(Self::ExponentDigits)
            }
            Self::Zero | Self::Digits | Self::Fraction | Self::ExponentDigits => Before,
            Self::Minus | Self::Point | Self::Exponent | Self::ExponentSign => Break,
        }
    }
}

/// The token that a byte is by itself.
fn structural(byte: u8) -> Option<Token> {
    Some(match byte {
        b'{' => Token::OpenObject,
        b'}' => Token::CloseObject,
        b'[' => Token::OpenArray,
        b']' => Token::CloseArray,
        b':' => Token::Colon,
        b',' => Token::Comma,
        _ => return None,
    })
}

/// The state that a byte begins a longer token with.
fn opening(byte: u8) -> Option<State> {
    Some(match byte {
        b'"' | b'\'' => State::String {
            quote: byte,
            escaped: false,
        },
        b'a'..=b'z' => State::Keyword,
        b'-' => State::Minus,
        b'0' => State::Zero,
        b'1'..=b'9' => State::Digits,
        _ => return None,
    })
}

/// Cuts a stream of bytes into tokens.
#[derive(Debug)]
pub(super) struct Lexer {
    state: State,
    text: Vec<u8>,
}

impl Lexer {
    pub(super) fn new() -> Self {
        Self {
            state: State::Start,
            text: Vec::new(),
        }
    }

    /// Bytes of the token being read.
    pub(super) fn pending(&self) -> usize {
        self.text.len()
    }

    /// Gives up the token being read and skips to something that can begin another.
    pub(super) fn abandon(&mut self) {
        self.text = Vec::new();
        self.state = State::Recovery;
    }

    /// Takes bytes from the front of `input` until a token is whole or nothing is left.
    /// A token may end before a byte that stays in `input`.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Token> {
        while let Some((&byte, rest)) = input.split_first() {
            match self.state {
                State::Recovery => {
                    let resumes = structural(byte).is_some()
                        || (byte < 0x20 && byte != b'\t')
                        || byte >= 0xfe;
                    if resumes {
                        self.state = State::Start;
                    } else {
                        *input = rest;
                    }
                }
                State::Start => {
                    *input = rest;
                    if let Some(token) = structural(byte) {
                        return Some(token);
                    }
                    if let Some(state) = opening(byte) {
                        self.text.push(byte);
                        self.state = state;
                    } else if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                        self.text.push(byte);
                        return Some(self.stray());
                    }
                }
                State::String { escaped: false, .. } => {
                    // The common bytes of a string are taken in one go.
                    let plain = input
                        .iter()
                        .position(|&b| {
                            matches!(b, b'"' | b'\'' | b'\\') || !(0x20..0xfe).contains(&b)
                        })
                        .unwrap_or(input.len());
                    if plain == 0 {
                        *input = rest;
                        if let Some(token) = self.step(byte, rest, input) {
                            return Some(token);
                        }
                    } else {
                        self.text.extend_from_slice(&input[..plain]);
                        *input = &input[plain..];
                        if input.is_empty() {
                            return None;
                        }
                    }
                }
                _ => {
                    let whole = *input;
                    *input = rest;
                    if let Some(token) = self.step(byte, whole, input) {
                        return Some(token);
                    }
                }
            }
        }
        None
    }

    /// Adds a byte to the token being read; `with` is the input that still begins with it.
    fn step<'a>(&mut self, byte: u8, with: &'a [u8], input: &mut &'a [u8]) -> Option<Token> {
        match self.state.step(byte) {
            Step::Take(state) => {
                self.text.push(byte);
                self.state = state;
                None
            }
            Step::Finish => {
                self.text.push(byte);
                Some(self.finish())
            }
            Step::Before => {
                *input = with;
                Some(self.finish())
            }
            Step::Break => {
                self.text.push(byte);
                Some(self.stray())
            }
        }
    }

    fn stray(&mut self) -> Token {
        let text = std::mem::take(&mut self.text);
        self.state = State::Recovery;
        let shown = &text[..text.len().min(STRAY_SHOWN)];
        Token::Stray(String::from_utf8_lossy(shown).into_owned())
    }

    fn finish(&mut self) -> Token {
        let text = std::mem::take(&mut self.text);
        let state = std::mem::replace(&mut self.state, State::Start);
        match state {
            State::String { .. } => Token::String(decode::string(&text[1..text.len() - 1])),
            State::Keyword => Token::Keyword(String::from_utf8_lossy(&text).into_owned()),
            _ => Token::Number(decode::number(&text)),
        }
    }
}
