//! What the end of a trainer process means for its trial: the same on a cluster and on a laptop.

use std::time::Duration;

use nas_search::{Assignment, Outcome, Plan};

use crate::{
    contract::{Exit, Report, Reported},
    one_line,
};

/// Ends of processes that count against a trial, after which it has failed.
pub const MAX_ATTEMPTS: usize = 5;

/// Longest message of a trainer that is told on, in characters.
const WORDS: usize = 400;

/// The end of one rung, as it is to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct RungEnd {
    /// The rung.
    pub rung: usize,
    /// What came out.
    pub outcome: Outcome,
    /// The values of the additional objectives, in their order, where the outcome is a value.
    pub additional: Vec<f64>,
}

impl RungEnd {
    /// An end without additional objectives.
    pub fn new(rung: usize, outcome: Outcome) -> Self {
        Self { rung, outcome, additional: Vec::new() }
    }
}

/// What to do after a process ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Conclusion {
    /// Record these ends of rungs, from the first that is not recorded yet.
    Record {
        /// Ascending; the last is the segment's end.
        ends: Vec<RungEnd>,
        /// For people: why, where the outcome is not a value.
        message: String,
    },
    /// Start the segment again as the next attempt.
    Again {
        /// Whether this end counts towards [`MAX_ATTEMPTS`].
        counted: bool,
        /// For people: what happened.
        message: String,
    },
}

impl Conclusion {
    /// An end that counts against the trial: the next attempt, or none where it was the last.
    pub fn crashed(message: String, recorded: usize, counted: usize) -> Self {
        if counted + 1 < MAX_ATTEMPTS {
            return Self::Again { counted: true, message };
        }
        let message = format!("{MAX_ATTEMPTS} attempts ended like this: {message}");
        Self::Record { ends: vec![RungEnd::new(recorded, Outcome::Failed)], message }
    }

    /// The end of a process that was stopped since it took `limit`, its `spec.trial.timeLimit`: it counts, since what hangs once may hang again.
    pub fn overran(limit: Duration, recorded: usize, counted: usize) -> Self {
        let message = format!(
            "stopped after {} s, at its spec.trial.timeLimit: the log of its trainer says whether it hung; if training takes so long, \
             a new experiment needs a longer timeLimit",
            limit.as_secs()
        );
        Self::crashed(message, recorded, counted)
    }

    /// With the values of the additional objectives, of which the trainer told in `report`. A trainer that does not report one of them
    /// is the wrong one for its experiment.
    #[must_use]
    pub fn measured(self, plan: &Plan, assignment: &Assignment, report: Option<&Report>) -> Self {
        let Self::Record { mut ends, message } = self else { return self };
        for at in 0..ends.len() {
            let RungEnd { rung, outcome, additional } = &mut ends[at];
            if !matches!(outcome, Outcome::Value(_)) {
                continue;
            }
            let metrics = report.and_then(|report| report.results.get(*rung)).map(|result| &result.metrics);
            match plan.measure(assignment, |name| metrics?.get(name).copied()) {
                Ok(values) => *additional = values.0[..plan.additional.len()].to_vec(),
                Err(missing) => {
                    let message = format!("the trainer reports no metric {missing:?}, which spec.objective.additional names");
                    *outcome = Outcome::Misconfigured;
                    ends.truncate(at + 1);
                    return Self::Record { ends, message };
                }
            }
        }
        Self::Record { ends, message }
    }

    /// Why, for people.
    pub fn message(&self) -> &str {
        match self {
            Self::Record { message, .. } | Self::Again { message, .. } => message,
        }
    }
}

/// Concludes from how a process ended.
///
/// `message` is its termination message, `attempt` and `target_rung` what it was started with, `recorded` the number of rungs
/// recorded before, `counted` how many ends of this segment counted against it before.
pub fn conclude(exit: Exit, message: &str, attempt: u32, target_rung: usize, recorded: usize, counted: usize) -> Conclusion {
    let first_words = one_line(message, WORDS);
    let ended = |outcome| Conclusion::Record { ends: vec![RungEnd::new(recorded, outcome)], message: first_words.clone() };
    let crashed = |message| Conclusion::crashed(message, recorded, counted);
    match exit {
        Exit::Reported => match Report::from_message(message, attempt, target_rung) {
            Ok(report) if report.results.len() <= recorded => {
                crashed(format!("the report ends at rung {}, which was recorded before", report.results.len().saturating_sub(1)))
            }
            Ok(report) => of_report(&report, recorded),
            Err(problem) => crashed(one_line(&problem.to_string(), WORDS)),
        },
        Exit::Usage | Exit::Data | Exit::Configuration => ended(Outcome::Misconfigured),
        Exit::OutOfMemory => ended(Outcome::OutOfMemory),
        Exit::Stopped | Exit::Fenced | Exit::Temporary => Conclusion::Again { counted: false, message: first_words },
        Exit::Other(code) => crashed(format!("the trainer ended with exit code {code}: {first_words}")),
    }
}

