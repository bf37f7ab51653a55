//! How good the incumbent of a search was at which time.

use nas_search::Direction;

use crate::{Landscape, LandscapeError, Run};

/// The incumbent at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The trial.
    pub trial: u64,
    /// Its value, the best that was observed so far at any rung.
    pub observed: f64,
    /// What it is worth.
    pub truth: f64,
}

/// The incumbent at each time of an ascending grid, in seconds: the trial with the best value that was observed up to then, at whatever
/// rung; of equal values the first. `None`: nothing was observed yet.
///
/// # Errors
///
/// Where the landscape does not know a trial's configuration.
pub fn trajectory(
    run: &Run,
    direction: Direction,
    landscape: &(impl Landscape + ?Sized),
    grid: &[f64],
) -> Result<Vec<Option<Standing>>, LandscapeError> {
    let mut improvements = run.improvements(direction).peekable();
    let mut best = None;
    let mut standings = Vec::with_capacity(grid.len());
    for time in grid {
        while let Some(improvement) = improvements.next_if(|(event, _)| event.seconds <= *time) {
            best = Some(improvement);
        }
        let standing = match best.and_then(|(event, observed)| Some((observed, run.index.trial(event.trial)?))) {
            None => None,
            Some((observed, trial)) => {
                Some(Standing { trial: trial.number, observed, truth: landscape.truth(&trial.assignment)? })
            }
        };
        standings.push(standing);
    }
    Ok(standings)
}
