//! The story of a trial names the reasons that the decisions had.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use nas_search::{Brackets, Decision, Halving, Happening, Outcome, Plan, Scheduler, Trial, TrialHistory, explain};
use proptest::prelude::*;

mod searches;

use searches::{drive, finish, keep, plan, schedulers, steps};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn reasons_are_those_of_the_decisions(steps in steps(), scheduler in schedulers(), parallel in 1_usize..9) {
        let plan = Plan { scheduler, ..plan(50, parallel, 3) };
        let mut histories: Vec<TrialHistory> = Vec::new();
        let mut expected: BTreeMap<u64, Vec<Happening>> = BTreeMap::new();
        let (index, _) = drive(&plan, &steps, |_, decisions| {
            keep(&mut histories, decisions);
            for decision in decisions {
                let (number, what) = match decision {
                    Decision::Create { new, .. } => (new.number, Happening::Created { bracket: new.bracket, rung: new.rung }),
                    Decision::Promote { trial, rung, reason, .. } => {
                        (*trial, Happening::Promoted { rung: *rung, reason: Some(*reason) })
                    }
                    Decision::Stop { trial, reason, .. } => (*trial, Happening::Stopped { reason: Some(*reason) }),
                    Decision::Retire { trial, reason, .. } => (*trial, Happening::Retired { reason: Some(*reason) }),
                    Decision::Finish { .. } => continue,
                };
                expected.entry(number).or_default().push(what);
            }
        });
        finish(&mut histories, &index);
        for trial in index.trials() {
            let events = explain(&plan, &histories, trial.number);
            let ended = events.iter().filter(|event| matches!(event.what, Happening::Ended { .. })).count();
            prop_assert_eq!(ended, trial.recorded.len());
            prop_assert!(events.is_sorted_by_key(|event| event.view.count));
            let decided = events.into_iter().map(|event| event.what);
            let decided: Vec<_> = decided.filter(|what| !matches!(what, Happening::Ended { .. } | Happening::Waits { .. })).collect();
            prop_assert_eq!(&decided, &expected[&trial.number]);
        }
    }
}

#[test]
fn a_trial_that_waits_is_told_where_it_stands_and_one_that_does_not_exist_has_no_story() {
    let scheduler = Scheduler::Asha { kind: Halving::Promotion, brackets: Brackets::Aggressive };
    let plan = Plan { scheduler, ..plan(1000, 1, 3) };
    let history = |number: u64, value: f64| {
        let mut trial = Trial::new(number, [("x".into(), i64::try_from(number).unwrap().into())].into());
        let seq = number + 1;
        trial.recorded.push(nas_search::Recorded::new(0, Outcome::Value(value), seq));
        TrialHistory { trial, seed: 0, grants: vec![(0, nas_search::View::default())], stopped: None, retired: None }
    };
    let histories: Vec<_> = (0..4).map(|number| history(number, f64::from(u32::try_from(number).unwrap()))).collect();
    let told: Vec<String> = explain(&plan, &histories, 1).iter().map(|event| event.what.to_string()).collect();
    assert_eq!(
        told,
        [
            "created, granted rung 0",
            "rung 0: 1.0000, rank 1 of 2",
            "waits: rank 3 of 4 at rung 0, the best 1 go on (1.0000, cut-off 3.0000)"
        ]
    );
    assert_eq!(explain(&plan, &histories, 9), []);
    // A sampler that learns: the same trial waits for new ones.
    let guided = Plan { sampler: nas_search::Sampler::Guided(nas_search::Guided::default()), ..searches::plan(1000, 1, 3) };
    let waits = explain(&guided, &histories, 3).last().unwrap().what.to_string();
    assert_eq!(
        waits,
        "waits: rank 1 of 4 at rung 0, the best 1 go on (3.0000, cut-off 3.0000), but none for now: new trials come first"
    );
}
