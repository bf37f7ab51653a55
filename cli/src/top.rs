//! `nasctl top`: a search while it runs.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use nas_api::objects::NasTrial;
use nas_search::{Index, RungSummary};

use crate::{
    failure::Failure,
    records::{Records, Target},
    screen::Screen,
    seconds::seconds,
    table::{counted, minutes, unit},
};

/// Characters of the longest bar.
const BAR: usize = 32;
/// Trials in training that are listed.
const LISTED: usize = 16;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl top runs/quickstart\n  nasctl top constrained-adaptive --namespace research --interval 30s\n  \
    nasctl top runs/quickstart --once\n\n\
    Ends when the search has ended. Without a terminal it writes one line whenever something came out.\n\
    Exit codes: 0 the search has ended, 64 there is no such search, 69 the cluster does not answer, 130 stopped by Ctrl-C."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Time between two looks.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = seconds)]
    interval: f64,
    /// Show it once.
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let redraws = out.is_terminal() && !arguments.once;
    let interval = Duration::try_from_secs_f64(arguments.interval.max(0.2)).unwrap_or(Duration::MAX);
    let mut on_screen = Screen::default();
    let mut told = None;
    loop {
        let records = Records::read(&arguments.target)?;
        let index = records.index();
        let elapsed = elapsed(&records, SystemTime::now());
        let news = Some((index.view(), held_up(&records)));
        let is_new = told != news;
        told = news;
        if redraws || arguments.once {
            let text = text(&records, &index, elapsed);
            print!("{}", if redraws { on_screen.redraw(&text) } else { text });
        } else if is_new {
            println!("{}", standing(&records, &index, elapsed).join(", "));
        }
        // Whoever reads this may have gone; then nobody needs it any more.
        if out.flush().is_err() || arguments.once || records.end.is_some() {
            return Ok(());
        }
        thread::sleep(interval);
    }
}

/// Since the search began; one that has ended stands still.
fn elapsed(records: &Records, now: SystemTime) -> Option<Duration> {
    let last = records.times.values().copied().reduce(f64::max).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if records.end.is_some() {
        return last;
    }
    now.duration_since(UNIX_EPOCH + Duration::from_secs(records.began?)).ok()
}

/// Time to go, at the speed so far: steps that an ideal search would still train.
fn left(records: &Records, index: &Index, elapsed: Option<Duration>) -> Option<Duration> {
    let plan = &records.source.plan;
    let done = index.steps_trained(&plan.rungs);
    if done == 0 || records.end.is_some() {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
    let ratio = plan.ideal_steps().saturating_sub(done) as f64 / done as f64;
    Duration::try_from_secs_f64(elapsed?.as_secs_f64() * ratio).ok()
}

/// What the operator says of a search on a cluster that does not just go on.
fn held_up(records: &Records) -> Option<String> {
    let status = records.source.experiment.status.as_ref().filter(|_| records.end.is_none())?;
    let foremost = status.foremost().filter(|condition| condition.reason != "Searching")?;
    Some(format!("{}: {}", foremost.reason, foremost.message))
}

/// What stands on the screen.
fn text(records: &Records, index: &Index, elapsed: Option<Duration>) -> String {
    let (experiment, plan) = (&records.source.experiment, &records.source.plan);
    let name = experiment.metadata.name.as_deref().unwrap_or_default();
    let mut text = format!("{name}: {}\n\n", standing(records, index, elapsed).join("\n  "));
    let rows: Vec<RungSummary> = index.summaries(&plan.rungs).collect();
    let most = rows.iter().map(|row| row.entries + row.running).max().unwrap_or(0).max(1);
    let _ = writeln!(
        text,
        "  {:>8}  {:<BAR$}  {:>7}  {:>7}  best",
        unit(&records.source),
        "results (█) and trainings (░)",
        "results",
        "running"
    );
    for row in &rows {
        let length = |count: usize| (count * BAR).div_ceil(most);
        let full = length(row.entries);
        let bar = "█".repeat(full) + &"░".repeat(length(row.entries + row.running) - full);
        let best = row.best.map_or_else(|| "-".to_owned(), |(value, trial)| format!("{value:.4} (trial {trial})"));
        let _ = writeln!(text, "  {:>8}  {bar:<BAR$}  {:>7}  {:>7}  {best}", row.step, row.entries, row.running);
    }
    let _ = writeln!(text, "\n  {} of {} slots", index.running(), plan.parallel_trials);
    let running: Vec<_> = index.trials().filter_map(|trial| Some((trial.number, trial.running()?))).collect();
    for (number, rung) in running.iter().take(LISTED) {
        let _ = writeln!(text, "    trial {number} towards {} {}", plan.rungs.steps()[*rung], unit(&records.source));
    }
    if running.len() > LISTED {
        let _ = writeln!(text, "    and {} more", running.len() - LISTED);
    }
    text.push_str(&budget(records, elapsed));
    text
}

/// What of the budget is spent, where there is one.
fn budget(records: &Records, elapsed: Option<Duration>) -> String {
    let limits = records.source.plan.budget;
    let mut parts = Vec::new();
    if let (Some(limit), Some(elapsed)) = (limits.wall_clock, elapsed) {
        parts.push(format!("{} of {} wall clock", minutes(elapsed), minutes(limit)));
    }
    if let Some(limit) = limits.accelerator {
        let noted = records.trials.iter().map(NasTrial::accelerator_seconds).sum();
        let hours = records.source.experiment.charged_seconds(noted, 0.0) / 3600.0;
        parts.push(format!("{hours:.1} of {:.1} accelerator hours", limit.as_secs_f64() / 3600.0));
    }
    if parts.is_empty() { String::new() } else { format!("  budget: {} spent\n", parts.join(", ")) }
}

/// Where the search stands, in a few words each.
fn standing(records: &Records, index: &Index, elapsed: Option<Duration>) -> Vec<String> {
    let plan = &records.source.plan;
    let mut words =
        vec![format!("{} of {}, {}", index.created(), counted(plan.max_trials, "trial"), counted(index.view().count, "result"))];
    words.push(index.incumbent().map_or_else(
        || "no result yet".to_owned(),
        |best| {
            format!("best {:.4} (trial {}, {} {})", best.value, best.trial, plan.rungs.steps()[best.rung], unit(&records.source))
        },
    ));
    let left = left(records, index, elapsed).map(|left| format!(", about {} to go", minutes(left))).unwrap_or_default();
    words.extend(elapsed.map(|elapsed| format!("{} gone{left}", minutes(elapsed))));
    words.extend(held_up(records));
    words.extend(records.end.as_ref().map(|end| format!("ended: {}", end.message)));
    words
}
