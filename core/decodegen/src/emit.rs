//! Writing modules.

use std::fmt::Write;

use crate::check;
use crate::table::{Constraint, Field, Row, Test};
use crate::tree::{Candidate, Tree};

/// Rust text being written. Writing to a string cannot fail.
struct Out(String);

macro_rules! line {
    ($out:expr, $($text:tt)*) => {{
        let _ = writeln!($out.0, $($text)*);
    }};
}

/// The file that declares the modules of `groups` and lists them.
pub fn index(groups: &[String]) -> String {
    let mut out = Out(String::new());
    for group in groups {
        line!(out, "/// Made from `{group}.decode`.");
        line!(out, "#[rustfmt::skip]");
        line!(
            out,
            "#[allow(missing_docs, unused_variables, unused_parens, clippy::all, clippy::pedantic, dead_code, unused_imports)]"
        );
        line!(out, "pub mod {group} {{");
        line!(
            out,
            "    include!(concat!(env!(\"OUT_DIR\"), \"/{group}.rs\"));"
        );
        line!(out, "}}");
    }
    line!(out, "/// Every table.");
    line!(out, "pub static GROUPS: &[Group] = &[");
    for group in groups {
        line!(
            out,
            "    Group {{ name: {group:?}, rows: {group}::ROWS, \
             decode: |word, features| {group}::decode(word, features).map({group}::Insn::row), \
             show: |word, features| {group}::decode(word, features).map(|i| i.to_string()) }},"
        );
    }
    line!(out, "];");
    out.0
}

/// The module for one table.
pub fn module(group: &str, rows: &[Row], tree: &Tree) -> String {
    let mut out = Out(String::new());
    line!(
        out,
        "use super::{{Constraint, Features, Field, Pattern, Row, Test}};\n"
    );
    structs(&mut out, group, rows);
    insn(&mut out, rows);
    visitor(&mut out, rows);
    line!(
        out,
        "/// The instruction that `word` encodes on a CPU with `features`."
    );
    line!(out, "#[must_use]");
    line!(
        out,
        "pub fn decode(word: u32, features: Features) -> ::core::option::Option<Insn> {{"
    );
    node(&mut out, rows, tree, 1);
    line!(out, "    ::core::option::Option::None\n}}\n");
    table(&mut out, group, rows);
    out.0
}

/// Rows whose fields have the same names share one struct, so that one function can take them all.
fn structs(out: &mut Out, group: &str, rows: &[Row]) {
    let names = |row: &Row| -> Vec<String> { row.fields.iter().map(|f| f.name.clone()).collect() };
    for (n, row) in rows.iter().enumerate() {
        line!(
            out,
            "/// Operands of `{}` ({group}.decode:{}):",
            row.name,
            row.line
        );
        line!(out, "/// `{}`.", row.pattern);
        let name = camel(&row.name);
        if let Some(first) = rows[..n].iter().find(|r| names(r) == names(row)) {
            line!(out, "pub type {name} = {};\n", camel(&first.name));
            continue;
        }
        line!(out, "#[derive(Clone, Copy, Debug, PartialEq, Eq)]");
        line!(out, "pub struct {name} {{");
        for field in &row.fields {
            line!(out, "    pub {}: u32,", ident(&field.name));
        }
        line!(out, "}}\n");
    }
}

fn insn(out: &mut Out, rows: &[Row]) {
    line!(out, "/// An instruction of this group.");
    line!(out, "#[derive(Clone, Copy, Debug, PartialEq, Eq)]");
    line!(out, "pub enum Insn {{");
    for row in rows {
        line!(out, "    {0}({0}),", camel(&row.name));
    }
    line!(out, "}}\n\nimpl Insn {{");
    line!(
        out,
        "    /// Calls the visitor's method for this instruction."
    );
    line!(
        out,
        "    pub fn visit<V: Visitor + ?Sized>(self, visitor: &mut V) -> V::Output {{"
    );
    line!(out, "        match self {{");
    for row in rows {
        line!(
            out,
            "            Self::{}(i) => Visitor::{}(visitor, i),",
            camel(&row.name),
            snake(&row.name)
        );
    }
    line!(out, "        }}\n    }}\n");
    line!(out, "    /// Number of its row in [`ROWS`].");
    line!(
        out,
        "    #[must_use]\n    pub fn row(self) -> usize {{\n        match self {{"
    );
    for (n, row) in rows.iter().enumerate() {
        line!(out, "            Self::{}(_) => {n},", camel(&row.name));
    }
    line!(out, "        }}\n    }}\n}}\n");
    line!(out, "impl ::core::fmt::Display for Insn {{");
    line!(
        out,
        "    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{"
    );
    line!(out, "        match *self {{");
    for (n, row) in rows.iter().enumerate() {
        let fields: Vec<_> = (row.fields.iter())
            .map(|x| format!("i.{}", ident(&x.name)))
            .collect();
        line!(
            out,
            "            Self::{}(i) => ROWS[{n}].show(f, &[{}]),",
            camel(&row.name),
            fields.join(", ")
        );
    }
    line!(out, "        }}\n    }}\n}}\n");
}

fn visitor(out: &mut Out, rows: &[Row]) {
    line!(
        out,
        "/// Something that has a meaning for every instruction of this group."
    );
    line!(out, "pub trait Visitor {{");
    line!(out, "    /// What it makes of one.\n    type Output;");
    for row in rows {
        line!(out, "    /// `{}`.", row.name);
        line!(
            out,
            "    fn {}(&mut self, i: {}) -> Self::Output;",
            snake(&row.name),
            camel(&row.name)
        );
    }
    line!(out, "}}\n");
}

