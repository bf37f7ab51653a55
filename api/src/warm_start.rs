//! Warm start: what an experiment learns from those that it names, kept with it, so that it does not change under the search.

use nas_search::{Direction, EarlierTrial, Index, Plan, earlier_trials};

use crate::{
    Problem,
    objects::{NasExperiment, NasTrial, SamplerSpec},
};

/// Trials that are kept of all earlier experiments together: with a configuration of 40 parameters, half of what one object may hold.
const KEPT: usize = 400;

/// The key under which a `ConfigMap` keeps earlier trials, as JSON.
pub const WARM_START_KEY: &str = "trials.json";

impl NasExperiment {
    /// The `ConfigMap` that keeps what an experiment of this name learns from.
    pub fn warm_start_map(name: &str) -> String {
        format!("{name}-warm-start")
    }

    /// The experiments that this one learns from.
    pub fn warm_start(&self) -> &[String] {
        self.spec.warm_start.as_ref().map_or(&[], |warm_start| &warm_start.experiments)
    }

    /// What an earlier experiment has to tell this one.
    ///
    /// # Errors
    ///
    /// What keeps it from telling, as a sentence that begins with its name.
    pub fn learn_from(&self, earlier: &Self, trials: impl IntoIterator<Item = NasTrial>) -> Result<Vec<EarlierTrial>, String> {
        let name = earlier.metadata.name.as_deref().unwrap_or_default();
        let (own, other) = (&self.spec.objective, &earlier.spec.objective);
        if (&own.metric, own.direction) != (&other.metric, other.direction) {
            return Err(format!(
                "{name} optimised {:?} of {}, this experiment {:?} of {}",
                other.direction, other.metric, own.direction, own.metric
            ));
        }
        let plan: Plan = earlier.validate().map_err(|problems| {
            let first = problems.first().map(Problem::to_string).unwrap_or_default();
            format!("{name} cannot be read by this version: {first}")
        })?;
        let mut index = Index::new(plan.direction, &plan.rungs);
        trials.into_iter().for_each(|trial| index.apply(trial.to_record()));
        Ok(earlier_trials(&index, &plan.rungs, KEPT / self.warm_start().len().max(1)))
    }

    /// Whether this experiment can learn from others.
    pub(crate) fn check_warm_start(&self, problems: &mut Vec<Problem>) {
        let path = "spec.warmStart";
        if self.spec.warm_start.is_none() {
            return;
        }
        let own = self.metadata.name.as_deref().unwrap_or_default();
        if self.warm_start().iter().any(|name| name == own) {
            problems.push(Problem::new(format!("{path}.experiments"), "names this very experiment"));
        }
        if matches!(self.spec.sampler, SamplerSpec::Random(_) | SamplerSpec::Grid(_)) {
            problems.push(Problem::new(path, "needs a sampler that learns: guided, tpe or mutation"));
        }
        if !self.spec.objective.additional.is_empty() {
            problems.push(Problem::new(path, "works with one objective only: leave out spec.objective.additional"));
        }
    }
}

/// Attaches evidence to a plan; returns how many of the trials the search can learn from.
pub fn attach(plan: &mut Plan, earlier: &[EarlierTrial]) -> usize {
    let direction: Direction = plan.direction;
    let seen = |trial| nas_search::Evidence::of(trial, &plan.space, &plan.rungs, direction);
    plan.earlier = earlier.iter().filter_map(seen).collect();
    plan.earlier.len()
}
