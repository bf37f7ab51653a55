//! The decision core of nas-operator: what to try, how far to train it, when to stop.
//!
//! Everything here is pure: no clock, no I/O, no async, no Kubernetes. The set of [`Trial`] records *is* the state of a search;
//! [`Index`] is a fold over them, in any order, and [`decide`] says what to do next and why. Who carries decisions out (pods,
//! local processes, a simulation) is somebody else's concern.

mod assignment;
mod bracket;
mod confirm;
mod constraint;
mod decide;
pub mod determined;
mod digest;
mod earlier;
mod explain;
mod history;
mod horizon;
mod index;
mod interval;
mod lexicon;
mod metric;
mod pareto;
mod plan;
mod random;
mod ranking;
mod reason;
mod replay;
mod rungs;
mod sampler;
mod scalar;
mod scheduler;
mod simulate;
mod space;
#[cfg(test)]
mod testing;
mod trial;
mod welch;

pub use assignment::Assignment;
pub use constraint::{Checker, Constraints, Describe, Feature, MAX_RULE_DEPTH, MAX_RULE_LENGTH, RuleError, Verdict};
pub use decide::{Decision, NewTrial, decide};
pub use earlier::{EarlierTrial, Evidence, earlier_trials};
pub use explain::{Event, Happening, explain};
pub use history::TrialHistory;
pub use index::{Incumbent, Index, RungSummary, View};
pub use interval::{Interval, slope_interval};
pub use lexicon::Lexicon;
pub use metric::{Direction, Metric};
pub use pareto::{Additional, AdditionalObjective, FrontTrial, MAX_ADDITIONAL, front};
pub use plan::{Budget, Plan, Usage};
pub use random::RandomStream;
pub use reason::{Cutoff, End, Ranked, Retirement};
pub use replay::{Difference, Replay, replay};
pub use rungs::{MAX_RUNGS, Rungs, RungsError};
pub use sampler::{
    Estimate, Grid, GridError, Guided, GuidedSettings, MAX_DRAWS, Memory, NoSample, Pool, Sample, Sampler, best_estimate,
    first_draw, first_samples, rejections, sample,
};
pub use scalar::Scalar;
pub use scheduler::{Brackets, Course, Halving, Scheduler};
pub use simulate::{Simulation, simulate};
pub use space::{Condition, Domain, Parameter, Scale, Space, SpaceProblem};
pub use trial::{Outcome, Recorded, Trial};
pub use welch::{mean, standard_deviation, welch};
