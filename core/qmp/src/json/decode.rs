//! What the text of a string or number means.

use serde_json::Number;

/// Whether `c` is a character that may be exchanged (not one of Unicode's noncharacters).
fn is_character(c: u32) -> bool {
    !(0xfdd0..=0xfdef).contains(&c) && c & 0xfffe != 0xfffe
}

/// The characters of a string, `raw` being what stands between its quotes.
pub(super) fn string(raw: &[u8]) -> Result<String, String> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(&first) = rest.first() {
        let used = match first {
            b'\\' => escape(rest, &mut out)?,
            0x20..0x7f => {
                out.push(char::from(first));
                1
            }
            _ => utf8(rest, &mut out)?,
        };
        rest = &rest[used..];
    }
    Ok(out)
}

/// One multi-byte character. NUL may be written as two bytes, as QEMU allows.
fn utf8(rest: &[u8], out: &mut String) -> Result<usize, String> {
    if rest.starts_with(&[0xc0, 0x80]) {
        out.push('\0');
        return Ok(2);
    }
    let len = match rest[0] {
        0xf0.. => 4,
        0xe0.. => 3,
        0x80.. => 2,
        _ => 1,
    };
    rest.get(..len)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| text.chars().next())
        .filter(|&c| is_character(c.into()))
        .map(|c| {
            out.push(c);
            len
        })
        .ok_or_else(|| "invalid UTF-8 sequence in string".into())
}

/// One escape sequence; returns how many bytes it takes.
fn escape(rest: &[u8], out: &mut String) -> Result<usize, String> {
    let plain = match rest.get(1) {
        Some(b'"') => '"',
        Some(b'\'') => '\'',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(rest, out),
        _ => return Err("invalid escape sequence in string".into()),
    };
    out.push(plain);
    Ok(2)
}

/// The number in `\uXXXX` at the start of `text`.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |value, &digit| {
        Some(value << 4 | char::from(digit).to_digit(16)?)
    })
}

fn unicode(rest: &[u8], out: &mut String) -> Result<usize, String> {
    let refused = |len: usize| {
        let text = String::from_utf8_lossy(&rest[..len.min(rest.len())]).into_owned();
        format!("{text} is not a valid Unicode character")
    };
    let first = unit(rest).ok_or_else(|| refused(6))?;
    let (code, len) = match first {
        0xd800..0xdc00 => {
            let low = unit(&rest[6..])
                .filter(|low| (0xdc00..0xe000).contains(low))
                .ok_or_else(|| refused(6))?;
            (0x10000 + ((first - 0xd800) << 10 | (low - 0xdc00)), 12)
        }
        _ => (first, 6),
    };
    let c = char::from_u32(code)
        .filter(|_| is_character(code))
        .ok_or_else(|| refused(len))?;
    out.push(c);
    Ok(len)
}

/// A number's value: an integer where it fits `i64` or `u64`, a finite double otherwise.
pub(super) fn number(text: &[u8]) -> Number {
    let text = std::str::from_utf8(text).unwrap_or("0");
    if let Ok(value) = text.parse::<i64>() {
        return value.into();
    }
    if let Ok(value) = text.parse::<u64>() {
        return value.into();
    }
    // JSON has no infinity: what is out of range becomes the nearest number that can be said.
    let value = text.parse::<f64>().unwrap_or(0.0).clamp(f64::MIN, f64::MAX);
    Number::from_f64(value).unwrap_or_else(|| 0.into())
}
