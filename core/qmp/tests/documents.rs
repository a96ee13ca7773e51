//! Files in the repository that are made from the schema.

use std::path::Path;

use ferrite_qmp::documents::DOCUMENTS;

#[test]
fn they_are_those_of_this_schema() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for document in DOCUMENTS {
        let there = std::fs::read_to_string(top.join(document.path)).unwrap_or_default();
        assert!(
            there == (document.text)(),
            "{} is stale: run `cargo xtask reference`",
            document.path
        );
    }
}
