//! From an experiment that somebody wrote to a plan that can be carried out: every problem, with its field. It may take half a minute
//! (`try_out`): nothing for an async task.

mod confirm;
mod data;
mod document;
mod pod;
mod scheduler;
mod space;
mod try_out;

use std::time::Duration;

use kube::core::Duration as ObjectDuration;
use nas_search::{
    AdditionalObjective, Budget, Constraints, Direction, Grid, GridError, Guided, MAX_ADDITIONAL, Memory, Plan, Sampler, Space,
};

pub use document::{SourceFile, read_experiment};

use crate::{
    Problem, amount, darts_space,
    objects::{AdditionalObjectiveSpec, DirectionSpec, NasExperiment, Objective, SamplerSpec},
};

/// The least `spec.trial.timeLimit`: pods take seconds to begin.
const SHORTEST_TIME_LIMIT: Duration = Duration::from_secs(10);
/// Longest name: trials and Jobs append to it within Kubernetes' 63 characters.
const MAX_NAME: usize = 40;

impl From<DirectionSpec> for Direction {
    fn from(direction: DirectionSpec) -> Self {
        match direction {
            DirectionSpec::Maximize => Self::Maximize,
            DirectionSpec::Minimize => Self::Minimize,
        }
    }
}

impl From<&AdditionalObjectiveSpec> for AdditionalObjective {
    fn from(objective: &AdditionalObjectiveSpec) -> Self {
        Self { metric: objective.metric.clone(), direction: objective.direction.into() }
    }
}

impl NasExperiment {
    /// Checks the whole experiment and makes its plan.
    ///
    /// Rules are compiled and tried, and one configuration is drawn: for a space that nothing satisfies this takes seconds. The rungs of a
    /// search that has begun are those of its status: another `maxTrials` changes them no more.
    ///
    /// # Errors
    ///
    /// Every problem, with the path of its field.
    pub fn validate(&self) -> Result<Plan, Vec<Problem>> {
        let spec = &self.spec;
        let mut problems = Vec::new();
        if let Some(message) = self.metadata.name.as_deref().map_or(Some("is required, but missing".to_owned()), name_problem) {
            problems.push(Problem::new("metadata.name", message));
        }
        if spec.objective.metric.is_empty() {
            problems.push(Problem::new("spec.objective.metric", "must not be empty"));
        }
        self.additional(&mut problems);
        self.check_warm_start(&mut problems);
        let space = space::build(&spec.space).map_err(|found| problems.extend(found)).ok();
        let shape = darts_space::shape(&spec.trial.data);
        let describe = spec.space.darts.is_some().then(|| darts_space::describe(shape));
        let mut constraints = Constraints::new(describe);
        for (index, constraint) in spec.constraints.iter().enumerate() {
            if let Err(error) = constraints.add(&constraint.rule, &constraint.message) {
                problems.push(Problem::new(rule_path(index), error.to_string()));
            }
        }
        let max_trials = at_least_one(spec.max_trials, "spec.maxTrials", &mut problems);
        let max = at_least_one(spec.resource.max, "spec.resource.max", &mut problems);
        let begun = self.status.as_ref().map_or(&[] as &[_], |status| &status.rungs);
        let sampler = space.as_ref().and_then(|space| self.sampler(space, &constraints, &mut problems));
        let max_trials = match &sampler {
            Some(Sampler::Grid(grid)) => max_trials.min(grid.len()),
            _ => max_trials,
        };
        let rungs = scheduler::rungs(&spec.scheduler, max, max_trials, begun).map_err(|problem| problems.push(problem)).ok();
        let budget = self.budget(&mut problems);
        if spec.target.is_some_and(|target| !target.is_finite()) {
            problems.push(Problem::new("spec.target", "must be finite"));
        }
        if let Some(memory) = spec.trial.memory.as_deref().filter(|memory| !amount(memory).is_some_and(|amount| amount > 0.0)) {
            problems.push(Problem::new("spec.trial.memory", format!("must be an amount of memory, such as 8Gi, not {memory:?}")));
        }
        if let Some(limit) = spec.trial.time_limit.filter(|limit| *limit < SHORTEST_TIME_LIMIT) {
            let message = format!(
                "is {limit}, but must be at least {SHORTEST_TIME_LIMIT:?}, since pods take seconds to begin: give more than the longest \
                 segment takes, or remove it for no limit"
            );
            problems.push(Problem::new("spec.trial.timeLimit", message));
        }
        self.check_env(&mut problems);
        pod::check(&spec.trial, &mut problems);
        data::check(&spec.trial.data, &mut problems);
        confirm::check(self, &mut problems);
        self.check_claims(&mut problems);
        let (Some(space), Some(sampler), Some(rungs), true) = (space, sampler, rungs, problems.is_empty()) else {
            return Err(problems);
        };
        let plan = Plan {
            seed: u64::try_from(spec.seed).unwrap_or_default(),
            direction: spec.objective.direction.into(),
            additional: spec.objective.additional.iter().map(AdditionalObjective::from).collect(),
            earlier: Vec::new(),
            space,
            sampler,
            constraints,
            rungs,
            scheduler: scheduler::build(&spec.scheduler),
            max_trials,
            parallel_trials: usize::try_from(spec.parallel_trials).unwrap_or_default(),
            max_failed_trials: spec.max_failed_trials.and_then(|max| u64::try_from(max).ok()),
            max_infeasible_trials: u64::try_from(spec.max_infeasible_trials).unwrap_or_default(),
            target: spec.target,
            budget,
        };
        self.try_plan(&plan)?;
        Ok(plan)
    }

