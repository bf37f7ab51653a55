//! Two deciders at once, each with a view of its own that may be stale: what is written stays sound, whoever writes first.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use nas_search::{
    Decision, Difference, Index, Outcome, Plan, Recorded, Replay, Trial, TrialHistory, Usage, View, decide, replay,
};
use proptest::prelude::*;

mod searches;

use searches::{outcomes, plan, schedulers};

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    /// A leader decides on its view and writes the first few decisions, until one is refused.
    Decide { leader: usize, writes: usize },
    /// A leader reads everything.
    Read { leader: usize },
    /// A running trial ends, and a leader records it.
    End { leader: usize, pick: usize, outcome: Outcome },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0_usize..2, 1_usize..5).prop_map(|(leader, writes)| Event::Decide { leader, writes }),
        1 => (0_usize..2).prop_map(|leader| Event::Read { leader }),
        4 => (0_usize..2, any::<usize>(), outcomes()).prop_map(|(leader, pick, outcome)| Event::End { leader, pick, outcome }),
    ];
    proptest::collection::vec(event, 50..600)
}

/// What is stored, and what each leader knows of it.
struct World<'a> {
    plan: &'a Plan,
    stored: BTreeMap<u64, TrialHistory>,
    known: [Index; 2],
    end: Option<(String, View)>,
    /// Whether the leader that ended the search had not seen everything that was stored.
    ended_unaware: bool,
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan) -> Self {
        let index = || Index::new(plan.direction, &plan.rungs);
        Self { plan, stored: BTreeMap::new(), known: [index(), index()], end: None, ended_unaware: false }
    }

    fn running(&self) -> usize {
        self.stored.values().filter(|history| history.trial.running().is_some()).count()
    }

    /// Writes a decision if nobody has written the trial otherwise since the leader saw it: as the API server does.
    fn write(&mut self, leader: usize, decision: &Decision) -> bool {
        if let Decision::Finish { view, reason } = decision {
            self.end = Some((reason.name().to_owned(), *view));
            let has_seen = |history: &TrialHistory| self.known[leader].trial(history.trial.number) == Some(&history.trial);
            self.ended_unaware = !self.stored.values().all(has_seen);
            return true;
        }
        let after = self.known[leader].record(decision).unwrap();
        let before = self.known[leader].trial(after.number).cloned();
        let intents = |trial: &Trial| (trial.target_rung, trial.stopped, trial.retired);
        let is_current = self.stored.get(&after.number).map(|history| intents(&history.trial)) == before.as_ref().map(intents);
        if !is_current {
            let stored = self.stored[&after.number].trial.clone();
            self.known[leader].apply(stored);
            return false;
        }
        match decision {
            Decision::Create { new, view } => {
                let grants = vec![(new.rung, *view)];
                let history = TrialHistory { trial: after, seed: new.seed, grants, stopped: None, retired: None };
                self.stored.insert(new.number, history);
            }
            Decision::Promote { trial, rung, view, .. } => {
                let history = self.stored.get_mut(trial).unwrap();
                // Nobody goes on from a rung that has no value, and no rung is granted twice.
                assert_eq!((history.trial.recorded.len(), history.trial.target_rung + 1), (*rung, *rung));
                assert!(history.trial.value_at(rung - 1).is_some() && !history.trial.retired && !history.trial.stopped);
                history.trial.target_rung = *rung;
                history.grants.push((*rung, *view));
            }
            Decision::Stop { trial, view, .. } => {
                let history = self.stored.get_mut(trial).unwrap();
                history.trial.stopped = true;
                history.stopped = Some(*view);
            }
            Decision::Retire { trial, view, .. } => {
                let history = self.stored.get_mut(trial).unwrap();
                history.trial.retired = true;
                history.retired = Some(*view);
            }
            Decision::Finish { .. } => {}
        }
        let number = decision_trial(decision);
        let stored = self.stored[&number].trial.clone();
        self.known[leader].apply(stored);
        true
    }

    fn decide(&mut self, leader: usize, writes: usize) {
        let decisions = decide(self.plan, &self.known[leader], &Usage::default());
        let starts = decisions.iter().filter(|d| matches!(d, Decision::Create { .. } | Decision::Promote { .. })).count();
        assert!(starts == 0 || self.known[leader].running() + starts <= self.plan.parallel_trials);
        for decision in decisions.iter().take(writes) {
            if !self.write(leader, decision) {
                return;
            }
        }
    }

    fn read(&mut self, leader: usize) {
        for history in self.stored.values() {
            self.known[leader].apply(history.trial.clone());
        }
    }

    /// Records an outcome, if the leader has seen the trial as it stands. Its `decisionSeq` follows all that this leader knows: another
    /// outcome may have the same.
    fn end(&mut self, leader: usize, pick: usize, outcome: Outcome) {
        let running: Vec<u64> =
            self.stored.values().map(|history| &history.trial).filter(|t| t.running().is_some()).map(|t| t.number).collect();
        let Some(number) = running.get(pick % running.len().max(1)) else { return };
        if self.known[leader].trial(*number) != Some(&self.stored[number].trial) {
            return;
        }
        let mut seq = self.known[leader].view().seq;
        let trial = &mut self.stored.get_mut(number).unwrap().trial;
        while let Some(rung) = trial.running() {
            seq += 1;
            let outcome = if rung < trial.target_rung { Outcome::Value(0.5) } else { outcome };
            trial.recorded.push(Recorded::new(rung, outcome, seq));
        }
        let trial = trial.clone();
        self.known[leader].apply(trial);
    }

    fn replay(&self) -> Replay {
        let histories: Vec<TrialHistory> = self.stored.values().cloned().collect();
        replay(self.plan, 0, &histories, self.end.as_ref().map(|(name, view)| (name.as_str(), *view)))
    }
}

