//! Learning curves as they are named on the command line.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nas_search::Assignment;
use nas_simulation::{
    Container, ContainerError, LandscapeError, Lines, LinesError, Surrogate, Table, TableError,
    data::{self, DataError},
};
use thiserror::Error;

use crate::{failure::Failure, table::counted};

/// Where values and times are from.
pub(super) enum Source {
    /// Every architecture of the DARTS space.
    Surrogate(Surrogate),
    /// The rows of a table.
    Table(Table),
    /// The trials of a file.
    Lines(Lines),
}

/// Learning curves that cannot be read, or that are not of the experiment's space.
#[derive(Debug, Error)]
pub(crate) enum CurvesError {
    /// What comes along is damaged.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A table.
    #[error("{path}: {source}")]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TableError,
    },
    /// A container.
    #[error("{path}: {source}")]
    Container {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ContainerError,
    },
    /// A line of a file with one trial a line.
    #[error("{path}: {source}")]
    Lines {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: LinesError,
    },
    /// The experiment and the curves do not go together.
    #[error("the experiment and {curves} do not go together: {problem}")]
    Misfit {
        /// As named on the command line.
        curves: String,
        /// Which parameter or field, and what to do.
        problem: String,
    },
    /// A look-up that cannot fail once curves and experiment fit.
    #[error(transparent)]
    Landscape(#[from] LandscapeError),
}

impl Source {
    /// Opens what is named.
    pub(super) fn open(name: &str) -> Result<Self, Failure> {
        let path = Path::new(name);
        match name {
            "nb301" => Ok(Self::Surrogate(data::nb301_surrogate(0).map_err(CurvesError::from)?)),
            "nb101" => Ok(Self::Table(data::nb101().map_err(CurvesError::from)?)),
            _ if name.ends_with(".nbt.zst") => {
                let bytes = fs::read(path).map_err(Failure::io(path))?;
                let container =
                    Container::read(&bytes).map_err(|source| CurvesError::Container { path: path.to_owned(), source })?;
                let is_darts = container.array("arch").is_ok();
                let table = if is_darts { Table::darts(&container) } else { Table::budgets(&container) };
                Ok(Self::Table(table.map_err(|source| CurvesError::Table { path: path.to_owned(), source })?))
            }
            _ => {
                let text = fs::read_to_string(path).map_err(Failure::io(path))?;
                Ok(Self::Lines(Lines::read(&text).map_err(|source| CurvesError::Lines { path: path.to_owned(), source })?))
            }
        }
    }

    /// What it is, in words.
    pub(super) fn about(&self) -> String {
        match self {
            Self::Surrogate(_) => "the surrogate of NAS-Bench-301".to_owned(),
            Self::Table(table) => format!("a table of {} architectures", table.len()),
            Self::Lines(lines) => counted(lines.len() as u64, "trial"),
        }
    }

    /// Steps of full training.
    pub(super) fn full_length(&self) -> u64 {
        match self {
            Self::Surrogate(surrogate) => surrogate.table().full_length(),
            Self::Table(table) => table.full_length(),
            Self::Lines(lines) => lines.full_length(),
        }
    }

    /// The configurations that are known, with what their place is called; none where all are.
    pub(super) fn rows(&self) -> Vec<(String, Assignment)> {
        match self {
            Self::Surrogate(_) => Vec::new(),
            Self::Table(table) => {
                (0..table.len()).filter_map(|row| Some((format!("row {row}"), table.assignment(row)?))).collect()
            }
            Self::Lines(lines) => {
                let row = |row| lines.assignment(row).map(|(line, assignment)| (format!("line {line}"), assignment.clone()));
                (0..lines.len()).filter_map(row).collect()
            }
        }
    }

    /// Whether values are accuracies in percent; those of lines are what the experiment would show.
    pub(super) fn is_percent(&self) -> bool {
        !matches!(self, Self::Lines(_))
    }

    /// Seconds of a mean full training.
    pub(super) fn full_training_seconds(&self) -> f64 {
        match self {
            Self::Surrogate(surrogate) => surrogate.table().full_training_seconds(),
            Self::Table(table) => table.full_training_seconds(),
            Self::Lines(lines) => {
                #[expect(clippy::cast_precision_loss, reason = "both are far below 2^53")]
                let (full, rows) = (lines.full_length() as f64, lines.len() as f64);
                (0..lines.len()).filter_map(|row| lines.seconds_per_step(row)).sum::<f64>() * full / rows
            }
        }
    }
}