    /// A name in `spec.trial.env` is one that every shell takes, and none of the contract's.
    fn check_env(&self, problems: &mut Vec<Problem>) {
        for name in self.spec.trial.env.keys() {
            let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let problem = if !is_word || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                format!("has the name {name:?}, but names are letters, digits and _, and begin with no digit")
            } else if name.starts_with("NAS_") && !is_open(name) {
                format!(
                    "has the name {name:?}, but what begins with NAS_ is set by who starts the trainer, all but NAS_TRAINER_* and NAS_DATA_CACHE: \
                     remove it"
                )
            } else {
                continue;
            };
            problems.push(Problem::new("spec.trial.env", problem));
        }
    }

    /// Claims are names: the operator asks for them by path, and a path must not lead anywhere else.
    fn check_claims(&self, problems: &mut Vec<Problem>) {
        let trial = &self.spec.trial;
        let claims = [
            ("spec.trial.checkpoints.claim", trial.checkpoints.as_ref().map(|claim| &claim.claim)),
            ("spec.trial.data.claim", trial.data.claim.as_ref()),
        ];
        for (path, claim) in claims {
            if let Some(claim) = claim.filter(|claim| !is_object_name(claim)) {
                let message =
                    format!("is {claim:?}, but must be the name of a PersistentVolumeClaim: lower-case letters, digits, - and .");
                problems.push(Problem::new(path, message));
            }
        }
    }

    /// The additional objectives: each metric once.
    fn additional(&self, problems: &mut Vec<Problem>) {
        let Objective { metric, additional, .. } = &self.spec.objective;
        if additional.len() > MAX_ADDITIONAL {
            let message = format!("must list at most {MAX_ADDITIONAL} objectives, not {}", additional.len());
            problems.push(Problem::new("spec.objective.additional", message));
        }
        for (at, objective) in additional.iter().enumerate() {
            let earlier = additional[..at].iter().map(|other| &other.metric).chain([metric]);
            let problem = match objective.metric.as_str() {
                "" => "must not be empty".to_owned(),
                name if earlier.into_iter().any(|other| other == name) => format!("{name:?} is an objective already"),
                _ => continue,
            };
            problems.push(Problem::new(format!("spec.objective.additional[{at}].metric"), problem));
        }
    }

    /// The sampler; none while there are other problems, since a grid tries every point.
    fn sampler(&self, space: &Space, constraints: &Constraints, problems: &mut Vec<Problem>) -> Option<Sampler> {
        match self.spec.sampler {
            SamplerSpec::Random(_) => Some(Sampler::Random),
            SamplerSpec::Mutation(_) => Some(Sampler::Mutation(Memory::default())),
            SamplerSpec::Tpe(_) => Some(Sampler::Tpe(Memory::default())),
            SamplerSpec::Guided(_) => Some(Sampler::Guided(Guided::default())),
            SamplerSpec::Grid(_) if !problems.is_empty() => None,
            SamplerSpec::Grid(_) => {
                let grid = Grid::new(space, constraints).map(Sampler::Grid);
                let problem = |error| match error {
                    GridError::Broken { rule, reason } => self.broken_rule(constraints, rule, reason),
                    other => Problem::new("spec.sampler.grid", other.to_string()),
                };
                grid.map_err(|error| problems.push(problem(error))).ok()
            }
        }
    }

    fn budget(&self, problems: &mut Vec<Problem>) -> Budget {
        let Some(budget) = &self.spec.budget else { return Budget::default() };
        let hours = |hours: f64| Duration::try_from_secs_f64(hours * 3600.0);
        let accelerator = budget.gpu_hours.and_then(|given| {
            hours(given).map_err(|error| problems.push(Problem::new("spec.budget.gpuHours", format!("is {given}: {error}")))).ok()
        });
        if budget.wall_clock.is_some_and(|duration| duration.is_negative()) {
            problems.push(Problem::new("spec.budget.wallClock", "must not be negative"));
        }
        let accelerators = self.accelerators_of_a_trial();
        Budget { wall_clock: budget.wall_clock.map(Duration::from), accelerator, accelerators }
    }

    /// Time between checkpoints inside a rung.
    pub fn checkpoint_every(&self) -> Duration {
        let every: ObjectDuration = self.spec.trial.checkpoint_every;
        if every.is_negative() { Duration::ZERO } else { every.into() }
    }

    /// The most time that the process of one segment may take, in whole seconds; `None`: no limit.
    pub fn time_limit(&self) -> Option<Duration> {
        // Kubernetes takes no longer deadline of a pod.
        const LONGEST: Duration = Duration::from_secs(i32::MAX as u64);
        let limit = Duration::from(self.spec.trial.time_limit?).min(LONGEST);
        Some(Duration::from_secs(limit.as_secs() + u64::from(limit.subsec_nanos() > 0)))
    }
}

