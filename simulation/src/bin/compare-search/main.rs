//! Compares the product's schedulers with each other and with other programs, on recorded learning curves: `make compare-search`.
//!
//! Writes `search.md` and a drawing for each benchmark into the folder that is named (`docs/results`), the same bytes each time, and fails where ASHA
//! falls short of its bars or a number is not the reference's. A second argument is the number of seeds. With `--ablation` before them it
//! writes `ablation.md` instead: what each part of the guided sampler is worth; with `--ceiling` `ceiling.md`: what could be reached.

use std::{fs, path::Path, process::ExitCode};

use nas_simulation::{LandscapeError, data};
use thiserror::Error;

mod ablation;
mod ceiling;
mod made_up;
mod measure;
mod peers;
mod policies;
mod report;
mod svg;

/// Seeds of each policy, as the other programs had.
const SEEDS: usize = 30;

#[derive(Debug, Error)]
enum Failure {
    #[error("usage: compare-search [--ablation | --ceiling] FOLDER [SEEDS]")]
    Usage,
    #[error(transparent)]
    Data(#[from] data::DataError),
    #[error("simulation/data/peers.json: {0}")]
    Peers(#[from] serde_json::Error),
    #[error(transparent)]
    Landscape(#[from] LandscapeError),
    #[error("{0}: {1}")]
    Write(String, std::io::Error),
    #[error("{}", .0.join("\n"))]
    Short(Vec<String>),
}

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Writes pages into a folder, from so many seeds.
type Work = fn(&Path, usize) -> Result<(), Failure>;

fn run(arguments: &[String]) -> Result<(), Failure> {
    let (work, arguments): (Work, _) = match arguments {
        [first, rest @ ..] if first == "--ablation" => (ablate, rest),
        [first, rest @ ..] if first == "--ceiling" => (look_up, rest),
        all => (compare, all),
    };
    let (folder, seeds) = match arguments {
        [folder] => (Path::new(folder), SEEDS),
        [folder, seeds] => (Path::new(folder), seeds.parse().ok().filter(|seeds| *seeds > 0).ok_or(Failure::Usage)?),
        _ => return Err(Failure::Usage),
    };
    work(folder, seeds)
}

fn compare(folder: &Path, seeds: usize) -> Result<(), Failure> {
    let (surrogate, nb101) = (data::nb301_surrogate(0)?, data::nb101()?);
    let fields = made_up::fields(&surrogate)?;
    let benchmarks = [
        policies::nb301(&surrogate),
        policies::nb101(&nb101),
        made_up::interactions(&surrogate, &fields),
        made_up::crossing(),
        made_up::smooth(),
    ];
    let peers = peers::Peers::read()?;
    let measured = measure::measure(&benchmarks, seeds)?;
    let results: Vec<_> = benchmarks.iter().zip(measured.iter().map(Vec::as_slice)).collect();
    for (benchmark, measured) in &results {
        println!("{}\n\n{}", benchmark.title, report::table(measured, peers.on(benchmark.id)));
        let drawing = svg::drawing(benchmark, measured, peers.on(benchmark.id));
        write(folder, &format!("search-{}.svg", benchmark.id), &drawing)?;
    }
    write(folder, "search.md", &report::page(&results, &peers, seeds))?;
    // With fewer seeds chance decides.
    let shortfalls = if seeds < SEEDS { Vec::new() } else { report::shortfalls(&results, &peers) };
    if shortfalls.is_empty() { Ok(()) } else { Err(Failure::Short(shortfalls)) }
}

fn ablate(folder: &Path, seeds: usize) -> Result<(), Failure> {
    let surrogate = data::nb301_surrogate(0)?;
    let field = ablation::field(&surrogate)?;
    let benchmarks = ablation::benchmarks(&surrogate, &field);
    let measured = measure::measure(&benchmarks, seeds)?;
    let results: Vec<_> = benchmarks.iter().zip(measured.iter().map(Vec::as_slice)).collect();
    let page = ablation::page(&results, seeds);
    println!("{page}");
    write(folder, "ablation.md", &page)
}

fn look_up(folder: &Path, seeds: usize) -> Result<(), Failure> {
    let page = ceiling::page(&data::nb301_surrogate(0)?, seeds)?;
    println!("{page}");
    write(folder, "ceiling.md", &page)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|error| Failure::Write(path.display().to_string(), error))
}
