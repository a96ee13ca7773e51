//! What is written from the schema for readers and for other languages. The files are in the
//! repository; `cargo xtask reference` writes them anew, and a test says when they are stale.

mod examples;
mod markdown;
mod typescript;

pub use examples::{Example, examples};
pub use markdown::markdown;
pub use typescript::typescript;

/// A file that is written from the schema.
#[derive(Clone, Copy, Debug)]
pub struct Document {
    /// Where it is, from the top of the repository.
    pub path: &'static str,
    /// Makes its text.
    pub text: fn() -> String,
}

/// All of them.
pub const DOCUMENTS: &[Document] = &[
    Document {
        path: "core/qmp/REFERENCE.md",
        text: markdown,
    },
    Document {
        path: "web/src/machine/qmp-types.ts",
        text: typescript,
    },
];

/// A documentation text on one line.
fn line(doc: &str) -> String {
    doc.replace('\n', " ")
}
