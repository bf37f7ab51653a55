//! The page of results.

use std::{collections::BTreeMap, fmt::Write as _, fs, process::Command, time::Duration};

use nas_api::objects::{NasExperiment, SchedulerSpec};

use crate::{ledger::Seen, process::Usage, requests::Requests};

/// What creates or changes an object.
const WRITES: [&str; 5] = ["POST", "PUT", "PATCH", "APPLY", "DELETE"];
/// What is the operator's alone: its own objects, and Jobs but for their status.
const OWN: [&str; 5] = ["nastrials", "nastrials/status", "nasexperiments", "nasexperiments/status", "jobs"];

/// All that a run has shown.
pub(crate) struct Findings<'a> {
    /// What ran it.
    pub(crate) command: String,
    pub(crate) epoch_seconds: f64,
    pub(crate) experiments: &'a [NasExperiment],
    /// Of all experiments.
    pub(crate) trials: u64,
    pub(crate) slots: usize,
    pub(crate) took: Duration,
    /// When each experiment had ended.
    pub(crate) ends: Vec<Duration>,
    pub(crate) seen: Seen,
    pub(crate) requests: Requests,
    pub(crate) operator: Usage,
    pub(crate) others: Vec<(String, f64)>,
    /// Bytes of the experiment at its largest.
    pub(crate) largest: usize,
    pub(crate) cold_start: Option<Duration>,
    /// Decisions that were computed anew, and how many of them differ.
    pub(crate) replay: (usize, usize),
    /// What the operator timed: what, how often, and its mean in milliseconds.
    pub(crate) times: Vec<(String, u64, f64)>,
}

impl Findings<'_> {
    pub(crate) fn page(&self) -> String {
        let Self { trials, seen, operator, .. } = self;
        let seconds = self.took.as_secs_f64();
        let entries: Vec<String> =
            entries(self.experiments).iter().map(|(step, entries)| format!("{entries} at {step}")).collect();
        let per_trial = |count: u64| count as f64 / *trials as f64;
        let writes: u64 = OWN.iter().map(|resource| self.requests.of(&WRITES, resource)).sum();
        let gets = self.times.iter().filter(|(what, ..)| what.contains("rest_client") && what.contains("\"GET\""));
        let reads: u64 = gets.map(|(_, count, _)| count).sum();
        // Two kinds of writes that nothing waits for.
        let counts = self.experiments.iter().filter_map(|experiment| experiment.status.as_ref()?.trials.as_ref());
        let retired = counts.map(|trials| trials.retired as u64).sum::<u64>();
        let conditions = self.requests.of(&WRITES, "nastrials/status").saturating_sub(seen.outcomes as u64);
        let mut page = format!(
            "# What the control plane serves

`{}`, an epoch taking {} s, {}, on {}, which the API server, etcd, the Job controller and the simulated nodes share with the operator. {trials} trials, {} at the same time;
results at the rungs: {}; {} segments in {seconds:.0} s.

| | found | goal |
|---|---:|---:|
",
            self.command,
            self.epoch_seconds,
            made(),
            machine(),
            self.slots,
            entries.join(", "),
            seen.jobs,
        );
        let mut row = |what: &str, found: String, goal: &str| {
            let _ = writeln!(page, "| {what} | {found} | {goal} |");
        };
        let counted = per_trial(writes - retired - conditions);
        row("writes on the operator's own objects and Jobs, per trial", format!("{counted:.2}"), "6");
        row("for retirements and for conditions, apart", format!("{:.2}, {:.2}", per_trial(retired), per_trial(conditions)), "");
        row("reads, per trial", format!("{:.3}", per_trial(reads)), "0");
        row("from a pod's end to its outcome on the trial, half / 99 of 100 within", quantiles(&seen.commits), "20 / 100 ms");
        let within = [0.5, 0.99].map(|share| self.requests.outcomes_within(share));
        row(
            "the API server's own time for the write of an outcome, by the bounds of its histogram, half / 99 of 100 within",
            format!("{} / {} ms", within[0], within[1]),
            "",
        );
        row("from a pod's end to the next Job, half / 99 of 100 within", quantiles(&seen.gaps), "- / 250 ms");
        row("slots that were busy while trials were created", format!("{:.1} %", 100.0 * seen.busy), "95 %");
        row("segments per second then", format!("{:.1}", seen.rate), "");
        row("the operator's memory at most", format!("{} MiB", operator.resident_mib), "80 MiB");
        row("the operator's share of a core", format!("{:.2}", operator.cpu_seconds / seconds), "");
        row(
            "CPU time of the operator per segment",
            format!("{:.1} ms", 1000.0 * operator.cpu_seconds / seen.jobs.max(1) as f64),
            "",
        );
        row("the experiment object at most", format!("{:.1} kB", self.largest as f64 / 1000.0), "20 kB");
        if let Some(cold_start) = self.cold_start {
            row(
                "until another operator recorded an outcome, from its start",
                format!("{:.2} s", cold_start.as_secs_f64()),
                "5 s",
            );
        }
        let (recomputed, differences) = self.replay;
        row("decisions computed anew from the records, and differences", format!("{recomputed}, {differences}"), "0");
        if let (Some(first), Some(last), 2..) = (self.ends.iter().min(), self.ends.iter().max(), self.ends.len()) {
            let found = format!("{:.0}, {:.0} s", first.as_secs_f64(), last.as_secs_f64());
            row(&format!("the first and the last of {} experiments had ended after", self.ends.len()), found, "");
        }
        let (ended, ideal) = self.ladder();
        row("trials that ended at each rung (goal: by eta alone)", ended, &ideal);
        let (trained, full) = self.trained();
        row("epochs that were trained, and those of training all in full", format!("{trained}, {full}"), "");
        let others: Vec<String> = self.others.iter().map(|(name, cpu)| format!("{name} {:.2}", cpu / seconds)).collect();
        let _ = writeln!(page, "\nShares of a core that the others took: {}.\n", others.join(", "));
        page.push_str("What the operator timed until all trials were created:\n\n| | times | mean |\n|---|---:|---:|\n");
        for (what, count, mean) in &self.times {
            let _ = writeln!(page, "| `{what}` | {count} | {mean:.1} ms |");
        }
        page.push_str(
            "\nRequests per trial, as the API server counts them:\n\n| resource | verb | per trial |\n|---|---|---:|\n",
        );
        for ((verb, resource), count) in &self.requests.counts {
            let is_told =
                OWN.contains(&resource.as_str()) || ["events", "leases", "pods", "jobs/status"].contains(&resource.as_str());
            if is_told && per_trial(*count) >= 0.005 {
                let _ = writeln!(page, "| {resource} | {verb} | {:.2} |", per_trial(*count));
            }
        }
        page.push_str(
            "
What others publish was measured on other machines, and of other work: Kueue admits 42.7 workloads a second in its own performance test (15,000 in
351 s, without pods that run); of 3,600 pods that Katib was asked for, at most 160 ran at the same time (katib#1328).
",
        );
        page
    }
}

