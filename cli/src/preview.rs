//! `nasctl preview`: what a search would do, before anything is spent.

use std::path::PathBuf;

use clap::Args;
use nas_api::{
    SourceFile,
    objects::{UnitSpec, ValidationSpec},
};
use nas_search::{Course, Plan, Scheduler, first_samples};
use serde::Serialize;

use crate::{
    failure::Failure,
    file, out,
    seconds::seconds,
    table::{counted, shares, unit},
};

#[derive(Args)]
#[command(after_help = "Examples:\n  nasctl preview configs/adaptive-experiment.yaml\n  \
    nasctl preview configs/adaptive-experiment.yaml --full-hours 8.5   # a full training takes 8.5 GPU-hours\n  \
    nasctl preview configs/adaptive-experiment.yaml --full-hours 8.5 --start-seconds 40   # pods pull a large image\n  \
    nasctl preview configs/quickstart.yaml --trials 3 --output json\n\n\
    Exit codes: 0 shown, 65 the file is wrong.")]
pub(crate) struct Arguments {
    /// Experiment file.
    file: PathBuf,
    /// Show the configurations of the first N trials: the same seed gives the same trials in `run`. Where the sampler learns from results, the
    /// first 16 at most: the others depend on what comes out of them.
    #[arg(long, value_name = "N", default_value_t = 0)]
    trials: usize,
    /// Accelerator hours of one full training, that is of resource.max epochs or batches (a fair guess for 300 epochs of the DARTS network
    /// on an H100: 8.5): shows what the whole search takes.
    #[arg(long, value_name = "HOURS")]
    full_hours: Option<f64>,
    /// For how long a trial's pod holds its accelerators before its first step: image, libtorch, data set, checkpoint (seconds, or 45s, 2m).
    #[arg(long, value_name = "TIME", default_value_t = START_SECONDS, value_parser = seconds)]
    start_seconds: f64,
    /// Print JSON.
    #[arg(short, long, value_parser = ["json"])]
    output: Option<String>,
}

/// What a start takes in a cluster whose nodes have the image and whose data set is on a volume (docs/choosing.md).
const START_SECONDS: f64 = 20.0;
/// The share of the accelerators' time in starts above which rungs are too short.
const MUCH: f64 = 0.1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Preview {
    unit: &'static str,
    rungs: Vec<PreviewRung>,
    brackets: Vec<PreviewBracket>,
    steps: u64,
    full_steps: u64,
    /// How many times as much training every trial in full would take.
    saved_factor: f64,
    starts: PreviewStarts,
    #[serde(skip_serializing_if = "Option::is_none")]
    accelerator_hours: Option<f64>,
    /// What trains the best anew, not among the numbers above.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<PreviewConfirm>,
    trials: Vec<nas_search::Assignment>,
    /// Why there are fewer of them than were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_more_trials: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PreviewConfirm {
    trials: u64,
    seeds: u64,
    step: u64,
    steps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    accelerator_hours: Option<f64>,
}

/// What it takes to start pods: one for each rung that a trial trains to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PreviewStarts {
    pods: u64,
    seconds_each: f64,
    accelerator_hours: f64,
    /// Of all the time that accelerators are held.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
}

#[derive(Serialize)]
struct PreviewRung {
    step: u64,
    trials: u64,
}

/// Brackets that begin at the same rung.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PreviewBracket {
    first_rung: usize,
    brackets: u64,
    /// Trials that reach each rung.
    trials: Vec<u64>,
    steps: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let source = file::read(&arguments.file)?;
    let preview = preview(&source, arguments);
    if arguments.output.is_some() {
        out::json(&preview)?;
    } else {
        print(&source.plan, &preview);
    }
    Ok(())
}

