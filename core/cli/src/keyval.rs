//! QEMU's `key=value,…` syntax, and the JSON form that some options take instead.

use std::fmt;

/// What is wrong with an option's argument.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArgError {
    /// A key that nobody took.
    #[error("-{option} {text}: Invalid parameter '{key}'")]
    Unknown {
        /// The option.
        option: &'static str,
        /// Its argument as given.
        text: String,
        /// The key.
        key: String,
    },
    /// A key that must be there.
    #[error("-{option} {text}: Parameter '{key}' is missing")]
    Missing {
        /// The option.
        option: &'static str,
        /// Its argument as given.
        text: String,
        /// The key.
        key: &'static str,
    },
    /// A value that does not fit its key.
    #[error("-{option} {text}: Parameter '{key}' expects {expected}")]
    Invalid {
        /// The option.
        option: &'static str,
        /// Its argument as given.
        text: String,
        /// The key.
        key: String,
        /// What would be right.
        expected: String,
    },
    /// Something that Ferrite does not have.
    #[error("-{option} {text}: {what} is not supported")]
    Unsupported {
        /// The option.
        option: &'static str,
        /// Its argument as given.
        text: String,
        /// What is not.
        what: String,
    },
    /// Broken JSON.
    #[error("-{option}: {message}")]
    Json {
        /// The option.
        option: &'static str,
        /// What the parser says.
        message: String,
    },
}

/// An option's argument: pairs in order, taken one by one. What is left at [`Self::finish`] is an
/// error that names the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyVal {
    option: &'static str,
    text: String,
    pairs: Vec<(String, String)>,
}

impl fmt::Display for KeyVal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-{} {}", self.option, self.text)
    }
}

impl KeyVal {
    /// Parses `text` as given to `-option`. `implied` names the key of a first value without one.
    pub fn parse(option: &'static str, text: &str, implied: &str) -> Result<Self, ArgError> {
        if text.trim_start().starts_with('{') {
            return Self::parse_json(option, text);
        }
        let mut pairs = Vec::new();
        for (n, part) in split(text).into_iter().enumerate() {
            pairs.push(match part.split_once('=') {
                Some((key, value)) => (key.to_owned(), value.to_owned()),
                None if n == 0 && !implied.is_empty() => (implied.to_owned(), part),
                None => match part
                    .strip_prefix("no")
                    .filter(|k| matches!(*k, "wait" | "server" | "delay"))
                {
                    Some(key) => (key.to_owned(), "off".to_owned()),
                    None => (part, "on".to_owned()),
                },
            });
        }
        Ok(Self {
            option,
            text: text.to_owned(),
            pairs,
        })
    }

    fn parse_json(option: &'static str, text: &str) -> Result<Self, ArgError> {
        let bad = |message: String| ArgError::Json { option, message };
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        let mut pairs = Vec::new();
        flatten(&value, String::new(), &mut pairs).map_err(bad)?;
        Ok(Self {
            option,
            text: text.to_owned(),
            pairs,
        })
    }

    /// Takes the last value given for `key`.
    pub fn take(&mut self, key: &str) -> Option<String> {
        let mut found = None;
        self.pairs.retain(|(k, v)| {
            let hit = k == key;
            if hit {
                found = Some(v.clone());
            }
            !hit
        });
        found
    }

    /// Takes every value given for `key`.
    pub fn take_all(&mut self, key: &str) -> Vec<String> {
        let (hits, rest) = std::mem::take(&mut self.pairs)
            .into_iter()
            .partition(|(k, _)| k == key);
        self.pairs = rest;
        let hits: Vec<(String, String)> = hits;
        hits.into_iter().map(|(_, v)| v).collect()
    }

    /// Takes a value that must be there.
    pub fn require(&mut self, key: &'static str) -> Result<String, ArgError> {
        let missing = ArgError::Missing {
            option: self.option,
            text: self.text.clone(),
            key,
        };
        self.take(key).ok_or(missing)
    }

