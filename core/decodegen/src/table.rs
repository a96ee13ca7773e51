//! Reading a table's text.

use crate::Broken;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Line of the file, from 1.
    pub line: usize,
    /// As written, such as `ADD_imm`.
    pub name: String,
    /// The pattern as written, blanks normalised.
    pub pattern: String,
    /// Bits that are fixed.
    pub mask: u32,
    /// Their values.
    pub value: u32,
    /// Fields from the most significant one down.
    pub fields: Vec<Field>,
    /// Further conditions, all of which must hold.
    pub constraints: Vec<Constraint>,
    /// Name of the feature it needs, upper case.
    pub feature: Option<String>,
}

/// A named part of the encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Lower case.
    pub name: String,
    /// Lowest bit.
    pub lsb: u32,
    /// Bits, 1 to 32.
    pub width: u32,
}

impl Field {
    /// The largest value that fits.
    pub fn max(&self) -> u32 {
        u32::MAX >> (32 - self.width)
    }

    /// Its value in `word`.
    pub fn of(&self, word: u32) -> u32 {
        word >> self.lsb & self.max()
    }
}

/// A condition on a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Index into [`Row::fields`].
    pub field: usize,
    /// What must hold.
    pub test: Test,
}

/// Comparisons of a field with constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// `f==n`
    Eq(u32),
    /// `f!=n`
    Ne(u32),
    /// `f<n`
    Lt(u32),
    /// `f>n`
    Gt(u32),
    /// `f in {a,b}`
    In(Vec<u32>),
    /// `f notin {a,b}`
    NotIn(Vec<u32>),
}

impl Test {
    /// Whether it holds for `value`.
    pub fn holds(&self, value: u32) -> bool {
        match self {
            Self::Eq(n) => value == *n,
            Self::Ne(n) => value != *n,
            Self::Lt(n) => value < *n,
            Self::Gt(n) => value > *n,
            Self::In(set) => set.contains(&value),
            Self::NotIn(set) => !set.contains(&value),
        }
    }

    fn operands(&self) -> &[u32] {
        match self {
            Self::Eq(n) | Self::Ne(n) | Self::Lt(n) | Self::Gt(n) => std::slice::from_ref(n),
            Self::In(set) | Self::NotIn(set) => set,
        }
    }
}

impl Row {
    /// Whether the constraints hold for `word`.
    pub fn admits(&self, word: u32) -> bool {
        (self.constraints.iter()).all(|c| c.test.holds(self.fields[c.field].of(word)))
    }

    /// Whether `word` matches, features aside.
    #[cfg(test)]
    pub fn matches(&self, word: u32) -> bool {
        word & self.mask == self.value && self.admits(word)
    }
}

