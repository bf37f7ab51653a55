//! A search without training: the same decisions, driven by given outcomes.

use std::collections::VecDeque;

use crate::{Decision, End, Index, Outcome, Plan, Recorded, Trial, Usage, decide};

/// A finished simulation.
#[derive(Debug)]
pub struct Simulation {
    /// All trials.
    pub index: Index,
    /// Every decision, in order.
    pub decisions: Vec<Decision>,
    /// Why it ended.
    pub end: End,
}

/// Runs a whole search; `outcome(trial, rung)` is what training that trial to that rung gives.
///
/// Granted trials end in the order in which they were granted, as if every segment took the same time.
pub fn simulate(plan: &Plan, mut outcome: impl FnMut(&Trial, usize) -> Outcome) -> Simulation {
    let mut index = Index::new(plan.direction, &plan.rungs);
    let mut queue = VecDeque::new();
    let mut decisions = Vec::new();
    let mut seq = 0;
    loop {
        for decision in decide(plan, &index, &Usage::default()) {
            decisions.push(decision.clone());
            match decision {
                Decision::Finish { reason, .. } => return Simulation { index, decisions, end: reason },
                Decision::Create { ref new, .. } => queue.push_back(new.number),
                Decision::Promote { trial, .. } => queue.push_back(trial),
                Decision::Stop { .. } | Decision::Retire { .. } => {}
            }
            if let Some(trial) = index.record(&decision) {
                index.apply(trial);
            }
        }
        let Some(trial) = queue.pop_front().and_then(|number| index.trial(number)) else {
            // `decide` finishes whenever nothing runs, so this is not reached; a bug there must not loop for ever here.
            return Simulation { index, decisions, end: End::Completed };
        };
        let mut trial = trial.clone();
        while let Some(rung) = trial.running() {
            seq += 1;
            trial.recorded.push(Recorded::new(rung, outcome(&trial, rung), seq));
        }
        index.apply(trial);
    }
}
