//! What a search sees of the world: values, and the time that they take.

use nas_search::Assignment;
use thiserror::Error;

use crate::CodeError;

/// What training would show, without training.
pub trait Landscape {
    /// The validation metric after so many steps, as one training run shows it: with its noise. The same at each call.
    ///
    /// # Errors
    ///
    /// Where nothing is known of this configuration after so many steps.
    fn observed(&self, assignment: &Assignment, step: u64) -> Result<f64, LandscapeError>;

    /// Seconds that training from one step to a later one takes.
    ///
    /// # Errors
    ///
    /// Where nothing is known of this configuration.
    fn seconds(&self, assignment: &Assignment, from: u64, to: u64) -> Result<f64, LandscapeError>;

    /// What the configuration is worth: the metric after full training, without noise where that is known.
    ///
    /// # Errors
    ///
    /// Where nothing is known of this configuration.
    fn truth(&self, assignment: &Assignment) -> Result<f64, LandscapeError>;
}

impl<L: Landscape + ?Sized> Landscape for &L {
    fn observed(&self, assignment: &Assignment, step: u64) -> Result<f64, LandscapeError> {
        L::observed(self, assignment, step)
    }

    fn seconds(&self, assignment: &Assignment, from: u64, to: u64) -> Result<f64, LandscapeError> {
        L::seconds(self, assignment, from, to)
    }

    fn truth(&self, assignment: &Assignment) -> Result<f64, LandscapeError> {
        L::truth(self, assignment)
    }
}

/// What a landscape does not know.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LandscapeError {
    /// A configuration that is in no table, or is no configuration at all.
    #[error("nothing is known of this configuration: {0:?}")]
    Unknown(Assignment),
    /// An additional objective of which the curves do not tell.
    #[error("nothing is known of {0:?}, which spec.objective.additional names: a simulation knows only params and flops")]
    NoMetric(String),
    /// A length at which nothing was recorded.
    #[error("nothing was recorded after {step} steps: there is something after {levels:?}")]
    NoLevel {
        /// What was asked for.
        step: u64,
        /// What there is.
        levels: Vec<u64>,
    },
    /// An architecture that cannot be trained here; in a simulation such a trial is infeasible.
    #[error(transparent)]
    Infeasible(#[from] CodeError),
}
