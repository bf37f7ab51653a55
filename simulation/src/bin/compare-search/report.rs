//! `docs/results/search.md`: the tables and what they do not say.

use std::fmt::Write;

use crate::{
    measure::{HORIZON, Measured, TIMES},
    peers::{Peer, Peers},
    policies::{AMONG, ASHA, BY_SIZE, Benchmark, GAIN, GUIDED, JUDGED, LEARNED, WORKERS},
};

/// The table of one benchmark: ours, then the others'.
pub(crate) fn table(measured: &[Measured], peers: &[Peer]) -> String {
    let mut text = "| method |".to_owned();
    for time in TIMES {
        let _ = write!(text, " {time} T_R |");
    }
    let _ = writeln!(text, " over random at {HORIZON} T_R | trials | in full |");
    text.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for one in measured {
        let _ = write!(text, "| **{}** |", one.name);
        for point in &one.at {
            cell(&mut text, point.map(|point| (point.observed, point.truth, point.error)));
        }
        let gain = one.gain.last().copied().flatten().filter(|_| one.name != measured[0].name);
        match gain {
            Some((gain, error)) => write!(text, " {gain:+.3} ± {error:.3} |"),
            None => write!(text, " - |"),
        }
        .unwrap_or_default();
        let _ = writeln!(text, " {:.0} | {:.0} |", one.trials, one.full);
    }
    for peer in peers {
        let seeds = if peer.seeds == 30 { String::new() } else { format!(", {} seeds", peer.seeds) };
        let _ = write!(text, "| {} ({}{seeds}) |", peer.name, peer.group);
        for time in TIMES {
            cell(&mut text, peer.at(time).map(|point| (point.observed, point.truth, point.error)));
        }
        let until = if peer.horizon > HORIZON { format!(" until {} T_R", peer.horizon) } else { String::new() };
        let _ = writeln!(text, " | {}{until} | {}{until} |", peer.trials, peer.full);
    }
    text
}

fn cell(text: &mut String, point: Option<(f64, f64, f64)>) {
    let _ = match point {
        Some((observed, truth, error)) => write!(text, " {observed:.2} / {truth:.3} ± {error:.3} |"),
        None => write!(text, " - |"),
    };
}

/// The whole page.
pub(crate) fn page(results: &[(&Benchmark, &[Measured])], peers: &Peers, seeds: usize) -> String {
    let mut text = format!(
        "# How quickly each sampler and scheduler finds what is good\n\n\
        Made by `make compare-search`, which writes the same bytes each time: the product's own decisions (`nas_search::decide`) under a virtual clock, on learning\n\
        curves that were recorded or modelled by others. Nothing is trained. [simulation/data/README.md](../../simulation/data/README.md) says where the curves are from.\n\n\
        Setting: {WORKERS} workers, seeds 0 to {}, no start-up time, no failures, free pause and resume. For each seed all methods try the rows of the table in the same\n\
        order, that of `numpy.random.default_rng(seed).permutation(rows)`; the other programs were given the same, where it says \"same configurations\".\n\n\
        A cell is *observed / true ± standard error of the true*, in percent, averaged over the seeds. The incumbent is the trial with the best value that was observed\n\
        so far at any rung (not only at the highest); true is what it is worth after full training, without noise where that is known. Judge by the true accuracy: what a short\n\
        training shows is lower than what the architecture is worth. \"-\": not every search has observed something by then. `T_R` is the mean full training of\n\
        the table. The gain over random search is taken seed by seed.\n\n\
        A curve may fall: whatever reaches a longer rung first shows a better value than all before, and is the incumbent until better ones follow. Stopping and\n\
        brackets that begin at high rungs are hit most: their first trials go on before there is anything to compare them with.\n",
        seeds.saturating_sub(1)
    );
    text.push_str("\n## In short\n\n");
    for (benchmark, measured) in results {
        let _ = writeln!(text, "* {}", in_short(benchmark, measured, peers.on(benchmark.id)));
    }
    text.push_str(&asked(results));
    for (benchmark, measured) in results {
        let _ = write!(
            text,
            "\n## {}\n\n{}\n\n![True accuracy of the incumbent over time](search-{}.svg)\n\n",
            benchmark.title, benchmark.about, benchmark.id
        );
        text.push_str(&table(measured, peers.on(benchmark.id)));
    }
    text.push_str("\n## Where the other programs' numbers come from\n\nThey are data ([peers.json](../../simulation/data/peers.json)), measured once:\n\n");
    for line in &peers.about {
        let _ = writeln!(text, "* {line}");
    }
    text.push_str(LIMITS);
    text
}

