//! The trials of a report by column, and the columns of what was chosen for them.

use nas_api::{SourceFile, genotype, network, objects::NasTrial};
use nas_darts::{CellKind, Genotype, Op, Slot};
use nas_search::{Domain, Index, Outcome, Parameter, Scalar, Scale, Trial};
use serde::Serialize;

/// Trials, by number: each list has one entry for each.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Columns {
    pub(super) number: Vec<u64>,
    /// Position in `states`.
    pub(super) state: Vec<usize>,
    pub(super) states: Vec<String>,
    /// The highest rung that has a value; `None`: none has.
    pub(super) rung: Vec<Option<usize>>,
    /// The values, by rung and then by trial.
    pub(super) values: Vec<Vec<Option<f64>>>,
    /// Trained numbers of the network, without an auxiliary head.
    pub(super) params: Vec<Option<u64>>,
    pub(super) flops: Vec<Option<u64>>,
    /// Time that it held its accelerators, or its slot where it asked for none.
    pub(super) seconds: Vec<f64>,
    #[serde(skip)]
    pub(super) cells: Vec<Option<Genotype>>,
}

/// What was chosen of one parameter, or follows from what was chosen.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParameterColumn {
    pub(super) name: String,
    /// It was not chosen, but follows from choices.
    pub(super) derived: bool,
    /// Its values are spread evenly in the logarithm.
    pub(super) log: bool,
    /// What the numbers in `values` are positions of; empty: they are numbers themselves.
    pub(super) labels: Vec<String>,
    /// By trial; `None`: the trial has no such parameter.
    pub(super) values: Vec<Option<f64>>,
    /// The share of the variance at rung 0 that its values (or eight classes of them) explain, chance taken off: 0 to 1, and 0 where too few
    /// trials are known to say.
    pub(super) influence: f64,
}

impl Columns {
    pub(super) fn new(trials: &[NasTrial], index: &Index, source: &SourceFile, has_ended: bool) -> Self {
        let data = &source.experiment.spec.trial.data;
        let top = source.plan.rungs.top();
        let mut columns = Self { values: vec![Vec::new(); top + 1], ..Self::default() };
        for (object, trial) in trials.iter().filter_map(|object| Some((object, index.trial(object.number())?))) {
            let state = state(trial, top, has_ended);
            let known = columns.states.iter().position(|known| *known == state);
            columns.state.push(known.unwrap_or(columns.states.len()));
            if known.is_none() {
                columns.states.push(state);
            }
            let cost = network(&trial.assignment, data).and_then(|network| network.cost().ok());
            columns.number.push(trial.number);
            columns.rung.push((0..=top).rev().find(|rung| trial.value_at(*rung).is_some()));
            columns.values.iter_mut().enumerate().for_each(|(rung, values)| values.push(trial.value_at(rung)));
            columns.params.push(cost.map(|cost| cost.params_without_auxiliary));
            columns.flops.push(cost.map(|cost| cost.flops));
            columns.seconds.push(object.accelerator_seconds());
            columns.cells.push(genotype(&trial.assignment).ok());
        }
        columns
    }
}

/// How a trial stands, in a word.
fn state(trial: &Trial, top: usize, has_ended: bool) -> String {
    match trial.last().map(|last| last.outcome) {
        _ if trial.running().is_some() => "training".to_owned(),
        Some(Outcome::Value(_)) | None if trial.value_at(top).is_some() => "trained in full".to_owned(),
        Some(Outcome::Value(_)) | None if trial.stopped => "stopped".to_owned(),
        Some(Outcome::Value(_)) | None if trial.retired => "out of the race".to_owned(),
        Some(Outcome::Value(_)) | None if has_ended => "not promoted".to_owned(),
        Some(Outcome::Value(_)) | None => "waiting".to_owned(),
        Some(outcome) => outcome.name().to_owned(),
    }
}

/// The columns of all parameters that were chosen, then what follows from them: the size of the network, and how often its cells have each
/// operation.
pub(super) fn parameters(columns: &Columns, index: &Index, source: &SourceFile) -> Vec<ParameterColumn> {
    let chosen = source.plan.space.parameters().iter().filter(|parameter| !matches!(parameter.domain, Domain::Constant(_)));
    let mut all: Vec<ParameterColumn> = chosen.map(|parameter| column_of(parameter, columns, index)).collect();
    let sizes = [("parameters of the network", &columns.params), ("multiply-accumulates", &columns.flops)];
    all.extend(sizes.map(|(name, column)| derived(name.to_owned(), column.iter().map(|size| size.map(count)).collect())));
    for kind in CellKind::ALL {
        all.extend(Op::ALL.map(|op| {
            let uses = columns.cells.iter().map(|cells| Some(count(cells.as_ref()?.cell(kind).count(op) as u64)));
            derived(format!("{op} in the {} cell", cell_name(kind)), uses.collect())
        }));
        let depths = columns.cells.iter().map(|cells| Some(count(cells.as_ref()?.cell(kind).depth() as u64)));
        all.push(derived(format!("depth of the {} cell", cell_name(kind)), depths.collect()));
    }
    all.retain(|column| !column.derived || varies(&column.values));
    for column in &mut all {
        column.influence = influence(column, &columns.values[0]);
    }
    all
}

