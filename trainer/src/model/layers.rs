//! The layers that operations are made of, with `PyTorch`'s defaults: convolutions without bias, batch norm with eps 1e-5 and momentum 0.1.

use tch::Tensor;

use super::{Pass, variables::Variables};

/// A convolution without bias.
pub(crate) struct Conv {
    weight: Tensor,
    stride: i64,
    padding: i64,
}

impl Conv {
    /// A dense convolution `inputs` → `outputs` with a square kernel.
    pub(crate) fn new(
        vars: &mut Variables,
        name: &str,
        [inputs, outputs]: [i64; 2],
        kernel: i64,
        stride: i64,
        padding: i64,
    ) -> Self {
        let weight = vars.uniform(format!("{name}.weight"), &[outputs, inputs, kernel, kernel], inputs * kernel * kernel);
        Self { weight, stride, padding }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        // A kernel of 1x1 at stride 2 reads every other pixel. oneDNN's own way to do that writes beyond its memory (libtorch 2.13, AVX-512,
        // gradient of the weights with two threads, as for 12 channels to 6 in a batch of 3), so the pixels are picked first.
        let is_strided_point = self.stride > 1 && self.weight.size().last() == Some(&1);
        let picked = is_strided_point.then(|| x.slice(2, None, None, self.stride).slice(3, None, None, self.stride));
        let stride = if is_strided_point { 1 } else { self.stride };
        let x = picked.as_ref().unwrap_or(x);
        x.conv2d(&self.weight, None::<&Tensor>, [stride; 2], [self.padding; 2], [1, 1], 1)
    }
}

/// `ReLU`, then a depthwise convolution without bias, whose padding keeps the size (at stride 1).
pub(crate) struct ReluDepthwise {
    weight: Tensor,
    stride: i64,
    dilation: i64,
}

impl ReluDepthwise {
    pub(crate) fn new(vars: &mut Variables, name: &str, channels: i64, kernel: i64, stride: i64, dilation: i64) -> Self {
        let weight = vars.uniform(format!("{name}.weight"), &[channels, 1, kernel, kernel], kernel * kernel);
        Self { weight, stride, dilation }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        nas_torch::relu_depthwise(x, &self.weight, self.stride, self.dilation)
    }
}

/// Share of a batch in the running statistics, and what is added to a variance.
const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// Batch normalisation over (N, H, W): of the batch's own statistics in training, of running ones in evaluation.
pub(crate) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

impl BatchNorm {
    pub(crate) fn new(vars: &mut Variables, name: &str, channels: i64) -> Self {
        Self {
            weight: vars.constant(format!("{name}.weight"), channels, 1.0, true),
            bias: vars.constant(format!("{name}.bias"), channels, 0.0, true),
            running_mean: vars.constant(format!("{name}.running_mean"), channels, 0.0, false),
            running_var: vars.constant(format!("{name}.running_var"), channels, 1.0, false),
        }
    }

    pub(crate) fn forward(&self, x: &Tensor, pass: Pass) -> Tensor {
        self.forward_scaled(x, pass, None)
    }

    /// As `forward`; in training, `scale` `[N]` multiplies each image of the result.
    pub(crate) fn forward_scaled(&self, x: &Tensor, pass: Pass, scale: Option<&Tensor>) -> Tensor {
        let Self { weight, bias, running_mean, running_var } = self;
        match pass {
            Pass::Train { .. } => nas_torch::batch_norm(x, [weight, bias], [running_mean, running_var], scale, MOMENTUM, EPSILON),
            Pass::Evaluate => {
                let (mean, var) = (Some(running_mean), Some(running_var));
                x.batch_norm(Some(weight), Some(bias), mean, var, false, MOMENTUM, EPSILON, true)
            }
        }
    }
}

/// A linear layer with bias.
pub(crate) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub(crate) fn new(vars: &mut Variables, name: &str, inputs: i64, outputs: i64) -> Self {
        Self {
            weight: vars.uniform(format!("{name}.weight"), &[outputs, inputs], inputs),
            bias: vars.uniform(format!("{name}.bias"), &[outputs], inputs),
        }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, Some(&self.bias))
    }
}
