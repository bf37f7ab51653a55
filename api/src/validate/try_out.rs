//! Tries a plan before a trial exists: rules that cannot be evaluated, spaces that nothing satisfies, networks that do not fit the images.
//! It reads the clock, and draws for half a minute where nothing is found.

use std::time::{Duration, Instant};

use nas_search::{Constraints, Index, Plan, Sampler, first_draw, rejections, sample};

use super::rule_path;
use crate::{Problem, darts_space, objects::NasExperiment};

/// Draws on which rules are tried at acceptance, so that what cannot be evaluated is found before a trial exists.
const TRIED_DRAWS: u32 = 500;
/// A space in which nothing is found for so long is refused.
const LONGEST_TRY: Duration = Duration::from_secs(30);

impl NasExperiment {
    /// Draws from the space: rules that cannot be evaluated, spaces that nothing satisfies, networks that do not fit the images.
    pub(super) fn try_plan(&self, plan: &Plan) -> Result<(), Vec<Problem>> {
        let one = |path: String, message: String| Err(vec![Problem::new(path, message)]);
        let shape = darts_space::shape(&self.spec.trial.data);
        if let Err((rule, reason)) = rejections(plan, TRIED_DRAWS) {
            return Err(vec![self.broken_rule(&plan.constraints, rule, reason)]);
        }
        let began = Instant::now();
        let found = match plan.sampler {
            Sampler::Grid(_) => sample(plan, &Index::new(plan.direction, &plan.rungs), &[], 0),
            _ => first_draw(plan, || began.elapsed() < LONGEST_TRY),
        };
        let drawn = match found {
            Ok(drawn) => drawn,
            Err(nothing) => {
                let worst = nothing.worst_rule().unwrap_or_default();
                let rejected = nothing.rejected.get(&worst).copied().unwrap_or_default();
                let message = format!(
                    "no configuration satisfies the constraints: of {} drawn in at most {} s, this rule ({}) rejected {rejected}, more than any other; loosen it or widen the space",
                    nothing.draws,
                    LONGEST_TRY.as_secs(),
                    plan.constraints.message(worst),
                );
                return one(rule_path(worst), message);
            }
        };
        let of_architecture = |name: &str| matches!(name, "params" | "flops");
        if let (Some(_), Err(metric)) =
            (&self.spec.space.darts, plan.measure(&drawn.assignment, |name| (!of_architecture(name)).then_some(0.0)))
        {
            return one(
                "spec.trial.data.shape".to_owned(),
                self.unknown_shape(&format!("spec.objective.additional names {metric}")),
            );
        }
        if let (Some(_), Some(shape)) = (&self.spec.space.darts, shape) {
            let fits = darts_space::skeleton(&drawn.assignment, shape).map(|skeleton| skeleton.cells());
            if let Some(Err(error)) = fits {
                return one("spec.space.parameters".to_owned(), error.to_string());
            }
        }
        Ok(())
    }

    /// A rule that cannot be evaluated: what is wrong with it, or what it needs to know.
    pub(super) fn broken_rule(&self, constraints: &Constraints, rule: usize, reason: String) -> Problem {
        let text = constraints.text(rule);
        let data = &self.spec.trial.data;
        if darts_space::shape(data).is_some() || !(text.contains("params") || text.contains("flops")) {
            return Problem::new(rule_path(rule), reason);
        }
        Problem::new("spec.trial.data.shape", self.unknown_shape("a constraint speaks of parameters or FLOPs"))
    }

    fn unknown_shape(&self, why: &str) -> String {
        format!(
            "is needed, since {why} and the size of the images of {:?} is not known: state {{channels, height, width, classes}}",
            self.spec.trial.data.name
        )
    }
}
