//! Landscapes seen through another space: one in which every point is a configuration, so that a sampler may leave the table.

use nas_search::{Assignment, Domain, Parameter, Scalar, Scale, Space};

use crate::{Code, Landscape, LandscapeError, Surrogate, Table, genotype};

/// Cells of the DARTS space, and what its edges do.
const CELLS: [&str; 2] = ["normal", "reduce"];
const OPERATIONS: [&str; 7] =
    ["max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"];

/// The surrogate's architectures as 24 choices: of each node the pair of its inputs (`normal_node3_inputs: 0_2`) and two operations
/// (`normal_node3_op1`, `normal_node3_op2`). `space.darts` chooses both inputs for themselves, and most of its draws have a node with the same
/// input twice, which the surrogate does not know.
#[derive(Debug)]
pub struct Pairs(pub Surrogate);

impl Pairs {
    /// The space.
    ///
    /// # Panics
    ///
    /// Never: the parameters are constant and sound.
    pub fn space() -> Space {
        let choice = |name: String, values: Vec<Scalar>| Parameter {
            name: name.into(),
            domain: Domain::Categorical(values),
            when: None,
            count: None,
        };
        let mut parameters = Vec::new();
        for cell in CELLS {
            for node in 1..=4_usize {
                let pairs = (0..=node).flat_map(|first| (first + 1..=node).map(move |second| format!("{first}_{second}")));
                parameters.push(choice(format!("{cell}_node{node}_inputs"), pairs.map(|pair| pair.as_str().into()).collect()));
                parameters.extend(
                    [1, 2].map(|edge| choice(format!("{cell}_node{node}_op{edge}"), OPERATIONS.map(Scalar::from).into())),
                );
            }
        }
        Space::new(parameters).unwrap_or_else(|problems| unreachable!("{problems:?}"))
    }

    /// An architecture of `space.darts` as this space names it.
    ///
    /// # Errors
    ///
    /// Where it is none, or has a node with the same input twice.
    pub fn named(choices: &Assignment) -> Result<Assignment, LandscapeError> {
        let genotype = genotype(choices).map_err(|_| LandscapeError::Unknown(choices.clone()))?;
        let genotype = Code::of(&genotype)?.genotype()?;
        let mut named = Vec::new();
        for (cell, edges) in CELLS.into_iter().zip([&genotype.normal, &genotype.reduce]) {
            for (at, [first, second]) in edges.nodes().iter().enumerate() {
                let node = at + 1;
                let pair = format!("{}_{}", first.input, second.input);
                let choices = [("inputs", pair.as_str()), ("op1", first.op.as_str()), ("op2", second.op.as_str())];
                named.extend(choices.map(|(choice, value)| (format!("{cell}_node{node}_{choice}").into(), value.into())));
            }
        }
        Ok(named.into_iter().collect())
    }

    /// What an architecture shows after an epoch on the average of many trainings.
    ///
    /// # Errors
    ///
    /// Where it is no architecture that the surrogate knows.
    pub fn expected(&self, assignment: &Assignment, epoch: u64) -> Result<f64, LandscapeError> {
        self.0.expected(&Self::choices(assignment)?, epoch)
    }

    /// The same architecture as `space.darts` names it.
    fn choices(assignment: &Assignment) -> Result<Assignment, LandscapeError> {
        let unknown = || LandscapeError::Unknown(assignment.clone());
        let mut choices = Vec::new();
        for cell in CELLS {
            for node in 1..=4 {
                let Some(Scalar::Text(pair)) = assignment.get(&format!("{cell}_node{node}_inputs")) else {
                    return Err(unknown());
                };
                let (first, second) = pair.split_once('_').ok_or_else(unknown)?;
                for (edge, input) in [(1, first), (2, second)] {
                    let operation = assignment.get(&format!("{cell}_node{node}_op{edge}")).ok_or_else(unknown)?;
                    let input = Scalar::Int(input.parse().map_err(|_| unknown())?);
                    choices.push((format!("{cell}_node{node}_edge{edge}").into(), input));
                    choices.push((format!("{cell}_node{node}_edge{edge}_op").into(), operation.clone()));
                }
            }
        }
        Ok(choices.into_iter().collect())
    }
}

impl Landscape for Pairs {
    fn observed(&self, assignment: &Assignment, step: u64) -> Result<f64, LandscapeError> {
        self.0.observed(&Self::choices(assignment)?, step)
    }

    fn seconds(&self, assignment: &Assignment, from: u64, to: u64) -> Result<f64, LandscapeError> {
        self.0.seconds(&Self::choices(assignment)?, from, to)
    }

    fn truth(&self, assignment: &Assignment) -> Result<f64, LandscapeError> {
        self.0.truth(&Self::choices(assignment)?)
    }
}

/// A table by one number: `size` is a row's place among all by its number of parameters. It is all that is known of the rows of
/// NAS-Bench-101.
#[derive(Debug)]
pub struct BySize<'a> {
    table: &'a Table,
    /// Rows, the smallest first.
    rows: Vec<usize>,
}

impl<'a> BySize<'a> {
    /// The rows of a table whose configurations have a number `params`; without one, they stay as they are.
    pub fn new(table: &'a Table) -> Self {
        let params =
            |row: &usize| table.assignment(*row).and_then(|assignment| assignment.get("params")?.as_i64()).unwrap_or_default();
        let mut rows: Vec<usize> = (0..table.len()).collect();
        rows.sort_by_key(params);
        Self { table, rows }
    }

    /// The space.
    ///
    /// # Panics
    ///
    /// Never, for a table of two rows or more.
    pub fn space(&self) -> Space {
        let last = i64::try_from(self.rows.len()).unwrap_or(i64::MAX) - 1;
        let size = Domain::Int { min: 0, max: last, scale: Scale::Linear };
        let parameter = Parameter { name: "size".into(), domain: size, when: None, count: None };
        Space::new(vec![parameter]).unwrap_or_else(|problems| unreachable!("{problems:?}"))
    }

    fn row(&self, assignment: &Assignment) -> Result<Assignment, LandscapeError> {
        let unknown = || LandscapeError::Unknown(assignment.clone());
        let size = assignment.get("size").and_then(Scalar::as_i64).and_then(|size| usize::try_from(size).ok());
        let row = size.and_then(|size| self.rows.get(size)).ok_or_else(unknown)?;
        self.table.assignment(*row).ok_or_else(unknown)
    }
}

impl Landscape for BySize<'_> {
    fn observed(&self, assignment: &Assignment, step: u64) -> Result<f64, LandscapeError> {
        self.table.observed(&self.row(assignment)?, step)
    }

    fn seconds(&self, assignment: &Assignment, from: u64, to: u64) -> Result<f64, LandscapeError> {
        self.table.seconds(&self.row(assignment)?, from, to)
    }

    fn truth(&self, assignment: &Assignment) -> Result<f64, LandscapeError> {
        self.table.truth(&self.row(assignment)?)
    }
}
