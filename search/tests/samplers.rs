//! What holds for every sampler that learns, and that each finds what is there to be found.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use nas_search::{
    Assignment, Condition, Constraints, Direction, Domain, EarlierTrial, End, Guided, GuidedSettings, Index, Memory, Outcome,
    Parameter, Plan, Rungs, Sampler, Scalar, Scale, Space, Trial, Usage, best_estimate, decide, earlier_trials, first_draw,
    first_samples, sample, simulate,
};
use proptest::prelude::*;

mod searches;

use searches::{Step, drive, plan, schedulers, steps};

type New = fn(Memory) -> Sampler;

fn learning() -> [(&'static str, New); 3] {
    [
        ("mutation", Sampler::Mutation),
        ("tpe", Sampler::Tpe),
        ("guided", |memory| Sampler::Guided(Guided { memory, ..Guided::default() })),
    ]
}

/// Numbers, choices, alike choices, and one that exists only with another.
fn mixed() -> Space {
    let parameter = |name: &str, domain| Parameter { name: name.into(), domain, when: None, count: None };
    let ops = |name: &str| parameter(name, Domain::Categorical(["conv", "pool", "skip"].map(Scalar::from).into()));
    let mut momentum = parameter("momentum", Domain::Double { min: 0.0, max: 1.0, scale: Scale::Linear });
    momentum.when = Some(Condition { name: "optimizer".into(), values: vec!["sgd".into()] });
    Space::new(vec![
        parameter("depth", Domain::Int { min: 1, max: 6, scale: Scale::Linear }),
        parameter("lr", Domain::Double { min: 1e-4, max: 1.0, scale: Scale::Log }),
        parameter("optimizer", Domain::Categorical(["adamw", "sgd"].map(Scalar::from).into())),
        momentum,
        ops("op1"),
        ops("op2"),
        ops("op3"),
        parameter("fixed", Domain::Constant(1.into())),
    ])
    .unwrap()
}

/// Best at lr 0.01, deep, with convolutions.
fn worth(assignment: &Assignment) -> f64 {
    let lr = assignment["lr"].as_f64().unwrap().log10();
    let depth = f64::from(i32::try_from(assignment["depth"].as_i64().unwrap()).unwrap());
    let convolutions = ["op1", "op2", "op3"].into_iter().filter(|op| assignment[*op] == "conv".into()).count();
    -(lr + 2.0).powi(2) + 0.3 * depth + [0.0, 0.5, 1.0, 1.5][convolutions]
}

fn mixed_plan(sampler: Sampler, max_trials: u64) -> Plan {
    Plan { space: mixed(), sampler, constraints: Constraints::new(None), ..plan(max_trials, 4, 3) }
}

/// A trial's outcomes, with noise that is gone at the top.
fn outcome(trial: &Trial, rung: usize) -> Outcome {
    let noise = f64::from(u32::try_from((trial.number * 7 + rung as u64 * 3) % 11).unwrap()) / 11.0 - 0.5;
    Outcome::Value(worth(&trial.assignment) + noise / f64::from(1 << rung))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn proposals_satisfy_the_rules_are_no_repeats_and_do_not_depend_on_what_is_remembered(
        steps in steps(), scheduler in schedulers(), which in 0_usize..3, parallel in 1_usize..5, is_warm in any::<bool>(),
    ) {
        let (name, sampler) = learning()[which];
        let mut plan = Plan { scheduler, parallel_trials: parallel, ..mixed_plan(sampler(Memory::default()), 60) };
        plan.learn_from(&if is_warm { search_before(40, 50.0) } else { Vec::new() });
        plan.constraints.add("hp.depth > 1 && (hp.op1 != 'pool' || hp.op2 != 'pool')", "").unwrap();
        let (index, _) = drive(&plan, &steps, |index, decisions| {
            let fresh = Plan { sampler: sampler(Memory::default()), constraints: rules(), ..again(&plan) };
            assert_eq!(&decide(&fresh, index, &Usage::default()), decisions, "{name}");
        });
        let mut seen = BTreeSet::new();
        for trial in index.trials() {
            let assignment = &trial.assignment;
            prop_assert!(seen.insert(format!("{assignment:?}")), "{}: trial {} repeats", name, trial.number);
            prop_assert!(assignment["depth"].as_i64() > Some(1));
            prop_assert_eq!(assignment.contains_key("momentum"), assignment["optimizer"] == "sgd".into());
        }
    }
}

/// Those that are shown ahead are those of any search, and no others could be.
#[test]
fn the_first_samples_are_drawn_whatever_comes_out() {
    let created = |plan: &Plan, outcome: fn(&Trial, usize) -> Outcome| -> Vec<Assignment> {
        simulate(plan, outcome).index.trials().map(|trial| trial.assignment.clone()).collect()
    };
    let worst_first = |trial: &Trial, _: usize| Outcome::Value(-worth(&trial.assignment));
    let before = search_before(40, 50.0);
    let all: [(&str, New); 4] = [("random", |_| Sampler::Random), learning()[0], learning()[1], learning()[2]];
    for (name, sampler) in all {
        for earlier in [0, 10, 20] {
            let plan = || {
                let mut plan = Plan { parallel_trials: 3, ..mixed_plan(sampler(Memory::default()), 40) };
                plan.learn_from(&before[..earlier]);
                plan
            };
            let (ahead, one, other) = (first_samples(&plan(), 100), created(&plan(), outcome), created(&plan(), worst_first));
            assert_eq!(ahead.len(), if name == "random" { 40 } else { 16_usize.saturating_sub(plan().earlier.len()) }, "{name}");
            assert!(one.starts_with(&ahead) && other.starts_with(&ahead), "{name} after {earlier}");
            assert_eq!(one == other, name == "random", "{name} after {earlier}");
        }
    }
    assert_eq!(first_samples(&mixed_plan(Sampler::Random, 40), 3), first_samples(&mixed_plan(Sampler::Random, 40), 9)[..3]);
}

fn rules() -> Constraints {
    let mut constraints = Constraints::new(None);
    constraints.add("hp.depth > 1 && (hp.op1 != 'pool' || hp.op2 != 'pool')", "").unwrap();
    constraints
}

/// The plan without what cannot be copied.
fn again(plan: &Plan) -> Plan {
    let (scheduler, earlier) = (plan.scheduler, plan.earlier.clone());
    Plan { scheduler, earlier, parallel_trials: plan.parallel_trials, ..mixed_plan(Sampler::Random, plan.max_trials) }
}

/// What a random search of so many trials shows on data where every value is higher by `shift`.
fn search_before(trials: u64, shift: f64) -> Vec<EarlierTrial> {
    let earlier = Plan { seed: 7, ..mixed_plan(Sampler::Random, trials) };
    let simulation = simulate(&earlier, |trial, rung| match outcome(trial, rung) {
        Outcome::Value(value) => Outcome::Value(value + shift),
        other => other,
    });
    earlier_trials(&simulation.index, &earlier.rungs, 1000)
}

#[test]
fn the_first_trials_are_good_where_an_earlier_search_is_known() {
    let mean = |sampler: Sampler, is_warm: bool| {
        let mut plan = mixed_plan(sampler, 30);
        plan.learn_from(&if is_warm { search_before(90, 50.0) } else { Vec::new() });
        let simulation = simulate(&plan, outcome);
        let first = simulation.index.trials().take(30).map(|trial| worth(&trial.assignment));
        assert_eq!((simulation.index.created(), simulation.end), (30, End::Completed));
        first.sum::<f64>() / 30.0
    };
    for (name, sampler) in learning() {
        let (warm, cold) = (mean(sampler(Memory::default()), true), mean(sampler(Memory::default()), false));
        println!("{name}: {warm} warm, {cold} cold");
        assert!(warm > cold + 0.3, "{name}: {warm} warm, {cold} cold");
    }
    // Chance learns nothing.
    assert_eq!(mean(Sampler::Random, true), mean(Sampler::Random, false));
}

/// The mean worth of the last third of 90 trials.
fn learned(sampler: Sampler, direction: Direction) -> f64 {
    let sign = if direction == Direction::Maximize { 1.0 } else { -1.0 };
    let plan = Plan { direction, ..mixed_plan(sampler, 90) };
    let simulation = simulate(&plan, |trial, rung| match outcome(trial, rung) {
        Outcome::Value(value) => Outcome::Value(sign * value),
        other => other,
    });
    let last = simulation.index.trials().skip(60).map(|trial| worth(&trial.assignment));
    last.sum::<f64>() / 30.0
}

#[test]
fn what_is_learned_shows_in_later_trials_in_both_directions() {
    for direction in [Direction::Maximize, Direction::Minimize] {
        let random = learned(Sampler::Random, direction);
        for (name, sampler) in learning() {
            let found = learned(sampler(Memory::default()), direction);
            println!("{name}: {found:.2}, at random {random:.2}");
            assert!(found > random + 0.4, "{name}: {found}, at random {random}");
        }
    }
}

#[test]
fn trials_without_a_value_teach_where_not_to_look() {
    for (name, sampler) in learning() {
        let plan = mixed_plan(sampler(Memory::default()), 90);
        let simulation =
            simulate(
                &plan,
                |trial, rung| {
                    if trial.assignment["optimizer"] == "sgd".into() { Outcome::Diverged } else { outcome(trial, rung) }
                },
            );
        let diverged = simulation.index.trials().skip(45).filter(|trial| trial.assignment["optimizer"] == "sgd".into()).count();
        println!("{name}: {diverged} of 45 diverged");
        assert!(diverged < 15, "{name}: {diverged} of 45");
    }
}

#[test]
fn a_space_that_is_used_up_is_repeated_only_then() {
    for (name, sampler) in learning() {
        let mut plan = plan(30, 2, 3);
        plan.space = searches::space(vec![("x", Domain::Int { min: 1, max: 24, scale: Scale::Linear })]);
        plan.sampler = sampler(Memory::default());
        let simulation = simulate(&plan, |trial, _| Outcome::Value(f64::from(u32::try_from(trial.number % 5).unwrap())));
        let first: BTreeSet<i64> =
            simulation.index.trials().take(24).map(|trial| trial.assignment["x"].as_i64().unwrap()).collect();
        assert_eq!((first.len(), simulation.index.created()), (24, 30), "{name}");
    }
}

#[test]
fn all_values_alike_and_nothing_but_failures_are_borne() {
    for (_, sampler) in learning() {
        for same in [Outcome::Value(0.5), Outcome::Failed, Outcome::Value(1e300)] {
            let simulation = simulate(&mixed_plan(sampler(Memory::default()), 60), |_, _| same);
            assert_eq!(simulation.index.created(), 60);
        }
    }
}

/// A search with a short first rung, on curves of which those of the lowest `misleading` rungs say the opposite of what comes.
fn first_rungs(misleading: usize) -> (Vec<usize>, nas_search::Replay) {
    let rungs = Rungs::explicit(vec![1, 3, 9, 27, 81], 3, 81, 150).unwrap();
    let plan = Plan { rungs, ..mixed_plan(Sampler::Guided(Guided::default()), 150) };
    let mut histories = Vec::new();
    let simulation = simulate(&plan, |trial, rung| match outcome(trial, rung) {
        Outcome::Value(value) if rung < misleading => Outcome::Value(-value),
        other => other,
    });
    searches::keep(&mut histories, &simulation.decisions);
    searches::finish(&mut histories, &simulation.index);
    let end = simulation.decisions.last().and_then(|decision| match decision {
        nas_search::Decision::Finish { view, reason } => Some((reason.name(), *view)),
        _ => None,
    });
    let replayed = nas_search::replay(&plan, 0, &histories, end);
    (simulation.index.trials().map(|trial| trial.first_rung).collect(), replayed)
}

#[test]
fn new_trials_begin_at_the_lowest_rung_that_says_what_comes() {
    let (rungs, replayed) = first_rungs(0);
    assert_eq!((&rungs[..6], &rungs[6..9]), (&[3; 6][..], &[1; 3][..]), "six deep ones, then the safe rung");
    assert_eq!(rungs[100..], [0; 50]);
    assert_eq!(replayed.differences, []);
    let (rungs, replayed) = first_rungs(2);
    assert_eq!(rungs[100..], [2; 50]);
    assert_eq!(replayed.differences, []);
}

#[test]
fn every_setting_of_the_guided_sampler_makes_a_difference() {
    let rungs = || Rungs::explicit(vec![1, 3, 9, 27, 81], 3, 81, 150).unwrap();
    let search = |settings: GuidedSettings| {
        let sampler = Sampler::Guided(Guided { settings, ..Guided::default() });
        simulate(&Plan { rungs: rungs(), ..mixed_plan(sampler, 150) }, outcome).decisions
    };
    let default = GuidedSettings::default();
    let others = [
        GuidedSettings { random_share: 0.4, ..default },
        GuidedSettings { optimism: 0.0, ..default },
        GuidedSettings { trusted: None, ..default },
        GuidedSettings { trusted: Some(0.0), ..default },
        GuidedSettings { fewest: 1, ..default },
        GuidedSettings { quota: 300, ..default },
        GuidedSettings { counts: false, ..default },
        GuidedSettings { chained: false, ..default },
        GuidedSettings { learned_first_rung: false, ..default },
    ];
    let usual = search(default);
    assert_eq!(search(default), usual);
    for settings in others {
        assert_ne!(search(settings), usual, "{settings:?}");
    }
}

#[test]
fn from_a_pool_each_member_is_tried_once_and_nothing_else() {
    let members: Vec<Assignment> =
        simulate(&mixed_plan(Sampler::Random, 60), outcome).index.trials().map(|trial| trial.assignment.clone()).collect();
    let guided = Guided::among(GuidedSettings::default(), &mixed(), members.clone());
    let simulation = simulate(&mixed_plan(Sampler::Guided(guided), 200), outcome);
    let tried: Vec<Assignment> = simulation.index.trials().map(|trial| trial.assignment.clone()).collect();
    assert_eq!((tried.len(), simulation.end.name()), (60, "SpaceExhausted"));
    assert!(members.iter().all(|member| tried.contains(member)));
    // It learns: after the first 16, which are drawn at random, the better ones come first.
    let sum = |part: &[Assignment]| part.iter().map(worth).sum::<f64>();
    let (early, late) = (sum(&tried[16..38]), sum(&tried[38..]));
    assert!(early > late + 11.0, "{early} {late}");
}

#[test]
fn the_best_estimate_sees_through_noise_in_both_directions() {
    for (direction, sign) in [(Direction::Maximize, 1.0), (Direction::Minimize, -1.0)] {
        let plan = Plan { direction, ..mixed_plan(Sampler::Guided(Guided::default()), 90) };
        let simulation = simulate(&plan, |trial, rung| match outcome(trial, rung) {
            Outcome::Value(value) => Outcome::Value(sign * value),
            other => other,
        });
        let worth_of = |number: u64| worth(&simulation.index.trial(number).unwrap().assignment);
        let estimate = best_estimate(&plan, &simulation.index).unwrap();
        let incumbent = simulation.index.incumbent().unwrap();
        assert_eq!(estimate.rung, plan.rungs.top());
        assert!((sign * estimate.value - worth_of(estimate.trial)).abs() < 0.5, "{estimate:?}");
        assert!(worth_of(estimate.trial) > worth_of(incumbent.trial) - 0.1, "{estimate:?} {incumbent:?}");
    }
    let random = mixed_plan(Sampler::Random, 30);
    assert_eq!(best_estimate(&random, &simulate(&random, outcome).index), None);
}

#[test]
fn a_replay_computes_proposals_anew() {
    let step =
        |number: usize| Step { pick: number * 5, outcome: Outcome::Value(f64::from(u32::try_from(number * 37 % 101).unwrap())) };
    let steps: Vec<Step> = (0..400).map(step).collect();
    for (name, sampler) in learning() {
        let plan = mixed_plan(sampler(Memory::default()), 60);
        let mut histories = Vec::new();
        let (index, _): (Index, _) = drive(&plan, &steps, |_, decisions| searches::keep(&mut histories, decisions));
        searches::finish(&mut histories, &index);
        let replayed = nas_search::replay(&plan, 0, &histories, None);
        assert_eq!(replayed.differences, [], "{name}");
        // Another configuration than was proposed is found.
        let other = histories[3].trial.assignment.clone();
        histories[50].trial.assignment = other;
        let found = nas_search::replay(&plan, 0, &histories, None).differences;
        assert!(found.contains(&nas_search::Difference::Sample { trial: 50 }), "{name}: {found:?}");
    }
}

#[test]
fn a_space_that_nothing_satisfies_is_given_up_when_time_is_up() {
    let mut plan = mixed_plan(Sampler::Random, 9);
    plan.constraints.add("hp.depth > 1", "").unwrap();
    plan.constraints.add("hp.lr > 2.0", "").unwrap();
    let mut left = 500;
    let nothing = first_draw(&plan, || {
        left -= 1;
        left >= 0
    });
    let nothing = nothing.unwrap_err();
    assert_eq!((nothing.draws, nothing.worst_rule()), (500, Some(1)));
    assert_eq!(first_draw(&plan, || true).unwrap_err().draws, nas_search::MAX_DRAWS);
    let open = mixed_plan(Sampler::Random, 9);
    assert_eq!(first_draw(&open, || true), sample(&open, &Index::new(open.direction, &open.rungs), &[], 0));
}
