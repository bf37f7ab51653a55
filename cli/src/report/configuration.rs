//! What was chosen for a trial, and what follows from it.

use std::collections::BTreeMap;

use nas_api::{SourceFile, genotype, network};
use nas_darts::CellKind;
use nas_search::{Assignment, Domain};
use serde::Serialize;

/// The configuration of one trial.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Configuration {
    params: Option<u64>,
    flops: Option<u64>,
    /// What was chosen for it, by name; without the choices that the drawing shows.
    searched: BTreeMap<String, String>,
    /// What all trials have alike.
    fixed: BTreeMap<String, String>,
    /// The drawings of both cells (SVG), where the search was for cells.
    cells: Vec<String>,
    /// The same in words.
    words: String,
}

impl Configuration {
    pub(crate) fn new(assignment: &Assignment, source: &SourceFile) -> Self {
        let cells = genotype(assignment).ok();
        let cost = network(assignment, &source.experiment.spec.trial.data).and_then(|network| network.cost().ok());
        let is_drawn = |name: &str| cells.is_some() && nas_darts::choice_names().any(|choice| choice == name);
        let is_fixed = |name: &str| {
            let parameter = source.plan.space.parameters().iter().find(|parameter| &*parameter.name == name);
            parameter.is_some_and(|parameter| matches!(parameter.domain, Domain::Constant(_)))
        };
        let shown =
            assignment.iter().filter(|(name, _)| !is_drawn(name)).map(|(name, value)| (name.to_string(), value.to_string()));
        let (fixed, searched) = shown.partition(|(name, _)| is_fixed(name));
        Self {
            params: cost.map(|cost| cost.params_without_auxiliary),
            flops: cost.map(|cost| cost.flops),
            searched,
            fixed,
            words: cells.map(|cells| cells.to_text()).unwrap_or_default(),
            cells: cells.iter().flat_map(|cells| CellKind::ALL.map(|kind| cells.cell_to_svg(kind))).collect(),
        }
    }
}
