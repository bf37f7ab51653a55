//! The story of one trial: what was decided about it, why, and where it stands among the others.

use std::{collections::BTreeMap, fmt};

use crate::{
    Cutoff, Decision, Outcome, Plan, Retirement, TrialHistory, View,
    history::{Past, PastPlan, groups},
    scheduler::{patience, promotions, prospects, retirements, standing, stops},
};

/// Something that happened to a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What had been seen when it was decided; of an outcome, what was seen with it.
    pub view: View,
    /// What happened.
    pub what: Happening,
}

/// What happened to a trial. A reason is missing where what the decision had seen cannot be rebuilt (a second leader's view, or a trial
/// that was deleted since).
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// It was created.
    Created {
        /// Its bracket.
        bracket: usize,
        /// The rung that it was granted first.
        rung: usize,
    },
    /// A rung of it ended.
    Ended {
        /// The rung.
        rung: usize,
        /// What came out.
        outcome: Outcome,
        /// Where it stood on arrival, if the rung compares it.
        standing: Option<Cutoff>,
    },
    /// It was granted a further rung.
    Promoted {
        /// The rung.
        rung: usize,
        /// Where it stood.
        reason: Option<Cutoff>,
    },
    /// It was stopped for good.
    Stopped {
        /// Where it stood when it arrived.
        reason: Option<Cutoff>,
    },
    /// It can never be promoted any more.
    Retired {
        /// Who is better.
        reason: Option<Retirement>,
    },
    /// It waits: with the records as they are now, it stands here.
    Waits {
        /// Where it stands.
        standing: Cutoff,
        /// Whether nobody of its rung goes on for now: a sampler that learns is to be asked for new trials first.
        rationed: bool,
    },
}

/// What happened to trial `number`, in order; empty: there is no such trial.
pub fn explain(plan: &Plan, trials: &[TrialHistory], number: u64) -> Vec<Event> {
    let trials: BTreeMap<u64, &TrialHistory> = trials.iter().map(|history| (history.trial.number, history)).collect();
    let Some(history) = trials.get(&number) else { return Vec::new() };
    let own = &history.trial;
    let mut outcomes = own.recorded.iter().peekable();
    let mut past = Past::new(plan, &trials);
    let mut events = Vec::new();
    let mut take_outcomes = |past: &mut Past<'_>, events: &mut Vec<Event>, until: u64| {
        while let Some(recorded) = outcomes.next_if(|recorded| recorded.seq <= until) {
            past.advance(recorded.seq);
            let standing = standing(plan, &past.index, number, recorded.rung);
            let what = Happening::Ended { rung: recorded.rung, outcome: recorded.outcome, standing };
            events.push(Event { view: past.index.view(), what });
        }
        past.advance(until);
    };
    let mut then = PastPlan::new(plan);
    for group in groups(&trials) {
        let plan = then.at(group.view);
        take_outcomes(&mut past, &mut events, group.view.seq);
        let is_known = past.index.view().shows_the_same(&group.view);
        let mut happens = |what| events.push(Event { view: group.view, what });
        if group.created.contains(&number) {
            happens(Happening::Created { bracket: own.bracket, rung: own.first_rung });
        }
        if let Some((_, rung)) = group.promoted.iter().find(|(trial, _)| *trial == number) {
            let possible = if is_known { promotions(plan, &past.index, group.view, usize::MAX) } else { Vec::new() };
            happens(Happening::Promoted { rung: *rung, reason: cutoff_of(&possible, number) });
        }
        if group.stopped.contains(&number) {
            let possible = if is_known { stops(plan, &past.index, group.view) } else { Vec::new() };
            happens(Happening::Stopped { reason: cutoff_of(&possible, number) });
        }
        if group.retired.contains(&number) {
            let possible = if is_known { retirements(plan, &past.index, group.view) } else { Vec::new() };
            let reason = possible.iter().find_map(|decision| match decision {
                Decision::Retire { trial, reason, .. } if *trial == number => Some(*reason),
                _ => None,
            });
            happens(Happening::Retired { reason });
        }
        past.take(&group);
    }
    take_outcomes(&mut past, &mut events, u64::MAX);
    let is_paused = own.running().is_none() && own.last().is_some_and(|last| matches!(last.outcome, Outcome::Value(_)));
    let over = own.stopped || own.retired || own.target_rung >= plan.rungs.top();
    if let Some(standing) = prospects(plan, &past.index, number, own.target_rung).filter(|_| is_paused && !over) {
        let rationed = patience(plan, &past.index, own.bracket, own.target_rung) == 0;
        events.push(Event { view: past.index.view(), what: Happening::Waits { standing, rationed } });
    }
    events
}

fn cutoff_of(decisions: &[Decision], number: u64) -> Option<Cutoff> {
    decisions.iter().find_map(|decision| match decision {
        Decision::Promote { trial, reason, .. } | Decision::Stop { trial, reason, .. } if *trial == number => Some(*reason),
        _ => None,
    })
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let because = |f: &mut fmt::Formatter<'_>, reason: Option<&dyn fmt::Display>| match reason {
            Some(reason) => write!(f, ": {reason}"),
            None => f.write_str(": what the decision had seen cannot be rebuilt"),
        };
        match self {
            Self::Created { bracket: 0, rung: 0 } => f.write_str("created, granted rung 0"),
            Self::Created { bracket, rung } => write!(f, "created in bracket {bracket}, granted rung {rung}"),
            Self::Ended { rung, outcome, standing } => {
                match outcome {
                    Outcome::Value(value) => write!(f, "rung {rung}: {value:.4}")?,
                    other => write!(f, "rung {rung}: {}", other.name())?,
                }
                match standing {
                    Some(Cutoff { rank, entries, .. }) => write!(f, ", rank {rank} of {entries}"),
                    None => Ok(()),
                }
            }
            Self::Promoted { rung, reason } => {
                write!(f, "granted rung {rung}")?;
                because(f, reason.as_ref().map(|reason| reason as _))
            }
            Self::Stopped { reason } => {
                f.write_str("stopped for good")?;
                because(f, reason.as_ref().map(|reason| reason as _))
            }
            Self::Retired { reason } => {
                f.write_str("never promoted any more")?;
                because(f, reason.as_ref().map(|reason| reason as _))
            }
            Self::Waits { standing, rationed: false } => write!(f, "waits: {standing}"),
            Self::Waits { standing, rationed: true } => {
                write!(f, "waits: {standing}, but none for now: new trials come first")
            }
        }
    }
}
