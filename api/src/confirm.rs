//! The confirmation of a search: which of its trials are trained anew, by which plan, and what came out.

use std::fmt::Write;

use nas_search::{Assignment, Direction, End, Index, NewTrial, Plan, View, mean, standard_deviation, welch};

use crate::objects::{ConfirmStatus, EndStatus, NasExperiment, NasTrial};

/// A difference that comes by chance more often than this means nothing.
const SIGNIFICANCE: f64 = 0.05;

/// The confirmation of a search, as its experiment recorded it: training `n` is of the configuration `n % configurations`, so that wherever
/// it stands all have had the same number of seeds, or one more.
#[derive(Clone, Debug)]
pub struct Confirmation {
    experiment: String,
    direction: Direction,
    list: Vec<ConfirmStatus>,
    configurations: Vec<Option<Assignment>>,
    /// Trainings in all.
    trainings: u64,
}

impl NasExperiment {
    /// Whether an end is followed by a confirmation: one that is asked for, and not after too many failures, which would only be more.
    pub fn confirms_after(&self, end: &EndStatus) -> bool {
        let aborts = [End::TooManyFailed { failed: 0 }, End::TooManyInfeasible { infeasible: 0 }].map(End::name);
        self.spec.confirm.is_some() && !aborts.contains(&end.reason.as_str())
    }

    /// The trials that are to be trained anew, best first, out of all of a search that has ended: to be recorded before the first of them is.
    pub fn to_confirm(&self, searched: &Index) -> Vec<ConfirmStatus> {
        let Some(confirm) = &self.spec.confirm else { return Vec::new() };
        let name = self.metadata.name.as_deref().unwrap_or_default();
        let leaders = searched.leaders(usize::try_from(confirm.top_k).unwrap_or_default());
        let status = |(value, trial): (f64, &nas_search::Trial)| ConfirmStatus {
            trial: format!("{name}-{}", trial.number),
            search_value: value,
            seeds: confirm.seeds,
            ..ConfirmStatus::default()
        };
        leaders.into_iter().map(status).collect()
    }

    /// Length of the trainings of a confirmation, in units of the resource.
    pub fn confirm_length(&self) -> u64 {
        let asked = self.spec.confirm.as_ref().and_then(|confirm| confirm.resource);
        u64::try_from(asked.unwrap_or(self.spec.resource.max)).unwrap_or(1)
    }
}

impl NasTrial {
    /// Whether this is a training of a confirmation, no trial of the search.
    pub fn is_confirmation(&self) -> bool {
        self.spec.confirms.is_some()
    }
}

impl Confirmation {
    /// The confirmation of what `list` recorded, and the plan by which it is decided: as a search of its own, with numbers and views of its
    /// own. `configuration` gives that of a trial by name; `None`: a person deleted the trial, and all
    /// that had copied it.
    pub fn new(
        experiment: &NasExperiment,
        searched: &Plan,
        list: &[ConfirmStatus],
        configuration: impl Fn(&str) -> Option<Assignment>,
    ) -> (Self, Plan) {
        let configurations: Vec<Option<Assignment>> = list.iter().map(|at| configuration(&at.trial)).collect();
        let seeds = list.first().map_or(0, |at| at.seeds);
        let once = || configurations.iter().map(|known| known.clone().unwrap_or_default());
        let plan = searched.confirmation((0..seeds).flat_map(|_| once()).collect(), experiment.confirm_length());
        let experiment = experiment.metadata.name.clone().unwrap_or_default();
        let (direction, trainings) = (plan.direction, plan.max_trials);
        (Self { experiment, direction, list: list.to_vec(), configurations, trainings }, plan)
    }

    /// Tells the index which trainings were created though they are gone: those that the record knows of, and those whose configuration
    /// nobody has any more, which are cancelled.
    pub fn raise_created(&self, index: &mut Index) {
        let started: i64 = self.list.iter().map(|at| at.started).sum();
        index.raise_created(u64::try_from(started).unwrap_or_default());
        while index.created() < self.trainings && self.configuration(index.created()).is_none() {
            index.raise_created(index.created() + 1);
        }
    }

    /// The object of a training that was just decided on; `None`: its configuration is gone.
    pub fn trial(&self, new: &NewTrial, view: View) -> Option<NasTrial> {
        self.configuration(new.number)?;
        let (at, seed) = self.place(new.number);
        let mut trial = NasTrial::create(&self.experiment, new, view);
        trial.metadata.name = Some(format!("{}-confirm-{}", self.experiment, new.number));
        trial.spec.confirms = Some(at.trial.clone());
        if let Some(grant) = trial.spec.grants.first_mut() {
            grant.reason = format!("confirms {}: seed {} of {}", at.trial, seed + 1, at.seeds);
        }
        Some(trial)
    }

