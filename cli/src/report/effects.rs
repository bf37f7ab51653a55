//! Which operations and inputs win: by how much one more edge of a kind changes the metric, and how sure that is.

use nas_api::{SourceFile, genotype};
use nas_darts::{CellKind, Edge, Genotype, Op};
use nas_search::{Index, slope_interval};
use serde::Serialize;

use super::columns::{cell_name, count, input_label, six_digits};

/// Of the intervals that are told.
pub(super) const CONFIDENCE: f64 = 0.95;

/// Edges of one cell, by what they apply or read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EffectGroup {
    pub(super) name: String,
    /// After how much training the values were measured: the lowest rung, for which no trial was chosen by its values.
    pub(super) step: u64,
    pub(super) confidence: f64,
    pub(super) rows: Vec<Effect>,
}

/// One more edge of a kind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Effect {
    pub(super) name: String,
    /// Trials with a value.
    pub(super) trials: usize,
    /// Edges of this kind, in all of them.
    pub(super) edges: usize,
    /// Change of the metric with one more such edge in place of any other.
    pub(super) estimate: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The effects of each cell's operations and inputs at the lowest rung; empty where the search was not for cells, or too little is known.
pub(super) fn effects(index: &Index, source: &SourceFile) -> Vec<EffectGroup> {
    let measured: Vec<(Genotype, f64)> =
        index.trials().filter_map(|trial| Some((genotype(&trial.assignment).ok()?, trial.value_at(0)?))).collect();
    let step = source.plan.rungs.steps()[0];
    let group = |name: String, rows: Vec<Effect>| EffectGroup { name, step, confidence: CONFIDENCE, rows };
    let mut groups = Vec::new();
    for kind in CellKind::ALL {
        let of = |name: String, is: &dyn Fn(&Edge) -> bool| {
            let uses = |cells: &Genotype| cells.cell(kind).edges().filter(|edge| is(edge)).count();
            effect(name, measured.iter().map(|(cells, value)| (uses(cells), *value)).collect())
        };
        let operations = Op::ALL.into_iter().filter_map(|op| of(op.to_string(), &|edge| edge.op == op)).collect();
        let inputs = (0..=4).filter_map(|input| of(input_label(input), &|edge| edge.input == input)).collect();
        groups.push(group(format!("Operations of the {} cell", cell_name(kind)), operations));
        groups.push(group(format!("Inputs of the {} cell", cell_name(kind)), inputs));
    }
    groups.retain(|group| !group.rows.is_empty());
    groups
}

fn effect(name: String, uses: Vec<(usize, f64)>) -> Option<Effect> {
    let edges = uses.iter().map(|(uses, _)| uses).sum();
    let points: Vec<(f64, f64)> = uses.into_iter().map(|(uses, value)| (count(uses as u64), value)).collect();
    let found = slope_interval(&points, CONFIDENCE)?;
    let [estimate, low, high] = [found.estimate, found.low, found.high].map(six_digits);
    Some(Effect { name, trials: points.len(), edges, estimate, low, high })
}