fn derived(name: String, values: Vec<Option<f64>>) -> ParameterColumn {
    ParameterColumn { name, derived: true, log: false, labels: Vec::new(), values, influence: 0.0 }
}

fn varies(values: &[Option<f64>]) -> bool {
    let mut known = values.iter().flatten();
    known.next().is_some_and(|first| known.any(|other| other.total_cmp(first).is_ne()))
}

fn column_of(parameter: &Parameter, columns: &Columns, index: &Index) -> ParameterColumn {
    let input = Slot::all().find(|slot| slot.input_name() == &*parameter.name);
    let labels: Vec<String> = match (&parameter.domain, input) {
        (_, Some(slot)) => slot.inputs().map(input_label).collect(),
        (Domain::Categorical(values), None) => values.iter().map(Scalar::to_string).collect(),
        _ => Vec::new(),
    };
    let place = |value: &Scalar| match &parameter.domain {
        Domain::Categorical(values) => values.iter().position(|other| other == value).map(|at| count(at as u64)),
        _ => value.as_f64().map(six_digits),
    };
    let value = |number: &u64| place(index.trial(*number)?.assignment.get(&parameter.name)?);
    let log = matches!(parameter.domain, Domain::Int { scale: Scale::Log, .. } | Domain::Double { scale: Scale::Log, .. });
    let values = columns.number.iter().map(value).collect();
    ParameterColumn { name: parameter.name.to_string(), derived: false, log, labels, values, influence: 0.0 }
}

/// What a cell is called.
pub(super) fn cell_name(kind: CellKind) -> &'static str {
    match kind {
        CellKind::Normal => "normal",
        CellKind::Reduce => "reduction",
    }
}

/// What an input is called: a cell before this one, or a node of it.
pub(super) fn input_label(input: usize) -> String {
    match input {
        0 => "cell k−2".to_owned(),
        1 => "cell k−1".to_owned(),
        node => format!("node {}", node - 1),
    }
}

/// Epsilon squared of a one-way analysis of variance: as eta squared, but without what as many classes explain by chance.
fn influence(column: &ParameterColumn, values: &[Option<f64>]) -> f64 {
    let mut known: Vec<(f64, f64)> =
        column.values.iter().zip(values).filter_map(|(at, value)| Some(((*at)?, (*value)?))).collect();
    known.sort_by(|one, other| one.0.total_cmp(&other.0));
    let is_same = |one: &(f64, f64), other: &(f64, f64)| one.0.total_cmp(&other.0).is_eq();
    let is_fine = column.labels.is_empty() && known.chunk_by(is_same).count() > 8;
    let classes: Vec<&[(f64, f64)]> =
        if is_fine { known.chunks(known.len().div_ceil(8)).collect() } else { known.chunk_by(is_same).collect() };
    let sums = |part: &[(f64, f64)]| (count(part.len() as u64), part.iter().map(|(_, value)| value).sum::<f64>());
    let ((all, sum), rest) = (sums(&known), count((known.len() - known.len().min(classes.len())) as u64));
    // With less, everything explains everything.
    if classes.len() < 2 || rest < 8.0 {
        return 0.0;
    }
    let total: f64 = known.iter().map(|(_, value)| (value - sum / all).powi(2)).sum();
    let between: f64 = classes.iter().map(|class| sums(class)).map(|(size, part)| size * (part / size - sum / all).powi(2)).sum();
    let noise = (total - between) / rest;
    let explained = (between - count(classes.len() as u64 - 1) * noise) / total;
    if total > 0.0 { (explained.clamp(0.0, 1.0) * 1e4).round() / 1e4 } else { 0.0 }
}

/// As a float.
#[expect(clippy::cast_precision_loss, reason = "no count here is near 2^53")]
pub(super) fn count(number: u64) -> f64 {
    number as f64
}

/// What a chart shows of a number.
pub(super) fn six_digits(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(places: impl Fn(u32) -> f64, values: impl Fn(u32) -> f64, trials: u32) -> f64 {
        let column = derived(String::new(), (0..trials).map(|at| Some(places(at))).collect());
        influence(&column, &(0..trials).map(|at| Some(values(at))).collect::<Vec<_>>())
    }

    #[test]
    fn a_choice_explains_what_it_decides_and_nothing_by_chance() {
        let half = |at: u32| f64::from(at % 2);
        let noise = |at: u32| f64::from(at.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24);
        assert!(share(half, half, 40) > 0.99);
        assert!(share(half, |at| half(at) + noise(at), 400) > 0.5);
        // 64 classes of a number explain a sixth of 400 by chance; here they are eight, and chance is taken off.
        assert!(share(|at| f64::from(at * 37 % 64), noise, 400) < 0.05);
        assert!(share(half, |_| 0.5, 40).abs() < f64::EPSILON && share(|_| 1.0, noise, 40).abs() < f64::EPSILON);
        // Of few trials nothing is said.
        assert!(share(half, half, 9).abs() < f64::EPSILON);
    }

    #[test]
    fn what_a_chart_shows_is_close() {
        let shown = [0.123_456_789, 1e-9, -2_563_001.0, 0.5].map(|value| six_digits(value).to_string());
        assert_eq!(shown, ["0.123457", "0.000000001", "-2563000", "0.5"]);
    }
}
