//! The environment of a trainer: which trial, how far, with what.

use std::{collections::BTreeMap, fmt::Display, path::PathBuf, str::FromStr, time::Duration};

use nas_search::Assignment;
use thiserror::Error;

use super::DataShape;

/// The version of this contract, `NAS_CONTRACT`.
pub const CONTRACT_VERSION: &str = "1";

/// Seconds between SIGTERM and SIGKILL: a checkpoint must be written in it, and spot machines give two minutes at most.
pub const GRACE_SECONDS: u32 = 110;

/// One segment of one trial: train from where the newest checkpoint stands to `target_step`, and report.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// `NAS_EXPERIMENT`: name of the experiment.
    pub experiment: String,
    /// `NAS_TRIAL_NAME`: name of the trial, `<experiment>-<number>`, or `<experiment>-confirm-<number>`.
    pub trial_name: String,
    /// `NAS_TRIAL_UID`: the trial's unique id, which outlives no deletion.
    pub trial_uid: String,
    /// `NAS_ATTEMPT`: the fencing token. A higher attempt of the same trial makes this one void.
    pub attempt: u32,
    /// `NAS_TARGET_RUNG`: the rung to reach.
    pub target_rung: usize,
    /// `NAS_TARGET_STEP`: steps of training at that rung, counted from the trial's beginning.
    pub target_step: u64,
    /// `NAS_MAX_STEP`: steps of a full training, and of the learning-rate schedule.
    pub max_step: u64,
    /// `NAS_STEP_UNIT`: `epochs` or `batches`.
    pub step_unit: StepUnit,
    /// `NAS_RUNG_STEPS`: the step of every rung, ascending, separated by commas.
    pub rung_steps: Vec<u64>,
    /// `NAS_METRIC`: the metric whose value is reported.
    pub metric: String,
    /// `NAS_SEED`: the trial's seed, for initial weights, order of data and augmentation.
    pub seed: u64,
    /// `NAS_PARAMETERS`: the assignment, a JSON object, or the path of a file that holds it.
    pub parameters: Assignment,
    /// `NAS_CHECKPOINT_DIR`: the trial's own folder; each process writes to a folder of its own below it.
    pub checkpoint_dir: PathBuf,
    /// `NAS_CHECKPOINT_EVERY`: seconds between checkpoints inside a segment; absent or 0: only at its end.
    pub checkpoint_every: Duration,
    /// `NAS_EVALUATE_EVERY`: epochs between evaluations; absent or 0: only where a rung ends.
    pub evaluate_every: u64,
    /// `NAS_DATA_DIR`: the folder that holds data sets, each in a folder of its name. Read only.
    pub data_dir: PathBuf,
    /// `NAS_DATA_NAME`: name of the data set.
    pub data_name: String,
    /// `NAS_DATA_SHAPE`: size that the experiment states for its images; absent: that of the files.
    pub data_shape: Option<DataShape>,
    /// `NAS_DATA_CLASSES`: number of classes that the experiment states; absent: that of the files.
    pub data_classes: Option<u32>,
    /// `NAS_VALIDATION`: on what to train and evaluate.
    pub validation: Validation,
    /// `NAS_REPORTING`: how to report.
    pub reporting: Reporting,
    /// `NAS_THREADS`: threads for computing on the CPU; absent: the trainer's choice.
    pub threads: Option<u16>,
    /// `NAS_ACCELERATORS`: accelerators that the experiment asks for; absent: none.
    pub accelerators: Option<u32>,
    /// `NAS_TERMINATION_LOG`: where the report goes; absent: `/dev/termination-log`, as in a pod.
    pub termination_log: PathBuf,
    /// `TRACEPARENT`: W3C trace context, passed on.
    pub traceparent: Option<String>,
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// The word that stands for it in the environment.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("must be one of {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}

words! {
    /// What a step is.
    StepUnit {
        /// One pass over the training split.
        Epochs = "epochs",
        /// One optimiser step.
        Batches = "batches",
    }
}

words! {
    /// Which images are trained on and which decide.
    Validation {
        /// Train on 90 % of the training set, evaluate on the other 10 % (stratified, the same for every trial). The default of a search.
        Heldout = "Heldout",
        /// Train on the whole training set, evaluate on the test set, and let that choose: the protocol of Determined's benchmark.
        TestSet = "TestSet",
        /// Train on the whole training set, evaluate on the test set, choose nothing: for the final number of one architecture.
        Final = "Final",
    }
}

words! {
    /// How results reach whoever decides.
    Reporting {
        /// The report is the container's termination message.
        TerminationMessage = "TerminationMessage",
        /// Besides, the trainer applies `status.reported` of its own `NasTrial` while it trains. What counts is the termination message.
        CRStatus = "CRStatus",
    }
}

/// What is wrong with the environment of a trainer: every problem, not only the first.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{}", .0.join("; "))]
pub struct SegmentError(pub Vec<String>);