    /// Which trial and which of its seeds, from 0, a training is about.
    fn place(&self, number: u64) -> (&ConfirmStatus, u64) {
        let count = self.list.len() as u64;
        (&self.list[usize::try_from(number % count).unwrap_or_default()], number / count)
    }

    fn configuration(&self, number: u64) -> Option<&Assignment> {
        self.configurations[usize::try_from(number % self.configurations.len() as u64).unwrap_or_default()].as_ref()
    }

    /// Whether every training has ended.
    pub fn is_over(&self, index: &Index) -> bool {
        index.created() >= self.trainings && index.running() == 0
    }

    /// What has come out so far, in the order of the record.
    pub fn status(&self, index: &Index) -> Vec<ConfirmStatus> {
        let count = self.list.len() as u64;
        let status = |(known, at): (&ConfirmStatus, u64)| {
            let trials = || index.trials().filter(|trial| trial.number % count == at);
            let values: Vec<f64> = trials().filter_map(|trial| trial.value_at(0)).collect();
            let started = (0..index.created()).filter(|number| number % count == at).count();
            let running = trials().filter(|trial| trial.running().is_some()).count();
            ConfirmStatus {
                started: whole(started),
                done: whole(values.len()),
                failed: whole(started - running - values.len()),
                mean: mean(&values),
                standard_deviation: standard_deviation(&values),
                values,
                better_than: Vec::new(),
                ..known.clone()
            }
        };
        let mut list: Vec<ConfirmStatus> = self.list.iter().zip(0..).map(status).collect();
        if self.is_over(index) {
            let clear = |one| move |other: &&ConfirmStatus| is_better(one, other, self.direction);
            let better_than = |one| list.iter().filter(clear(one)).map(|other| other.trial.clone()).collect();
            let all: Vec<Vec<String>> = list.iter().map(better_than).collect();
            list.iter_mut().zip(all).for_each(|(one, names)| one.better_than = names);
        }
        list
    }
}

/// Whether one is better than the other, beyond chance.
fn is_better(one: &ConfirmStatus, other: &ConfirmStatus, direction: Direction) -> bool {
    let is_clear = welch(&one.values, &other.values).is_some_and(|chance| chance < SIGNIFICANCE);
    is_clear && one.mean.zip(other.mean).is_some_and(|(own, other)| direction.reaches(own, other))
}

/// What a confirmation that is over says, in a sentence.
pub fn verdict(list: &[ConfirmStatus], direction: Direction) -> String {
    let better = |one: &&ConfirmStatus, other: &&ConfirmStatus| {
        one.mean.zip(other.mean).is_some_and(|(own, other)| direction.reaches(own, other))
    };
    let valued = list.iter().filter(|at| at.mean.is_some());
    let Some(best) = valued.clone().reduce(|best, next| if better(&best, &next) { best } else { next }) else {
        return "no training ended with a value".to_owned();
    };
    let spread = best.standard_deviation.map(|deviation| format!(" ± {deviation:.4}")).unwrap_or_default();
    let mut text = format!("best mean: {} with {:.4}{spread} of {}", best.trial, best.mean.unwrap_or_default(), best.done);
    let others: Vec<&ConfirmStatus> = valued.filter(|other| other.trial != best.trial).collect();
    if others.is_empty() {
        return text;
    }
    let (unknown, known): (Vec<_>, Vec<_>) = others.into_iter().partition(|other| best.done < 2 || other.done < 2);
    let (clear, open): (Vec<_>, Vec<_>) = known.into_iter().partition(|other| best.better_than.contains(&other.trial));
    for (which, words) in [
        (clear, "better than"),
        (open, "may be chance: the difference to"),
        (unknown, "fewer than two values, so that nothing can be said about the difference to"),
    ] {
        let names: Vec<&str> = which.iter().map(|other: &&ConfirmStatus| other.trial.as_str()).collect();
        if !names.is_empty() {
            let _ = write!(text, "; {words} {}", names.join(", "));
        }
    }
    for other in list.iter().filter(|other| other.trial != best.trial && !other.better_than.is_empty()) {
        let _ = write!(text, "; {} is better than {}", other.trial, other.better_than.join(", "));
    }
    text
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use nas_search::{Decision, Outcome, Recorded, Usage, decide};

    use super::*;

    const EXPERIMENT: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: small}
spec:
  space: {parameters: [{name: learning_rate, double: {min: 0.001, max: 1.0}}]}
  sampler: {random: {}}
  scheduler: {asha: {eta: 2, rungs: [1, 2, 4]}}
  resource: {unit: epochs, max: 4}
  maxTrials: 8
  parallelTrials: 4
  confirm: {topK: 2, seeds: 3, resource: 8}
  trial: {data: {name: cifar10}}
