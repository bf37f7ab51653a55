//! Warm start: what an experiment learns from those that it names, kept with it, so that it does not change under the search.

use nas_search::{EarlierTrial, Index, Plan, earlier_trials};

use crate::{
    Problem,
    objects::{NasExperiment, NasTrial, SamplerSpec},
};

/// Trials that are kept of all earlier experiments together, and bytes as JSON: what one `ConfigMap` holds, with room for the rest of it.
const KEPT: usize = 400;
const KEPT_BYTES: usize = 900_000;

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
        let named = self.warm_start().len().max(1);
        Ok(fitting(earlier_trials(&index, &plan.rungs, KEPT / named), KEPT_BYTES / named))
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

/// The first trials that take at most so many bytes as a JSON list.
fn fitting(mut trials: Vec<EarlierTrial>, most: usize) -> Vec<EarlierTrial> {
    let mut bytes = "[]".len();
    let mut fits = |trial: &EarlierTrial| {
        bytes += serde_json::to_string(trial).unwrap_or_default().len() + ",".len();
        bytes <= most
    };
    let kept = trials.iter().take_while(|trial| fits(trial)).count();
    trials.truncate(kept);
    trials
}

#[cfg(test)]
mod tests {
    use nas_search::Scalar;

    use super::*;

    #[test]
    fn what_is_kept_fits_the_object_that_keeps_it() {
        let trial = |number: i64| EarlierTrial {
            assignment: (0..number).map(|at| (format!("parameter_{at}").into(), Scalar::Int(number))).collect(),
            curve: vec![(1.0 / 3.0, Some(0.5)), (1.0, None)],
        };
        let trials: Vec<EarlierTrial> = (1..50).map(trial).collect();
        let length = |trials: &[EarlierTrial]| serde_json::to_string(trials).unwrap_or_default().len();
        for most in [0, 60, 1000, 5000] {
            let kept = fitting(trials.clone(), most);
            assert!(kept.is_empty() || length(&kept) <= most, "{most}");
            assert_eq!(kept, trials[..kept.len()]);
            // The next would not have fitted: a list of n has n - 1 commas, and n are counted.
            assert!(length(&trials[..=kept.len()]) + 1 > most, "{most}");
        }
        assert_eq!(fitting(trials.clone(), usize::MAX), trials);
    }
}
