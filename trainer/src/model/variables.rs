//! The variables of a network, in the order and with the names of `PyTorch`'s `state_dict`.

use tch::{Device, Kind, Tensor};

use crate::random::{Purpose, Stream};

/// In what order the numbers of a 4-d tensor `[N, C, H, W]` lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryFormat {
    /// N, C, H, W: libtorch's default.
    ChannelsFirst,
    /// N, H, W, C: what the fast convolutions of `oneDNN` and `cuDNN` want.
    ChannelsLast,
}

impl MemoryFormat {
    /// The same 4-d tensor, laid out like this; other tensors are left alone.
    pub fn lay_out(self, tensor: &Tensor) -> Tensor {
        match self {
            Self::ChannelsLast if tensor.dim() == 4 => tensor.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]),
            _ => tensor.contiguous(),
        }
    }
}

/// One parameter or buffer.
pub struct Variable {
    /// `PyTorch`'s name, for example `cells.0.preprocess0.op.1.weight`.
    pub name: String,
    /// The value, shared with the layer that uses it.
    pub tensor: Tensor,
    /// Whether the optimiser changes it; else it is a running statistic.
    pub trainable: bool,
}

/// All variables of a network, made while it is built.
pub struct Variables {
    kind: Kind,
    device: Device,
    format: MemoryFormat,
    seed: u64,
    list: Vec<Variable>,
}

impl Variables {
    /// No variables yet; those to come are of `kind`, on `device`, in `format`, drawn from `seed`.
    pub const fn new(kind: Kind, device: Device, format: MemoryFormat, seed: u64) -> Self {
        Self { kind, device, format, seed, list: Vec::new() }
    }

    /// How 4-d variables are laid out.
    pub(crate) const fn format(&self) -> MemoryFormat {
        self.format
    }

    /// The variables, in the order of `state_dict` (whose `num_batches_tracked` have no use here and are left out).
    pub fn iter(&self) -> impl Iterator<Item = &Variable> {
        self.list.iter()
    }

    /// The trainable variables, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &Variable> {
        self.iter().filter(|variable| variable.trainable)
    }

    /// How many trainable numbers there are.
    pub fn parameter_count(&self) -> usize {
        self.parameters().map(|variable| variable.tensor.numel()).sum()
    }

    /// A parameter uniform in ±1/√`fan_in`: `PyTorch`'s default for convolutions and linear layers.
    pub(crate) fn uniform(&mut self, name: String, shape: &[i64], fan_in: i64) -> Tensor {
        let bound = 1.0 / (fan_in as f64).sqrt();
        let mut stream = Stream::new(self.seed, Purpose::Weights, self.list.len() as u64);
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| bound * (2.0 * stream.unit() - 1.0)).collect();
        self.add(name, &Tensor::from_slice(&values).reshape(shape), true)
    }

    /// A parameter or buffer of one number for each of `size` channels.
    pub(crate) fn constant(&mut self, name: String, size: i64, value: f64, trainable: bool) -> Tensor {
        self.add(name, &Tensor::full([size], value, (Kind::Double, Device::Cpu)), trainable)
    }

    fn add(&mut self, name: String, values: &Tensor, trainable: bool) -> Tensor {
        let tensor = self.format.lay_out(&values.to_kind(self.kind).to_device(self.device)).set_requires_grad(trainable);
        self.list.push(Variable { name, tensor: tensor.shallow_clone(), trainable });
        tensor
    }
}
