//! Recorded learning curves of many configurations.

use std::collections::HashMap;

use nas_search::{Assignment, Domain, Parameter, Scalar, Scale, Space};
use thiserror::Error;

use crate::{Code, CodeError, Container, ContainerError, Landscape, LandscapeError, assignment, code::darts_space, genotype};

/// Learning curves: for each configuration (a row) a value at each level.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Training lengths at which values were recorded, ascending; the last is full training.
    levels: Vec<u64>,
    /// Percent, by row, then by level.
    observed: Vec<f64>,
    seconds_per_step: Vec<f64>,
    truth: Vec<f64>,
    rows: Rows,
}

/// What the rows are.
#[derive(Clone, Debug, PartialEq)]
enum Rows {
    /// Architectures of the DARTS space.
    Darts { codes: Vec<Code>, places: HashMap<Code, usize> },
    /// Architectures that have a number and a size, the count of their parameters.
    Numbered { sizes: Vec<i64> },
}

/// The choice that names a row of a table whose architectures are numbered.
const ARCHITECTURE: &str = "architecture";

/// The count of its parameters, which goes with it.
const SIZE: &str = "params";

/// Why a container is no table.
#[derive(Debug, Error)]
pub enum TableError {
    /// It is malformed, or lacks an array.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A row is no architecture.
    #[error("row {row}: {source}")]
    Code {
        /// From 0.
        row: usize,
        /// What is wrong.
        source: CodeError,
    },
    /// Two rows are one architecture.
    #[error("row {0} is an architecture that an earlier row is, too")]
    Twice(usize),
    /// A number is missing, infinite or, for a time, below 0.
    #[error("{array} of row {row} is {value}, which cannot be")]
    Value {
        /// What of it.
        array: &'static str,
        /// From 0.
        row: usize,
        /// The number.
        value: f64,
    },
    /// There is no row.
    #[error("the table has no row")]
    Empty,
}

impl Table {
    /// A table of DARTS architectures (`arch`, `val_mean`, `val_obs`, `sec_per_epoch`), with a level for each epoch.
    ///
    /// # Errors
    ///
    /// Where the container is none.
    pub fn darts(container: &Container) -> Result<Self, TableError> {
        let codes: Vec<Code> = container.rows::<16>("arch")?.into_iter().map(Code).collect();
        let mut places = HashMap::with_capacity(codes.len());
        for (row, code) in codes.iter().enumerate() {
            let known = code.genotype().and_then(|genotype| Code::of(&genotype));
            if places.insert(known.map_err(|source| TableError::Code { row, source })?, row).is_some() {
                return Err(TableError::Twice(row));
            }
        }
        let epochs = container.array("val_obs")?.shape().last().copied().unwrap_or_default();
        let shape = [codes.len(), epochs];
        let means: Vec<f64> = container.values("val_mean", &shape)?.collect();
        Self {
            levels: (1..=epochs as u64).collect(),
            observed: container.values("val_obs", &shape)?.collect(),
            seconds_per_step: container.values("sec_per_epoch", &shape[..1])?.collect(),
            truth: means.chunks_exact(epochs.max(1)).map(|curve| curve[epochs - 1]).collect(),
            rows: Rows::Darts { codes, places },
        }
        .checked()
    }

