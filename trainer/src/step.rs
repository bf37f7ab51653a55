//! One step of training on one batch; on a GPU it can be recorded once and played for each batch.

use nas_torch::Graph;
use tch::{Device, Tensor, no_grad};

use crate::{
    device::Machine,
    loss::cross_entropy,
    model::{DropPath, Network, Pass},
    optimizer::Sgd,
};

/// Steps that are done before one is recorded: in them libraries choose their kernels.
const BEFORE_RECORDING: u32 = 3;

/// What a step reads.
pub struct Inputs {
    /// Augmented images `[N, C, H, W]`.
    pub images: Tensor,
    /// Their classes `[N]`.
    pub labels: Tensor,
    /// What is dropped of each; `None`: nothing can be.
    pub drop_path: Option<DropPath>,
}

impl Inputs {
    fn is_like(&self, other: &Self) -> bool {
        self.images.size() == other.images.size() && self.drop_path.is_some() == other.drop_path.is_some()
    }

    fn copy(&mut self, from: &Self) {
        no_grad(|| {
            self.images.copy_(&from.images);
            self.labels.copy_(&from.labels);
            if let (Some(own), Some(from)) = (&mut self.drop_path, &from.drop_path) {
                own.copy(from);
            }
        });
    }
}

/// What a step changes, and how.
pub struct Learner {
    /// The network.
    pub network: Network,
    /// Its optimiser.
    pub sgd: Sgd,
    /// How much the loss of the auxiliary head counts.
    pub auxiliary_weight: f64,
    /// Where all of it is, and how it computes.
    pub machine: Machine,
}

impl Learner {
    /// The loss, from which its gradients can be had.
    pub fn loss(&self, inputs: &Inputs) -> Tensor {
        let _numbers = self.machine.begin();
        let output = self.network.forward(&inputs.images, Pass::Train { drop_path: inputs.drop_path.as_ref() });
        let loss = cross_entropy(&output.logits, &inputs.labels);
        match output.auxiliary {
            Some(logits) => loss + cross_entropy(&logits, &inputs.labels) * self.auxiliary_weight,
            None => loss,
        }
    }

    /// Forward, backward, and the optimiser's step; returns the loss, which stays on the device.
    pub fn step(&mut self, inputs: &Inputs, learning_rate: f64) -> Tensor {
        let loss = self.loss(inputs);
        let gradients = self.sgd.gradients(&loss);
        self.sgd.step(&gradients, learning_rate);
        loss.detach()
    }
}

/// Plays the steps of whole batches from a recording, which is made anew where the learning rate changes: once an epoch.
pub struct Recorder {
    gpu: i8,
    /// Images of a whole batch: the last of an epoch may be smaller, and is not worth a recording.
    batch_size: usize,
    done: u32,
    recorded: Option<Recorded>,
}

struct Recorded {
    graph: Graph,
    inputs: Inputs,
    loss: Tensor,
    learning_rate: f64,
}

impl Recorder {
    /// For batches of so many images; `None` where `machine` cannot record or should not.
    pub fn new(machine: Machine, batch_size: usize) -> Option<Self> {
        match machine.device {
            Device::Cuda(number) if machine.records => {
                Some(Self { gpu: i8::try_from(number).ok()?, batch_size, done: 0, recorded: None })
            }
            _ => None,
        }
    }

    /// As [`Learner::step`], with the same effect.
    pub fn step(&mut self, learner: &mut Learner, inputs: Inputs, learning_rate: f64) -> Tensor {
        if inputs.labels.numel() != self.batch_size || self.done < BEFORE_RECORDING {
            self.done += u32::from(inputs.labels.numel() == self.batch_size);
            return learner.step(&inputs, learning_rate);
        }
        let is_same = |recorded: &mut Recorded| {
            recorded.learning_rate.to_bits() == learning_rate.to_bits() && recorded.inputs.is_like(&inputs)
        };
        let recorded = if let Some(mut recorded) = self.recorded.take_if(is_same) {
            recorded.inputs.copy(&inputs);
            recorded
        } else {
            // Its memory goes before the next one's is taken.
            self.recorded = None;
            let (graph, loss) = Graph::record(self.gpu, || learner.step(&inputs, learning_rate));
            Recorded { graph, inputs, loss, learning_rate }
        };
        recorded.graph.replay();
        let loss = recorded.loss.copy();
        self.recorded = Some(recorded);
        loss
    }
}
