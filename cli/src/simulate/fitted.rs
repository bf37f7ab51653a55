//! Learning curves as an experiment sees them: its parameters, its lengths, its metric.

use std::{collections::HashMap, sync::Arc};

use nas_api::SourceFile;
use nas_darts::{Cell, Op, choice_names};
use nas_search::{Assignment, Direction, Domain, Parameter, Plan, Scalar, Verdict};
use nas_simulation::{Landscape, LandscapeError, assignment, genotype, permutation};

use super::curves::{CurvesError, Source};
use crate::table::counted;

/// Curves that fit an experiment.
pub(super) struct Fitted {
    source: Source,
    /// `resource.max`.
    max: u64,
    /// What is known of an experiment's configurations: their row; empty where all are known.
    rows: HashMap<String, usize>,
    /// Rows that the experiment could try, as its configurations; `None`: it draws its own.
    listed: Option<Vec<Assignment>>,
    /// What was taken to be so.
    notes: Vec<String>,
    /// By how much the times of the curves are multiplied.
    pace: f64,
}

/// Why curves do not fit.
pub(super) struct Misfit(String);

impl Misfit {
    /// With the name of the curves.
    pub(super) fn of(self, curves: &str) -> CurvesError {
        CurvesError::Misfit { curves: curves.to_owned(), problem: self.0 }
    }
}

impl Fitted {
    /// Fits curves to an experiment.
    pub(super) fn new(source: Source, file: &SourceFile) -> Result<Self, Misfit> {
        let plan = &file.plan;
        let objective = &file.experiment.spec.objective.metric;
        if source.is_percent() && (objective != "accuracy" || plan.direction != Direction::Maximize) {
            let problem = "the curves are of accuracy: set spec.objective to {metric: accuracy, direction: Maximize}";
            return Err(Misfit(format!("spec.objective.metric is {objective}, but {problem}")));
        }
        let max = plan.rungs.steps()[plan.rungs.top()];
        let mut fitted = Self { source, max, rows: HashMap::new(), listed: None, notes: Vec::new(), pace: 1.0 };
        fitted.note_lengths(plan);
        let unknown = match &fitted.source {
            Source::Surrogate(_) => fitted.fit_surrogate(plan)?,
            Source::Table(_) | Source::Lines(_) => fitted.fit_rows(plan)?,
        };
        if !unknown.is_empty() {
            fitted.notes.push(format!("constants that the curves know nothing of play no part: {}", unknown.join(", ")));
        }
        if fitted.source.is_percent() {
            fitted.notes.push("accuracies are converted from percent to fractions".to_owned());
        }
        Ok(fitted)
    }

    fn note_lengths(&mut self, plan: &Plan) {
        let full = self.source.full_length();
        if full == self.max {
            return;
        }
        let step = |step: &u64| match &self.source {
            Source::Lines(_) => format!("{:.1}", self.position(*step)),
            _ => self.level(*step).to_string(),
        };
        let steps: Vec<String> = plan.rungs.steps().iter().map(step).collect();
        self.notes.push(format!(
            "resource.max ({}) is taken as the full length of the curves, {full} steps: rungs {:?} are at {}",
            self.max,
            plan.rungs.steps(),
            steps.join(", ")
        ));
        if steps.windows(2).any(|pair| pair[0] == pair[1]) {
            self.notes.push("rungs at one length show the same values: the upper one tells nothing new here".to_owned());
        }
    }

    /// Every choice of the space must be there, with operations that there are curves of; returns constants that are no choices.
    fn fit_surrogate(&mut self, plan: &Plan) -> Result<Vec<Arc<str>>, Misfit> {
        let mut unknown = Vec::new();
        for parameter in plan.space.parameters() {
            let is_choice = choice_names().any(|choice| *choice == *parameter.name);
            match &parameter.domain {
                Domain::Constant(_) if !is_choice => unknown.push(Arc::clone(&parameter.name)),
                _ if !is_choice => return Err(searched(&parameter.name)),
                domain => {
                    if let Some(operation) = beyond(domain) {
                        let known = Op::DARTS.map(Op::as_str).join(", ");
                        let problem = format!("{} may be {operation}, of which there are no curves: use {known}", parameter.name);
                        return Err(Misfit(problem));
                    }
                }
            }
        }
        for choice in choice_names() {
            if !plan.space.parameters().iter().any(|parameter| *parameter.name == *choice) {
                return Err(Misfit(format!("the experiment has no {choice}: these curves are of space.darts")));
            }
        }
        self.notes.push(
            "where both edges of a node read the same input, the second counts as reading the next: the surrogate knows no such node"
                .to_owned(),
        );
        Ok(unknown)
    }

