//! All architectures of the DARTS space: those of a table as they were recorded, the others as a network predicts them.

use nas_search::Assignment;

use crate::{Code, CodeError, Landscape, LandscapeError, Network, Noise, Table, genotype};

/// A table that a network continues.
#[derive(Clone, Debug)]
pub struct Surrogate {
    table: Table,
    network: Network,
    noise: Noise,
}

impl Surrogate {
    /// Architectures of `table` are looked up; `network` predicts others, and `noise` is added to what it predicts.
    pub fn new(table: Table, network: Network, noise: Noise) -> Self {
        Self { table, network, noise }
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The network alone, without the table and without noise.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// From now on other runs: what is not in the table gets the noise of this seed.
    pub fn reseed(&mut self, seed: u64) {
        self.noise.reseed(seed);
    }

    /// The code of an architecture that is not in the table; `None`: it is in the table.
    fn off_table(&self, assignment: &Assignment) -> Result<Option<Code>, LandscapeError> {
        if self.table.row(assignment).is_some() {
            return Ok(None);
        }
        let genotype = genotype(assignment).map_err(|_| LandscapeError::Unknown(assignment.clone()))?;
        Ok(Some(Code::of(&genotype)?))
    }

    /// What an architecture shows after an epoch on the average of many trainings, by the network alone.
    ///
    /// # Errors
    ///
    /// Where it is no architecture that the network knows.
    pub fn expected(&self, assignment: &Assignment, epoch: u64) -> Result<f64, LandscapeError> {
        let genotype = genotype(assignment).map_err(|_| LandscapeError::Unknown(assignment.clone()))?;
        Ok(self.mean(Code::of(&genotype)?, epoch)?)
    }

    /// The accuracy without noise, in hundredths as in the table.
    fn mean(&self, code: Code, epoch: u64) -> Result<f64, CodeError> {
        Ok(hundredths(self.network.predict(code, epoch)?.accuracy))
    }
}

impl Landscape for Surrogate {
    fn observed(&self, assignment: &Assignment, step: u64) -> Result<f64, LandscapeError> {
        let Some(code) = self.off_table(assignment)? else { return self.table.observed(assignment, step) };
        self.table.level(step)?;
        let full = self.table.full_length();
        #[expect(clippy::cast_precision_loss, reason = "an epoch is a small number")]
        let share = step as f64 / full as f64;
        Ok(hundredths(self.mean(code, step)? + self.noise.of(code, step, share)))
    }

    fn seconds(&self, assignment: &Assignment, from: u64, to: u64) -> Result<f64, LandscapeError> {
        let Some(code) = self.off_table(assignment)? else { return self.table.seconds(assignment, from, to) };
        let full = self.table.full_length();
        let seconds = self.network.predict(code, full)?.seconds;
        #[expect(clippy::cast_precision_loss, reason = "epochs are small numbers")]
        let seconds = to.saturating_sub(from) as f64 * (seconds / full as f64);
        Ok(seconds)
    }

    fn truth(&self, assignment: &Assignment) -> Result<f64, LandscapeError> {
        let Some(code) = self.off_table(assignment)? else { return self.table.truth(assignment) };
        Ok(self.mean(code, self.table.full_length())?)
    }
}

/// Rounded to two decimals, as 16 bits times 0.01 are in the table.
fn hundredths(value: f64) -> f64 {
    (value / 0.01).round() * 0.01
}
