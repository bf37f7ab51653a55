//! Tables and sentences about a search: text out of data, printed elsewhere.

use std::{fmt::Write, time::Duration};

use nas_api::{
    SourceFile, genotype,
    objects::{ConfirmStatus, EndStatus, NasExperiment, UnitSpec, ValidationSpec},
    verdict,
};
use nas_search::{Domain, Index, Plan, best_estimate, front, rejections};

/// Trade-offs that are listed.
const FRONT: usize = 16;
/// Draws that the share of allowed configurations is estimated from.
const DRAWS: u32 = 4000;

/// The table of rungs.
pub(crate) fn rungs(index: &Index, plan: &Plan, unit: &str) -> String {
    let mut text = format!("  rung  {unit:>8}  running  results  promoted  best\n");
    for (rung, row) in index.summaries(&plan.rungs).enumerate() {
        let best = row.best.map_or_else(|| "-".to_owned(), |(value, trial)| format!("{value:.4} (trial {trial})"));
        let _ =
            writeln!(text, "  {rung:>4}  {:>8}  {:>7}  {:>7}  {:>8}  {best}", row.step, row.running, row.entries, row.promoted);
    }
    text
}

/// One line about where the search stands.
pub(crate) fn progress(index: &Index, plan: &Plan, elapsed: Duration, left: Option<Duration>) -> String {
    let best = index.incumbent().map_or_else(
        || "none yet".to_owned(),
        |best| format!("{:.4} (trial {}, {} steps)", best.value, best.trial, plan.rungs.steps()[best.rung]),
    );
    let left = left.map_or_else(|| "?".to_owned(), minutes);
    format!(
        "  {} of {} created, best so far {best}; {} gone, about {left} to go\n",
        index.created(),
        counted(plan.max_trials, "trial"),
        minutes(elapsed)
    )
}

/// A number with what it counts: 1 trial, 27 trials.
pub(crate) fn counted(count: impl Into<u64>, thing: &str) -> String {
    match count.into() {
        1 => format!("1 {thing}"),
        count => format!("{count} {thing}s"),
    }
}

/// What a search counts lengths in.
pub(crate) fn unit(source: &SourceFile) -> &'static str {
    unit_of(source.experiment.spec.resource.unit)
}

fn unit_of(unit: UnitSpec) -> &'static str {
    match unit {
        UnitSpec::Epochs => "epochs",
        UnitSpec::Batches => "batches",
    }
}

/// Which images the value of a trial speaks of.
pub(crate) fn judged_by(source: &SourceFile) -> &'static str {
    match source.experiment.spec.trial.data.validation {
        ValidationSpec::Heldout => "held-out images",
        ValidationSpec::TestSet | ValidationSpec::Final => "the test images",
    }
}

/// What share of draws the constraints allow, and what each rule rejects.
pub(crate) fn shares(plan: &Plan) -> Vec<String> {
    if plan.constraints.is_empty() {
        return Vec::new();
    }
    // Validation has tried the rules; one that breaks only in rare cases rejects those.
    let Ok(rejected) = rejections(plan, DRAWS) else { return Vec::new() };
    let percent = |count: u32| 100.0 * f64::from(count) / f64::from(DRAWS);
    let allowed = DRAWS - rejected.iter().sum::<u32>();
    let mut lines = vec![format!("about {:.1} % of draws satisfy the constraints", percent(allowed))];
    lines.extend(
        rejected
            .iter()
            .enumerate()
            .map(|(rule, &count)| format!("{:5.1} % rejected: {}", percent(count), plan.constraints.message(rule))),
    );
    lines
}