    /// Finds the rows that the experiment could try; returns constants that no row has.
    fn fit_rows(&mut self, plan: &Plan) -> Result<Vec<Arc<str>>, Misfit> {
        let rows = self.source.rows();
        let known = rows.first().map(|(_, assignment)| assignment.clone()).unwrap_or_default();
        let mut unknown = Vec::new();
        let mut constants = Vec::new();
        for Parameter { name, domain, .. } in plan.space.parameters() {
            match domain {
                Domain::Constant(value) if !known.contains_key(name) => {
                    unknown.push(Arc::clone(name));
                    constants.push((Arc::clone(name), value.clone()));
                }
                _ => {}
            }
        }
        let checker = plan.constraints.checker();
        let mut listed = Vec::new();
        for (row, (place, assignment)) in rows.into_iter().enumerate() {
            let mut fits = true;
            for Parameter { name, domain, when, .. } in plan.space.parameters().iter().filter(|one| !unknown.contains(&one.name))
            {
                match assignment.get(name) {
                    Some(value) => fits &= contains(domain, value),
                    None if when.is_some() => {}
                    None if matches!(self.source, Source::Table(_)) => return Err(searched(name)),
                    None => {
                        return Err(Misfit(format!("{place} has no {name} in its assignment, which the experiment searches")));
                    }
                }
            }
            for name in assignment.keys() {
                // The size of an architecture goes with its number.
                let is_size = matches!(self.source, Source::Table(_)) && **name == *"params";
                if !is_size && !plan.space.parameters().iter().any(|parameter| parameter.name == *name) {
                    return Err(Misfit(format!("{place} has {name} in its assignment, which is no parameter of the experiment")));
                }
            }
            let assignment = assignment.with(constants.iter().cloned());
            if fits && checker.check(&assignment) == Verdict::Satisfied {
                self.check_start(plan, row, &place)?;
                self.rows.insert(key(&assignment), row);
                listed.push(assignment);
            }
        }
        let all = self.source.rows().len();
        if listed.is_empty() {
            return Err(Misfit(format!("none of the {all} rows is in the experiment's space and satisfies its constraints")));
        }
        self.notes.push(format!(
            "trials are the rows of the curves in the order of the seed, not draws of the sampler: {} of {all} fit the experiment",
            listed.len()
        ));
        if plan.max_trials > listed.len() as u64 {
            self.notes.push(format!(
                "maxTrials is {}, but the curves have only {}",
                plan.max_trials,
                counted(listed.len() as u64, "trial")
            ));
        }
        self.listed = Some(listed);
        Ok(unknown)
    }

    /// Something must be known at the lowest rung.
    fn check_start(&self, plan: &Plan, row: usize, place: &str) -> Result<(), Misfit> {
        let Source::Lines(lines) = &self.source else { return Ok(()) };
        let (rung, first) = (plan.rungs.steps()[0], lines.first_step(row).unwrap_or_default());
        let position = self.position(rung);
        #[expect(clippy::cast_precision_loss, reason = "steps are far below 2^53")]
        let is_late = first as f64 > position;
        if is_late {
            let problem = "record it earlier, or raise the lowest rung";
            return Err(Misfit(format!(
                "{place}: curve begins at step {first}, but rung 0 ({rung}) is at {position:.1}: {problem}"
            )));
        }
        Ok(())
    }

    /// Scales all times so that a mean full training takes so many hours.
    pub(super) fn take(&mut self, hours: f64) {
        let seconds = self.source.full_training_seconds();
        // Where no time is known, there is none to scale.
        self.pace = if seconds > 0.0 { hours * 3600.0 / seconds } else { 1.0 };
        self.notes.push(format!("times are scaled so that a mean full training takes {hours} hours"));
    }

    /// What was taken to be so, for people.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What the curves are.
    pub(super) fn about(&self) -> String {
        self.source.about()
    }

    /// Seconds of a mean full training.
    pub(super) fn full_training_seconds(&self) -> f64 {
        self.source.full_training_seconds() * self.pace
    }

    /// How many configurations there are; `None`: all of the experiment's.
    pub(super) fn rows(&self) -> Option<u64> {
        self.listed.as_ref().map(|listed| listed.len() as u64)
    }

