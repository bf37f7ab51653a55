//! The tables and the surrogate that come along; `data/README.md` says where they are from.

use crate::{Container, Network, NetworkError, Noise, NoiseError, Surrogate, Table, TableError};
use thiserror::Error;

const NB301: &[u8] = include_bytes!("../data/nb301_darts_20k.nbt.zst");
const NB101: &[u8] = include_bytes!("../data/nb101_4_12_36_108.nbt.zst");
const NB301_SURROGATE: &[u8] = include_bytes!("../data/nb301_surrogate.onnx");

/// Why data that come along cannot be used: the checkout is damaged.
#[derive(Debug, Error)]
pub enum DataError {
    /// A table.
    #[error("a table in simulation/data: {0}")]
    Table(#[from] TableError),
    /// The surrogate's weights.
    #[error("simulation/data/nb301_surrogate.onnx: {0}")]
    Network(#[from] NetworkError),
    /// The noise of a table.
    #[error("simulation/data/nb301_darts_20k.nbt.zst: {0}")]
    Noise(#[from] NoiseError),
}

/// 20,000 architectures of the DARTS space over 98 epochs (NAS-Bench-301, predicted, with measured noise).
pub fn nb301() -> Result<Table, DataError> {
    Ok(Table::darts(&container(NB301)?)?)
}

/// 30,001 architectures of another space, trained for 4, 12, 36 and 108 epochs (NAS-Bench-101, measured).
pub fn nb101() -> Result<Table, DataError> {
    Ok(Table::budgets(&container(NB101)?)?)
}

/// All architectures of the DARTS space: those of [`nb301`] as in its table, others as its surrogate predicts them, with noise of `seed`.
pub fn nb301_surrogate(seed: u64) -> Result<Surrogate, DataError> {
    let container = container(NB301)?;
    let noise = Noise::read(&container, seed)?;
    Ok(Surrogate::new(Table::darts(&container)?, Network::read(NB301_SURROGATE)?, noise))
}

fn container(compressed: &[u8]) -> Result<Container, TableError> {
    Ok(Container::read(compressed)?)
}
