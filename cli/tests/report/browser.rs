//! A page as a browser shows it: headless Chromium opens it, and what it has made of it is read.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// The document after its scripts have run, as markup, with the numbers of all charts. The window is so high that every chart is in sight.
pub(crate) fn open(page: &Path) -> String {
    let profile = tempfile::tempdir().unwrap();
    let program = std::env::var("NAS_CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let output = Command::new(&program)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--window-size=1280,16000",
        ])
        .args(["--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}#tables", page.display()))
        .stderr(Stdio::piped())
        .output()
        .unwrap_or_else(|error| {
            panic!("{program} cannot be started: {error}; install Debian's package chromium, or set NAS_CHROMIUM")
        });
    let document = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && document.contains("</html>"), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    document
}

/// What stands between the first `from` and the next `to` after it.
pub(crate) fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("the page has no {from}"));
    rest.split_once(to).unwrap_or_else(|| panic!("the page has no {to} after {from}")).0
}

/// The rows of the first table in this part of a page: the text of its cells, without markup.
pub(crate) fn rows(part: &str) -> Vec<Vec<String>> {
    let body = between(part, "<tbody>", "</tbody>");
    let cells = |row: &str| row.split("<td").skip(1).map(|cell| text(between(cell, ">", "</td>"))).collect();
    body.split("<tr>").skip(1).map(cells).collect()
}

/// Markup's text.
pub(crate) fn text(markup: &str) -> String {
    let mut text = String::new();
    let mut rest = markup;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