fn of_report(report: &Report, recorded: usize) -> Conclusion {
    let ends = report.results.iter().skip(recorded).map(|result| {
        let outcome = match (result.outcome, result.value) {
            (Reported::Value, Some(value)) => Outcome::Value(value),
            (Reported::Infeasible, _) => Outcome::Infeasible,
            (Reported::Value | Reported::Diverged, _) => Outcome::Diverged,
        };
        RungEnd::new(result.rung, outcome)
    });
    let message = report.results.last().and_then(|result| result.message.as_deref()).unwrap_or_default();
    Conclusion::Record { ends: ends.collect(), message: one_line(message, WORDS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"attempt":2,"seq":3,"step":60,"results":[
        {"rung":0,"outcome":"Value","value":0.5},{"rung":1,"outcome":"Value","value":0.75}]}"#;

    fn concluded(exit: i32, message: &str, counted: usize) -> Conclusion {
        conclude(Exit::from_code(exit), message, 2, 1, 1, counted)
    }

    #[test]
    fn a_report_gives_the_rungs_that_are_not_recorded_yet() {
        let expected = Conclusion::Record { ends: vec![RungEnd::new(1, Outcome::Value(0.75))], message: String::new() };
        assert_eq!(concluded(0, REPORT, 0), expected);
    }

    #[test]
    fn a_report_that_takes_back_what_was_recorded_counts_as_a_crash_and_not_for_ever() {
        let back = r#"{"attempt":2,"seq":3,"step":20,"results":[{"rung":0,"outcome":"Diverged"}]}"#;
        assert!(matches!(concluded(0, back, 0), Conclusion::Again { counted: true, .. }));
        assert!(matches!(concluded(0, back, 4), Conclusion::Record { .. }));
    }

    #[test]
    fn additional_objectives_are_taken_from_the_report_and_missed_where_they_are_not_there() {
        let plan = |metric: &str| {
            let text = include_str!("../../configs/quickstart.yaml");
            let objective = format!("  objective: {{additional: [{{metric: {metric}, direction: Minimize}}]}}\n  maxTrials");
            let Ok(source) = crate::read_experiment(&text.replacen("  maxTrials", &objective, 1)) else { unreachable!() };
            source.plan
        };
        let report = r#"{"attempt":2,"seq":3,"step":60,"results":[
            {"rung":0,"outcome":"Value","value":0.5},{"rung":1,"outcome":"Value","value":0.75,"metrics":{"latency":12.5}}]}"#;
        let measured = |metric: &str| {
            let parsed = Report::from_message(report, 2, 1).ok();
            concluded(0, report, 0).measured(&plan(metric), &Assignment::new(), parsed.as_ref())
        };
        let end = RungEnd { additional: vec![12.5], ..RungEnd::new(1, Outcome::Value(0.75)) };
        assert_eq!(measured("latency"), Conclusion::Record { ends: vec![end], message: String::new() });
        let Conclusion::Record { ends, message } = measured("energy") else { unreachable!() };
        assert_eq!(ends, [RungEnd::new(1, Outcome::Misconfigured)]);
        assert!(message.contains("\"energy\"") && message.contains("spec.objective.additional"), "{message}");
        // An end without a value needs none.
        let crashed = concluded(71, "", 0);
        assert_eq!(crashed.clone().measured(&plan("energy"), &Assignment::new(), None), crashed);
    }

    #[test]
    fn ends_are_told_apart_by_exit_code() {
        for (code, outcome) in
            [(64, Outcome::Misconfigured), (65, Outcome::Misconfigured), (78, Outcome::Misconfigured), (71, Outcome::OutOfMemory)]
        {
            assert_eq!(
                concluded(code, "why", 0),
                Conclusion::Record { ends: vec![RungEnd::new(1, outcome)], message: "why".into() }
            );
        }
        for code in [143, 70, 75] {
            assert_eq!(concluded(code, "why", 4), Conclusion::Again { counted: false, message: "why".into() });
        }
        for (code, message) in
            [(1, "panic"), (137, ""), (0, ""), (0, "{"), (0, &REPORT.replace("\"attempt\":2", "\"attempt\":1"))]
        {
            assert!(matches!(concluded(code, message, 3), Conclusion::Again { counted: true, .. }), "{code} {message}");
            let last = concluded(code, message, 4);
            assert!(
                matches!(last, Conclusion::Record { ref ends, .. } if ends[0] == RungEnd::new(1, Outcome::Failed)),
                "{last:?}"
            );
        }
    }
}