    /// The configurations in the order of a seed; `None`: the experiment draws its own.
    pub(super) fn listed(&self, seed: u64) -> Option<Vec<Assignment>> {
        let listed = self.listed.as_ref()?;
        let order = permutation(seed, u32::try_from(listed.len()).unwrap_or(u32::MAX));
        Some(order.into_iter().map(|row| listed[row as usize].clone()).collect())
    }

    /// From now on the noise of another seed, where there is noise.
    pub(super) fn reseed(&mut self, seed: u64) {
        if let Source::Surrogate(surrogate) = &mut self.source {
            surrogate.reseed(seed);
        }
    }

    /// Where a step of the experiment is on the curves.
    fn position(&self, step: u64) -> f64 {
        if self.source.full_length() == self.max {
            return real(step);
        }
        real(step) * real(self.source.full_length()) / real(self.max)
    }

    /// The recorded length at or below a step of the experiment; below the first, the first.
    fn level(&self, step: u64) -> u64 {
        let share = u128::from(step) * u128::from(self.source.full_length()) / u128::from(self.max);
        let step = u64::try_from(share).unwrap_or(u64::MAX);
        match &self.source {
            Source::Table(table) => {
                let levels = table.levels();
                levels[levels.partition_point(|level| *level <= step).saturating_sub(1)]
            }
            _ => step.max(1),
        }
    }

    fn row(&self, assignment: &Assignment) -> Result<usize, LandscapeError> {
        self.rows.get(&key(assignment)).copied().ok_or_else(|| LandscapeError::Unknown(assignment.clone()))
    }
}

impl Landscape for Fitted {
    fn observed(&self, assignment: &Assignment, step: u64) -> Result<f64, LandscapeError> {
        let unknown = || LandscapeError::Unknown(assignment.clone());
        match &self.source {
            Source::Surrogate(surrogate) => Ok(surrogate.observed(&distinct(assignment)?, self.level(step))? / 100.0),
            Source::Table(table) => {
                let level = self.level(step);
                let level = table.levels().iter().position(|known| *known == level).unwrap_or_default();
                table.observed_at(self.row(assignment)?, level).map(|percent| percent / 100.0).ok_or_else(unknown)
            }
            Source::Lines(lines) => lines.value(self.row(assignment)?, self.position(step)).ok_or_else(unknown),
        }
    }

    fn seconds(&self, assignment: &Assignment, from: u64, to: u64) -> Result<f64, LandscapeError> {
        let unknown = || LandscapeError::Unknown(assignment.clone());
        let steps = (self.position(to) - self.position(from)) * self.pace;
        match &self.source {
            Source::Surrogate(surrogate) => Ok(steps * surrogate.seconds(&distinct(assignment)?, 0, 1)?),
            Source::Table(table) => Ok(steps * table.seconds_per_step(self.row(assignment)?).ok_or_else(unknown)?),
            Source::Lines(lines) => Ok(steps * lines.seconds_per_step(self.row(assignment)?).ok_or_else(unknown)?),
        }
    }

    fn truth(&self, assignment: &Assignment) -> Result<f64, LandscapeError> {
        let unknown = || LandscapeError::Unknown(assignment.clone());
        match &self.source {
            Source::Surrogate(surrogate) => Ok(surrogate.truth(&distinct(assignment)?)? / 100.0),
            Source::Table(table) => table.truth_of(self.row(assignment)?).map(|percent| percent / 100.0).ok_or_else(unknown),
            Source::Lines(lines) => lines.value(self.row(assignment)?, self.position(self.max)).ok_or_else(unknown),
        }
    }
}

/// The architecture, where both edges of a node read the same input with the second reading the next one (0 after the node's last).
///
/// 24 in 25 draws of the space have such a node. Without this they would all be infeasible, and the simulated search would be one of a
/// twenty-fifth of the space; with it, counts of operations and so most constraints stay what they are.
fn distinct(configuration: &Assignment) -> Result<Assignment, LandscapeError> {
    let mut found = genotype(configuration).map_err(|_| LandscapeError::Unknown(configuration.clone()))?;
    for cell in [&mut found.normal, &mut found.reduce] {
        let mut nodes = *cell.nodes();
        for (node, [first, second]) in nodes.iter_mut().enumerate() {
            if first.input == second.input {
                second.input = (second.input + 1) % (node + 2);
            }
        }
        *cell = Cell::new(nodes).map_err(|_| LandscapeError::Unknown(configuration.clone()))?;
    }
    Ok(assignment(&found))
}

fn searched(name: &str) -> Misfit {
    Misfit(format!("the experiment searches {name}, of which the curves know nothing: make it a constant"))
}

