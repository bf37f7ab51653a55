//! `compare-search` writes the same bytes each time, however many cores are free when.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, process::Command};

/// What two runs with these options write, if it is the same.
fn written_twice(name: &str, options: &[&str], seeds: &str, files: &[&str]) -> Vec<String> {
    let [first, second] = ["first", "second"].map(|run| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{run}"));
        fs::create_dir_all(&folder).unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_compare-search")).args(options).arg(&folder).arg(seeds).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        files.iter().map(|file| fs::read_to_string(folder.join(file)).unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(first, second);
    first
}

#[test]
fn its_ablation_is_the_same_each_time() {
    let written = written_twice("ablation", &["--ablation"], "1", &["ablation.md"]);
    assert!(written[0].contains("a quota of 2 / eta") && !written[0].contains("NaN"), "{}", written[0]);
}

#[test]
fn its_ceiling_is_the_same_each_time() {
    let written = written_twice("ceiling", &["--ceiling"], "1", &["ceiling.md"]);
    assert!(written[0].contains("| oracle: short trainings show the end |") && !written[0].contains("NaN"), "{}", written[0]);
}

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
    let written = written_twice("compare", &[], "2", &files);
    let [page, drawings @ ..] = written.as_slice() else { unreachable!() };
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
