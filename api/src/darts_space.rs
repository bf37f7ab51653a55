//! The preset `space.darts`: its 32 choices as parameters, and what constraints know of an architecture.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use nas_darts::{Choice, CostModel, Genotype, GenotypeError, Image, Network, NetworkError, Op, Skeleton, Slot, choice_names};
use nas_search::{Assignment, Describe, Domain, Feature, Parameter, Scalar, Scale};

use crate::{
    Problem, PublishedSet,
    objects::{DartsSpace, DataSet, ImageShape, ScalarValue},
    schema::did_you_mean,
};

/// Channels of a node in the first cells: the hyperparameter of this project's trainer, and its value where an assignment has none.
pub const INIT_CHANNELS: (&str, u32) = ("init_channels", 36);
/// Number of cells, likewise.
pub const LAYERS: (&str, u32) = ("layers", 20);
/// Whether there is an auxiliary head, likewise.
pub const AUXILIARY: (&str, bool) = ("auxiliary", true);

/// The choices of the space as parameters, and every problem of its description.
pub(crate) fn parameters(space: &DartsSpace) -> (Vec<Parameter>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut operations: Vec<Scalar> = Vec::new();
    for (index, name) in space.operations.iter().enumerate() {
        match name.parse::<Op>() {
            Ok(op) if operations.contains(&op.as_str().into()) => {
                problems.push(Problem::new(
                    format!("spec.space.darts.operations[{index}]"),
                    format!("{name} is there twice: remove one"),
                ));
            }
            Ok(op) => operations.push(op.as_str().into()),
            Err(error) => {
                let hint = did_you_mean(name, Op::ALL.iter().map(|op| op.as_str()));
                problems.push(Problem::new(format!("spec.space.darts.operations[{index}]"), format!("{error}{hint}")));
            }
        }
    }
    if operations.is_empty() {
        operations = Op::DARTS.iter().map(|op| op.as_str().into()).collect();
    }
    for name in space.fixed.keys().filter(|name| !choice_names().any(|choice| choice == name.as_str())) {
        let hint = did_you_mean(name, choice_names());
        let message = format!("is no choice of this space (normal_node1_edge1, reduce_node4_edge2_op, ...){hint}");
        problems.push(Problem::new(format!("spec.space.darts.fixed.{name}"), message));
    }
    let parameters = Slot::all().flat_map(|slot| {
        let inputs = Domain::Int { min: 0, max: i64::try_from(*slot.inputs().end()).unwrap_or(i64::MAX), scale: Scale::Linear };
        [(slot.input_name(), inputs), (slot.op_name(), Domain::Categorical(operations.clone()))]
    });
    let mut chosen = Vec::new();
    for (name, domain) in parameters {
        let domain = match space.fixed.get(name) {
            None => domain,
            Some(ScalarValue(value)) => {
                if let Some(wanted) = refusal(value, &domain) {
                    problems.push(Problem::new(
                        format!("spec.space.darts.fixed.{name}"),
                        format!("is {value}, but must be {wanted}"),
                    ));
                }
                Domain::Constant(value.clone())
            }
        };
        chosen.push(Parameter { name: name.into(), domain, when: None, count: None });
    }
    (chosen, problems)
}

/// What a fixed choice should be, where it is something else. Any operation may be fixed, searched or not.
fn refusal(value: &Scalar, domain: &Domain) -> Option<String> {
    match (domain, value) {
        (Domain::Int { min, max, .. }, Scalar::Int(input)) if (min..=max).contains(&input) => None,
        (Domain::Int { min, max, .. }, _) => Some(format!("a whole number from {min} to {max}")),
        (_, Scalar::Text(op)) if op.parse::<Op>().is_ok() => None,
        _ => Some(format!("one of {}", Op::ALL.map(Op::as_str).join(", "))),
    }
}