/// The rows of a table.
pub fn parse(text: &str, has_feature: &dyn Fn(&str) -> bool) -> Result<Vec<Row>, Broken> {
    let mut rows: Vec<Row> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let code = line.split('#').next().unwrap_or_default().trim();
        if code.is_empty() {
            continue;
        }
        let row = row(number, code, has_feature)?;
        if let Some(first) = rows.iter().find(|r| r.name.eq_ignore_ascii_case(&row.name)) {
            return Err(Broken::new(
                number,
                format!("duplicate name {}, first at line {}", row.name, first.line),
            ));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn row(line: usize, code: &str, has_feature: &dyn Fn(&str) -> bool) -> Result<Row, Broken> {
    let (head, conditions) = match code.split_once(" where ") {
        Some((head, conditions)) => (head, conditions),
        None => (code, ""),
    };
    let mut words = head.split_whitespace();
    let name = words.next().unwrap_or_default();
    if !is_name(name) {
        return Err(Broken::new(line, format!("`{name}` is not a name")));
    }
    let mut row = Row {
        line,
        name: name.to_owned(),
        pattern: String::new(),
        mask: 0,
        value: 0,
        fields: Vec::new(),
        constraints: Vec::new(),
        feature: None,
    };
    let mut left = 32;
    for word in words {
        if let Some(feature) = word.strip_prefix("feat=") {
            let feature = feature.to_ascii_uppercase();
            if !has_feature(&feature) {
                return Err(Broken::new(line, format!("unknown feature {feature}")));
            }
            row.feature = Some(feature);
            continue;
        }
        if !row.pattern.is_empty() {
            row.pattern.push(' ');
        }
        row.pattern.push_str(word);
        pattern_part(&mut row, &mut left, word)?;
    }
    if left != 0 {
        return Err(Broken::new(
            line,
            format!("{} has {} bits, not 32", row.name, 32 - left),
        ));
    }
    for condition in split_conditions(conditions) {
        let constraint = constraint(&row, condition)?;
        row.constraints.push(constraint);
    }
    Ok(row)
}

/// Adds one blank-separated part of the pattern, `left` being the bits not yet given.
fn pattern_part(row: &mut Row, left: &mut u32, part: &str) -> Result<(), Broken> {
    let line = row.line;
    let mut take = |width: u32| {
        *left = left
            .checked_sub(width)
            .ok_or_else(|| Broken::new(line, format!("more than 32 bits at `{part}`")))?;
        Ok(*left)
    };
    if part.bytes().all(|c| matches!(c, b'0' | b'1' | b'x')) {
        for c in part.bytes() {
            let bit = take(1)?;
            if c != b'x' {
                row.mask |= 1 << bit;
                row.value |= u32::from(c == b'1') << bit;
            }
        }
        return Ok(());
    }
    let (name, width) = part.split_once(':').unwrap_or((part, "1"));
    let width = width.parse().ok().filter(|w| (1..=32).contains(w));
    let Some(width) = width.filter(|_| is_name(name)) else {
        return Err(Broken::new(line, format!("`{part}` is not a field")));
    };
    if row.fields.iter().any(|f| f.name == name) {
        return Err(Broken::new(line, format!("field {name} comes twice")));
    }
    let lsb = take(width)?;
    row.fields.push(Field {
        name: name.to_owned(),
        lsb,
        width,
    });
    Ok(())
}

/// Splits at commas outside braces.
fn split_conditions(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}

fn constraint(row: &Row, text: &str) -> Result<Constraint, Broken> {
    let bad = || Broken::new(row.line, format!("`{text}` is not a condition"));
    let end = text.find(|c: char| !is_name_char(c)).ok_or_else(bad)?;
    let (name, rest) = text.split_at(end);
    let rest = rest.trim();
    let Some(field) = row.fields.iter().position(|f| f.name == name) else {
        return Err(Broken::new(row.line, format!("there is no field {name}")));
    };
    let one = |text: &str| number(text).ok_or_else(bad);
    let set = |text: &str| {
        let inner = text
            .trim()
            .strip_prefix('{')
            .and_then(|t| t.strip_suffix('}'));
        let inner = inner.ok_or_else(bad)?;
        inner.split(',').map(one).collect::<Result<Vec<_>, _>>()
    };
    let test = if let Some(n) = rest.strip_prefix("==") {
        Test::Eq(one(n)?)
    } else if let Some(n) = rest.strip_prefix("!=") {
        Test::Ne(one(n)?)
    } else if let Some(n) = rest.strip_prefix('<') {
        Test::Lt(one(n)?)
    } else if let Some(n) = rest.strip_prefix('>') {
        Test::Gt(one(n)?)
    } else if let Some(n) = rest.strip_prefix("in ") {
        Test::In(set(n)?)
    } else if let Some(n) = rest.strip_prefix("notin ") {
        Test::NotIn(set(n)?)
    } else {
        return Err(bad());
    };
    let max = row.fields[field].max();
    if test.operands().iter().any(|n| *n > max) {
        return Err(Broken::new(
            row.line,
            format!("`{text}`: field {name} is at most {max}"),
        ));
    }
    Ok(Constraint { field, test })
}

fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    if let Some(hex) = text.strip_prefix("0x") {
        u32::from_str_radix(hex, 16).ok()
    } else if let Some(binary) = text.strip_prefix("0b") {
        u32::from_str_radix(binary, 2).ok()
    } else {
        text.parse().ok()
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_name_char)
}
