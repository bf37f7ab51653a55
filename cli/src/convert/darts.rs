//! The DARTS benchmark of Determined: hyperparameters that are the choices of `space.darts`, and what its model code added to them.

use std::collections::BTreeMap;

use nas_api::objects::{ConstraintSpec, DartsSpace, ScalarValue};
use serde_json::{Value, from_value};

use super::{
    domain::{Domain, Parameter},
    draft::Draft,
    notes::Notes,
};

/// Training images of CIFAR-10, on which the benchmark trains.
pub(super) const IMAGES: i64 = 50_000;
/// The metric of the benchmark, and what the project's trainer calls it.
const METRIC: (&str, &str) = ("top1_accuracy", "accuracy");
/// What `use_constraints` made the benchmark's model code refuse, as rules.
const RULES: [(&str, &str); 4] = [
    ("arch.normal.skip_connect <= 2 && arch.reduce.skip_connect <= 2", "at most two skip connections in each cell"),
    ("arch.normal.skip_connect >= 1 && arch.reduce.skip_connect >= 1", "at least one skip connection in each cell"),
    ("arch.normal.sep_conv_3x3 >= 3", "at least three sep_conv_3x3 in the normal cell"),
    (
        "arch.params >= 2500000 && arch.params <= 4500000",
        "between 2.5 and 4.5 million parameters, those of the auxiliary head among them",
    ),
];

/// Whether all 32 choices of the DARTS space are among the parameters.
pub(super) fn is_whole(parameters: &[Parameter]) -> bool {
    nas_darts::choice_names().all(|choice| parameters.iter().any(|parameter| parameter.name == choice))
}

/// Makes the 32 choices, where all are there, `space.darts`, and the benchmark's other words those of the project's trainer.
pub(super) fn recognise(draft: &mut Draft, notes: &mut Notes) {
    if !is_whole(&draft.parameters) {
        return;
    }
    let is_choice = |parameter: &Parameter| nas_darts::choice_names().any(|choice| choice == parameter.name);
    let choices: Vec<&Parameter> = draft.parameters.iter().filter(|parameter| is_choice(parameter)).collect();
    let Some(darts) = space(&choices) else {
        let said = "the names are those of the DARTS space, but not each choice is whole (all inputs, or one; the same operations everywhere): \
                    they stay parameters of a trainer of your own";
        notes.changed("hyperparameters", said);
        return;
    };
    draft.darts = Some(darts);
    draft.parameters.retain(|parameter| !is_choice(parameter));
    draft.trial.data = Some("cifar10".to_owned());
    notes
        .assumed("spec.trial.data.name", "cifar10: the benchmark's data set; the project's trainer takes its model code's place");
    if let Some(objective) = draft.objective.as_mut().filter(|objective| objective.metric == METRIC.0) {
        METRIC.1.clone_into(&mut objective.metric);
        let said = format!(
            "{}: {} is the accuracy over all images that decide; Determined's mean over batches is batch_mean_accuracy. They are held out \
             from the training images; the benchmark decided on the test images, as data.validation: TestSet does",
            METRIC.0, METRIC.1
        );
        notes.changed("searcher.metric", said);
    }
    take(draft, "train_epochs", |_| {
        notes.changed("hyperparameters.train_epochs", "the schedule of the learning rate is as long as spec.resource.max");
    });
    let mut rules = Vec::new();
    take(draft, "use_constraints", |value| {
        if value == Value::Bool(true) {
            notes.changed(
                "hyperparameters.use_constraints",
                "what the model code refused after a start stands in spec.constraints",
            );
            rules.extend(RULES.map(|(rule, message)| ConstraintSpec { rule: rule.to_owned(), message: message.to_owned() }));
        }
    });
    draft.constraints = rules;
}

/// Takes a constant out of the parameters.
fn take(draft: &mut Draft, name: &str, found: impl FnOnce(Value)) {
    let at =
        draft.parameters.iter().position(|parameter| parameter.name == name && matches!(parameter.domain, Domain::Constant(_)));
    if let Some(Domain::Constant(value)) = at.map(|at| draft.parameters.remove(at).domain) {
        found(value);
    }
}

/// The space whose choices are exactly these.
fn space(choices: &[&Parameter]) -> Option<DartsSpace> {
    let mut operations: Option<&Vec<Value>> = None;
    let mut fixed = BTreeMap::new();
    for Parameter { name, domain } in choices {
        match domain {
            Domain::Constant(value) => drop(fixed.insert(name.clone(), from_value::<ScalarValue>(value.clone()).ok()?)),
            Domain::Categorical { values } if name.ends_with("_op") => {
                if *operations.get_or_insert(values) != values {
                    return None;
                }
            }
            Domain::Categorical { values } => {
                let all: Vec<Value> = (0..=node(name)?).map(Value::from).collect();
                if *values != all {
                    return None;
                }
            }
            Domain::Int(range) => {
                if range.min.as_i64() != Some(0) || range.max.as_i64() != Some(node(name)?) {
                    return None;
                }
            }
            Domain::Double(_) => return None,
        }
    }
    let operations = operations.into_iter().flatten().map(|value| value.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    Some(DartsSpace { operations, fixed })
}

/// The number of the node that a choice belongs to: of so many inputs, beside the first, it can choose.
fn node(name: &str) -> Option<i64> {
    let (_, rest) = name.split_once("_node")?;
    rest.get(..1)?.parse().ok()
}