impl Segment {
    /// The segment as environment variables, by name.
    pub fn to_env(&self) -> BTreeMap<&'static str, String> {
        let steps: Vec<String> = self.rung_steps.iter().map(u64::to_string).collect();
        let mut env = BTreeMap::from([
            ("NAS_CONTRACT", CONTRACT_VERSION.to_owned()),
            ("NAS_EXPERIMENT", self.experiment.clone()),
            ("NAS_TRIAL_NAME", self.trial_name.clone()),
            ("NAS_TRIAL_UID", self.trial_uid.clone()),
            ("NAS_ATTEMPT", self.attempt.to_string()),
            ("NAS_TARGET_RUNG", self.target_rung.to_string()),
            ("NAS_TARGET_STEP", self.target_step.to_string()),
            ("NAS_MAX_STEP", self.max_step.to_string()),
            ("NAS_STEP_UNIT", self.step_unit.as_str().to_owned()),
            ("NAS_RUNG_STEPS", steps.join(",")),
            ("NAS_METRIC", self.metric.clone()),
            ("NAS_SEED", self.seed.to_string()),
            ("NAS_PARAMETERS", serde_json::to_string(&self.parameters).unwrap_or_default()),
            ("NAS_CHECKPOINT_DIR", self.checkpoint_dir.display().to_string()),
            ("NAS_CHECKPOINT_EVERY", self.checkpoint_every.as_secs_f64().to_string()),
            ("NAS_EVALUATE_EVERY", self.evaluate_every.to_string()),
            ("NAS_DATA_DIR", self.data_dir.display().to_string()),
            ("NAS_DATA_NAME", self.data_name.clone()),
            ("NAS_VALIDATION", self.validation.as_str().to_owned()),
            ("NAS_REPORTING", self.reporting.as_str().to_owned()),
            ("NAS_TERMINATION_LOG", self.termination_log.display().to_string()),
        ]);
        if let Some(shape) = self.data_shape {
            env.insert("NAS_DATA_SHAPE", shape.to_string());
        }
        if let Some(classes) = self.data_classes {
            env.insert("NAS_DATA_CLASSES", classes.to_string());
        }
        if let Some(threads) = self.threads {
            env.insert("NAS_THREADS", threads.to_string());
        }
        if let Some(accelerators) = self.accelerators {
            env.insert("NAS_ACCELERATORS", accelerators.to_string());
        }
        if let Some(traceparent) = &self.traceparent {
            env.insert("TRACEPARENT", traceparent.clone());
        }
        env
    }

    /// Reads a segment from the variables that `lookup` finds (`|name| std::env::var(name).ok()`).
    ///
    /// # Errors
    ///
    /// Names every variable that is missing or wrong, with what it should be.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SegmentError> {
        let mut env = Reader { lookup, problems: Vec::new() };
        let contract = env.text("NAS_CONTRACT");
        if !contract.is_empty() && contract != CONTRACT_VERSION {
            env.problem(
                "NAS_CONTRACT",
                format!("is {contract:?}, this trainer knows only {CONTRACT_VERSION:?}: use matching versions"),
            );
        }
        let segment = Self {
            experiment: env.text("NAS_EXPERIMENT"),
            trial_name: env.text("NAS_TRIAL_NAME"),
            trial_uid: env.text("NAS_TRIAL_UID"),
            attempt: env.number("NAS_ATTEMPT"),
            target_rung: env.number("NAS_TARGET_RUNG"),
            target_step: env.number("NAS_TARGET_STEP"),
            max_step: env.number("NAS_MAX_STEP"),
            step_unit: env.parse("NAS_STEP_UNIT").unwrap_or(StepUnit::Epochs),
            rung_steps: env.steps("NAS_RUNG_STEPS"),
            metric: env.text("NAS_METRIC"),
            seed: env.number("NAS_SEED"),
            parameters: env.parameters("NAS_PARAMETERS"),
            checkpoint_dir: env.text("NAS_CHECKPOINT_DIR").into(),
            checkpoint_every: env.seconds("NAS_CHECKPOINT_EVERY"),
            evaluate_every: env.optional("NAS_EVALUATE_EVERY").unwrap_or(0),
            data_dir: env.text("NAS_DATA_DIR").into(),
            data_name: env.text("NAS_DATA_NAME"),
            data_shape: env.optional("NAS_DATA_SHAPE"),
            data_classes: env.optional("NAS_DATA_CLASSES"),
            validation: env.optional("NAS_VALIDATION").unwrap_or(Validation::Heldout),
            reporting: env.optional("NAS_REPORTING").unwrap_or(Reporting::TerminationMessage),
            threads: env.optional("NAS_THREADS"),
            accelerators: env.optional("NAS_ACCELERATORS"),
            termination_log: (env.lookup)("NAS_TERMINATION_LOG").map_or_else(|| "/dev/termination-log".into(), PathBuf::from),
            traceparent: (env.lookup)("TRACEPARENT"),
        };
        if env.problems.is_empty() {
            env.check_rungs(&segment);
        }
        if env.problems.is_empty() { Ok(segment) } else { Err(SegmentError(env.problems)) }
    }
}

/// Reads variables and collects what is wrong with them.
struct Reader<L> {
    lookup: L,
    problems: Vec<String>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    fn problem(&mut self, name: &str, what: impl Display) {
        self.problems.push(format!("{name} {what}"));
    }

