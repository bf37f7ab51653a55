//! Experiment files: those that come with the project are good, and whatever a user can get wrong is named with its field.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

mod bad;

use std::{fs, path::Path};

use bad::BAD;
use nas_api::{Problem, read_experiment};
use nas_search::{Brackets, Guided, Halving, Memory, Sampler, Scheduler};

const QUICKSTART: &str = include_str!("../../configs/quickstart.yaml");
const CONSTRAINED: &str = include_str!("../../configs/constrained-adaptive-experiment.yaml");

fn problems(text: &str) -> Vec<Problem> {
    read_experiment(text).err().unwrap_or_default()
}

#[test]
fn the_experiments_that_come_along_are_valid_and_have_the_original_rungs() {
    let steps = |text: &str| read_experiment(text).unwrap().plan.rungs.steps().to_vec();
    assert_eq!(steps(QUICKSTART), [20, 60, 180]);
    assert_eq!(steps(CONSTRAINED), [1, 4, 18, 75, 300]);
    assert_eq!(steps(include_str!("../../configs/adaptive-experiment.yaml")), [4, 18, 75, 300]);
    assert_eq!(steps(include_str!("../../configs/constrained-random-experiment.yaml")), [300]);
    assert_eq!(steps(include_str!("../../configs/const-experiment.yaml")), [600]);
    // The original protocol, to the letter.
    let batches = CONSTRAINED.replace("resource: {unit: epochs, max: 300}", "resource: {unit: batches, max: 156200}");
    assert_eq!(steps(&batches), [610, 2440, 9762, 39_050, 156_200]);
}

/// The experiments among the indented blocks of a page.
fn experiments_in(page: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        let mut block = blocks.pop().unwrap_or_default();
        let code = line.strip_prefix("    ");
        let goes_on = code.is_some() || line.is_empty();
        if goes_on && (code.is_some() || !block.is_empty()) {
            block.push_str(code.unwrap_or_default());
            block.push('\n');
        }
        blocks.push(block);
        if !goes_on {
            blocks.push(String::new());
        }
    }
    blocks.retain(|block| block.starts_with("apiVersion: nas-operator.dev/") && block.contains("\nkind: NasExperiment\n"));
    blocks
}

#[test]
fn every_experiment_that_a_page_shows_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![root.join("README.md")];
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        pages.push(entry.unwrap().path());
    }
    pages.retain(|page| page.extension().is_some_and(|end| end == "md"));
    let mut seen = 0;
    for page in pages {
        for text in experiments_in(&fs::read_to_string(&page).unwrap()) {
            assert_eq!(problems(&text), [], "{} shows\n{text}", page.display());
            seen += 1;
        }
    }
    assert!(seen >= 5, "the README and four pages show an experiment each, but {seen} were found");
}

#[test]
fn schedulers_are_read_with_their_defaults() {
    let scheduler = |text: &str| {
        let plan =
            read_experiment(&CONSTRAINED.replace("{asha: {type: Promotion, bracket: Aggressive, eta: 4, maxRungs: 5}}", text))
                .unwrap()
                .plan;
        (plan.scheduler, plan.rungs.steps().to_vec(), plan.bracket_sizes().len())
    };
    let asha = |kind, brackets| Scheduler::Asha { kind, brackets };
    let (promotion, stopping) = (Halving::Promotion, Halving::Stopping);
    let thirds = vec![11, 33, 100, 300];
    for (text, expected) in [
        ("{fullLength: {}}", (asha(promotion, Brackets::Aggressive), vec![300], 1)),
        ("{asha: {}}", (asha(promotion, Brackets::Aggressive), thirds.clone(), 1)),
        ("{asha: {type: Stopping, eta: 3, bracket: Standard}}", (asha(stopping, Brackets::Standard), thirds.clone(), 3)),
        ("{asha: {bracket: Conservative, eta: 4, maxRungs: 3}}", (asha(promotion, Brackets::Conservative), vec![18, 75, 300], 3)),
        // 27, 12, 6 and 4 trials, again and again: 1,000 are 20 times all four and a part of the first.
        ("{hyperband: {}}", (Scheduler::Hyperband, thirds.clone(), 81)),
        ("{progressive: {rungs: [10, 100, 300]}}", (Scheduler::Progressive, vec![10, 100, 300], 1)),
    ] {
        assert_eq!(scheduler(text), expected, "{text}");
    }
}

#[test]
fn samplers_are_read_and_the_guided_one_is_what_a_user_gets_without_choosing() {
    let sampler = |text: &str| {
        let line = "  sampler: {random: {}} # as in the original; leave it out for the guided one\n";
        assert!(CONSTRAINED.contains(line));
        read_experiment(&CONSTRAINED.replace(line, text)).unwrap().plan.sampler
    };
    assert_eq!(sampler(""), Sampler::Guided(Guided::default()));
    assert_eq!(sampler("  sampler: {random: {}}\n"), Sampler::Random);
    assert_eq!(sampler("  sampler: {mutation: {}}\n"), Sampler::Mutation(Memory::default()));
    assert_eq!(sampler("  sampler: {tpe: {}}\n"), Sampler::Tpe(Memory::default()));
    assert_eq!(sampler("  sampler: {guided: {}}\n"), Sampler::Guided(Guided::default()));
}