pub(crate) fn minutes(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// The result of a search: its end, the best trial with its cells drawn, and what was saved.
pub(crate) fn result(index: &Index, plan: &Plan, unit: &str, metric: &str, judged_by: &str, end: Option<&EndStatus>) -> String {
    let mut text = match end {
        Some(end) => format!("The search ended: {}.\n\n", end.message),
        None => "The search has not ended.\n\n".to_owned(),
    };
    text.push_str(&rungs(index, plan, unit));
    let Some(best) = index.incumbent() else {
        text.push_str("\nNo trial has a result.\n");
        return text;
    };
    let step = plan.rungs.steps()[best.rung];
    let _ = writeln!(text, "\nBest: trial {} with {metric} {:.4} on {judged_by}, after {step} {unit}", best.trial, best.value);
    if let Some(trial) = index.trial(best.trial) {
        let cells = genotype(&trial.assignment).ok();
        let is_drawn = |name: &str| cells.is_some() && nas_darts::choice_names().any(|choice| choice == name);
        for parameter in plan.space.parameters().iter().filter(|parameter| !matches!(parameter.domain, Domain::Constant(_))) {
            if let Some(value) = trial.assignment.get(&parameter.name).filter(|_| !is_drawn(&parameter.name)) {
                let _ = writeln!(text, "  {}: {value}", parameter.name);
            }
        }
        if let Some(cells) = cells {
            text.push('\n');
            text.push_str(&cells.to_text());
        }
    }
    text.push_str(&trade_offs(index, plan, unit, metric));
    if let Some(estimate) = best_estimate(plan, index) {
        let step = plan.rungs.steps()[estimate.rung];
        let _ = writeln!(
            text,
            "\nBest by the model's estimate, which averages out the noise of single trainings: trial {}, about {:.4} after {step} {unit}.",
            estimate.trial, estimate.value
        );
    }
    let spent = index.steps_trained(&plan.rungs);
    let full = index.steps_in_full(&plan.rungs);
    if spent > 0 && full > spent {
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        let factor = full as f64 / spent as f64;
        let _ = writeln!(
            text,
            "\n{spent} {unit} were trained; {} in full would have taken {full}: {factor:.1} times as much.",
            if index.created() == 1 { "the trial".to_owned() } else { format!("all {} trials", index.created()) }
        );
    }
    text
}

/// The Pareto front, where there are several objectives.
fn trade_offs(index: &Index, plan: &Plan, unit: &str, metric: &str) -> String {
    let mut text = String::new();
    let front = front(plan, index, FRONT);
    if front.is_empty() {
        return text;
    }
    let step = plan.rungs.steps()[front[0].rung];
    let _ = writeln!(text, "\nThe best trade-offs after {step} {unit}: no trial there is better in all objectives.");
    let _ = write!(text, "  {:>6}  {metric:>12}", "trial");
    for objective in &plan.additional {
        let _ = write!(text, "  {:>12}", objective.metric);
    }
    text.push('\n');
    for at in front {
        let _ = write!(text, "  {:>6}  {:>12.4}", at.trial, at.value);
        for (value, _) in at.additional.0.iter().zip(&plan.additional) {
            let _ = write!(text, "  {value:>12}");
        }
        text.push('\n');
    }
    text
}

/// The best trials, trained anew: what came out so far, and at the end which differences mean something.
pub(crate) fn confirmation(experiment: &NasExperiment, list: &[ConfirmStatus]) -> String {
    let spec = &experiment.spec;
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let width = list.iter().map(|at| at.trial.len()).max().unwrap_or_default().max("trial".len());
    let mut text = format!(
        "Trained anew for {} {} on all training images, measured on the test images:\n  {:width$}  in search    mean  deviation  trainings\n",
        experiment.confirm_length(),
        unit_of(spec.resource.unit),
        "trial"
    );
    for at in list {
        let failed = if at.failed > 0 { format!(", {} failed", at.failed) } else { String::new() };
        let _ = writeln!(
            text,
            "  {:width$}  {:>9.4}  {:>6}  {:>9}  {} of {}{failed}",
            at.trial,
            at.search_value,
            number(at.mean),
            number(at.standard_deviation),
            at.done,
            at.seeds
        );
    }
    if list.iter().all(|at| at.done + at.failed == at.seeds) {
        let said = verdict(list, spec.objective.direction.into());
        let by = if list.len() > 1 { " (Welch's t-test of each difference, two-sided, 95 %)" } else { "" };
        let _ = writeln!(text, "{said}{by}.");
    }
    if spec.trial.data.validation == ValidationSpec::TestSet {
        text.push_str("The search chose by the test images, too: these values are optimistic.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use nas_search::{Outcome, Recorded, Scalar, Trial};

    use super::*;

    #[test]
    fn the_table_tells_where_a_search_stands() {
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/quickstart.yaml"));
        let Ok(source) = crate::file::read(file) else { unreachable!("{} is valid", file.display()) };
        let plan = &source.plan;
        let mut index = Index::new(plan.direction, &plan.rungs);
        let new = |number: u64| Trial::new(number, [("x".into(), Scalar::Text(format!("x{number}").into()))].into());
        let seen = [(0, 0.5, Some(0.625)), (1, 0.25, None), (2, 0.375, None)];
        let trials = seen.into_iter().map(|(number, first, second)| Trial {
            target_rung: usize::from(second.is_some()),
            recorded: [Some(first), second]
                .into_iter()
                .flatten()
                .enumerate()
                .map(|(rung, value)| Recorded::new(rung, Outcome::Value(value), 10 * number + rung as u64 + 1))
                .collect(),
            ..new(number)
        });
        trials.for_each(|trial| index.apply(trial));
        index.apply(new(3));
        let text = rungs(&index, plan, "batches") + &progress(&index, plan, Duration::from_secs(75), None);
        let expected = "  rung   batches  running  results  promoted  best
     0        20        1        3         1  0.5000 (trial 0)
     1        60        0        1         0  0.6250 (trial 0)
     2       180        0        0         0  -
  4 of 27 trials created, best so far 0.6250 (trial 0, 60 steps); 1 min 15 s gone, about ? to go
";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_was_confirmed_is_told_with_what_failed_and_with_what_it_means() {
        let text = include_str!("../../configs/constrained-adaptive-experiment.yaml");
        let told = |text: &str, list: &[ConfirmStatus]| {
            let Ok(source) = nas_api::read_experiment(text) else { unreachable!() };
            confirmation(&source.experiment, list)
        };
        let of = |trial: &str, values: &[f64], failed| ConfirmStatus {
            trial: trial.to_owned(),
            search_value: 0.97,
            seeds: 3,
            done: i64::try_from(values.len()).unwrap_or_default(),
            failed,
            values: values.to_vec(),
            mean: nas_search::mean(values),
            standard_deviation: nas_search::standard_deviation(values),
            ..ConfirmStatus::default()
        };
        let mut list = [of("nas-17", &[0.974, 0.975, 0.976], 0), of("nas-8", &[0.96], 1)];
        let head = "Trained anew for 600 epochs on all training images, measured on the test images:
  trial   in search    mean  deviation  trainings
  nas-17     0.9700  0.9750     0.0010  3 of 3
";
        assert_eq!(told(text, &list), format!("{head}  nas-8      0.9700  0.9600          -  1 of 3, 1 failed\n"));
        list[1] = of("nas-8", &[0.960, 0.961], 1);
        list[0].better_than = vec!["nas-8".to_owned()];
        let end = "  nas-8      0.9700  0.9605     0.0007  2 of 3, 1 failed
best mean: nas-17 with 0.9750 ± 0.0010 of 3; better than nas-8 (Welch's t-test of each difference, two-sided, 95 %).
";
        assert_eq!(told(text, &list), format!("{head}{end}"));
        let optimistic = told(&text.replace("validation: Heldout", "validation: TestSet"), &list);
        assert!(optimistic.ends_with("these values are optimistic.\n"), "{optimistic}");
    }
}
