//! The page: one file that needs nothing beside it. All that a trainer or a person may have written reaches it as data alone.

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

use super::data::ReportData;

/// The library that draws charts.
pub(crate) const ECHARTS: &str = include_str!("../../assets/echarts/echarts.min.js");
/// How the page looks.
pub(crate) const STYLE: &str = include_str!("../../assets/report/style.css");
/// What draws a report's data, in the order in which they need each other.
pub(crate) const DRAWING: [&str; 9] = [
    include_str!("../../assets/report/text.js"),
    include_str!("../../assets/report/theme.js"),
    include_str!("../../assets/report/figure.js"),
    include_str!("../../assets/report/overview.js"),
    include_str!("../../assets/report/training.js"),
    include_str!("../../assets/report/choices.js"),
    include_str!("../../assets/report/effects.js"),
    include_str!("../../assets/report/tables.js"),
    include_str!("../../assets/report/page.js"),
];
/// Draws the data that was written into the page.
const START: &str = include_str!("../../assets/report/start.js");

/// What a browser allows the page: to run these scripts alone, and to load nothing, from anywhere.
fn policy(scripts: &[&str]) -> String {
    let hash = |script: &&str| format!(" 'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(script)));
    let hashes: String = scripts.iter().map(hash).collect();
    format!(
        "default-src 'none'; script-src{hashes}; style-src 'unsafe-inline'; img-src data: blob:; form-action 'none'; base-uri 'none'"
    )
}

/// The report as a page.
pub(super) fn page(data: &ReportData) -> Result<String, serde_json::Error> {
    let json = within_script(&serde_json::to_string(data)?);
    let title = within_markup(&data.name);
    let scripts = DRAWING.concat() + START;
    let policy = policy(&[ECHARTS, &scripts]);
    Ok([
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n",
        &format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n"),
        &format!("<title>{title} · nas-operator</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"),
        "<a class=\"skip\" href=\"#main\">Skip to the report</a>\n<div id=\"page\"><noscript>This report is drawn by JavaScript: allow it for this file.</noscript></div>\n",
        &format!("<script type=\"application/json\" id=\"data\">{json}</script>\n"),
        &format!("<script>{ECHARTS}</script>\n<script>{scripts}</script>\n</body>\n</html>\n"),
    ]
    .concat())
}

/// JSON that cannot end the script element that holds it, nor begin anything in it.
fn within_script(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn within_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_within_a_script() {
        let hostile = "</script><script>alert(1)</script><!-- &amp; \u{2028}\"\\";
        let json = within_script(&serde_json::to_string(hostile).unwrap());
        assert!(!json.contains(['<', '>', '&', '\u{2028}']));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
    }

    #[test]
    fn no_script_of_ours_ends_its_element_or_asks_for_anything() {
        for script in DRAWING.iter().chain([&ECHARTS, &START]) {
            assert!(!script.contains("</script") && !script.contains("<!--"));
        }
        assert!(DRAWING.iter().chain([&STYLE, &START]).all(|text| !text.contains("http") && !text.contains("url(")));
    }
}