    /// A table of numbered architectures, each of which was trained once for each length of the header's `epochs` (`val_acc`, `train_time`
    /// of the longest, `params`). What it is worth is what it showed at the end.
    ///
    /// # Errors
    ///
    /// Where the container is none.
    pub fn budgets(container: &Container) -> Result<Self, TableError> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is checked below")]
        let levels: Vec<u64> = container.numbers("epochs")?.into_iter().map(|epochs| epochs as u64).collect();
        let rows = container.array("params")?.shape().first().copied().unwrap_or_default();
        let observed: Vec<f64> = container.values("val_acc", &[rows, levels.len()])?.map(|share| share * 100.0).collect();
        #[expect(clippy::cast_precision_loss, reason = "epochs are small numbers")]
        let full = levels.last().copied().unwrap_or_default() as f64;
        #[expect(clippy::cast_possible_truncation, reason = "stored as 32 bits")]
        let sizes = container.values("params", &[rows])?.map(|size| size as i64).collect();
        Self {
            truth: observed.chunks_exact(levels.len().max(1)).map(|curve| curve[levels.len() - 1]).collect(),
            seconds_per_step: container.values("train_time", &[rows])?.map(|seconds| seconds / full).collect(),
            levels,
            observed,
            rows: Rows::Numbered { sizes },
        }
        .checked()
    }

    /// Checks every number, so that no look-up has to.
    fn checked(self) -> Result<Self, TableError> {
        if self.truth.is_empty() || self.levels.is_empty() {
            return Err(TableError::Empty);
        }
        if !self.levels.is_sorted_by(|a, b| a < b) {
            #[expect(clippy::cast_precision_loss, reason = "only told")]
            let value = self.levels[0] as f64;
            return Err(TableError::Value { array: "the list of levels, which must ascend,", row: 0, value });
        }
        let width = self.levels.len();
        let refuse = |array, row, value| Err(TableError::Value { array, row, value });
        if let Some(at) = self.observed.iter().position(|value| !value.is_finite()) {
            return refuse("a value", at / width, self.observed[at]);
        }
        if let Some(row) = self.truth.iter().position(|value| !value.is_finite()) {
            return refuse("the true value", row, self.truth[row]);
        }
        if let Some(row) = self.seconds_per_step.iter().position(|value| !value.is_finite() || *value < 0.0) {
            return refuse("the time", row, self.seconds_per_step[row]);
        }
        Ok(self)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.truth.len()
    }

    /// Whether there is no row; there always is one.
    pub fn is_empty(&self) -> bool {
        self.truth.is_empty()
    }

    /// Training lengths at which values were recorded, ascending.
    pub fn levels(&self) -> &[u64] {
        &self.levels
    }

    /// Steps of full training.
    pub fn full_length(&self) -> u64 {
        self.levels.last().copied().unwrap_or_default()
    }

    /// The place of a level.
    pub(crate) fn level(&self, step: u64) -> Result<usize, LandscapeError> {
        self.levels.binary_search(&step).map_err(|_| LandscapeError::NoLevel { step, levels: self.levels.clone() })
    }

    /// Seconds of full training, averaged over all rows: `T_R`, the unit in which comparisons on tables give time.
    pub fn full_training_seconds(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "both are far below 2^53")]
        let (full, rows) = (self.full_length() as f64, self.len() as f64);
        self.seconds_per_step.iter().map(|seconds| seconds * full).sum::<f64>() / rows
    }

    /// The configuration of a row; `None`: there are not so many.
    pub fn assignment(&self, row: usize) -> Option<Assignment> {
        match &self.rows {
            // All codes were decoded when the table was read.
            Rows::Darts { codes, .. } => codes.get(row)?.genotype().ok().map(|genotype| assignment(&genotype)),
            Rows::Numbered { sizes } => {
                let number = Scalar::Int(i64::try_from(row).ok()?);
                Some([(ARCHITECTURE.into(), number), (SIZE.into(), Scalar::Int(*sizes.get(row)?))].into())
            }
        }
    }

    /// The row of a configuration; `None`: it is in no row.
    pub fn row(&self, assignment: &Assignment) -> Option<usize> {
        match &self.rows {
            Rows::Darts { places, .. } => {
                let code = genotype(assignment).ok().and_then(|genotype| Code::of(&genotype).ok());
                code.and_then(|code| places.get(&code).copied())
            }
            Rows::Numbered { sizes } => {
                let number = assignment.get(ARCHITECTURE).and_then(Scalar::as_i64);
                number.and_then(|number| usize::try_from(number).ok()).filter(|row| *row < sizes.len())
            }
        }
    }

    fn known(&self, assignment: &Assignment) -> Result<usize, LandscapeError> {
        self.row(assignment).ok_or_else(|| LandscapeError::Unknown(assignment.clone()))
    }

    /// The space that the configurations are from.
    ///
    /// # Panics
    ///
    /// Never: a table has rows.
    pub fn space(&self) -> Space {
        match &self.rows {
            Rows::Darts { .. } => darts_space(),
            Rows::Numbered { sizes } => {
                let max = i64::try_from(sizes.len()).unwrap_or(i64::MAX) - 1;
                let domain = Domain::Int { min: 0, max, scale: Scale::Linear };
                let numbers = Parameter { name: ARCHITECTURE.into(), domain, when: None, count: None };
                Space::new(vec![numbers]).expect("a range from 0 to 0 or more is well-formed")
            }
        }
    }

    /// The value of a row at a level, both from 0.
    pub fn observed_at(&self, row: usize, level: usize) -> Option<f64> {
        self.observed.chunks_exact(self.levels.len()).nth(row)?.get(level).copied()
    }

    /// Seconds that a row trains for each step.
    pub fn seconds_per_step(&self, row: usize) -> Option<f64> {
        self.seconds_per_step.get(row).copied()
    }

    /// What a row is worth.
    pub fn truth_of(&self, row: usize) -> Option<f64> {
        self.truth.get(row).copied()
    }
}

