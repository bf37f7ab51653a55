//! The DARTS space from outside: genotypes, costs, drawings.

mod cost;
mod genotype;
mod pytorch;
mod sample;
