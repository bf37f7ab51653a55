//! A new trial: what it draws, in the original's order.

use super::RandomState;
use crate::{Assignment, Domain, Scalar, Scale, Space};

/// A trial as the original creates it.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// The configuration.
    pub assignment: Assignment,
    /// Its name.
    pub request_id: String,
    /// The seed that it trains with, below 2^31.
    pub seed: u64,
}

/// Draws a trial: its parameters by name in byte order, then its name, then its seed. A constant, and a choice among one value, draw nothing.
///
/// The original has no conditional parameters; here each is drawn, and kept where its condition holds.
pub fn create(space: &Space, random: &mut RandomState) -> Created {
    let drawn: Vec<Scalar> = space.parameters().iter().map(|parameter| draw(&parameter.domain, random)).collect();
    let assignment = space.assignment(|index| drawn[index].clone());
    let request_id = random.request_id();
    Created { assignment, request_id, seed: random.bounded((1 << 31) - 1) }
}

fn draw(domain: &Domain, random: &mut RandomState) -> Scalar {
    match domain {
        Domain::Constant(value) => value.clone(),
        Domain::Int { min, max, .. } => Scalar::Int(min.saturating_add_unsigned(random.bounded(max.abs_diff(*min)))),
        Domain::Double { min, max, scale: Scale::Linear } => Scalar::Float(random.uniform(*min, *max)),
        Domain::Double { min, max, scale: Scale::Log } => {
            Scalar::Float(libm::pow(10.0, random.uniform(libm::log10(*min), libm::log10(*max))))
        }
        Domain::Categorical(values) => {
            let drawn = random.bounded((values.len() as u64).saturating_sub(1));
            usize::try_from(drawn).ok().and_then(|drawn| values.get(drawn)).cloned().unwrap_or(Scalar::Bool(false))
        }
    }
}
