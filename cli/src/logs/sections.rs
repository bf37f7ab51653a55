//! A log of several attempts, cut where each begins.

use crate::run::HEADING;

/// Which lines are wanted, as they come.
pub(super) struct Sections {
    /// The attempt that is wanted; `None`: all.
    wanted: Option<i64>,
    shows: bool,
    /// Whether a heading was seen.
    pub(super) has_headings: bool,
}

impl Sections {
    pub(super) fn new(wanted: Option<i64>) -> Self {
        Self { wanted, shows: wanted.is_none(), has_headings: false }
    }

    /// Whether this line is wanted.
    pub(super) fn wants(&mut self, line: &str) -> bool {
        if let Some(attempt) = attempt_of(line) {
            self.has_headings = true;
            self.shows = self.wanted.is_none_or(|wanted| wanted == attempt);
        }
        self.shows
    }
}

/// The attempt that begins with a line; `None`: none does.
fn attempt_of(line: &str) -> Option<i64> {
    line.strip_prefix(HEADING)?.split(':').next()?.parse().ok()
}

/// The last so many of these lines.
pub(super) fn last(lines: &mut Vec<String>, count: Option<u32>) {
    let surplus = count.map_or(0, |count| lines.len().saturating_sub(count as usize));
    lines.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_reaches_to_the_next_heading() {
        let log = "from before\n=== attempt 1: to rung 0 (20 batches)\na\n=== attempt 12: to rung 1\nb\n=== attempt x\nc";
        let shown = |wanted| {
            let mut sections = Sections::new(wanted);
            log.lines().filter(|line| sections.wants(line)).collect::<Vec<_>>().join("|")
        };
        assert_eq!(shown(None), log.replace('\n', "|"));
        assert_eq!(shown(Some(1)), "=== attempt 1: to rung 0 (20 batches)|a");
        assert_eq!(shown(Some(12)), "=== attempt 12: to rung 1|b|=== attempt x|c");
        assert_eq!(shown(Some(2)), "");
    }
}
