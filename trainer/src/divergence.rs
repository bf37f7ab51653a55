//! Losses as they come, and the first that is not finite.

use tch::{Device, Tensor};

/// Batches between two looks at the losses on an accelerator: each look waits for it, and it then waits for the next batch.
const LOOK_EVERY: usize = 20;

/// The loss of one batch is NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Diverged {
    /// Which batch, counted from 1 over the whole training.
    pub(crate) batch: u64,
    /// Its loss.
    pub(crate) loss: f64,
}

/// The losses since the last mean was taken.
pub(crate) struct Losses {
    on_cpu: bool,
    /// Those that nobody has looked at, still on the device.
    unseen: Vec<Tensor>,
    sum: f64,
    seen: usize,
}

impl Losses {
    /// No losses yet; those to come are on `device`.
    pub(crate) const fn new(device: Device) -> Self {
        Self { on_cpu: matches!(device, Device::Cpu), unseen: Vec::new(), sum: 0.0, seen: 0 }
    }

    /// Takes the loss of one batch, a number on the device.
    pub(crate) fn push(&mut self, loss: Tensor) {
        self.unseen.push(loss);
    }

    /// Whether it is time to look: on the CPU at once, where nothing has to be waited for.
    pub(crate) fn look_is_due(&self) -> bool {
        self.on_cpu || self.unseen.len() >= LOOK_EVERY
    }

    /// Looks at all losses up to that of batch `last`, which was the last to be pushed.
    ///
    /// # Errors
    ///
    /// The first one that is not finite.
    pub(crate) fn look(&mut self, last: u64) -> Result<(), Diverged> {
        if self.unseen.is_empty() {
            return Ok(());
        }
        let first = last + 1 - self.unseen.len() as u64;
        let unseen = Tensor::stack(&std::mem::take(&mut self.unseen), 0).to_device(Device::Cpu);
        for (batch, at) in (first..).zip(0..unseen.numel() as i64) {
            let loss = unseen.double_value(&[at]);
            if !loss.is_finite() {
                return Err(Diverged { batch, loss });
            }
            self.sum += loss;
            self.seen += 1;
        }
        Ok(())
    }

    /// The mean of the losses that were looked at, once there are as many as a look at an accelerator takes in, or if it is `wanted`.
    pub(crate) fn mean(&mut self, wanted: bool) -> Option<f64> {
        if self.seen == 0 || (self.seen < LOOK_EVERY && !wanted) {
            return None;
        }
        let mean = self.sum / self.seen as f64;
        (self.sum, self.seen) = (0.0, 0);
        Some(mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_loss_that_is_not_finite_is_named_whenever_one_looks() {
        for looks in [1, 2, 3, 7, 20] {
            let mut losses = Losses::new(Device::Cpu);
            let mut found = None;
            for batch in 101..=140_u64 {
                let loss = if batch == 117 || batch > 119 { f32::INFINITY } else { 1.0 };
                losses.push(Tensor::from(loss));
                if found.is_none() && batch % looks == 0 {
                    found = losses.look(batch).err();
                }
            }
            assert_eq!(found, Some(Diverged { batch: 117, loss: f64::INFINITY }), "looking every {looks} batches");
        }
    }

    #[test]
    fn a_mean_is_over_all_losses_since_the_last_and_an_accelerator_is_seldom_waited_for() {
        let mut losses = Losses::new(Device::Cuda(0));
        for batch in 1..=20 {
            assert!(!losses.look_is_due());
            losses.push(Tensor::from(batch as f32));
        }
        assert!(losses.look_is_due());
        losses.look(20).unwrap();
        assert_eq!((losses.mean(false), losses.mean(true)), (Some(10.5), None));
        losses.push(Tensor::from(3.0_f32));
        losses.look(21).unwrap();
        assert_eq!((losses.mean(false), losses.mean(true)), (None, Some(3.0)));
    }
}