/// What a search is asked to reach.
enum Asked {
    /// So much.
    Accuracy(f64),
    /// What another policy reaches on the same landscape at this time.
    Level(&'static str, f64),
}

/// On which landscape which policy is asked for what at which time.
const ASKED: [(&str, &str, f64, Asked); 13] = [
    ("nb301", GUIDED.0, 0.5, Asked::Accuracy(PEERS)),
    ("nb301", GUIDED.0, 1.0, Asked::Accuracy(95.90)),
    ("nb301", AMONG[0], 1.0, Asked::Accuracy(PEERS)),
    ("nb301", AMONG[1], 1.0, Asked::Accuracy(PEERS)),
    ("nb101", BY_SIZE, 1.0, Asked::Level(JUDGED, 1.0)),
    ("nb101", BY_SIZE, 2.0, Asked::Level(JUDGED, 2.0)),
    ("nb101", BY_SIZE, 4.0, Asked::Level(JUDGED, 4.0)),
    ("interactions", GUIDED.0, 1.0, Asked::Level(ASHA[0], 4.0)),
    ("interactions", LEARNED, 1.0, Asked::Level(ASHA[0], 4.0)),
    ("interactions", GUIDED.0, 2.0, Asked::Level(ASHA[0], 4.0)),
    ("interactions", LEARNED, 2.0, Asked::Level(ASHA[0], 4.0)),
    ("crossing", GUIDED.0, 4.0, Asked::Level(ASHA[1], 4.0)),
    ("smooth", GUIDED.0, 4.0, Asked::Level(ASHA[1], 4.0)),
];

/// What the other programs' early stopping reaches on NAS-Bench-301 at 4 `T_R`.
const PEERS: f64 = 95.62;

/// What was aimed at, and whether it is reached.
fn asked(results: &[(&Benchmark, &[Measured])]) -> String {
    let mut text = "\n## What was aimed at\n\nLevel: short of it by less than the standard error of the difference, were the two independent.\n\n\
        | on | search | at | reaches | aimed at | |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for (id, name, time, asked) in &ASKED {
        let Some((benchmark, measured)) = results.iter().find(|(benchmark, _)| benchmark.id == *id) else { continue };
        let at = |name: &str, time: f64| {
            let place = TIMES.iter().position(|other| *other >= time)?;
            measured.iter().find(|one| one.name == name)?.at.get(place).copied().flatten()
        };
        let Some(own) = at(name, *time) else { continue };
        let (least, error, what) = match asked {
            Asked::Accuracy(least) => (*least, 0.0, format!("{least:.2}")),
            Asked::Level(other, then) => {
                let Some(point) = at(other, *then) else { continue };
                (point.truth, point.error, format!("{:.3} ± {:.3}: {other}, at {then} T_R", point.truth, point.error))
            }
        };
        let verdict = match least - own.truth {
            short if short <= 0.0 => "reached",
            short if short < own.error.hypot(error) => "level",
            _ => "**not reached**",
        };
        let _ = writeln!(
            text,
            "| {} | {name} | {time} T_R | {:.3} ± {:.3} | {what} | {verdict} |",
            benchmark.title, own.truth, own.error
        );
    }
    text.push_str("\n[What could be reached](ceiling.md) where parts interact says what is in the way there.\n");
    text
}

