//! A few images and what the network says of them, kept beside its weights: whoever loads those elsewhere sees whether it is the same network.

use tch::{Tensor, no_grad};

use crate::{
    batch::Batches,
    device::Machine,
    model::{Network, Pass},
};

/// Images that are kept: at 256x256 in colour a megabyte and a half.
const IMAGES: usize = 8;

/// Images and their scores.
#[derive(Debug)]
pub struct Reference {
    /// Bytes `[N, C, H, W]`, as they are in the data set.
    pub images: Tensor,
    /// Scores of the classes before the softmax, f32 `[N, classes]`.
    pub logits: Tensor,
}

impl Reference {
    /// What `network` says of the first of the images at `places`, in f32 whatever `machine` trains in: rounding would hide what is wrong.
    pub fn of(network: &Network, images: &Batches, places: &[i64], machine: Machine) -> Self {
        let places = &places[..places.len().min(IMAGES)];
        let (scaled, _) = images.plain(places);
        let logits = machine.in_f32(|| no_grad(|| network.forward(&scaled, Pass::Evaluate).logits));
        Self { images: images.bytes(places), logits }
    }
}
