//! Turns `schema/*.schema` into Rust: argument and result types, the handler traits, the dispatch
//! function, the event type and the tables that validation and introspection read.
//! The language is described in `schema/README.md`.

mod generate;
mod language;
mod tables;

use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=schema");
    println!("cargo::rerun-if-changed=build");
    let mut files: Vec<_> = fs::read_dir("schema")
        .expect("the schema folder is there")
        .map(|entry| entry.expect("its entries can be read").path())
        .filter(|path| path.extension().is_some_and(|e| e == "schema"))
        .collect();
    files.sort();
    let mut structures = language::Structures::new();
    let modules: Vec<language::Module> = files
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("a schema file is text");
            let name = path.file_stem().expect("it has a name").to_string_lossy();
            language::parse(&name, &text, &mut structures)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .collect();
    let code = generate::generate(&modules).unwrap_or_else(|error| panic!("schema: {error}"));
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("schema.rs"), code).expect("OUT_DIR can be written");
}
