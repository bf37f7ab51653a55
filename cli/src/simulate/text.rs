//! Simulated searches as text.

use std::{fmt::Write, time::Duration};

use nas_api::{SourceFile, objects::EndStatus};
use nas_simulation::Run;

use super::report::{IncumbentReport, Mean, Report};
use crate::table;

/// Lines of the table of incumbents.
const SHOWN: usize = 12;

/// What was simulated, and what was taken to be so.
pub(super) fn heading(report: &Report) -> String {
    let mut text = format!(
        "{} on {} ({}; a mean full training takes {}), simulated: {} at a time",
        report.experiment,
        report.curves,
        report.about,
        time(report.full_training_seconds),
        report.workers
    );
    if report.startup_seconds > 0.0 {
        let _ = write!(text, ", start-up {}", time(report.startup_seconds));
    }
    if report.failures > 0.0 {
        let _ = write!(text, ", {:.1} % of attempts fail", report.failures * 100.0);
    }
    text.push_str(".\n");
    for note in &report.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    text.push('\n');
    text
}

/// What stands over the page of a simulated search.
pub(super) fn simulated(report: &Report) -> String {
    format!(
        "Simulated on {} ({}), {} at a time: nothing was trained, values and times are those of recorded learning curves.",
        report.curves, report.about, report.workers
    )
}

/// One search.
pub(super) fn one(report: &Report, run: &Run, source: &SourceFile) -> String {
    let Some(one) = report.runs.first() else { return String::new() };
    let end = EndStatus::new(run.end, run.index.view());
    let mut text = table::result(&run.index, &source.plan, report.unit, &report.metric, "these curves", Some(&end));
    if let Some(best) = &one.best {
        let _ = writeln!(text, "\nOn these curves it is worth {:.4} in full, without noise where that is known.", best.truth);
    }
    let _ = write!(
        text,
        "\nThe best value so far, at whatever rung:\n  {:>12}  {:>8}  {:>8}  trial  worth in full\n",
        "time", report.unit, report.metric
    );
    for IncumbentReport { seconds, trial, step, value, truth } in thinned(&one.incumbents) {
        let _ = writeln!(text, "  {:>12}  {step:>8}  {value:>8.4}  {trial:>5}  {truth:>13.4}", time(*seconds));
    }
    let failed = if one.failed_attempts > 0 { format!(", {} failed attempts", one.failed_attempts) } else { String::new() };
    let _ = writeln!(
        text,
        "\n{} of wall clock, {:.1} accelerator hours, workers held {:.0} % of the time; {}, {} trained in full{failed}.",
        time(one.wall_clock_hours * 3600.0),
        one.accelerator_hours,
        100.0 * one.utilisation,
        table::counted(one.trials, "trial"),
        one.full_trainings
    );
    text
}

/// The first, the last, and what is spread evenly between them.
fn thinned(all: &[IncumbentReport]) -> impl Iterator<Item = &IncumbentReport> {
    let last = all.len().saturating_sub(1);
    let shown = all.len().min(SHOWN);
    (0..shown).filter_map(move |at| all.get(at * last / shown.saturating_sub(1).max(1)))
}

/// Several searches.
pub(super) fn many(report: &Report) -> String {
    let Some(means) = &report.mean else { return String::new() };
    let first = report.runs.first().map_or(0, |run| run.seed);
    let mut text = format!("{} searches, seeds from {first} on: mean and standard error\n\n", report.runs.len());
    let mut line = |name: &str, Mean { mean, error }: Mean, decimals: usize| {
        let _ = writeln!(text, "  {name:<40}  {mean:>10.decimals$} ± {error:.decimals$}");
    };
    for (name, number) in [(report.metric.as_str(), means.best), ("worth in full", means.truth)] {
        if let Some(number) = number {
            line(&format!("best trial: {name}"), number, 4);
        }
    }
    line("trials", means.trials, 0);
    line("trained in full", means.full_trainings, 1);
    line("wall clock, hours", means.wall_clock_hours, 2);
    line("accelerator hours", means.accelerator_hours, 1);
    line("share of time workers were held", means.utilisation, 3);
    line("saved: all in full, times as much", means.saved_factor, 2);
    if !means.incumbents.is_empty() {
        let _ = write!(
            text,
            "\nWorth in full of the best value so far, at whatever rung:\n  {:>14}  {:>12}\n",
            "full trainings", "time"
        );
    }
    for standing in &means.incumbents {
        let Mean { mean, error } = standing.truth;
        let at = time(standing.full_trainings * report.full_training_seconds);
        let _ = writeln!(text, "  {:>14}  {at:>12}  {mean:.4} ± {error:.4}", standing.full_trainings);
    }
    let mut ends: Vec<(&str, usize)> = Vec::new();
    for run in &report.runs {
        match ends.iter_mut().find(|(message, _)| *message == run.message) {
            Some((_, count)) => *count += 1,
            None => ends.push((&run.message, 1)),
        }
    }
    text.push('\n');
    for (message, count) in ends {
        let _ = writeln!(text, "{count} ended: {message}.");
    }
    text
}

fn time(seconds: f64) -> String {
    table::minutes(Duration::try_from_secs_f64(seconds.round()).unwrap_or(Duration::MAX))
}
