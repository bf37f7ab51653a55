//! The training loss.

use tch::{Kind, Tensor};

/// Mean cross entropy of logits `[N, classes]` and labels `[N]`, in f64 for such logits, else in f32 (`tch`'s own knows f32 alone).
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Tensor {
    let kind = if logits.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    logits.log_softmax(-1, kind).nll_loss(labels)
}