fn preview(source: &SourceFile, arguments: &Arguments) -> Preview {
    let plan = &source.plan;
    let brackets: Vec<_> = plan
        .ideal()
        .into_iter()
        .map(|Course { first_rung, brackets, entries }| {
            let steps = plan.rungs.steps_of(&entries);
            PreviewBracket { first_rung, brackets, trials: entries, steps }
        })
        .collect();
    let reach = |rung: usize| brackets.iter().map(|bracket| bracket.trials[rung]).sum::<u64>();
    let rungs: Vec<_> =
        plan.rungs.steps().iter().enumerate().map(|(rung, &step)| PreviewRung { step, trials: reach(rung) }).collect();
    let steps = brackets.iter().map(|bracket| bracket.steps).sum();
    let full = plan.rungs.steps()[plan.rungs.top()];
    let full_steps = plan.max_trials * full;
    let ratio = |part: u64, whole: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        let ratio = part as f64 / whole.max(1) as f64;
        ratio
    };
    let spec = &source.experiment.spec;
    let confirm = spec.confirm.as_ref().map(|confirm| {
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let trials = count(confirm.top_k).min(reach(plan.rungs.top()).max(1));
        let (seeds, step) = (count(confirm.seeds), source.experiment.confirm_length());
        let steps = trials * seeds * step;
        // An epoch of all images is longer than one of the nine tenths that the search trains on.
        let is_longer = spec.trial.data.validation == ValidationSpec::Heldout && spec.resource.unit == UnitSpec::Epochs;
        let images = if is_longer { 10.0 / 9.0 } else { 1.0 };
        let accelerator_hours = arguments.full_hours.map(|hours| hours * ratio(steps, full) * images);
        PreviewConfirm { trials, seeds, step, steps, accelerator_hours }
    });
    let accelerator_hours = arguments.full_hours.map(|hours| hours * ratio(steps, full));
    let pods = rungs.iter().map(|rung| rung.trials).sum();
    let accelerators = f64::from(source.experiment.accelerators_of_a_slot());
    #[expect(clippy::cast_precision_loss, reason = "hours for people")]
    let start_hours = pods as f64 * accelerators * arguments.start_seconds / 3600.0;
    let starts = PreviewStarts {
        pods,
        seconds_each: arguments.start_seconds,
        accelerator_hours: start_hours,
        share: accelerator_hours.map(|hours| start_hours / (start_hours + hours)).filter(|share| share.is_finite()),
    };
    let (trials, no_more_trials) = first_trials(source, arguments.trials);
    Preview {
        unit: unit(source),
        rungs,
        brackets,
        steps,
        full_steps,
        saved_factor: ratio(full_steps, steps),
        starts,
        accelerator_hours,
        confirm,
        trials,
        no_more_trials,
    }
}

/// The first configurations that a run draws, as far as anybody can know them before, and why there are no more.
fn first_trials(source: &SourceFile, count: usize) -> (Vec<nas_search::Assignment>, Option<String>) {
    if count > 0 && !source.experiment.warm_start().is_empty() {
        let words = "Which trials come first depends on the results of the experiments of spec.warmStart: it is not known before the search.";
        return (Vec::new(), Some(words.to_owned()));
    }
    let trials = first_samples(&source.plan, count);
    let next = trials.len();
    let words = if source.plan.sampler.learns() && (next as u64) < source.plan.max_trials {
        format!("From trial {next} on the sampler learns: what it tries depends on what comes out of the trials before.")
    } else {
        format!("The search has no more than these {next}.")
    };
    (trials, (next < count).then_some(words))
}