impl Findings<'_> {
    /// How many trials went no further than each rung, and how many would where exactly one in eta goes on.
    fn ladder(&self) -> (String, String) {
        let entries = entries(self.experiments);
        let eta = match &self.experiments[0].spec.scheduler {
            SchedulerSpec::Asha(asha) => asha.eta,
            SchedulerSpec::Hyperband(ladder) | SchedulerSpec::Progressive(ladder) => ladder.eta,
            SchedulerSpec::FullLength(_) => 1,
        } as f64;
        let ideal = |rung: usize| self.trials as f64 / eta.powf(rung as f64);
        let (mut ended, mut wanted) = (Vec::new(), Vec::new());
        for rung in 0..entries.len() {
            let above = entries.get(rung + 1).map_or(0, |(_, above)| *above);
            ended.push((entries[rung].1 - above).to_string());
            let above = if rung + 1 < entries.len() { ideal(rung + 1) } else { 0.0 };
            wanted.push(format!("{:.0}", ideal(rung) - above));
        }
        (ended.join("/"), wanted.join("/"))
    }

    /// Steps that were trained, and those that all trials would take in full.
    fn trained(&self) -> (u64, u64) {
        let entries = entries(self.experiments);
        let below = std::iter::once(0).chain(entries.iter().map(|(step, _)| *step));
        let trained = entries.iter().zip(below).map(|((step, entries), below)| (step - below) * entries).sum::<i64>();
        (trained as u64, self.trials * entries.last().map_or(0, |(step, _)| *step as u64))
    }
}

/// The steps of the rungs, and how many trials have a result there.
pub(crate) fn entries(experiments: &[NasExperiment]) -> Vec<(i64, i64)> {
    let rungs = experiments.iter().filter_map(|experiment| experiment.status.as_ref()).flat_map(|status| &status.rungs);
    let mut entries: BTreeMap<i64, i64> = BTreeMap::new();
    for rung in rungs {
        *entries.entry(rung.step).or_default() += rung.entries;
    }
    entries.into_iter().collect()
}

/// Of sorted times, those that half and 99 of 100 are within.
fn quantiles(sorted: &[Duration]) -> String {
    let at = |share: f64| sorted.get(((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1)));
    let milliseconds =
        |time: Option<&Duration>| time.map_or_else(|| "-".to_owned(), |time| format!("{:.0}", time.as_secs_f64() * 1000.0));
    format!("{} / {} ms", milliseconds(at(0.5)), milliseconds(at(0.99)))
}

/// Day and commit.
fn made() -> String {
    let said = |command: &mut Command| {
        let output = command.output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).trim().to_owned()
    };
    let day = said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]));
    let commit = said(Command::new("git").args(["describe", "--always", "--dirty"]));
    format!("{day}, commit {commit}")
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, model)| model));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores of an {}", model.unwrap_or("unknown processor"))
}
