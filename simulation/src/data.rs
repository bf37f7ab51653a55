//! The tables that come along; `data/README.md` says where they are from.

use crate::{Container, Table, TableError};
use thiserror::Error;

const NB301: &[u8] = include_bytes!("../data/nb301_darts_20k.nbt.zst");
const NB101: &[u8] = include_bytes!("../data/nb101_4_12_36_108.nbt.zst");

/// Why data that come along cannot be used: the checkout is damaged.
#[derive(Debug, Error)]
pub enum DataError {
    /// A table.
    #[error("a table in simulation/data: {0}")]
    Table(#[from] TableError),
}

/// 20,000 architectures of the DARTS space over 98 epochs (NAS-Bench-301, predicted, with measured noise).
pub fn nb301() -> Result<Table, DataError> {
    Ok(Table::darts(&container(NB301)?)?)
}

/// 30,001 architectures of another space, trained for 4, 12, 36 and 108 epochs (NAS-Bench-101, measured).
pub fn nb101() -> Result<Table, DataError> {
    Ok(Table::budgets(&container(NB101)?)?)
}

fn container(compressed: &[u8]) -> Result<Container, TableError> {
    Ok(Container::read(compressed)?)
}