/// An operation that a choice of this domain may be, and of which there are no curves.
fn beyond(domain: &Domain) -> Option<&str> {
    let values: &[Scalar] = match domain {
        Domain::Constant(value) => std::slice::from_ref(value),
        Domain::Categorical(values) => values,
        Domain::Int { .. } | Domain::Double { .. } => return None,
    };
    values.iter().filter_map(Scalar::as_text).find(|name| Op::DARTS.iter().all(|op| op.as_str() != *name))
}

fn contains(domain: &Domain, value: &Scalar) -> bool {
    match domain {
        Domain::Constant(constant) => constant == value,
        Domain::Int { min, max, .. } => value.as_i64().is_some_and(|value| (min..=max).contains(&&value)),
        Domain::Double { min, max, .. } => value.as_f64().is_some_and(|value| (min..=max).contains(&&value)),
        Domain::Categorical(values) => values.contains(value),
    }
}

/// Text that is the same exactly for equal configurations.
fn key(assignment: &Assignment) -> String {
    format!("{assignment:?}")
}

#[expect(clippy::cast_precision_loss, reason = "steps are far below 2^53")]
fn real(step: u64) -> f64 {
    step as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use nas_darts::Genotype;
    use nas_simulation::data;

    use super::*;

    /// An architecture of the table, in which node 4 of the normal cell reads these inputs.
    fn reading(inputs: [usize; 2]) -> Genotype {
        let mut found = genotype(&data::nb301().unwrap().assignment(0).unwrap()).unwrap();
        let mut nodes = *found.normal.nodes();
        nodes[3][0].input = inputs[0];
        nodes[3][1].input = inputs[1];
        found.normal = Cell::new(nodes).unwrap();
        found
    }

    #[test]
    fn equal_inputs_count_as_neighbours() {
        for (inputs, expected) in [([1, 3], [1, 3]), ([2, 2], [2, 3]), ([4, 4], [4, 0])] {
            assert_eq!(distinct(&assignment(&reading(inputs))), Ok(assignment(&reading(expected))), "{inputs:?}");
        }
    }

    #[test]
    fn lengths_are_shares_of_the_full_one() {
        let of = |source, max| Fitted { source, max, rows: HashMap::new(), listed: None, notes: Vec::new(), pace: 1.0 };
        let nb101 = of(Source::Table(data::nb101().unwrap()), 1080);
        assert_eq!([10, 40, 119, 120, 359, 360, 1080].map(|step| nb101.level(step)), [4, 4, 4, 12, 12, 36, 108]);
        let nb301 = of(Source::Surrogate(data::nb301_surrogate(0).unwrap()), 300);
        assert_eq!([1, 4, 18, 75, 300].map(|step| nb301.level(step)), [1, 1, 5, 24, 98]);
        assert!((nb301.position(150) - 49.0).abs() < 1e-12);
        let same = of(Source::Surrogate(data::nb301_surrogate(0).unwrap()), 98);
        assert_eq!([1, 9, 98].map(|step| same.level(step)), [1, 9, 98]);
    }

    #[test]
    fn an_operation_without_curves_is_found_in_whatever_domain() {
        let words = |names: &[&str]| Domain::Categorical(names.iter().map(|name| Scalar::from(*name)).collect());
        assert_eq!(beyond(&words(&Op::DARTS.map(Op::as_str))), None);
        assert_eq!(beyond(&words(&["skip_connect", "none"])), Some("none"));
        // One that the trainer may know some day.
        assert_eq!(beyond(&Domain::Constant(Scalar::from("conv_7x1_1x7"))), Some("conv_7x1_1x7"));
        assert_eq!(beyond(&Domain::Int { min: 0, max: 4, scale: nas_search::Scale::Linear }), None);
    }

    #[test]
    fn values_are_in_or_out_of_a_domain() {
        let int = Domain::Int { min: 1, max: 3, scale: nas_search::Scale::Linear };
        assert!(contains(&int, &Scalar::Int(3)) && !contains(&int, &Scalar::Int(4)) && !contains(&int, &Scalar::from("3")));
        let double = Domain::Double { min: 0.5, max: 1.5, scale: nas_search::Scale::Linear };
        assert!(contains(&double, &Scalar::Int(1)) && !contains(&double, &Scalar::Float(0.25)));
        let words = Domain::Categorical(vec![Scalar::from("a"), Scalar::from("b")]);
        assert!(contains(&words, &Scalar::from("b")) && !contains(&words, &Scalar::from("c")));
        assert!(contains(&Domain::Constant(Scalar::Int(3)), &Scalar::Int(3)));
    }
}
