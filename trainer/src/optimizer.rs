//! Stochastic gradient descent with momentum, weight decay and clipping, as `PyTorch` has it.

use nas_torch::{SgdStep, sgd_step};
use tch::Tensor;

use crate::model::Variables;

/// SGD over all parameters of a network (weight decay on all of them, batch norm and biases too).
pub struct Sgd {
    parameters: Vec<Parameter>,
    config: SgdConfig,
}

/// One parameter under optimisation.
pub struct Parameter {
    /// The variable's name.
    pub name: String,
    value: Tensor,
    /// The running sum of gradients; zeros before the first step, which makes that step the plain gradient.
    pub momentum: Tensor,
}

/// Settings that stay the same over a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdConfig {
    /// Share of the last update that goes on, in [0, 1).
    pub momentum: f64,
    /// Factor of the parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Largest L2 norm of all gradients together.
    pub max_norm: f64,
}

impl Sgd {
    /// Takes the trainable variables of `vars`.
    pub fn new(vars: &Variables, config: SgdConfig) -> Self {
        let parameters: Vec<Parameter> = vars
            .parameters()
            .map(|variable| Parameter {
                name: variable.name.clone(),
                momentum: variable.tensor.detach().zeros_like(),
                value: variable.tensor.shallow_clone(),
            })
            .collect();
        Self { parameters, config }
    }

    /// The parameters with their momentum, in the order of the variables.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The gradients of `loss`, one for each parameter; undefined for a parameter that the loss does not depend on (a cell may leave
    /// one of its inputs unread), which no step then changes, as in `PyTorch`.
    pub fn gradients(&self, loss: &Tensor) -> Vec<Tensor> {
        let values: Vec<&Tensor> = self.parameters.iter().map(|parameter| &parameter.value).collect();
        Tensor::run_backward(&[loss], &values, false, false)
    }

    /// One step down `gradients`: buffer ← momentum · buffer + clipped gradient + decay · parameter; parameter ← parameter − rate · buffer.
    ///
    /// Clipped: times min(1, `max_norm` / (norm + 1e-6)), where the norm is that of all gradients together. On a GPU nothing waits for it.
    pub fn step(&mut self, gradients: &[Tensor], learning_rate: f64) {
        let SgdConfig { momentum, weight_decay, max_norm } = self.config;
        let values: Vec<&Tensor> = self.parameters.iter().map(|parameter| &parameter.value).collect();
        let momenta: Vec<&Tensor> = self.parameters.iter().map(|parameter| &parameter.momentum).collect();
        let gradients: Vec<&Tensor> = gradients.iter().collect();
        sgd_step(&values, &gradients, &momenta, SgdStep { max_norm, momentum, weight_decay, learning_rate });
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::model::MemoryFormat;

    #[test]
    fn two_steps_follow_the_rule_by_hand() {
        let mut vars = Variables::new(Kind::Double, Device::Cpu, MemoryFormat::ChannelsFirst, 0);
        let weight = vars.constant("w".to_owned(), 1, 2.0, true);
        let mut sgd = Sgd::new(&vars, SgdConfig { momentum: 0.9, weight_decay: 0.1, max_norm: 4.0 });
        // Loss 3 w: gradient 3, below the norm of 4.
        let gradients = sgd.gradients(&(&weight * 3.0).sum(Kind::Double));
        sgd.step(&gradients, 0.5);
        let buffer = 3.0 + 0.1 * 2.0;
        let first = 2.0 - 0.5 * buffer;
        assert!((weight.double_value(&[0]) - first).abs() < 1e-12);
        // Loss 8 w: gradient 8, clipped to 4 (less the 1e-6 of the rule).
        let gradients = sgd.gradients(&(&weight * 8.0).sum(Kind::Double));
        sgd.step(&gradients, 0.5);
        let second = first - 0.5 * (0.9 * buffer + 8.0 * (4.0 / (8.0 + 1e-6)) + 0.1 * first);
        assert!((weight.double_value(&[0]) - second).abs() < 1e-12);
    }

    #[test]
    fn a_parameter_that_the_loss_does_not_depend_on_stays_as_it_is() {
        let mut vars = Variables::new(Kind::Double, Device::Cpu, MemoryFormat::ChannelsFirst, 0);
        let used = vars.constant("used".to_owned(), 1, 2.0, true);
        let unused = vars.constant("unused".to_owned(), 1, 2.0, true);
        let mut sgd = Sgd::new(&vars, SgdConfig { momentum: 0.9, weight_decay: 0.1, max_norm: 4.0 });
        let gradients = sgd.gradients(&(&used * 3.0).sum(Kind::Double));
        sgd.step(&gradients, 0.5);
        assert_eq!(unused.double_value(&[0]), 2.0);
        assert!((used.double_value(&[0]) - (2.0 - 0.5 * 3.2)).abs() < 1e-12);
    }
}
