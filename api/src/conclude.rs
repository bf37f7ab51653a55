//! What the end of a trainer process means for its trial: the same on a cluster and on a laptop.

use std::time::Duration;

use nas_search::{Assignment, Outcome, Plan};

use crate::{
    contract::{Exit, Report, Reported, RungResult},
    objects::NasTrial,
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

/// A process of a trial, as far as its end is judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The attempt that it was started as.
    pub attempt: u32,
    /// The rung that it was to reach.
    pub target_rung: usize,
    /// Rungs of its trial that were recorded before.
    pub recorded: usize,
    /// Ends of this segment that counted against the trial before.
    pub counted: usize,
}

/// What the end of a process means, and the report that it left.
#[derive(Clone, Debug, PartialEq)]
pub struct Concluded {
    /// What to do.
    pub conclusion: Conclusion,
    /// Its report, where it left a valid one.
    pub report: Option<Report>,
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
    /// Why, for people.
    pub fn message(&self) -> &str {
        match self {
            Self::Record { message, .. } | Self::Again { message, .. } => message,
        }
    }
}

impl From<Conclusion> for Concluded {
    /// Without a report.
    fn from(conclusion: Conclusion) -> Self {
        Self { conclusion, report: None }
    }
}

impl NasTrial {
    /// The process of its present segment.
    pub fn process(&self) -> Process {
        Process {
            attempt: u32::try_from(self.spec.attempt).unwrap_or_default(),
            target_rung: usize::try_from(self.spec.target_rung).unwrap_or_default(),
            recorded: self.status.as_ref().map_or(0, |status| status.rungs.len()),
            counted: self.counted_ends(),
        }
    }
}

impl Process {
    /// Concludes from how it ended; `message` is its termination message.
    pub fn conclude(self, exit: Exit, message: &str) -> Concluded {
        let first_words = one_line(message, WORDS);
        match exit {
            Exit::Reported => return self.of_report(message),
            Exit::Usage | Exit::Data | Exit::Configuration => self.ended(Outcome::Misconfigured, first_words),
            Exit::OutOfMemory => self.ended(Outcome::OutOfMemory, first_words),
            Exit::Stopped | Exit::Fenced | Exit::Temporary => Conclusion::Again { counted: false, message: first_words },
            Exit::Other(code) => self.crashed(format!("the trainer ended with exit code {code}: {first_words}")),
        }
        .into()
    }

    /// An end that counts against the trial: the next attempt, or none where it was the last.
    pub fn crashed(self, message: String) -> Conclusion {
        if self.counted + 1 < MAX_ATTEMPTS {
            return Conclusion::Again { counted: true, message };
        }
        self.ended(Outcome::Failed, format!("{MAX_ATTEMPTS} attempts ended like this: {message}"))
    }

    /// The end of one that was stopped since it took `limit`, its `spec.trial.timeLimit`: it counts, since what hangs once may hang again.
    pub fn overran(self, limit: Duration) -> Conclusion {
        self.crashed(format!(
            "stopped after {} s, at its spec.trial.timeLimit: the log of its trainer says whether it hung; if training takes so long, \
             a new experiment needs a longer timeLimit",
            limit.as_secs()
        ))
    }

    /// An end at the first rung that is not recorded yet.
    pub fn ended(self, outcome: Outcome, message: String) -> Conclusion {
        Conclusion::Record { ends: vec![RungEnd::new(self.recorded, outcome)], message }
    }

    fn of_report(self, message: &str) -> Concluded {
        let report = match Report::from_message(message, self.attempt, self.target_rung) {
            Ok(report) => report,
            Err(problem) => return self.crashed(one_line(&problem.to_string(), WORDS)).into(),
        };
        let results = &report.results;
        let conclusion = if results.len() <= self.recorded {
            self.crashed(format!("the report ends at rung {}, which was recorded before", results.len().saturating_sub(1)))
        } else {
            let message = results.last().and_then(|result| result.message.as_deref()).unwrap_or_default();
            let ends = results.iter().skip(self.recorded).map(RungEnd::from);
            Conclusion::Record { ends: ends.collect(), message: one_line(message, WORDS) }
        };
        Concluded { conclusion, report: Some(report) }
    }
}

