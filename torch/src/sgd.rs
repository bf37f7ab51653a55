//! Stochastic gradient descent, all parameters in one call.

use tch::Tensor;

use crate::foreign::{Pointer, nas_sgd_step, pointer, succeeded};

/// What a step does to each parameter and its momentum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// Largest L2 norm of all gradients together; greater ones are scaled down to it.
    pub max_norm: f64,
    /// Share of the last update that goes on.
    pub momentum: f64,
    /// Factor of the parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Factor of the update.
    pub learning_rate: f64,
}

/// Momentum ← `momentum` · momentum + clipped gradient + `weight_decay` · parameter; parameter ← parameter - `learning_rate` · momentum.
///
/// The three lists go together; a gradient that is not defined leaves its parameter alone. The gradients may be written over.
///
/// # Panics
///
/// With libtorch's words where shapes differ, or the lists are of different lengths.
pub fn sgd_step(parameters: &[&Tensor], gradients: &[&Tensor], momenta: &[&Tensor], step: SgdStep) {
    assert!(
        parameters.len() == gradients.len() && parameters.len() == momenta.len(),
        "a gradient and a momentum for each parameter"
    );
    let pointers = |tensors: &[&Tensor]| tensors.iter().map(|tensor| pointer(tensor)).collect::<Vec<Pointer>>();
    let [parameters, gradients, momenta] = [parameters, gradients, momenta].map(pointers);
    let SgdStep { max_norm, momentum, weight_decay, learning_rate } = step;
    let count = i64::try_from(parameters.len()).unwrap_or(0);
    // SAFETY: `count` pointers in each list, to tensors that outlive the call; what they hold is checked there.
    succeeded(unsafe {
        nas_sgd_step(
            parameters.as_ptr(),
            gradients.as_ptr(),
            momenta.as_ptr(),
            count,
            max_norm,
            momentum,
            weight_decay,
            learning_rate,
        )
    });
}
