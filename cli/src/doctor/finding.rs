//! What a doctor finds.

use std::fmt::Write;

use serde::Serialize;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// It is as it should be.
    Ok,
    /// It may be as it should be, or a search does worse with it.
    Warning,
    /// No search can run like this.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) what: String,
    /// How it is.
    pub(super) said: String,
    /// What to do; empty where nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) cure: String,
}

impl Finding {
    pub(super) fn ok(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { level: Level::Ok, what: what.into(), said: said.into(), cure: String::new() }
    }

    pub(super) fn warning(what: impl Into<String>, said: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { level: Level::Warning, what: what.into(), said: said.into(), cure: cure.into() }
    }

    pub(super) fn problem(what: impl Into<String>, said: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { level: Level::Problem, what: what.into(), said: said.into(), cure: cure.into() }
    }
}

/// A line for each, and one more where there is something to do.
pub(super) fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding { level, what, said, cure } in findings {
        let mark = match level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "PROBLEM",
        };
        let _ = writeln!(text, "{mark:<7}  {what:<width$}  {said}");
        if !cure.is_empty() {
            let _ = writeln!(text, "{:<7}  {:<width$}  -> {cure}", "", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_stands_below_what_was_found() {
        let findings = [Finding::ok("server", "v1.36"), Finding::problem("accelerator", "none", "install the device plug-in")];
        let expected =
            "ok       server       v1.36\nPROBLEM  accelerator  none\n                      -> install the device plug-in\n";
        assert_eq!(text(&findings), expected);
    }
}
