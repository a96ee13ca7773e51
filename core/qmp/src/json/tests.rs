use serde_json::{Value, json};

use super::{Item, Limits, Parser, to_text};

/// Everything that the parser makes of a text, errors as strings.
fn items(bytes: &[u8]) -> Vec<Result<Value, String>> {
    items_of(Parser::default(), bytes, usize::MAX)
}

fn items_of(mut parser: Parser, bytes: &[u8], chunk: usize) -> Vec<Result<Value, String>> {
    let mut out = Vec::new();
    for mut part in bytes.chunks(chunk.min(bytes.len().max(1))) {
        while let Some(item) = parser.next(&mut part) {
            out.push(match item {
                Item::Value(value) => Ok(value),
                Item::Error(text) => Err(text),
            });
        }
        assert!(part.is_empty());
    }
    out
}

fn errors(texts: &[&str]) -> Vec<Result<Value, String>> {
    texts
        .iter()
        .map(|t| Err(format!("JSON parse error, {t}")))
        .collect()
}

/// Texts with the errors that QEMU is seen to answer them with.
const BROKEN: &[(&[u8], &[&str])] = &[
    (b"foo\n", &["invalid keyword 'foo'"]),
    (
        b"{'id':\"\\ufffe\"}",
        &["\\ufffe is not a valid Unicode character"],
    ),
    (
        b"{'id':\"\\ud83d\"}",
        &["\\ud83d is not a valid Unicode character"],
    ),
    (
        b"{'id':\"\\u12g4\"}",
        &["\\u12g4 is not a valid Unicode character"],
    ),
    (b"{'id':\"\\q\"}", &["invalid escape sequence in string"]),
    (
        b"{'id':\"\xff\"}",
        &["stray '\"\u{fffd}'", "expecting value"],
    ),
    (
        b"{'id':\"\xed\xa0\x80\"}",
        &["invalid UTF-8 sequence in string"],
    ),
    (
        b"{'id':\"\xef\xbf\xbf\"}",
        &["invalid UTF-8 sequence in string"],
    ),
    (
        b"{'id':\"\xef\xb7\x90\"}",
        &["invalid UTF-8 sequence in string"],
    ),
    (
        b"{'id':\"\xc1\xbf\"}",
        &["invalid UTF-8 sequence in string"],
    ),
    (b"{'id':\"a\tb\"}", &["stray '\"a\t'", "expecting value"]),
    (b"{'id':01}", &["stray '01'", "expecting value"]),
    (b"{'id':-}", &["stray '-}'"]),
    (b"{'id':1.}", &["stray '1.}'"]),
    (b"{'id':truex}", &["invalid keyword 'truex'"]),
    (b"{'a':1,'a':2}", &["duplicate key"]),
    (b"{'a':1,}", &["expecting value"]),
    (b"{'a' 'b'}", &["missing : in object pair"]),
    (b"{'a'}", &["missing : in object pair"]),
    (b"{'a':'b' 'c':1}", &["expected separator in dict"]),
    (b"{'a':'b']", &["expected separator in dict"]),
    (b"{1:2}", &["key is not a string in object"]),
    (b"[1,]", &["expecting value"]),
    (b"}", &["expecting value"]),
    (b",", &["expecting value"]),
    (b"{'id':#}", &["stray '#'", "expecting value"]),
    (b"# comment\n", &["stray '#'"]),
    (b"/* c */\n", &["stray '/'"]),
    (b"{'id':0x10}", &["expected separator in dict"]),
    (b"%d\n", &["stray '%'"]),
    (b"{'id':[1,2\xff\n", &["stray '\u{fffd}'"]),
    (b"{'id':\"a\nb\"}", &["stray '\"a\n'", "expecting value"]),
];

