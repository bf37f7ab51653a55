//! The space of an experiment as the search knows it.

use nas_search::{Condition, Domain, Parameter, Scalar, Scale, Space, SpaceProblem};

use crate::{
    Problem, darts_space,
    objects::{DomainSpec, DoubleDomain, IntDomain, ParameterSpec, ScalarValue, ScaleSpec, SpaceSpec},
};

/// The space, or every problem of its parameters.
pub(super) fn build(spec: &SpaceSpec) -> Result<Space, Vec<Problem>> {
    let mut parameters: Vec<Parameter> = spec.parameters.iter().map(parameter).collect();
    let own = parameters.len();
    let mut problems = Vec::new();
    if let Some(darts) = &spec.darts {
        let (choices, found) = darts_space::parameters(darts);
        parameters.extend(choices);
        problems.extend(found);
    }
    match Space::new(parameters) {
        Ok(space) if problems.is_empty() => Ok(space),
        Ok(_) => Err(problems),
        Err(found) => {
            // The preset's own parameters are right; what is said of them was said of its description already.
            problems.extend(found.into_iter().filter(|problem| problem.parameter < own).map(locate));
            Err(problems)
        }
    }
}

fn locate(problem: SpaceProblem) -> Problem {
    Problem::new(format!("spec.space.parameters[{}].{}", problem.parameter, problem.field), problem.message)
}

fn parameter(spec: &ParameterSpec) -> Parameter {
    let domain = match &spec.domain {
        DomainSpec::Constant(ScalarValue(value)) => Domain::Constant(value.clone()),
        DomainSpec::Int(range) => Domain::Int { min: range.min, max: range.max, scale: scale(range.scale) },
        DomainSpec::Double(range) => Domain::Double { min: range.min, max: range.max, scale: scale(range.scale) },
        DomainSpec::Categorical(choice) => Domain::Categorical(scalars(&choice.values)),
    };
    let when = spec.when.as_ref().map(|when| Condition { name: when.name.as_str().into(), values: scalars(&when.values) });
    let count = match &spec.domain {
        DomainSpec::Int(IntDomain { count, .. }) | DomainSpec::Double(DoubleDomain { count, .. }) => *count,
        DomainSpec::Constant(_) | DomainSpec::Categorical(_) => None,
    };
    Parameter { name: spec.name.as_str().into(), domain, when, count: count.and_then(|count| u64::try_from(count).ok()) }
}

const fn scale(scale: ScaleSpec) -> Scale {
    match scale {
        ScaleSpec::Linear => Scale::Linear,
        ScaleSpec::Log => Scale::Log,
    }
}

fn scalars(values: &[ScalarValue]) -> Vec<Scalar> {
    values.iter().map(|ScalarValue(value)| value.clone()).collect()
}