/// One benchmark in one sentence.
fn in_short(benchmark: &Benchmark, measured: &[Measured], peers: &[Peer]) -> String {
    let mut text = format!("{}, at {HORIZON} T_R:", benchmark.title);
    for (at, one) in measured
        .iter()
        .enumerate()
        .filter(|(at, one)| *at == 0 || one.name == JUDGED || one.name.starts_with("guided") || one.name.starts_with("ASHA, "))
    {
        let Some(point) = one.at.last().copied().flatten() else { continue };
        let _ = write!(text, " {} reaches {:.3} ± {:.3}", one.name, point.truth, point.error);
        if let Some((gain, error)) = one.gain.last().copied().flatten().filter(|_| at > 0) {
            let _ = write!(text, " ({gain:+.3} ± {error:.3})");
        }
        text.push(',');
    }
    let others = peers.iter().filter(|peer| peer.group != "reference" && !peer.name.contains("random search"));
    let truths: Vec<f64> = others.filter_map(|peer| Some(peer.at(HORIZON)?.truth)).collect();
    let (low, high) = truths.iter().fold((f64::MAX, f64::MIN), |(low, high), truth| (low.min(*truth), high.max(*truth)));
    if truths.is_empty() {
        text.pop();
        text.push('.');
    } else {
        let _ = write!(text, " the other programs' early stopping {low:.3} to {high:.3}.");
    }
    text
}

/// What the numbers cannot show.
const LIMITS: &str = "
## What this does not show

* The NAS-Bench-301 curves are predictions of a model. Differences between architectures are smoother than real ones, and early epochs tell more of the
  end than in the real trainings that we could look at. Compare methods here; do not quote the accuracies.
* Early rungs of long schedules say little. Of 214 real DARTS architectures that were trained for 600 epochs with one cosine schedule (antoyang/NAS-Benchmark), the rank correlation
  (Kendall) between accuracy at epoch 9 and at the end is 0.21, at epoch 150 0.31, at epoch 450 0.58; two trainings of one architecture agree to 0.48. On curves modelled on them, ASHA was no better
  than random search at 1 to 2 `T_R`, and ahead by 0.05 to 0.15 points at 4. Where a schedule is as long, start rungs later or train more trials in full.
* In NAS-Bench-101 each length is a training of its own, with its own schedule: a rung is not a prefix of the next. Its true accuracy is the one validation accuracy
  after 108 epochs, so the noise of that training counts as worth.
* Against correct implementations of ASHA with random sampling, parity is what can be expected and what is seen. The gains are over random search.
* Start-up times, failures and polling are left out, for all alike; `nasctl simulate` puts them in for an experiment of yours. Peers that ran in their own simulator drew
  their own configurations, over fewer seeds.
* Samplers that learn leave the table of NAS-Bench-301, and so lean on what its surrogate says of architectures that nobody has trained. It is nearly additive in what each
  edge does, which is what a linear model sees best, and it overrates extremes: what they reach above the table's best (95.86) is no accuracy. Read from their rows how soon
  they pass a level that others reach later. Their spaces are other ones than the table's rows: pairs of inputs and operations on NAS-Bench-301, an architecture's place by
  number of parameters on NAS-Bench-101. The guided sampler's settings were chosen on this surrogate with seeds 0 to 14, which are half of those shown, and on landscapes that are
  not shown; [the ablation](ablation.md) has seeds that were not used.
* The rows *guided among the table's rows* may try nothing but the rows of the table, as random search and ASHA above them: there the sampler is compared with equal means, and
  the table's best is the most that there is.
* The interactions are made up, as are their shares. They are there because NAS-Bench-301 flatters a linear model: what is won on both is not won by its being additive. No setting
  was chosen on these four fields.
* On NAS-Bench-101, where size is all that is known, guided is level with random ASHA at one full training of time and a little behind at two and four: with nothing to learn
  from, choose `random`.
* Where curves cross, rungs decide more than samplers do. No setting is best everywhere; `docs/choosing.md` says what to try.
* PASHA's stated gain is training saved for a fixed number of trials. At a fixed time, as here, it can only spend what it saves on more trials; once its top
  rung has opened, it is ASHA.
";