    fn text(&mut self, name: &str) -> String {
        let value = (self.lookup)(name).unwrap_or_default();
        if value.is_empty() {
            self.problem(name, "is not set");
        }
        value
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name);
        if text.is_empty() { None } else { self.convert(name, &text) }
    }

    fn optional<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = (self.lookup)(name).filter(|text| !text.is_empty())?;
        self.convert(name, &text)
    }

    fn convert<T: FromStr<Err: Display>>(&mut self, name: &str, text: &str) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(name, format!("is {text:?}: {error}"));
                None
            }
        }
    }

    fn number<T: FromStr<Err: Display> + Default>(&mut self, name: &str) -> T {
        self.parse(name).unwrap_or_default()
    }

    fn steps(&mut self, name: &str) -> Vec<u64> {
        let text = self.text(name);
        text.split(',').filter(|part| !part.is_empty()).filter_map(|part| self.convert(name, part)).collect()
    }

    fn seconds(&mut self, name: &str) -> Duration {
        let Some(seconds) = self.optional::<f64>(name) else { return Duration::ZERO };
        Duration::try_from_secs_f64(seconds).unwrap_or_else(|error| {
            self.problem(name, format!("is {seconds}: {error}"));
            Duration::ZERO
        })
    }

    fn parameters(&mut self, name: &str) -> Assignment {
        let text = self.text(name);
        if text.is_empty() {
            return Assignment::new();
        }
        let json = if text.trim_start().starts_with('{') {
            text
        } else {
            match std::fs::read_to_string(&text) {
                Ok(json) => json,
                Err(error) => {
                    self.problem(name, format!("is neither a JSON object nor a readable file: {text}: {error}"));
                    return Assignment::new();
                }
            }
        };
        serde_json::from_str(&json).unwrap_or_else(|error| {
            self.problem(name, format!("is not a JSON object of scalars: {error}"));
            Assignment::new()
        })
    }

    fn check_rungs(&mut self, segment: &Segment) {
        let steps = &segment.rung_steps;
        if steps.windows(2).any(|pair| pair[0] >= pair[1]) || steps.first() == Some(&0) {
            self.problem("NAS_RUNG_STEPS", "must be positive and ascending");
        }
        if steps.get(segment.target_rung) != Some(&segment.target_step) {
            self.problem("NAS_TARGET_STEP", "must be the step of NAS_TARGET_RUNG in NAS_RUNG_STEPS");
        }
        if segment.max_step < segment.target_step {
            self.problem("NAS_MAX_STEP", "must be at least NAS_TARGET_STEP");
        }
    }
}

#[cfg(test)]
mod tests {
    use nas_search::Scalar;

    use super::*;

    fn segment() -> Segment {
        Segment {
            experiment: "quickstart".into(),
            trial_name: "quickstart-3".into(),
            trial_uid: "u-3".into(),
            attempt: 1,
            target_rung: 1,
            target_step: 60,
            max_step: 180,
            step_unit: StepUnit::Batches,
            rung_steps: vec![20, 60, 180],
            metric: "accuracy".into(),
            seed: 7,
            parameters: [("learning_rate".into(), Scalar::Float(0.025)), ("layers".into(), Scalar::Int(3))].into(),
            checkpoint_dir: "/tmp/c".into(),
            checkpoint_every: Duration::from_millis(1500),
            evaluate_every: 1,
            data_dir: "/data".into(),
            data_name: "fashion-mnist".into(),
            data_shape: Some(DataShape { channels: 1, height: 28, width: 32 }),
            data_classes: Some(10),
            validation: Validation::Heldout,
            reporting: Reporting::TerminationMessage,
            threads: Some(1),
            accelerators: Some(2),
            termination_log: "/tmp/t".into(),
            traceparent: None,
        }
    }

    fn read(env: &BTreeMap<&'static str, String>) -> Result<Segment, SegmentError> {
        Segment::from_env(|name| env.get(name).cloned())
    }

    #[test]
    fn what_is_written_reads_back() {
        assert_eq!(read(&segment().to_env()).unwrap(), segment());
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let mut env = segment().to_env();
        env.remove("NAS_EXPERIMENT");
        env.insert("NAS_CONTRACT", "2".into());
        env.insert("NAS_ATTEMPT", "-1".into());
        env.insert("NAS_STEP_UNIT", "minutes".into());
        env.insert("NAS_PARAMETERS", "{\"a\": null}".into());
        let SegmentError(problems) = read(&env).unwrap_err();
        for name in ["NAS_CONTRACT", "NAS_EXPERIMENT", "NAS_ATTEMPT", "NAS_STEP_UNIT", "NAS_PARAMETERS"] {
            assert!(problems.iter().any(|problem| problem.starts_with(name)), "{name} in {problems:?}");
        }
        assert_eq!(problems.len(), 5);
    }

    #[test]
    fn a_target_that_is_no_rung_is_refused() {
        let mut env = segment().to_env();
        env.insert("NAS_TARGET_STEP", "61".into());
        assert!(read(&env).unwrap_err().to_string().contains("NAS_TARGET_STEP"));
    }
}
