//! The candidate operations of an edge, and the preprocessing of a cell's inputs. All activations come first (`ReLU`, convolution, batch norm).

use nas_darts::{Op, OpKind};
use tch::Tensor;

use super::{
    Pass,
    layers::{BatchNorm, Conv, ReluDepthwise},
    variables::Variables,
};

/// An operation with its weights: `[N, C, H, W]` → `[N, C, H / stride, W / stride]`, rounded up.
pub enum Operator {
    /// Zeros.
    None {
        /// Every `stride`-th row and column stays.
        stride: i64,
    },
    /// Mean over 3x3, of the pixels that are inside of the image.
    AvgPool {
        /// 1 or 2.
        stride: i64,
    },
    /// Maximum over 3x3.
    MaxPool {
        /// 1 or 2.
        stride: i64,
    },
    /// The input itself.
    Identity,
    /// A skip connection at stride 2.
    Reduce(FactorizedReduce),
    /// Separable convolutions, one after the other: two of them are `sep_conv`, one that is dilated is `dil_conv`.
    Separable(Vec<Separable>),
}

impl Operator {
    /// Makes `operation` for `channels` channels at `stride`; its variables are named `<name>.…`.
    pub fn new(vars: &mut Variables, name: &str, operation: Op, channels: i64, stride: i64) -> Self {
        match operation.kind() {
            OpKind::Zero => Self::None { stride },
            OpKind::AvgPool => Self::AvgPool { stride },
            OpKind::MaxPool => Self::MaxPool { stride },
            OpKind::Skip if stride == 1 => Self::Identity,
            OpKind::Skip => Self::Reduce(FactorizedReduce::new(vars, name, channels, channels)),
            OpKind::Separable { kernel, times, dilation } => {
                let (kernel, dilation) = (i64::from(kernel), i64::from(dilation));
                let step = |at: usize| {
                    let stride = if at == 0 { stride } else { 1 };
                    Separable::new(vars, name, Separable::LAYERS * at, channels, kernel, stride, dilation)
                };
                Self::Separable((0..times).map(step).collect())
            }
        }
    }

    /// Applies it.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Tensor {
        self.forward_scaled(x, pass, None)
    }

    /// As [`Operator::forward`]; in training, `scale` `[N]` multiplies each image of the result, where it costs least.
    pub(crate) fn forward_scaled(&self, x: &Tensor, pass: Pass, scale: Option<&Tensor>) -> Tensor {
        let scaled = |out: Tensor| match scale {
            Some(scale) => &out * scale.to_kind(out.kind()).reshape([-1, 1, 1, 1]),
            None => out,
        };
        match self {
            Self::None { stride: 1 } => x * 0.0,
            Self::None { stride } => x.slice(2, None, None, *stride).slice(3, None, None, *stride) * 0.0,
            Self::AvgPool { stride } => scaled(nas_torch::mean_pool(x, *stride)),
            Self::MaxPool { stride } => scaled(nas_torch::max_pool(x, *stride)),
            Self::Identity => scaled(x.shallow_clone()),
            Self::Reduce(reduce) => reduce.forward_rectified(&x.relu(), pass, scale),
            Self::Separable(chain) => {
                let (last, first) = chain.split_last().unzip();
                let x = first.into_iter().flatten().fold(x.shallow_clone(), |x, step: &Separable| step.forward(&x, pass, None));
                last.map_or(x.shallow_clone(), |last| last.forward(&x, pass, scale))
            }
        }
    }
}

/// `ReLU`, depthwise k×k, pointwise 1×1, batch norm.
pub struct Separable {
    depthwise: ReluDepthwise,
    pointwise: Conv,
    norm: BatchNorm,
}

impl Separable {
    /// Layers of it in the original's sequence.
    const LAYERS: usize = 4;

    /// `first` is the place of the `ReLU` in the original's sequence, which the names count from.
    fn new(vars: &mut Variables, name: &str, first: usize, channels: i64, kernel: i64, stride: i64, dilation: i64) -> Self {
        Self {
            depthwise: ReluDepthwise::new(vars, &format!("{name}.op.{}", first + 1), channels, kernel, stride, dilation),
            pointwise: Conv::new(vars, &format!("{name}.op.{}", first + 2), [channels, channels], 1, 1, 0),
            norm: BatchNorm::new(vars, &format!("{name}.op.{}", first + 3), channels),
        }
    }

    fn forward(&self, x: &Tensor, pass: Pass, scale: Option<&Tensor>) -> Tensor {
        self.norm.forward_scaled(&self.pointwise.forward(&self.depthwise.forward(x)), pass, scale)
    }
}

/// `ReLU`, pointwise convolution, batch norm: brings an input to the cell's width.
pub struct ReluConvBn {
    conv: Conv,
    norm: BatchNorm,
}

impl ReluConvBn {
    /// `[N, inputs, H, W]` → `[N, outputs, H, W]`.
    pub fn new(vars: &mut Variables, name: &str, inputs: i64, outputs: i64) -> Self {
        Self {
            conv: Conv::new(vars, &format!("{name}.op.1"), [inputs, outputs], 1, 1, 0),
            norm: BatchNorm::new(vars, &format!("{name}.op.2"), outputs),
        }
    }

    /// Applies it.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Tensor {
        self.forward_rectified(&x.relu(), pass)
    }

    /// Applies what comes after the `ReLU`.
    pub(crate) fn forward_rectified(&self, x: &Tensor, pass: Pass) -> Tensor {
        self.norm.forward(&self.conv.forward(x), pass)
    }
}

/// Halves height and width and uses every pixel: one half of the channels sees the even pixels, the other the odd ones. An odd side,
/// for which the original has no answer, gets a row or column of zeros at its end for the other half.
pub struct FactorizedReduce {
    even: Conv,
    odd: Conv,
    norm: BatchNorm,
}

impl FactorizedReduce {
    /// `[N, inputs, H, W]` → `[N, outputs, H / 2, W / 2]`, rounded up; `outputs` is even.
    pub fn new(vars: &mut Variables, name: &str, inputs: i64, outputs: i64) -> Self {
        let half = [inputs, outputs / 2];
        Self {
            even: Conv::new(vars, &format!("{name}.conv_1"), half, 1, 2, 0),
            odd: Conv::new(vars, &format!("{name}.conv_2"), half, 1, 2, 0),
            norm: BatchNorm::new(vars, &format!("{name}.bn"), outputs),
        }
    }

    /// Applies it.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Tensor {
        self.forward_rectified(&x.relu(), pass, None)
    }

    /// Applies what comes after the `ReLU`; in training, `scale` `[N]` multiplies each image of the result.
    pub(crate) fn forward_rectified(&self, x: &Tensor, pass: Pass, scale: Option<&Tensor>) -> Tensor {
        let (_, _, height, width) = x.size4().unwrap_or_default();
        let missing = [height % 2, width % 2];
        let whole = if missing == [0, 0] { x.shallow_clone() } else { x.constant_pad_nd([0, missing[1], 0, missing[0]]) };
        let odd = whole.slice(2, 1, None, 1).slice(3, 1, None, 1);
        self.norm.forward_scaled(&Tensor::cat(&[self.even.forward(x), self.odd.forward(&odd)], 1), pass, scale)
    }
}