/// The two cells that an assignment describes.
///
/// # Errors
///
/// Where a choice is missing or impossible; an assignment that `space.darts` drew never is.
pub fn genotype(assignment: &Assignment) -> Result<Genotype, GenotypeError> {
    Genotype::from_choices(|name| match assignment.get(name)? {
        Scalar::Int(input) => Some(Choice::Input(*input)),
        Scalar::Text(op) => Some(Choice::Op(op)),
        Scalar::Bool(_) | Scalar::Float(_) => None,
    })
}

/// The network that an assignment of `space.darts` describes: cells, width, depth, images and classes; `None`: it describes none, or the size of
/// its images is not known.
pub fn network(assignment: &Assignment, data: &DataSet) -> Option<Network> {
    Some(Network { genotype: genotype(assignment).ok()?, skeleton: skeleton(assignment, shape(data)?)? })
}

/// Size of the images of a data set: as stated, or as known for its name.
pub(crate) fn shape(data: &DataSet) -> Option<ImageShape> {
    data.shape.or_else(|| Some(data.name.parse::<PublishedSet>().ok()?.shape()))
}

/// The network around the cells that an assignment describes; `None` where a value is not one that the trainer takes.
pub(crate) fn skeleton(assignment: &Assignment, shape: ImageShape) -> Option<Skeleton> {
    let number = |(name, default)| match assignment.get(name) {
        Some(value) => u32::try_from(value.as_i64()?).ok(),
        None => Some(default),
    };
    let of_shape = |value: i64| u32::try_from(value).ok();
    Some(Skeleton {
        channels: number(INIT_CHANNELS)?,
        layers: number(LAYERS)?,
        auxiliary: assignment.get(AUXILIARY.0).map_or(Some(AUXILIARY.1), Scalar::as_bool)?,
        image: Image { channels: of_shape(shape.channels)?, height: of_shape(shape.height)?, width: of_shape(shape.width)? },
        classes: of_shape(shape.classes)?,
    })
}

/// What constraints know as `arch`: `normal` and `reduce` with the count of each operation, `depth` and `inputs`, and `params` and
/// `flops` where the size of the images is known.
pub(crate) fn describe(shape: Option<ImageShape>) -> Describe {
    // Pricing is a sum of terms that depend on the network's size alone; a search has few sizes.
    type Models = HashMap<(u32, u32, bool), Arc<Result<CostModel, NetworkError>>>;
    let models: Mutex<Models> = Mutex::new(HashMap::new());
    Arc::new(move |assignment| {
        let genotype = genotype(assignment).ok()?;
        let cost = shape.and_then(|shape| skeleton(assignment, shape)).and_then(|skeleton| {
            let key = (skeleton.channels, skeleton.layers, skeleton.auxiliary);
            let mut models = models.lock().unwrap_or_else(PoisonError::into_inner);
            let model = Arc::clone(models.entry(key).or_insert_with(|| Arc::new(CostModel::new(&skeleton))));
            (*model).as_ref().ok().map(|model| model.price(&genotype))
        });
        let count = |value: u64| Feature::Count(i64::try_from(value).unwrap_or(i64::MAX));
        let mut features: Vec<(&'static str, Feature)> =
            cost.into_iter().flat_map(|cost| [("params", count(cost.params)), ("flops", count(cost.flops))]).collect();
        for (kind, cell) in genotype.cells() {
            let mut facts: Vec<(&'static str, Feature)> = Op::ALL.map(|op| (op.as_str(), count(cell.count(op) as u64))).into();
            facts.push(("depth", count(cell.depth() as u64)));
            facts.push(("inputs", count(cell.inputs_used() as u64)));
            features.push((kind.as_str(), Feature::Group(facts)));
        }
        Some(Feature::Group(features))
    })
}

/// An assignment as an object holds it.
pub fn to_object(assignment: &Assignment) -> BTreeMap<String, ScalarValue> {
    assignment.iter().map(|(name, value)| (name.to_string(), ScalarValue(value.clone()))).collect()
}