impl From<&RungResult> for RungEnd {
    fn from(result: &RungResult) -> Self {
        let outcome = match (result.outcome, result.value) {
            (Reported::Value, Some(value)) => Outcome::Value(value),
            (Reported::Infeasible, _) => Outcome::Infeasible,
            (Reported::Value | Reported::Diverged, _) => Outcome::Diverged,
        };
        Self::new(result.rung, outcome)
    }
}

impl Concluded {
    /// With the values of the additional objectives, of which the report tells. A trainer that does not report one of them is the wrong one for its
    /// experiment.
    #[must_use]
    pub fn measured(self, plan: &Plan, assignment: &Assignment) -> Self {
        let Self { conclusion: Conclusion::Record { mut ends, message }, report } = self else { return self };
        for at in 0..ends.len() {
            let RungEnd { rung, outcome, additional } = &mut ends[at];
            if !matches!(outcome, Outcome::Value(_)) {
                continue;
            }
            let result = report.as_ref().and_then(|report| report.results.get(*rung));
            match plan.measure(assignment, |name| result?.metrics.get(name).copied()) {
                Ok(values) => *additional = values.0[..plan.additional.len()].to_vec(),
                Err(missing) => {
                    let message = format!("the trainer reports no metric {missing:?}, which spec.objective.additional names");
                    *outcome = Outcome::Misconfigured;
                    ends.truncate(at + 1);
                    return Self { conclusion: Conclusion::Record { ends, message }, report };
                }
            }
        }
        Self { conclusion: Conclusion::Record { ends, message }, report }
    }
}

#[cfg(test)]
mod tests {
    use nas_search::{NewTrial, View};

    use super::*;
    use crate::objects::{RunSegment, SegmentOutcome};

    const REPORT: &str = r#"{"attempt":2,"seq":3,"step":60,"results":[
        {"rung":0,"outcome":"Value","value":0.5},{"rung":1,"outcome":"Value","value":0.75}]}"#;

    fn ended(exit: i32, message: &str, counted: usize) -> Concluded {
        Process { attempt: 2, target_rung: 1, recorded: 1, counted }.conclude(Exit::from_code(exit), message)
    }

    fn concluded(exit: i32, message: &str, counted: usize) -> Conclusion {
        ended(exit, message, counted).conclusion
    }

    #[test]
    fn a_report_gives_the_rungs_that_are_not_recorded_yet() {
        let expected = Conclusion::Record { ends: vec![RungEnd::new(1, Outcome::Value(0.75))], message: String::new() };
        assert_eq!(concluded(0, REPORT, 0), expected);
    }

    #[test]
    fn a_report_goes_on_with_what_is_concluded_from_it_and_counts_only_after_exit_code_0() {
        let report = ended(0, REPORT, 0).report.unwrap();
        assert_eq!(report.results.len(), 2);
        assert_eq!(ended(1, REPORT, 0).report, None);
        assert_eq!(ended(0, "{", 0).report, None);
    }

    #[test]
    fn a_process_is_judged_by_what_its_trial_has_recorded() {
        let mut trial = NasTrial::create("small", &NewTrial { rung: 2, ..NewTrial::default() }, View::default());
        trial.spec.attempt = 7;
        assert_eq!(trial.process(), Process { attempt: 7, target_rung: 2, recorded: 0, counted: 0 });
        let status = trial.status.get_or_insert_default();
        status.record(&[RungEnd::new(0, Outcome::Value(0.5))], 0);
        for (rung, outcome) in [(2, SegmentOutcome::Crashed), (1, SegmentOutcome::Crashed), (2, SegmentOutcome::Lost)] {
            status.note(RunSegment { rung, outcome, ..RunSegment::default() });
        }
        assert_eq!(trial.process(), Process { attempt: 7, target_rung: 2, recorded: 1, counted: 1 });
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
        let measured = |metric: &str| ended(0, report, 0).measured(&plan(metric), &Assignment::new()).conclusion;
        let end = RungEnd { additional: vec![12.5], ..RungEnd::new(1, Outcome::Value(0.75)) };
        assert_eq!(measured("latency"), Conclusion::Record { ends: vec![end], message: String::new() });
        let Conclusion::Record { ends, message } = measured("energy") else { unreachable!() };
        assert_eq!(ends, [RungEnd::new(1, Outcome::Misconfigured)]);
        assert!(message.contains("\"energy\"") && message.contains("spec.objective.additional"), "{message}");
        // An end without a value needs none.
        let crashed = ended(71, "", 0);
        assert_eq!(crashed.clone().measured(&plan("energy"), &Assignment::new()), crashed);
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
