//! Expressions: numbers, registers, arithmetic on 64-bit two's complement.
//!
//! From weakest to strongest: `+ -`, then `& | ^`, then `* / %`, then unary `+ - ~`.

use super::Human;
use super::arguments::Cursor;

/// How deeply parentheses and signs may nest.
const DEPTH: usize = 128;

/// Evaluates the expression at the front of the line; white space after it is skipped.
pub(super) fn evaluate(cursor: &mut Cursor<'_>, human: &mut Human<'_>) -> Result<i64, String> {
    Evaluator { cursor, human }.sum(DEPTH)
}

struct Evaluator<'e, 'l, 'h, 'a> {
    cursor: &'e mut Cursor<'l>,
    human: &'h mut Human<'a>,
}

impl Evaluator<'_, '_, '_, '_> {
    fn sum(&mut self, depth: usize) -> Result<i64, String> {
        let mut value = self.logic(depth)?;
        loop {
            if self.eat('+') {
                value = value.wrapping_add(self.logic(depth)?);
            } else if self.eat('-') {
                value = value.wrapping_sub(self.logic(depth)?);
            } else {
                return Ok(value);
            }
        }
    }

    fn logic(&mut self, depth: usize) -> Result<i64, String> {
        let mut value = self.product(depth)?;
        loop {
            if self.eat('&') {
                value &= self.product(depth)?;
            } else if self.eat('|') {
                value |= self.product(depth)?;
            } else if self.eat('^') {
                value ^= self.product(depth)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self, depth: usize) -> Result<i64, String> {
        let mut value = self.unary(depth)?;
        loop {
            let operator = self.cursor.peek();
            match operator {
                Some('*' | '/' | '%') => self.eat(operator.unwrap_or('*')),
                _ => return Ok(value),
            };
            let right = self.unary(depth)?;
            value = match operator {
                Some('*') => value.wrapping_mul(right),
                _ if right == 0 => return Err("division by zero".into()),
                Some('/') => value.wrapping_div(right),
                _ => value.wrapping_rem(right),
            };
        }
    }

    fn unary(&mut self, depth: usize) -> Result<i64, String> {
        let depth = depth.checked_sub(1).ok_or("expression too deep")?;
        let Some(first) = self.cursor.peek() else {
            return Err("unexpected end of expression".into());
        };
        match first {
            '+' | '-' | '~' | '(' => {
                self.eat(first);
                match first {
                    '+' => self.unary(depth),
                    '-' => Ok(self.unary(depth)?.wrapping_neg()),
                    '~' => Ok(!self.unary(depth)?),
                    _ => {
                        let value = self.sum(depth)?;
                        if self.eat(')') {
                            Ok(value)
                        } else {
                            Err("')' expected".into())
                        }
                    }
                }
            }
            '\'' => self.character(),
            '$' => self.register(),
            _ => self.number(first),
        }
    }

    fn character(&mut self) -> Result<i64, String> {
        self.cursor.eat('\'');
        let c = self.cursor.peek().ok_or("character constant expected")?;
        self.cursor.eat(c);
        if !self.eat('\'') {
            return Err("missing terminating \' character".into());
        }
        Ok(u32::from(c).into())
    }

    fn register(&mut self) -> Result<i64, String> {
        self.cursor.eat('$');
        let name = self
            .cursor
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':'));
        self.cursor.blanks();
        self.human
            .vm
            .register(self.human.monitor.cpu, name)
            .map(u64::cast_signed)
            .ok_or_else(|| "unknown register".into())
    }

    /// A number as C writes it: `0x` hexadecimal, a leading zero octal, decimal else.
    fn number(&mut self, first: char) -> Result<i64, String> {
        let rest = self.cursor.rest;
        let hex = rest
            .strip_prefix("0x")
            .or_else(|| rest.strip_prefix("0X"))
            .filter(|digits| digits.starts_with(|c: char| c.is_ascii_hexdigit()));
        let (digits, radix) = match hex {
            Some(digits) => (digits, 16),
            None if first == '0' => (rest, 8),
            None if first.is_ascii_digit() => (rest, 10),
            None => return Err(format!("invalid char '{first}' in expression")),
        };
        self.cursor.rest = digits;
        let digits = self.cursor.take_while(|c| c.is_digit(radix));
        self.cursor.blanks();
        u64::from_str_radix(digits, radix)
            .map(u64::cast_signed)
            .map_err(|_| "number too large".into())
    }

    /// Takes this character and the white space after it, if it is next.
    fn eat(&mut self, c: char) -> bool {
        let found = self.cursor.eat(c);
        if found {
            self.cursor.blanks();
        }
        found
    }
}