/// Whether a variable is no part of the contract, though its name begins like one of it: the settings of the trainer that comes along.
fn is_open(variable: &str) -> bool {
    variable.starts_with("NAS_TRAINER_") || variable == "NAS_DATA_CACHE"
}

fn name_problem(name: &str) -> Option<String> {
    let word = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if name.len() > MAX_NAME {
        Some(format!("is {} characters long: shorten it to {MAX_NAME}, since trials and Jobs are named after it", name.len()))
    } else if name.ends_with("-confirm") {
        Some(format!("is {name:?}, but the trials of confirmations are named like that: do not let it end in -confirm"))
    } else if word {
        None
    } else {
        Some(format!("is {name:?}, but must be lower-case letters, digits and -, starting with a letter and not ending in -"))
    }
}

/// Whether an object of Kubernetes can have this name (a subdomain of DNS, RFC 1123).
fn is_object_name(name: &str) -> bool {
    let is_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_label =
        |label: &str| label.starts_with(is_end) && label.ends_with(is_end) && label.chars().all(|c| is_end(c) || c == '-');
    name.len() <= 253 && name.split('.').all(is_label)
}

fn rule_path(index: usize) -> String {
    format!("spec.constraints[{index}].rule")
}

fn at_least_one(value: i64, path: &str, problems: &mut Vec<Problem>) -> u64 {
    u64::try_from(value).ok().filter(|value| *value >= 1).unwrap_or_else(|| {
        problems.push(Problem::new(path, format!("is {value}, but must be at least 1")));
        1
    })
}
