//! Writes the files that are made from the schema, below the repository's top: the argument.

use std::path::Path;

use ferrite_qmp::documents::DOCUMENTS;

fn main() -> std::io::Result<()> {
    let top = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    for document in DOCUMENTS {
        let path = Path::new(&top).join(document.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, (document.text)())?;
        println!("{}", path.display());
    }
    Ok(())
}