    /// Takes `on`, `off` (also `yes`, `no`, `true`, `false`, `y`, `n`).
    pub fn take_bool(&mut self, key: &str) -> Result<Option<bool>, ArgError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        match value.as_str() {
            "on" | "yes" | "true" | "y" => Ok(Some(true)),
            "off" | "no" | "false" | "n" => Ok(Some(false)),
            _ => Err(self.invalid(key, "'on' or 'off'")),
        }
    }

    /// Takes a number, decimal or `0x…`.
    pub fn take_number(&mut self, key: &str) -> Result<Option<u64>, ArgError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        parse_number(&value)
            .map(Some)
            .ok_or_else(|| self.invalid(key, "a number"))
    }

    /// Takes a size with an optional suffix (k, M, G, T); `default` is the suffix of a bare number.
    pub fn take_size(&mut self, key: &str, default: char) -> Result<Option<u64>, ArgError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        parse_size(&value, default)
            .map(Some)
            .ok_or_else(|| self.invalid(key, "a size"))
    }

    /// Takes `key` if it is there and insists on one of `accepted`: other values are honest errors.
    pub fn accept(&mut self, key: &str, accepted: &[&str]) -> Result<(), ArgError> {
        match self.take(key) {
            Some(value) if !accepted.contains(&value.as_str()) => {
                Err(self.unsupported(format!("{key}={value}")))
            }
            _ => Ok(()),
        }
    }

    /// An error about the value of `key`.
    #[must_use]
    pub fn invalid(&self, key: &str, expected: &str) -> ArgError {
        ArgError::Invalid {
            option: self.option,
            text: self.text.clone(),
            key: key.to_owned(),
            expected: expected.to_owned(),
        }
    }

    /// An error about something that Ferrite does not have.
    #[must_use]
    pub fn unsupported(&self, what: impl Into<String>) -> ArgError {
        ArgError::Unsupported {
            option: self.option,
            text: self.text.clone(),
            what: what.into(),
        }
    }

    /// Takes everything that is left.
    #[must_use]
    pub fn rest(self) -> Vec<(String, String)> {
        self.pairs
    }

    /// Everything must have been taken.
    pub fn finish(self) -> Result<(), ArgError> {
        match self.pairs.into_iter().next() {
            None => Ok(()),
            Some((key, _)) => Err(ArgError::Unknown {
                option: self.option,
                text: self.text,
                key,
            }),
        }
    }
}

/// Splits at commas; a doubled comma stands for one.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == ',' && chars.peek() != Some(&',') {
            parts.push(String::new());
            continue;
        }
        if c == ',' {
            chars.next();
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.retain(|p| !p.is_empty());
    parts
}

/// Turns a JSON object into dotted keys.
fn flatten(
    value: &serde_json::Value,
    prefix: String,
    into: &mut Vec<(String, String)>,
) -> Result<(), String> {
    use serde_json::Value;
    let under = |key: &str| {
        if prefix.is_empty() {
            key.to_owned()
        } else {
            format!("{prefix}.{key}")
        }
    };
    let scalar = match value {
        Value::Object(members) => {
            return members
                .iter()
                .try_for_each(|(key, v)| flatten(v, under(key), into));
        }
        Value::Array(items) => {
            return items
                .iter()
                .enumerate()
                .try_for_each(|(n, v)| flatten(v, under(&n.to_string()), into));
        }
        _ if prefix.is_empty() => return Err("the argument is not a JSON object".into()),
        Value::Null => return Ok(()),
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => s.clone(),
    };
    into.push((prefix, scalar));
    Ok(())
}

/// A number, decimal or `0x…`.
#[must_use]
pub fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A size: a number (fractions allowed before a suffix) and b, k, M, G, T or P; `default` is the
/// suffix of a bare number.
#[must_use]
pub fn parse_size(text: &str, default: char) -> Option<u64> {
    let (number, suffix) = match text.char_indices().last() {
        Some((at, c)) if c.is_ascii_alphabetic() && !text.starts_with("0x") => (&text[..at], c),
        _ => (text, default),
    };
    let shift = match suffix.to_ascii_lowercase() {
        'b' => 0,
        'k' => 10,
        'm' => 20,
        'g' => 30,
        't' => 40,
        'p' => 50,
        _ => return None,
    };
    if let Some(whole) = parse_number(number) {
        return whole.checked_mul(1 << shift);
    }
    let fraction: f64 = number
        .parse()
        .ok()
        .filter(|f: &f64| f.is_finite() && *f >= 0.0)?;
    Some((fraction * (1_u64 << shift) as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_flags_and_doubled_commas() {
        let mut kv =
            KeyVal::parse("drive", "file=a,,b.img,if=none,readonly,id=d0", "file").unwrap();
        assert_eq!(kv.take("file").as_deref(), Some("a,b.img"));
        assert_eq!(kv.take_bool("readonly"), Ok(Some(true)));
        assert_eq!(kv.take("if").as_deref(), Some("none"));
        assert!(matches!(kv.finish(), Err(ArgError::Unknown { key, .. }) if key == "id"));
    }

    #[test]
    fn json_becomes_dotted_keys() {
        let text = r#"{"driver":"raw","file":{"driver":"file","filename":"x"},"read-only":true}"#;
        let mut kv = KeyVal::parse("blockdev", text, "").unwrap();
        assert_eq!(kv.take("file.filename").as_deref(), Some("x"));
        assert_eq!(kv.take_bool("read-only"), Ok(Some(true)));
        assert!(KeyVal::parse("device", "{\"a\":", "driver").is_err());
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("512", 'M'), Some(512 << 20));
        assert_eq!(parse_size("1.5G", 'M'), Some(3 << 29));
        assert_eq!(parse_size("0x10k", 'b'), None);
        assert_eq!(parse_size("99999999999G", 'M'), None);
        assert_eq!(parse_size("-1", 'M'), None);
    }
}
