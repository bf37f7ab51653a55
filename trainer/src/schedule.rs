//! How far a training is: batches, epochs, and what changes with them.

use std::f64::consts::PI;

use nas_api::contract::StepUnit;

/// Converts between the steps of the contract and batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    unit: StepUnit,
    batches_per_epoch: u64,
}

impl Steps {
    /// Steps of `unit` over `images` training images in batches of `batch_size`; the last batch of an epoch may be smaller.
    pub fn new(unit: StepUnit, images: usize, batch_size: usize) -> Self {
        Self { unit, batches_per_epoch: (images.div_ceil(batch_size) as u64).max(1) }
    }

    /// Batches of one pass over the training images.
    pub const fn batches_per_epoch(self) -> u64 {
        self.batches_per_epoch
    }

    /// `steps` of the contract in batches.
    pub const fn to_batches(self, steps: u64) -> u64 {
        match self.unit {
            StepUnit::Batches => steps,
            StepUnit::Epochs => steps.saturating_mul(self.batches_per_epoch),
        }
    }

    /// Batches as whole steps of the contract, rounded down.
    pub const fn whole(self, batches: u64) -> u64 {
        match self.unit {
            StepUnit::Batches => batches,
            StepUnit::Epochs => batches / self.batches_per_epoch,
        }
    }

    /// Batches as steps of the contract, with a fraction inside of an epoch.
    pub fn fraction(self, batches: u64) -> f64 {
        match self.unit {
            StepUnit::Batches => batches as f64,
            StepUnit::Epochs => batches as f64 / self.batches_per_epoch as f64,
        }
    }

    /// The epoch that batch `batch` (from 0) is in, and its place there.
    pub const fn place(self, batch: u64) -> (u64, u64) {
        (batch / self.batches_per_epoch, batch % self.batches_per_epoch)
    }
}

/// The learning rate and the drop-path probability, by completed epochs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    learning_rate: f64,
    drop_path_prob: f64,
    epochs: u64,
}

impl Schedule {
    /// A schedule over a full training of `max_batches`, in epochs rounded up.
    pub fn new(learning_rate: f64, drop_path_prob: f64, max_batches: u64, steps: Steps) -> Self {
        Self { learning_rate, drop_path_prob, epochs: max_batches.div_ceil(steps.batches_per_epoch).max(1) }
    }

    /// Length T in epochs.
    pub const fn epochs(&self) -> u64 {
        self.epochs
    }

    /// Cosine annealing to 0: lr/2 · (1 + cos(π e / T)), constant within an epoch.
    pub fn learning_rate(&self, completed_epochs: u64) -> f64 {
        0.5 * self.learning_rate * (1.0 + (PI * self.progress(completed_epochs)).cos())
    }

    /// p · e / T.
    pub fn drop_path_prob(&self, completed_epochs: u64) -> f64 {
        self.drop_path_prob * self.progress(completed_epochs)
    }

    /// Share of T that is done; past the end the schedule stands still.
    fn progress(&self, completed_epochs: u64) -> f64 {
        completed_epochs.min(self.epochs) as f64 / self.epochs as f64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn golden() -> serde_json::Value {
        serde_json::from_str(include_str!("../tests/golden/schedule_and_preprocess.json")).unwrap()
    }

    fn table(value: &serde_json::Value) -> BTreeMap<u64, f64> {
        value.as_object().unwrap().iter().map(|(epoch, value)| (epoch.parse().unwrap(), value.as_f64().unwrap())).collect()
    }

    #[test]
    fn the_schedule_of_both_lengths_is_the_golden_one() {
        let steps = Steps::new(StepUnit::Batches, 50_000, 96);
        assert_eq!(steps.batches_per_epoch(), golden()["batches_per_epoch"].as_u64().unwrap());
        for (max_batches, lr, drop_path) in [(156_200, "T_max_300", "T300"), (312_400, "T_max_600", "T600")] {
            let schedule = Schedule::new(0.025, 0.2, max_batches, steps);
            for (epoch, expected) in table(&golden()[lr]["lr"]) {
                assert!((schedule.learning_rate(epoch) - expected).abs() < 1e-16, "{lr} epoch {epoch}");
            }
            for (epoch, expected) in table(&golden()["drop_path_prob"][drop_path]) {
                assert!((schedule.drop_path_prob(epoch) - expected).abs() < 1e-16, "{drop_path} epoch {epoch}");
            }
        }
    }

    #[test]
    fn past_its_end_the_schedule_stands_still() {
        let schedule = Schedule::new(0.1, 0.2, 10, Steps::new(StepUnit::Batches, 10, 1));
        assert_eq!(schedule.epochs(), 1);
        assert_eq!([schedule.learning_rate(1), schedule.learning_rate(7)], [0.0, 0.0]);
        assert!((schedule.drop_path_prob(7) - 0.2).abs() < 1e-16);
    }

    #[test]
    fn steps_convert_with_the_last_partial_batch_counted() {
        let epochs = Steps::new(StepUnit::Epochs, 45_000, 96);
        assert_eq!(epochs.batches_per_epoch(), 469);
        assert_eq!(epochs.to_batches(3), 1407);
        assert_eq!((epochs.whole(1406), epochs.place(1406)), (2, (2, 468)));
        assert!((epochs.fraction(469 + 67) - 1.142_857_142_857_142_8).abs() < 1e-12);
        assert_eq!(Steps::new(StepUnit::Batches, 10, 96).to_batches(20), 20);
    }

    proptest! {
        /// Whatever is a step and however it is split, no batch of a training lies beyond the schedule.
        #[test]
        fn a_training_stays_within_its_schedule(
            by_epochs: bool,
            images in 1_usize..100_000,
            batch_size in 1_usize..2_000,
            max_step in 1_u64..2_000,
            part in 0.0..1.0_f64,
        ) {
            let unit = if by_epochs { StepUnit::Epochs } else { StepUnit::Batches };
            let steps = Steps::new(unit, images, batch_size);
            let batches = steps.to_batches(max_step);
            let schedule = Schedule::new(0.1, 0.3, batches, steps);
            for batch in [0, (batches as f64 * part) as u64, batches - 1] {
                let (epoch, place) = steps.place(batch);
                prop_assert!(epoch < schedule.epochs() && place < steps.batches_per_epoch());
                let (rate, probability) = (schedule.learning_rate(epoch), schedule.drop_path_prob(epoch));
                prop_assert!(rate > 0.0 && rate <= 0.1, "{rate}");
                prop_assert!((0.0..0.3).contains(&probability), "{probability}");
            }
            // The last epoch of the schedule is begun: it is not longer than the training.
            prop_assert_eq!(steps.place(batches - 1).0, schedule.epochs() - 1);
            prop_assert_eq!(steps.whole(batches), max_step);
        }
    }
}
