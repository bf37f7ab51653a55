//! `compare-search` writes the same bytes each time, however many cores are free when.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, process::Command};

#[test]
fn its_files_are_the_same_each_time() {
    let files = [
        "search.md",
        "search-nb301.svg",
        "search-nb101.svg",
        "search-interactions.svg",
        "search-crossing.svg",
        "search-smooth.svg",
    ];
    let written = ["first", "second"].map(|name| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("compare-{name}"));
        fs::create_dir_all(&folder).unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_compare-search")).arg(&folder).arg("1").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        files.map(|file| fs::read_to_string(folder.join(file)).unwrap())
    });
    assert_eq!(written[0], written[1]);
    let [page, drawings @ ..] = &written[0];
    // Ours and the others' are in one table, and nothing was not a number.
    assert!(
        page.contains("| **guided, rungs from 3** |")
            && page.contains("| **ASHA promotion, eta 3** |")
            && page.contains("| Ray 2.60 AsyncHyperBand rf=3 "),
        "{page}"
    );
    assert!(!page.contains("NaN"), "{page}");
    assert!(drawings.iter().all(|drawing| drawing.ends_with("</svg>\n") && !drawing.contains("NaN")));
}
