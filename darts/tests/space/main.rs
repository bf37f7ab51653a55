//! The DARTS space from outside: genotypes, costs, drawings.

#![expect(clippy::unwrap_used, reason = "what tests are made of may fail them")]

mod cost;
mod genotype;
mod pytorch;
mod sample;
