//! The auxiliary head: a second classifier two thirds up, for its loss in training alone.

use nas_darts::auxiliary_pooling;
use tch::Tensor;

use super::{
    Pass,
    layers::{BatchNorm, Conv, Linear},
    variables::Variables,
};

/// Behind the `ReLU` that it shares with the next cells: mean to 2×2 (of 8×8 over 5×5 at stride 3), 1×1 → 128, 2×2 → 768, linear.
pub(crate) struct AuxiliaryHead {
    narrow: Conv,
    narrow_norm: BatchNorm,
    spread: Conv,
    spread_norm: BatchNorm,
    classifier: Linear,
}

impl AuxiliaryHead {
    pub(crate) fn new(vars: &mut Variables, channels: i64, classes: i64) -> Self {
        Self {
            narrow: Conv::new(vars, "auxiliary_head.features.2", [channels, 128], 1, 1, 0),
            narrow_norm: BatchNorm::new(vars, "auxiliary_head.features.3", 128),
            spread: Conv::new(vars, "auxiliary_head.features.5", [128, 768], 2, 1, 0),
            spread_norm: BatchNorm::new(vars, "auxiliary_head.features.6", 768),
            classifier: Linear::new(vars, "auxiliary_head.classifier", 768, classes),
        }
    }

    /// `ReLU` of a cell's output `[N, C, H, W]`, H and W at least 2 → logits `[N, classes]`.
    ///
    /// The original applies its first `ReLU` in place, on what the next cell reads. That cell begins with a `ReLU` itself, so the
    /// difference shows only where no cell follows; there it would make training differ from evaluation, and is left out.
    pub(crate) fn forward(&self, x: &Tensor, pass: Pass) -> Tensor {
        let (_, _, height, width) = x.size4().unwrap_or_default();
        let [rows, columns] = [height, width].map(|side| auxiliary_pooling(side as u32));
        let [kernel, stride] = [[rows.0, columns.0], [rows.1, columns.1]].map(|sizes| sizes.map(i64::from));
        let pooled = x.avg_pool2d(kernel, stride, [0, 0], false, false, None);
        let narrow = self.narrow_norm.forward(&self.narrow.forward(&pooled), pass).relu();
        let spread = self.spread_norm.forward(&self.spread.forward(&narrow), pass).relu();
        self.classifier.forward(&spread.flatten(1, -1))
    }
}
