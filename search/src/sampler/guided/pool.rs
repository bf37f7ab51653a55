//! A choice among given configurations: for a table of trainings, beside which nothing is known.

use super::features::{Features, Layout};
use crate::{Assignment, Space, random::RandomStream, sampler::axes::Axes};

/// Members that are looked at for a proposal.
const LOOKED_AT: usize = 4000;

/// Configurations of a space, none of which is tried twice.
#[derive(Debug, PartialEq)]
pub struct Pool(Vec<(Assignment, Features)>);

impl Pool {
    /// These configurations of a space; `counts` as in [`GuidedSettings`](super::GuidedSettings).
    pub(super) fn new(space: &Space, configurations: impl IntoIterator<Item = Assignment>, counts: bool) -> Self {
        let axes = Axes::new(space);
        let layout = Layout::new(space, axes.list(), counts);
        let member = |assignment: Assignment| {
            let features = layout.of(&axes, &axes.point(&assignment));
            (assignment, features)
        };
        Self(configurations.into_iter().map(member).collect())
    }

    /// The highest of a few thousand open members.
    pub(super) fn best(
        &self,
        stream: &mut RandomStream,
        height: impl Fn(&Features) -> f64,
        is_open: impl Fn(&Assignment) -> bool,
    ) -> Option<Assignment> {
        let mut best: Option<(f64, &Assignment)> = None;
        for _ in 0..LOOKED_AT {
            let (assignment, features) = self.0.get(stream.below(self.0.len()))?;
            let here = height(features);
            if best.is_none_or(|(highest, _)| here > highest) && is_open(assignment) {
                best = Some((here, assignment));
            }
        }
        best.map(|(_, assignment)| assignment.clone())
    }

    /// An open member; `None`: all have been tried.
    pub(super) fn any(&self, stream: &mut RandomStream, is_open: impl Fn(&Assignment) -> bool) -> Option<Assignment> {
        let (before, after) = self.0.split_at(stream.below(self.0.len()));
        after.iter().chain(before).map(|(assignment, _)| assignment).find(|assignment| is_open(assignment)).cloned()
    }
}