/// What falls short of what is required: bars of ASHA, and that the reference's numbers are ours to their last decimal.
pub(crate) fn shortfalls(results: &[(&Benchmark, &[Measured])], peers: &Peers) -> Vec<String> {
    let mut shortfalls = Vec::new();
    for (benchmark, measured) in results {
        for one in measured.iter().filter(|one| one.name == JUDGED) {
            let truth = one.at.last().copied().flatten().map_or(0.0, |point| point.truth);
            let gain = one.gain.last().copied().flatten().map_or(0.0, |(gain, _)| gain);
            if let Some(bar) = benchmark.bar.filter(|bar| truth < *bar || gain < GAIN) {
                shortfalls.push(format!(
                    "{}: {} reaches {truth:.3} at {HORIZON} T_R, {gain:+.3} over random search; it must reach {bar} and {GAIN:+}",
                    benchmark.id, one.name
                ));
            }
        }
        for one in measured.iter().filter(|one| benchmark.id == "nb301" && one.name == GUIDED.0) {
            let truth = one.at[2].map_or(0.0, |point| point.truth);
            if truth < GUIDED.1 {
                shortfalls.push(format!("nb301: {} reaches {truth:.3} at 1 T_R; it must reach {}", GUIDED.0, GUIDED.1));
            }
        }
        for peer in peers.on(benchmark.id) {
            let Some(one) = measured.iter().find(|one| peer.equals.as_deref() == Some(one.name)) else { continue };
            for (time, own) in TIMES.into_iter().zip(&one.at) {
                // The reference averages over those seeds that have observed something by then, which may be another mean.
                let Some((own, other)) = own.zip(peer.at(time)) else { continue };
                if (own.truth - other.truth).abs() > HALF {
                    shortfalls.push(format!(
                        "{}: {} is {:.3} at {time} T_R, but {:.3} in the reference",
                        benchmark.id, one.name, own.truth, other.truth
                    ));
                }
            }
        }
    }
    shortfalls
}

/// Half a unit of the last decimal of the reference's numbers, and what sums in another order may add.
const HALF: f64 = 0.000_501;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::measure::Point;

    fn benchmark(id: &'static str) -> Benchmark<'static> {
        let unit = Box::new(|_| 1.0);
        Benchmark { id, title: "a title", about: String::new(), unit, floor: 0.0, bar: Some(94.43), policies: Vec::new() }
    }

    #[test]
    fn what_was_asked_for_is_reached_level_or_not_reached() {
        let one = |name, truths: [f64; 5]| {
            let at = truths.map(|truth| Some(Point { observed: truth, truth, error: 0.03 })).to_vec();
            Measured { name, at, curve: Vec::new(), trials: 0.0, full: 0.0, gain: Vec::new() }
        };
        // By size it is asked for what ASHA reaches at the last three times; two errors of 0.03 make one of 0.042.
        let measured = [one(JUDGED, [0.0, 0.0, 93.0, 94.0, 95.0]), one(BY_SIZE, [0.0, 0.0, 93.0, 93.96, 94.95])];
        let told = asked(&[(&benchmark("nb101"), &measured)]);
        let lines: Vec<&str> = told.lines().filter(|line| line.starts_with("| a title |")).collect();
        assert_eq!(
            lines,
            [
                "| a title | guided by size | 1 T_R | 93.000 ± 0.030 | 93.000 ± 0.030: ASHA promotion, eta 3, at 1 T_R | reached |",
                "| a title | guided by size | 2 T_R | 93.960 ± 0.030 | 94.000 ± 0.030: ASHA promotion, eta 3, at 2 T_R | level |",
                "| a title | guided by size | 4 T_R | 94.950 ± 0.030 | 95.000 ± 0.030: ASHA promotion, eta 3, at 4 T_R | **not reached** |",
            ]
        );
    }

    #[test]
    fn what_falls_short_is_told() {
        let benchmark = benchmark("nb101");
        let peers = Peers::read().unwrap();
        let told = |truths: [f64; 5], gain| {
            let at = truths.map(|truth| Some(Point { observed: truth, truth, error: 0.0 })).to_vec();
            let gain = vec![Some((gain, 0.0))];
            let one = Measured { name: JUDGED, at, curve: Vec::new(), trials: 0.0, full: 0.0, gain };
            shortfalls(&[(&benchmark, &[one])], &peers)
        };
        let reference = [92.848, 93.732, 93.793, 94.240, 94.506];
        assert!(told(reference, 0.28).is_empty());
        assert_eq!(told(reference, 0.1).len(), 1);
        assert_eq!(
            told([92.848, 93.732, 93.793, 94.240, 94.4], 0.28),
            [
                "nb101: ASHA promotion, eta 3 reaches 94.400 at 4 T_R, +0.280 over random search; it must reach 94.43 and +0.2",
                "nb101: ASHA promotion, eta 3 is 94.400 at 4 T_R, but 94.506 in the reference",
            ]
        );
    }
}