fn node(out: &mut Out, rows: &[Row], tree: &Tree, depth: usize) {
    let pad = "    ".repeat(depth);
    match tree {
        Tree::Switch { mask, branches } => {
            line!(out, "{pad}match word & {mask:#010x} {{");
            for (value, branch) in branches {
                line!(out, "{pad}    {value:#010x} => {{");
                node(out, rows, branch, depth + 2);
                line!(out, "{pad}    }}");
            }
            line!(out, "{pad}    _ => {{}}\n{pad}}}");
        }
        Tree::Leaf(candidates) => {
            for candidate in candidates {
                leaf(out, rows, candidate, &pad);
            }
        }
    }
}

fn leaf(out: &mut Out, rows: &[Row], candidate: &Candidate, pad: &str) {
    let row = &rows[candidate.row];
    let mut conditions = Vec::new();
    if candidate.mask != 0 {
        conditions.push(format!(
            "word & {:#010x} == {:#010x}",
            candidate.mask, candidate.value
        ));
    }
    if let Some(feature) = &row.feature {
        conditions.push(format!("features.contains(Features::{feature})"));
    }
    conditions.extend(row.constraints.iter().map(|c| condition(row, c)));
    if conditions.is_empty() {
        conditions.push("true".to_owned());
    }
    line!(out, "{pad}if {} {{", conditions.join(" && "));
    let name = camel(&row.name);
    line!(
        out,
        "{pad}    return ::core::option::Option::Some(Insn::{name}({name} {{"
    );
    for field in &row.fields {
        line!(
            out,
            "{pad}        {}: {},",
            ident(&field.name),
            extract(field)
        );
    }
    line!(out, "{pad}    }}));\n{pad}}}");
}

fn extract(field: &Field) -> String {
    format!("(word >> {}) & {:#x}", field.lsb, field.max())
}

fn condition(row: &Row, constraint: &Constraint) -> String {
    let field = extract(&row.fields[constraint.field]);
    let set = |set: &[u32]| {
        let set: Vec<_> = set.iter().map(u32::to_string).collect();
        set.join(" | ")
    };
    match &constraint.test {
        Test::Eq(n) => format!("({field}) == {n}"),
        Test::Ne(n) => format!("({field}) != {n}"),
        Test::Lt(n) => format!("({field}) < {n}"),
        Test::Gt(n) => format!("({field}) > {n}"),
        Test::In(s) => format!("matches!({field}, {})", set(s)),
        Test::NotIn(s) => format!("!matches!({field}, {})", set(s)),
    }
}

fn table(out: &mut Out, group: &str, rows: &[Row]) {
    line!(out, "/// The table.");
    line!(out, "pub static ROWS: &[Row] = &[");
    for row in rows {
        line!(out, "    Row {{");
        line!(out, "        name: {:?}, group: {group:?},", row.name);
        line!(out, "        pattern: {},", pattern(row));
        line!(out, "        fields: &[");
        for f in &row.fields {
            line!(
                out,
                "            Field {{ name: {:?}, lsb: {}, width: {} }},",
                f.name,
                f.lsb,
                f.width
            );
        }
        line!(out, "        ],");
        match &row.feature {
            Some(feature) => line!(
                out,
                "        feature: ::core::option::Option::Some(Features::{feature}),"
            ),
            None => line!(out, "        feature: ::core::option::Option::None,"),
        }
        line!(out, "        overridden_by: &[");
        for special in check::overriding(rows, row) {
            line!(out, "            {},", pattern(special));
        }
        line!(out, "        ],\n    }},");
    }
    line!(out, "];");
}

fn pattern(row: &Row) -> String {
    let constraints: Vec<_> = (row.constraints.iter())
        .map(|c| {
            let f = &row.fields[c.field];
            let test = match &c.test {
                Test::In(set) => format!("In(&{set:?})"),
                Test::NotIn(set) => format!("NotIn(&{set:?})"),
                simple => format!("{simple:?}"),
            };
            format!(
                "Constraint {{ field: Field {{ name: {:?}, lsb: {}, width: {} }}, test: Test::{test} }}",
                f.name, f.lsb, f.width
            )
        })
        .collect();
    format!(
        "Pattern {{ mask: {:#010x}, value: {:#010x}, constraints: &[{}] }}",
        row.mask,
        row.value,
        constraints.join(", ")
    )
}

/// `ADD_imm` as a type's name: `AddImm`.
fn camel(name: &str) -> String {
    let mut camel = String::new();
    for part in name.split('_') {
        let mut chars = part.chars();
        camel.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        camel.extend(chars.map(|c| c.to_ascii_lowercase()));
    }
    camel
}

/// `ADD_imm` as a method's name: `add_imm`.
fn snake(name: &str) -> String {
    ident(&name.to_ascii_lowercase())
}

/// A name as an identifier: keywords are made raw.
fn ident(name: &str) -> String {
    const KEYWORDS: [&str; 14] = [
        "type", "in", "if", "for", "loop", "match", "move", "ref", "mod", "fn", "as", "let", "use",
        "where",
    ];
    if KEYWORDS.contains(&name) {
        format!("r#{name}")
    } else {
        name.to_owned()
    }
}
