//! The training loss.

use tch::Tensor;

/// Mean cross entropy of logits [N, classes] and labels [N], in the kind of the logits (`tch`'s own falls back to f32).
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.log_softmax(-1, logits.kind()).nll_loss(labels)
}
