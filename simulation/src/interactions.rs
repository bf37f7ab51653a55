//! Architectures whose parts are good or bad together: most of what the surrogate of NAS-Bench-301 says of an architecture at the end is
//! replaced by made-up interactions.
//!
//! The surrogate is nearly additive in what each edge does, which is what a linear model sees best. Here a share of the variance of true
//! accuracy stays the surrogate's; the rest is a random field, a sum of tables over two or three choices at once. It shows in proportion to
//! how far a training has come, so that short trainings say little of it. The mean and the variance over the table stay what they were.

use nas_search::{Assignment, Domain, Parameter, Scalar};

use crate::{Landscape, LandscapeError, Pairs, Surrogate, chance::chance};

/// Tables over two choices and over three.
const TABLES: [u64; 2] = [40, 40];

/// Rows of NAS-Bench-301's table over which the field is standardised, of 20,000: evenly spread, and enough for two digits.
const ROWS: usize = 4000;

/// What is made up: one landscape for each `field`.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    parameters: Vec<Parameter>,
    tables: Vec<Table>,
    /// Of the additive part, share of the variance.
    share: f64,
    /// Mean and standard deviation of the surrogate's true accuracy and of the tables' sum.
    accuracy: (f64, f64),
    sum: (f64, f64),
}

/// What choices do together.
#[derive(Clone, Debug, PartialEq)]
struct Table {
    /// Places of the parameters.
    of: Vec<usize>,
    /// From N(0, 1), the last parameter's value changing fastest.
    effects: Vec<f64>,
}

impl Field {
    /// A field over [`Pairs::space`], of which `share` (0 to 1) of the variance stays the surrogate's.
    ///
    /// # Errors
    ///
    /// Where the surrogate does not know its own table.
    pub fn new(surrogate: &Surrogate, field: u64, share: f64) -> Result<Self, LandscapeError> {
        let parameters = Pairs::space().parameters().to_vec();
        let mut tables = Vec::new();
        for (count, size) in TABLES.into_iter().zip([2, 3]) {
            tables.extend((0..count).map(|at| Table::new(&parameters, field, size, at)));
        }
        let mut made = Self { parameters, tables, share, accuracy: (0.0, 1.0), sum: (0.0, 1.0) };
        let table = surrogate.table();
        let rows = (0..table.len()).step_by((table.len() / ROWS).max(1));
        let (mut accuracies, mut sums) = (Vec::new(), Vec::new());
        for row in rows.filter_map(|row| table.assignment(row)) {
            accuracies.push(surrogate.truth(&row)?);
            sums.push(made.sum(&Pairs::named(&row)?)?);
        }
        (made.accuracy, made.sum) = (moments(&accuracies), moments(&sums));
        Ok(made)
    }

    /// The sum of what all tables say.
    fn sum(&self, assignment: &Assignment) -> Result<f64, LandscapeError> {
        let choices = self.parameters.iter().map(|parameter| {
            let value = assignment.get(&parameter.name);
            value
                .and_then(|value| values(parameter).iter().position(|other| other == value))
                .ok_or_else(|| LandscapeError::Unknown(assignment.clone()))
        });
        let choices = choices.collect::<Result<Vec<usize>, _>>()?;
        let effect = |table: &Table| {
            let at =
                table.of.iter().fold(0, |at, parameter| at * values(&self.parameters[*parameter]).len() + choices[*parameter]);
            table.effects[at]
        };
        Ok(self.tables.iter().map(effect).sum())
    }

    /// What is added to the surrogate's accuracy at the end, where that is `accuracy`.
    fn shift(&self, assignment: &Assignment, accuracy: f64) -> Result<f64, LandscapeError> {
        let standard = (self.sum(assignment)? - self.sum.0) / self.sum.1;
        let (mean, deviation) = self.accuracy;
        Ok((libm::sqrt(self.share) - 1.0) * (accuracy - mean) + libm::sqrt(1.0 - self.share) * deviation * standard)
    }
}

impl Table {
    /// The table `at` among those over `size` parameters.
    fn new(parameters: &[Parameter], field: u64, size: u8, at: u64) -> Self {
        let mut chance = chance(field, *b"interact", [size; 16], at);
        let mut of: Vec<usize> = Vec::new();
        while of.len() < usize::from(size) {
            let parameter = chance.below(parameters.len());
            if !of.contains(&parameter) {
                of.push(parameter);
            }
        }
        let entries = of.iter().map(|parameter| values(&parameters[*parameter]).len()).product();
        let effects = (0..entries).map(|_| chance.normal()).collect();
        Self { of, effects }
    }
}

/// A surrogate, and the field that is laid over it.
#[derive(Debug)]
pub struct Interactions<'a> {
    pairs: Pairs,
    field: &'a Field,
}

impl<'a> Interactions<'a> {
    /// The surrogate under a field. Its noise is as it was.
    pub fn new(pairs: Pairs, field: &'a Field) -> Self {
        Self { pairs, field }
    }

    /// What an architecture shows after an epoch on the average of many trainings.
    ///
    /// # Errors
    ///
    /// Where it is no architecture that the surrogate knows.
    pub fn expected(&self, assignment: &Assignment, epoch: u64) -> Result<f64, LandscapeError> {
        let shift = self.field.shift(assignment, self.pairs.truth(assignment)?)?;
        Ok(self.pairs.expected(assignment, epoch)? + self.shown(epoch) * shift)
    }

    /// How much of the field shows after an epoch.
    fn shown(&self, epoch: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "epochs are small numbers")]
        let share = epoch as f64 / self.pairs.0.table().full_length() as f64;
        share
    }
}

impl Landscape for Interactions<'_> {
    fn observed(&self, assignment: &Assignment, step: u64) -> Result<f64, LandscapeError> {
        let shift = self.field.shift(assignment, self.pairs.truth(assignment)?)?;
        Ok(self.pairs.observed(assignment, step)? + self.shown(step) * shift)
    }

    fn seconds(&self, assignment: &Assignment, from: u64, to: u64) -> Result<f64, LandscapeError> {
        self.pairs.seconds(assignment, from, to)
    }

    fn truth(&self, assignment: &Assignment) -> Result<f64, LandscapeError> {
        let accuracy = self.pairs.truth(assignment)?;
        Ok(accuracy + self.field.shift(assignment, accuracy)?)
    }
}

/// The values of a parameter of the space, all of which are choices.
fn values(parameter: &Parameter) -> &[Scalar] {
    match &parameter.domain {
        Domain::Categorical(values) => values,
        _ => &[],
    }
}

/// Mean and standard deviation.
fn moments(numbers: &[f64]) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let squares: f64 = numbers.iter().map(|number| (number - mean) * (number - mean)).sum();
    (mean, libm::sqrt(squares / count))
}