impl Landscape for Table {
    fn observed(&self, assignment: &Assignment, step: u64) -> Result<f64, LandscapeError> {
        let level = self.level(step)?;
        Ok(self.observed[self.known(assignment)? * self.levels.len() + level])
    }

    fn seconds(&self, assignment: &Assignment, from: u64, to: u64) -> Result<f64, LandscapeError> {
        #[expect(clippy::cast_precision_loss, reason = "epochs are small numbers")]
        let steps = to.saturating_sub(from) as f64;
        Ok(steps * self.seconds_per_step[self.known(assignment)?])
    }

    fn truth(&self, assignment: &Assignment) -> Result<f64, LandscapeError> {
        Ok(self.truth[self.known(assignment)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::bytes;

    const FIRST: [u8; 16] = [0, 9, 17, 26, 32, 41, 0, 52, 48, 1, 0, 10, 16, 27, 1, 20];

    /// A container of `rows` architectures over two epochs; data begin at byte 612.
    fn darts(codes: &[[u8; 16]], observed: &[u8], seconds: &[f32]) -> Result<Table, TableError> {
        let rows = codes.len();
        let [means, seen, times] = [612 + 16 * rows, 612 + 18 * rows, 612 + 20 * rows];
        let array = |name: &str, kind: &str, shape: String, offset: usize| {
            format!(r#"{{"name": "{name}", "dtype": "{kind}", "shape": [{shape}], "offset": {offset}}}"#)
        };
        let arrays = [
            array("arch", "u8", format!("{rows}, 16"), 612),
            array("val_mean", "u8", format!("{rows}, 2"), means),
            array("val_obs", "u8", format!("{rows}, 2"), seen),
            array("sec_per_epoch", "f32", rows.to_string(), times),
        ];
        let seconds = seconds.iter().flat_map(|seconds| seconds.to_le_bytes()).collect();
        let data = [codes.as_flattened().to_vec(), observed.to_vec(), observed.to_vec(), seconds].concat();
        let header = format!("{:600}", format!(r#"{{"arrays": [{}]}}"#, arrays.join(", ")));
        Table::darts(&Container::of(bytes(&header, &data)).unwrap())
    }

    #[test]
    fn architectures_are_found_by_their_choices() {
        let mut second = FIRST;
        second[15] = 28;
        let table = darts(&[FIRST, second], &[10, 20, 30, 40], &[1.5, 2.0]).unwrap();
        let choices = table.assignment(1).unwrap();
        assert_eq!((table.len(), table.row(&choices), table.assignment(2)), (2, Some(1), None));
        assert_eq!(table.observed(&choices, 1), Ok(30.0));
        assert_eq!((table.truth(&choices), table.truth_of(1)), (Ok(40.0), Some(40.0)));
        assert_eq!((table.seconds(&choices, 0, 2), table.full_training_seconds().to_bits()), (Ok(4.0), 3.5_f64.to_bits()));
    }

    #[test]
    fn malformed_tables_are_refused() {
        let message = |table: Result<Table, TableError>| table.unwrap_err().to_string();
        assert_eq!(message(darts(&[], &[], &[])), "the table has no row");
        assert_eq!(message(darts(&[FIRST; 2], &[0; 4], &[1.0; 2])), "row 1 is an architecture that an earlier row is, too");
        assert_eq!(
            message(darts(&[[60; 16]], &[0; 2], &[1.0])),
            "row 0: byte 0 of an architecture is 60, which stands for no operation"
        );
        assert_eq!(message(darts(&[FIRST], &[0; 2], &[f32::NAN])), "the time of row 0 is NaN, which cannot be");
        assert_eq!(message(darts(&[FIRST], &[0; 2], &[-1.0])), "the time of row 0 is -1, which cannot be");
    }
}
