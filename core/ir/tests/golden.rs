//! Regions, what the optimiser makes of them and what the interpreter executes, reviewed as text.
//!
//! `tests/golden/NAME.ir` is a region, `NAME.golden` the result. `UPDATE_GOLDEN=1 cargo test -p
//! ferrite-ir --test golden` writes the results anew: look at the difference before it is committed.

use std::fs;
use std::path::Path;

use ferrite_ir::{Region, interp, opt, verify};

fn result(text: &str) -> String {
    let mut region: Region = text.parse().expect("a region");
    verify(&region).expect("a region that keeps the rules");
    assert_eq!(region.to_string(), text, "the text form is canonical");
    opt::optimise(&mut region);
    verify(&region).expect("an optimised region that keeps the rules");
    let lowered = interp::lower(&region).expect("a region that can be lowered");
    format!("{region}\n{lowered}")
}

#[test]
fn results_are_as_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("the folder of regions") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|e| e != "ir") {
            continue;
        }
        seen += 1;
        let actual = result(&fs::read_to_string(&path).expect("a region"));
        let golden = path.with_extension("golden");
        if update {
            fs::write(&golden, actual).expect("a result written");
        } else {
            let expected = fs::read_to_string(&golden).expect("a result; see UPDATE_GOLDEN");
            assert_eq!(actual, expected, "{}", path.display());
        }
    }
    assert!(seen > 0);
}