#[test]
fn constraints_accept_the_exact_share_of_draws() {
    // By exact enumeration: the share that each rule rejects, in their order; the rest is 0.315574 and 0.031133.
    let adaptive = include_str!("../../configs/adaptive-experiment.yaml");
    let rules = &CONSTRAINED[CONSTRAINED.find("  constraints:").unwrap()..CONSTRAINED.find("  sampler:").unwrap()];
    let constrained = adaptive.replace("  sampler:", &format!("{rules}  sampler:"));
    for (text, shares) in
        [(CONSTRAINED, [0.436_42, 0.186_10, 0.061_01, 0.000_90]), (&constrained, [0.178_36, 0.443_31, 0.346_77, 0.000_43])]
    {
        let draws = 20_000;
        let rejected = nas_search::rejections(&read_experiment(text).unwrap().plan, draws).unwrap();
        for (found, exact) in rejected.iter().zip(shares) {
            let deviation = (exact * (1.0 - exact) / f64::from(draws)).sqrt();
            let share = f64::from(*found) / f64::from(draws);
            assert!((share - exact).abs() < 4.0 * deviation, "{found} of {draws}, not {exact}");
        }
        let exact: f64 = 1.0 - shares.iter().sum::<f64>();
        let accepted = 1.0 - f64::from(rejected.iter().sum::<u32>()) / f64::from(draws);
        assert!((accepted - exact).abs() < 4.0 * (exact * (1.0 - exact) / f64::from(draws)).sqrt(), "{accepted}, not {exact}");
    }
}

#[test]
fn whatever_a_user_can_get_wrong_is_named_with_its_field_and_the_way_out() {
    for (what, from, to, path, words) in BAD {
        assert!(QUICKSTART.contains(from), "{what}: the quickstart has no {from}");
        let found = problems(&QUICKSTART.replacen(from, to, 1));
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        let at = found
            .iter()
            .find(|problem| problem.path == *path)
            .unwrap_or_else(|| panic!("{what}: nothing about {path} in {told:?}"));
        for word in *words {
            assert!(at.message.contains(word), "{what}: {word} is not in {told:?}");
        }
        let located = at.line.is_some() || path.starts_with("metadata") && to.contains("labels");
        assert!(located, "{what}: no line in {told:?}");
    }
}

#[test]
fn a_fetch_needs_a_claim_on_a_cluster_alone() {
    let lacks = |data: &str| {
        let source = read_experiment(&QUICKSTART.replace("data: {name: fashion-mnist}", data)).unwrap();
        source.experiment.lacks_on_cluster()
    };
    let problem = lacks("data: {name: mnist, fetch: {}}").unwrap();
    assert_eq!(problem.path, "spec.trial.data.claim");
    assert!(problem.message.contains("spec.trial.data.fetch") && problem.message.contains("PersistentVolumeClaim"), "{problem}");
    assert_eq!(lacks("data: {name: mnist, claim: datasets, fetch: {url: 'https://mirror/mnist'}}"), None);
    assert_eq!(lacks("data: {name: mnist}"), None);
}

#[test]
fn settings_of_the_trainer_that_comes_along_may_be_in_its_environment() {
    let env = "  trial:\n    env: {NAS_TRAINER_CUDA_GRAPHS: 'on', NAS_DATA_CACHE: /cache, HTTPS_PROXY: 'http://proxy:3128'}\n";
    let read = read_experiment(&QUICKSTART.replacen("  trial:\n", env, 1)).unwrap();
    assert_eq!(read.experiment.spec.trial.env["NAS_TRAINER_CUDA_GRAPHS"], "on");
}

#[test]
fn constraints_that_cannot_be_used_are_named_by_their_rule() {
    let with = |rule: &str| {
        problems(&format!("{QUICKSTART}  constraints:\n    - {{rule: \"hp.layers == 3\"}}\n    - {{rule: \"{rule}\"}}\n"))
    };
    for (rule, word) in [
        ("arch.params >", "does not compile"),
        ("arch.params + 1", "not true or false"),
        ("arch.normal.conv_9x9 > 1", "conv_9x9"),
        ("params > 1", "arch.params"),
        ("arch.params < 10", "no configuration satisfies"),
    ] {
        let found = with(rule);
        assert_eq!(found.len(), 1, "{rule}: {found:?}");
        assert_eq!(found[0].path, "spec.constraints[1].rule", "{found:?}");
        assert!(found[0].message.contains(word), "{rule}: {found:?}");
    }
    let unknown = QUICKSTART.replace("data: {name: fashion-mnist}", "data: {name: our-images}")
        + "  constraints: [{rule: 'arch.params > 1'}]\n";
    assert_eq!(problems(&unknown)[0].path, "spec.trial.data.shape");
    let objective = "  objective: {additional: [{metric: flops, direction: Minimize}]}\n";
    let measured = QUICKSTART.replace("data: {name: fashion-mnist}", "data: {name: our-images}") + objective;
    assert_eq!(problems(&measured)[0].path, "spec.trial.data.shape");
    assert_eq!(problems(&(QUICKSTART.to_owned() + objective)), []);
    let stated =
        unknown.replace("name: our-images", "name: our-images, shape: {channels: 1, height: 28, width: 28, classes: 10}");
    assert_eq!(problems(&stated), []);
}

#[test]
fn all_problems_of_a_stage_are_told_at_once() {
    let text =
        QUICKSTART.replace("maxTrials: 27", "maxTrails: 27").replace("unit: batches", "unit: hours").replace("eta: 3", "eta: x");
    assert_eq!(problems(&text).len(), 4, "{:?}", problems(&text));
}
