//! How the guided sampler goes about it. `Default` is what a user gets; others are for measuring what each part is worth.

use std::sync::Arc;

use super::Pool;
use crate::{Assignment, Memory, Space};

/// The guided sampler: its settings, what it chooses from, and what it remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guided {
    /// How it goes about it.
    pub settings: GuidedSettings,
    /// What may be tried, as [`Guided::among`] sets it; `None`: the whole space.
    pub pool: Option<Arc<Pool>>,
    /// What it has computed before.
    pub memory: Memory,
}

impl Guided {
    /// Tries these configurations of a space and no others: for a table of trainings, beside which nothing is known.
    pub fn among(settings: GuidedSettings, space: &Space, configurations: impl IntoIterator<Item = Assignment>) -> Self {
        let pool = Some(Arc::new(Pool::new(space, configurations, settings.counts)));
        Self { settings, pool, memory: Memory::default() }
    }
}

/// What `make ablation` varies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuidedSettings {
    /// Share of trials that are drawn at random ever after: what the model cannot see is found by nothing else.
    pub random_share: f64,
    /// Deviations of the posterior that are added to its mean: the upper confidence bound.
    pub optimism: f64,
    /// How far a trial's residual is trusted where it is decided who goes on; `None`: by values, without the model.
    pub trusted: Option<f64>,
    /// While trials are created, a rung with fewer entries promotes nobody yet.
    pub fewest: usize,
    /// While trials are created, percent of `1 / eta` of a rung that go on at most.
    pub quota: usize,
    /// Whether the model sees how often alike parameters make a choice.
    pub counts: bool,
    /// Whether all rungs inform the model; if not, only the highest one with [`GuidedSettings::ENOUGH`] values does.
    pub chained: bool,
    /// Whether new trials begin where the data say that short trainings tell something.
    pub learned_first_rung: bool,
}

impl GuidedSettings {
    /// Values that a rung must have to be a model by itself.
    pub const ENOUGH: usize = 16;
}

impl Default for GuidedSettings {
    fn default() -> Self {
        Self {
            random_share: 0.2,
            optimism: 1.0,
            trusted: Some(0.5),
            fewest: 12,
            quota: 125,
            counts: true,
            chained: true,
            learned_first_rung: true,
        }
    }
}