fn decision_trial(decision: &Decision) -> u64 {
    match decision {
        Decision::Create { new, .. } => new.number,
        Decision::Promote { trial, .. } | Decision::Stop { trial, .. } | Decision::Retire { trial, .. } => *trial,
        Decision::Finish { .. } => u64::MAX,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_two_leaders_write_is_sound_and_ends(
        events in events(), scheduler in schedulers(), max_trials in 1_u64..60, parallel in 1_usize..6,
    ) {
        let plan = Plan { scheduler, ..plan(max_trials, parallel, 3) };
        let mut world = World::new(&plan);
        for event in events {
            match event {
                _ if world.end.is_some() => break,
                Event::Decide { leader, writes } => world.decide(leader, writes),
                Event::Read { leader } => world.read(leader),
                Event::End { leader, pick, outcome } => world.end(leader, pick, outcome),
            }
            // Each grants what it has room for in its own view; together at most twice that.
            prop_assert!(world.running() <= 2 * parallel);
            let infeasible = world.stored.values().filter(|history| history.trial.is_infeasible()).count() as u64;
            prop_assert!(world.stored.len() as u64 - infeasible <= max_trials);
            prop_assert!(world.stored.keys().copied().eq(0..world.stored.len() as u64), "numbers without a gap");
        }
        // Once they see each other, nothing is granted until the pool is back within its size, and the search comes to its end.
        for round in 0..10_000 {
            if world.end.is_some() {
                break;
            }
            let leader = round % 2;
            world.read(leader);
            let before = world.running();
            world.decide(leader, usize::MAX);
            prop_assert!(world.running() <= before.max(parallel));
            world.read(leader);
            world.end(leader, round, Outcome::Value(0.5));
        }
        prop_assert!(world.end.is_some());
        // A leader that has not seen what the other granted may end the search over it: that is cancelled with the end. Nothing else is.
        if !world.ended_unaware {
            prop_assert_eq!(world.running(), 0);
        }
        // A replay sorts decisions by the outcomes that they had seen; which grants of the other leader were known with them, and in which
        // order two views came, it cannot tell (`write` holds each against what is stored). What depends on neither holds.
        let always = |difference: &Difference| {
            matches!(difference, Difference::Sample { .. } | Difference::TooMany { .. })
        };
        let broken: Vec<Difference> = world.replay().differences.into_iter().filter(always).collect();
        prop_assert_eq!(broken, []);
    }
}
