//! Operations for images on the CPU whose channels lie innermost, with their gradients.
//!
//! libtorch has no fast way back through depthwise convolutions of 5x5 or with dilation, nor through 3x3 pooling, and spends a third of
//! a step of a DARTS network on batch norm and `ReLU`. The kernels (`kernels/*.hpp`) are vectorised over channels. They take tensors of
//! float or double on the CPU in the memory format channels-last; all else goes to libtorch's own operations, with the same meaning.
//! Results do not depend on the number of threads, but on the machine's vectors.

use tch::Tensor;

use crate::foreign::{made, nas_batch_norm, nas_max_pool, nas_mean_pool, nas_relu_depthwise, nas_takes, pointer};

/// A depthwise convolution of `ReLU(x)` without bias, whose padding keeps the size at stride 1.
///
/// `x` `[N, C, H, W]`, `weight` `[C, 1, K, K]` → `[N, C, H / stride, W / stride]`, rounded up. The kernels are for K = 3 and 5 at strides 1 and 2.
///
/// # Panics
///
/// With libtorch's words where the shapes do not fit, as `tch`'s own operations do.
pub fn relu_depthwise(x: &Tensor, weight: &Tensor, stride: i64, dilation: i64) -> Tensor {
    let kernel = weight.size().last().copied().unwrap_or_default();
    if takes(x) && [3, 5].contains(&kernel) && [1, 2].contains(&stride) && fits(x, weight) {
        // SAFETY: both tensors outlive the call, and are of the kind and shape that the kernel reads.
        return made(unsafe { nas_relu_depthwise(pointer(x), pointer(weight), stride, dilation) });
    }
    let padding = dilation * (kernel / 2);
    let groups = weight.size().first().copied().unwrap_or_default();
    x.relu().conv2d(weight, None::<&Tensor>, [stride; 2], [padding; 2], [dilation; 2], groups)
}

/// Whether `weight` is `[C, 1, K, K]` for the C channels of `x`, of the same type.
fn fits(x: &Tensor, weight: &Tensor) -> bool {
    let (of_x, of_weight) = (x.size(), weight.size());
    matches!(of_weight[..], [channels, 1, height, width] if channels == of_x[1] && height == width) && alike(x, weight)
}

fn alike(x: &Tensor, other: &Tensor) -> bool {
    (x.kind(), x.device()) == (other.kind(), other.device())
}

/// Batch normalisation over (N, H, W) by the statistics of this batch, which also move the running ones: running ← (1 - `momentum`) running +
/// `momentum` (mean, unbiased variance). `scale`, where there is one, multiplies each image of the result, as drop-path does.
///
/// `x` `[N, C, H, W]`, `scale` `[N]`, all others `[C]` → `[N, C, H, W]`.
///
/// # Panics
///
/// With libtorch's words where the shapes do not fit, or a channel has one value only.
pub fn batch_norm(
    x: &Tensor,
    [weight, bias]: [&Tensor; 2],
    [mean, var]: [&Tensor; 2],
    scale: Option<&Tensor>,
    momentum: f64,
    eps: f64,
) -> Tensor {
    let channels = x.size().get(1).copied().unwrap_or_default();
    let images = x.size().first().copied().unwrap_or_default();
    let fits = |other: &Tensor, count| other.size() == [count] && alike(x, other);
    if takes(x)
        && [weight, bias, mean, var].iter().all(|other| fits(other, channels))
        && scale.is_none_or(|scale| fits(scale, images))
    {
        let scale = scale.map_or(std::ptr::null(), pointer);
        let [weight, bias, mean, var] = [weight, bias, mean, var].map(pointer);
        // SAFETY: all tensors outlive the call, and are of the kind and shape that the kernel reads and writes.
        return made(unsafe { nas_batch_norm(pointer(x), weight, bias, mean, var, scale, momentum, eps) });
    }
    let out = x.batch_norm(Some(weight), Some(bias), Some(mean), Some(var), true, momentum, eps, true);
    match scale {
        Some(scale) => &out * scale.to_kind(out.kind()).reshape([-1, 1, 1, 1]),
        None => out,
    }
}

/// The greatest of each 3x3 window with padding 1: `[N, C, H, W]` → `[N, C, H / stride, W / stride]`, rounded up.
///
/// # Panics
///
/// With libtorch's words where it cannot be done.
pub fn max_pool(x: &Tensor, stride: i64) -> Tensor {
    if takes(x) && [1, 2].contains(&stride) {
        // SAFETY: the tensor outlives the call, and is of a kind that the kernel reads.
        return made(unsafe { nas_max_pool(pointer(x), stride) });
    }
    x.max_pool2d([3, 3], [stride; 2], [1, 1], [1, 1], false)
}

/// The mean of each 3x3 window with padding 1, of the pixels that are inside of the image: `[N, C, H, W]` → `[N, C, H / stride, W / stride]`,
/// rounded up.
///
/// # Panics
///
/// With libtorch's words where it cannot be done.
pub fn mean_pool(x: &Tensor, stride: i64) -> Tensor {
    if takes(x) && [1, 2].contains(&stride) {
        // SAFETY: the tensor outlives the call, and is of a kind that the kernel reads.
        return made(unsafe { nas_mean_pool(pointer(x), stride) });
    }
    let pool = |x: &Tensor| x.avg_pool2d([3, 3], [stride; 2], [1, 1], false, false, None);
    if x.device().is_cuda() {
        // On a GPU libtorch's gradient is wrong where channels lie innermost and there is padding (2.11 and 2.13 on an H100;
        // github.com/pytorch/pytorch/issues/188344), so it never sees them like that.
        return pool(&x.contiguous()).permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
    }
    pool(x)
}

/// Whether the kernels take images like this.
fn takes(x: &Tensor) -> bool {
    // SAFETY: the tensor outlives the call, which only looks at it.
    unsafe { nas_takes(pointer(x)) }
}
