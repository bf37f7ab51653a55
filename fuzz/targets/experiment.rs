//! An experiment file is refused with its problems, or read; written anew, as `nasctl export` writes it, it reads as the same.

#![no_main]

#[path = "../../api/tests/bad/mod.rs"]
mod bad;

use libfuzzer_sys::{Corpus, fuzz_target};
use nas_api::{objects::NasExperiment, read_experiment};

const QUICKSTART: &str = include_str!("../../configs/quickstart.yaml");
const OTHERS: [&str; 6] = [
    include_str!("../../api/tests/golden/objects-0.1.0/experiment.json"),
    include_str!("../../configs/adaptive-experiment.yaml"),
    include_str!("../../configs/const-experiment.yaml"),
    include_str!("../../configs/constrained-adaptive-experiment.yaml"),
    include_str!("../../configs/constrained-random-experiment.yaml"),
    include_str!("../../configs/first-on-a-cluster.yaml"),
];

fn seeds() -> impl Iterator<Item = String> {
    let bad = bad::BAD.iter().map(|(_, part, instead, ..)| QUICKSTART.replacen(part, instead, 1));
    [QUICKSTART].into_iter().chain(OTHERS).map(without_rules).chain(bad)
}

fn without_rules(text: &str) -> String {
    let is_of_a_rule = |line: &&str| ["constraints", "- rule:", "message:"].iter().any(|word| line.contains(word));
    text.lines().filter(|line| !is_of_a_rule(line)).flat_map(|line| [line, "\n"]).collect()
}

fuzz_target!(init: nas_fuzz::seeds(seeds()), |text: &str| -> Corpus {
    // Rules have a target of their own. Here one that nothing satisfies would take half a minute.
    if text.contains("constraints") {
        return Corpus::Reject;
    }
    let read = match read_experiment(text) {
        Ok(read) => read.experiment,
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a word");
            return Corpus::Keep;
        }
    };
    // A search that has begun has its rungs from its status, which is not written.
    if read.status.is_none() {
        let again = NasExperiment::new(read.metadata.name.as_deref().unwrap_or_default(), read.spec);
        let written = serde_yaml::to_string(&again).expect("an experiment can be written");
        let reread = read_experiment(&written).unwrap_or_else(|problems| panic!("{problems:?}\n{written}"));
        assert_eq!(reread.experiment.spec, again.spec, "{written}");
    }
    Corpus::Keep
});