";

    fn source() -> crate::SourceFile {
        let Ok(source) = crate::read_experiment(EXPERIMENT) else { unreachable!() };
        source
    }

    fn of(number: u64) -> Assignment {
        [("learning_rate".into(), f64::from(u32::try_from(number).unwrap_or(0)).into())].into()
    }

    /// The confirmation of trials 5 and 2, of which those in `gone` were deleted.
    fn confirmation(gone: &[&str]) -> (Confirmation, Plan) {
        let list = ["small-5", "small-2"].map(|trial| ConfirmStatus {
            trial: trial.to_owned(),
            search_value: 0.5,
            seeds: 3,
            ..ConfirmStatus::default()
        });
        let number = |name: &str| name.strip_prefix("small-").and_then(|number| number.parse().ok()).unwrap_or_default();
        let source = source();
        Confirmation::new(&source.experiment, &source.plan, &list, |name| (!gone.contains(&name)).then(|| of(number(name))))
    }

    /// An index of these outcomes, by number; `None`: it trains.
    fn index((confirmation, plan): &(Confirmation, Plan), outcomes: &[Option<Outcome>]) -> Index {
        let mut index = Index::new(plan.direction, &plan.rungs);
        for (number, outcome) in (0..).zip(outcomes) {
            let recorded = outcome.map(|outcome| Recorded::new(0, outcome, number + 1)).into_iter().collect();
            index.apply(nas_search::Trial { recorded, ..nas_search::Trial::new(number, of(number)) });
        }
        confirmation.raise_created(&mut index);
        index
    }

    fn values(values: &[f64]) -> Vec<Option<Outcome>> {
        values.iter().map(|value| Some(Outcome::Value(*value))).collect()
    }

    fn created((confirmation, plan): &(Confirmation, Plan), index: &Index) -> Vec<(u64, Option<NasTrial>)> {
        let decisions = decide(plan, index, &Usage::default());
        let new = decisions.into_iter().filter_map(|decision| match decision {
            Decision::Create { new, view } => Some((new.number, confirmation.trial(&new, view))),
            _ => None,
        });
        new.collect()
    }

    #[test]
    fn each_configuration_gets_its_first_seed_before_any_gets_a_second() {
        let confirmation = confirmation(&[]);
        let new = created(&confirmation, &index(&confirmation, &[]));
        let told: Vec<_> = new.into_iter().filter_map(|(_, trial)| trial).collect();
        let names: Vec<_> = told.iter().map(|trial| trial.metadata.name.as_deref().unwrap_or_default()).collect();
        assert_eq!(names, ["small-confirm-0", "small-confirm-1", "small-confirm-2", "small-confirm-3"]);
        let confirmed: Vec<_> = told.iter().map(|trial| trial.spec.confirms.as_deref().unwrap_or_default()).collect();
        assert_eq!(confirmed, ["small-5", "small-2", "small-5", "small-2"]);
        assert_eq!(told[3].spec.grants[0].reason, "confirms small-2: seed 2 of 3");
        assert_eq!(*told[3].assignment(), of(2));
        assert!(told[0].spec.seed != told[2].spec.seed);
        assert_eq!(confirmation.1.rungs.steps(), [8]);
    }

    #[test]
    fn what_came_out_is_told_with_what_failed_and_differences_only_at_the_end() {
        let confirmation = confirmation(&[]);
        let ended = [0.90, 0.80, 0.91, 0.81].map(|value| Some(Outcome::Value(value)));
        let open = index(&confirmation, &[&ended[..], &[Some(Outcome::Diverged), None]].concat());
        let status = confirmation.0.status(&open);
        assert!(!confirmation.0.is_over(&open));
        assert_eq!((status[0].started, status[0].done, status[0].failed), (3, 2, 1));
        assert_eq!((status[1].started, status[1].done, status[1].failed), (3, 2, 0));
        assert_eq!((status[0].values.as_slice(), status[0].mean), (&[0.90, 0.91][..], Some(0.905)));
        assert!(status.iter().all(|at| at.better_than.is_empty()), "a training may still change it");

        let over = index(&confirmation, &[&ended[..], &[Some(Outcome::Diverged), Some(Outcome::Value(0.79))]].concat());
        let status = confirmation.0.status(&over);
        assert!(confirmation.0.is_over(&over));
        assert_eq!((status[0].better_than.as_slice(), status[1].better_than.len()), (&["small-2".to_owned()][..], 0));
        let said = verdict(&status, Direction::Maximize);
        assert_eq!(said, "best mean: small-5 with 0.9050 ± 0.0071 of 2; better than small-2");
    }

    #[test]
    fn less_is_better_where_it_is_asked_for() {
        let mut confirmation = confirmation(&[]);
        confirmation.0.direction = Direction::Minimize;
        let status = confirmation.0.status(&index(&confirmation, &values(&[0.90, 0.80, 0.91, 0.81, 0.92, 0.79])));
        assert_eq!((status[0].better_than.len(), status[1].better_than.as_slice()), (0, &["small-5".to_owned()][..]));
        assert!(verdict(&status, Direction::Minimize).starts_with("best mean: small-2 with 0.8000 ± 0.0100 of 3; better than"));
    }

    #[test]
    fn what_may_be_chance_and_what_nobody_can_tell_is_said() {
        let confirmation = confirmation(&[]);
        let told =
            |outcomes: &[Option<Outcome>]| verdict(&confirmation.0.status(&index(&confirmation, outcomes)), Direction::Maximize);
        let chance = told(&values(&[0.90, 0.91, 0.95, 0.89, 0.90, 0.93]));
        assert!(chance.ends_with("; may be chance: the difference to small-2"), "{chance}");
        let failed = Some(Outcome::Failed);
        let once = told(&[Some(Outcome::Value(0.9)), Some(Outcome::Value(0.8)), failed, failed, failed, failed]);
        assert_eq!(
            once,
            "best mean: small-5 with 0.9000 of 1; fewer than two values, so that nothing can be said about the difference to small-2"
        );
        let at = |trial: &str, mean: f64, better_than: &[&str]| ConfirmStatus {
            trial: trial.to_owned(),
            done: 2,
            mean: Some(mean),
            better_than: better_than.iter().map(|name| (*name).to_owned()).collect(),
            ..ConfirmStatus::default()
        };
        let three = [at("a-1", 0.9, &["a-3"]), at("a-2", 0.89, &["a-3"]), at("a-3", 0.5, &[])];
        assert_eq!(
            verdict(&three, Direction::Maximize),
            "best mean: a-1 with 0.9000 of 2; better than a-3; may be chance: the difference to a-2; a-2 is better than a-3"
        );
        let alone = told(&[failed, Some(Outcome::Value(0.8)), failed, failed, failed, failed]);
        assert_eq!(alone, "best mean: small-2 with 0.8000 of 1");
        assert_eq!(told(&[failed; 6]), "no training ended with a value");
    }

    #[test]
    fn trainings_that_a_person_deleted_are_not_made_again() {
        let mut confirmation = confirmation(&[]);
        confirmation.0.list[0].started = 2;
        confirmation.0.list[1].started = 1;
        let index = index(&confirmation, &values(&[0.9]));
        assert_eq!(index.created(), 3);
        let status = confirmation.0.status(&index);
        assert_eq!((status[0].started, status[0].done, status[0].failed), (2, 1, 1));
        assert_eq!(created(&confirmation, &index)[0].0, 3);
    }

    #[test]
    fn a_configuration_that_is_gone_is_passed_over_and_the_others_are_trained() {
        let confirmation = confirmation(&["small-5"]);
        let first = index(&confirmation, &[]);
        assert_eq!(first.created(), 1);
        let new = created(&confirmation, &first);
        assert_eq!(
            new.iter().map(|(number, trial)| (*number, trial.is_some())).collect::<Vec<_>>()[..2],
            [(1, true), (2, false)]
        );
        let mut last = first;
        for number in [1, 3, 5] {
            last.apply(nas_search::Trial {
                recorded: vec![Recorded::new(0, Outcome::Value(0.5), number)],
                ..nas_search::Trial::new(number, of(2))
            });
            confirmation.0.raise_created(&mut last);
        }
        assert!(confirmation.0.is_over(&last));
        let status = confirmation.0.status(&last);
        assert_eq!((status[0].failed, status[1].done), (3, 3));
    }

    #[test]
    fn the_best_of_a_search_that_ended_are_confirmed_unless_it_broke_off() {
        let experiment = source().experiment;
        let confirms = |reason| experiment.confirms_after(&EndStatus::new(reason, View::default()));
        assert!(
            [End::Completed, End::WallClockSpent, End::TargetReached { trial: 1 }, End::SpaceExhausted].into_iter().all(confirms)
        );
        assert!(![End::TooManyFailed { failed: 2 }, End::TooManyInfeasible { infeasible: 2 }].into_iter().any(confirms));
        let mut without = experiment.clone();
        without.spec.confirm = None;
        assert!(!without.confirms_after(&EndStatus::new(End::Completed, View::default())));
        assert_eq!((experiment.confirm_length(), without.confirm_length()), (8, 4));
    }
}
