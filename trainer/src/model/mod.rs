//! The DARTS network for images, numerically equal to the `PyTorch` original.

mod auxiliary;
mod cell;
mod drop_path;
mod layers;
mod network;
mod operations;
mod variables;

pub use drop_path::DropPath;
pub use network::{Network, Output};
pub use operations::{FactorizedReduce, Operator, ReluConvBn};
pub use variables::{MemoryFormat, Variable, Variables};

/// What a forward pass is for.
#[derive(Clone, Copy)]
pub enum Pass<'a> {
    /// To learn: batch statistics, the auxiliary head, and dropped paths where there are any.
    Train {
        /// Which edges are dropped for which image.
        drop_path: Option<&'a DropPath>,
    },
    /// To judge: running statistics, nothing dropped.
    Evaluate,
}