#[test]
fn errors_are_those_of_qemu() {
    for (text, expected) in BROKEN {
        let found = items(text);
        assert_eq!(found, errors(expected), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn chunks_do_not_matter() {
    for (text, _) in BROKEN {
        for chunk in 1..4 {
            assert_eq!(items_of(Parser::default(), text, chunk), items(text));
        }
    }
}

#[test]
fn the_stream_goes_on_after_an_error() {
    let found = items(b"\x01{'a':1}{'b':[}]{'c':'\xc3\xa9'} 5 ");
    assert_eq!(found[1], Ok(json!({"a": 1})));
    assert!(found[2].is_err());
    assert_eq!(found[found.len() - 2], Ok(json!({"c": "é"})));
    assert_eq!(found[found.len() - 1], Ok(json!(5)));
}

#[test]
fn values_of_the_dialect() {
    let cases: &[(&str, Value)] = &[
        (r"'it\'s'", json!("it's")),
        (r#""it\'s" "#, json!("it's")),
        ("'\"'", json!("\"")),
        (
            r#""\u0000\u001f\ud83d\ude00\/\b\f\n\r\t\\\"""#,
            json!("\0\u{1f}😀/\u{8}\u{c}\n\r\t\\\""),
        ),
        ("[ ]", json!([])),
        ("{ }", json!({})),
        ("9223372036854775807 ", json!(i64::MAX)),
        ("-9223372036854775808 ", json!(i64::MIN)),
        ("18446744073709551615 ", json!(u64::MAX)),
        ("18446744073709551616 ", json!(18_446_744_073_709_551_616.0)),
        ("-9223372036854775809 ", json!(-9_223_372_036_854_775_809.0)),
        ("-0 ", json!(0)),
        ("1e5 ", json!(1e5)),
        ("1E+400 ", json!(f64::MAX)),
        ("-1.5e-3\n", json!(-0.0015)),
        ("true\n", json!(true)),
        ("null\n", json!(null)),
    ];
    for (text, value) in cases {
        assert_eq!(items(text.as_bytes()), [Ok(value.clone())], "{text}");
    }
    // NUL in two bytes, as QEMU reads it.
    assert_eq!(items(b"'\xc0\x80'"), [Ok(json!("\0"))]);
}

#[test]
fn limits_are_exact() {
    let limits = Limits {
        bytes: 64,
        tokens: 16,
        depth: 4,
    };
    let parse = |text: &str| items_of(Parser::new(limits), text.as_bytes(), 7);
    assert_eq!(parse("[[[[1]]]]"), [Ok(json!([[[[1]]]]))]);
    let deep = parse("[[[[[");
    assert_eq!(deep, [Err("JSON nesting depth limit exceeded".into())]);
    assert!(parse("[1,1,1,1,1,1,1]")[0].is_ok());
    let many = parse("[1,1,1,1,1,1,1,1,");
    assert_eq!(many, [Err("JSON token count limit exceeded".into())]);
    assert!(parse(&format!("'{}'", "x".repeat(62)))[0].is_ok());
    let long = parse(&format!("'{}' {{}}", "x".repeat(63)));
    assert_eq!(
        long,
        [Err("JSON token size limit exceeded".into()), Ok(json!({}))]
    );
    // White space between values is not counted.
    let spaced = parse(&format!("{}1{}2 ", " ".repeat(200), "\n".repeat(200)));
    assert_eq!(spaced, [Ok(json!(1)), Ok(json!(2))]);
}

#[test]
fn text_is_ascii_in_qemus_form() {
    let cases = [
        (
            json!("é😀\u{7f}\0\n"),
            r#""\u00E9\uD83D\uDE00\u007F\u0000\n""#,
        ),
        (json!(0.1), "0.10000000000000001"),
        (json!(1e300), "1.0000000000000001e+300"),
        (json!(1e5), "100000"),
        (json!(-0.0015), "-0.0015"),
        (json!(1e-5), "1.0000000000000001e-05"),
        (
            json!(18_446_744_073_709_551_616.0),
            "1.8446744073709552e+19",
        ),
        (json!(u64::MAX), "18446744073709551615"),
        (
            json!([1, {"a": null, "b": [true]}]),
            r#"[1, {"a": null, "b": [true]}]"#,
        ),
    ];
    for (value, text) in cases {
        assert_eq!(to_text(&value), text);
        let again: Value = serde_json::from_str(&to_text(&value)).unwrap();
        assert_eq!(
            again.to_string().parse::<f64>().ok(),
            value.to_string().parse().ok()
        );
    }
}
