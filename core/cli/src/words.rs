//! A command line as people type it, cut into words.

/// A quote that is never closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command line ends inside a quote ({0})")]
pub struct OpenQuote(char);

/// Cuts a command line into words as a POSIX shell does: blanks separate, quotes and backslashes
/// protect, a backslash before a line's end joins lines. Nothing is expanded.
pub fn split(line: &str) -> Result<Vec<String>, OpenQuote> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            '\'' => quoted(&mut chars, c, false, word.get_or_insert_default())?,
            '"' => quoted(&mut chars, c, true, word.get_or_insert_default())?,
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Takes what a quote protects; in double quotes a backslash still protects quotes and itself.
fn quoted(
    chars: &mut std::str::Chars<'_>,
    quote: char,
    escapes: bool,
    word: &mut String,
) -> Result<(), OpenQuote> {
    while let Some(c) = chars.next() {
        if c == quote {
            return Ok(());
        }
        if c != '\\' || !escapes {
            word.push(c);
            continue;
        }
        match chars.next() {
            Some('\n') | None => {}
            Some(next @ ('"' | '\\' | '$' | '`')) => word.push(next),
            Some(next) => word.extend(['\\', next]),
        }
    }
    Err(OpenQuote(quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_a_shell_does() {
        let line =
            "ferrite -M virt \\\n -append \"console=ttyAMA0 x='1'\" -name 'a \"b\"' c\\ d ''";
        let expected = [
            "ferrite",
            "-M",
            "virt",
            "-append",
            "console=ttyAMA0 x='1'",
            "-name",
            "a \"b\"",
            "c d",
            "",
        ];
        assert_eq!(split(line).unwrap(), expected);
        assert_eq!(split("  ").unwrap(), [""; 0]);
        assert_eq!(split("a 'b"), Err(OpenQuote('\'')));
    }
}