fn print(plan: &Plan, preview: &Preview) {
    println!("{}, {} at a time\n", counted(plan.max_trials, "trial"), plan.parallel_trials);
    let several = preview.brackets.len() > 1;
    print!("  rung  {:>10}  trials that reach it", preview.unit);
    if several {
        for PreviewBracket { first_rung, brackets, .. } in &preview.brackets {
            let name = if *brackets == 1 { format!("from {first_rung}") } else { format!("{brackets} from {first_rung}") };
            print!("  {name:>10}");
        }
    }
    println!();
    for (rung, PreviewRung { step, trials }) in preview.rungs.iter().enumerate() {
        print!("  {rung:>4}  {step:>10}  {trials:>20}");
        for bracket in preview.brackets.iter().filter(|_| several) {
            print!("  {:>10}", bracket.trials[rung]);
        }
        println!();
    }
    if several {
        println!("\nA bracket \"from r\" compares its trials from rung r on, with those of their own bracket.");
    }
    match plan.scheduler {
        Scheduler::Progressive => {
            println!("\nAt most: a rung above the second is opened only where the ranking of the two below it differs.");
        }
        Scheduler::Asha { .. } | Scheduler::Hyperband => {}
    }
    println!(
        "\n{} {} of training in all; training every trial in full would take {}: {:.1} times as much.",
        preview.steps, preview.unit, preview.full_steps, preview.saved_factor
    );
    if let Some(hours) = preview.accelerator_hours {
        println!("{hours:.1} accelerator hours, of {:.1} for every trial in full.", hours * preview.saved_factor);
    }
    if let Some(PreviewConfirm { trials, seeds, step, steps, accelerator_hours }) = &preview.confirm {
        let unit = preview.unit;
        let hours = accelerator_hours.map(|hours| format!(", {hours:.1} accelerator hours")).unwrap_or_default();
        println!("Then the best {trials} anew with {seeds} seeds each, for {step} {unit}: {steps} {unit} more{hours}.");
    }
    print_starts(&preview.starts);
    for line in shares(plan) {
        println!("{line}");
    }
    for (number, assignment) in preview.trials.iter().enumerate() {
        let values: Vec<String> = assignment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        println!("\ntrial {number}: {}", values.join(" "));
    }
    if let Some(words) = &preview.no_more_trials {
        println!("\n{words}");
    }
}

fn print_starts(starts: &PreviewStarts) {
    let &PreviewStarts { pods, seconds_each, accelerator_hours, share } = starts;
    let percent = share.map(|share| format!(", {:.0} % of its time", share * 100.0)).unwrap_or_default();
    println!(
        "On a cluster {pods} pods start; at {seconds_each} s each that takes {accelerator_hours:.1} accelerator hours more{percent}."
    );
    if share.is_some_and(|share| share > MUCH) {
        println!(
            "warning: more than {:.0} % of the time would go to starts: fewer trials that begin with more steps (maxTrials, \
             scheduler.asha.rungs), or several trials on one accelerator, would train longer",
            MUCH * 100.0
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../configs").join(name)
    }

    fn starts(full_hours: Option<f64>, start_seconds: f64) -> PreviewStarts {
        let file = config("constrained-adaptive-experiment.yaml");
        let arguments = Arguments { file, trials: 0, full_hours, start_seconds, output: None };
        let Ok(source) = file::read(&arguments.file) else { unreachable!() };
        preview(&source, &arguments).starts
    }

    #[test]
    fn each_rung_of_a_trial_is_a_start() {
        let unknown = starts(None, 18.0);
        assert_eq!((unknown.pods, unknown.share), (1_000 + 250 + 62 + 15 + 3, None));
        assert!((unknown.accelerator_hours - 6.65).abs() < 1e-9, "1,330 times 18 s");
        // 117.5 hours of training.
        let known = starts(Some(8.5), 18.0).share.unwrap_or_default();
        assert!((known - 6.65 / (6.65 + 4148.0 * 8.5 / 300.0)).abs() < 1e-9, "{known}");
        assert_eq!(starts(Some(0.0), 0.0).share, None);
    }

    #[test]
    fn no_trial_is_shown_that_a_run_need_not_draw() {
        let Ok(text) = std::fs::read_to_string(config("quickstart.yaml")) else { unreachable!() };
        let first = |sampler: &str, count: usize| {
            let Ok(source) = nas_api::read_experiment(&text.replace("sampler: {random: {}}", sampler)) else { unreachable!() };
            let (trials, no_more) = first_trials(&source, count);
            (trials.len(), no_more.unwrap_or_default())
        };
        assert_eq!(first("sampler: {random: {}}", 20), (20, String::new()));
        assert_eq!(first("sampler: {random: {}}", 30), (27, "The search has no more than these 27.".to_owned()));
        assert_eq!(first("sampler: {guided: {}}", 2), (2, String::new()));
        let (shown, words) = first("sampler: {guided: {}}", 20);
        assert!(shown == 16 && words.starts_with("From trial 16 on the sampler learns"), "{shown} {words}");
        let (shown, words) = first("sampler: {guided: {}}\n  warmStart: {experiments: [earlier]}", 2);
        assert!(shown == 0 && words.contains("spec.warmStart"), "{shown} {words}");
    }
}
