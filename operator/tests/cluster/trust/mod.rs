//! What a cluster, a trainer or a person can do to a search without it losing, doubling or believing anything; on a real API server.

mod at_once;
mod clock;
mod deletion;
mod ends;
mod lagging;
mod live;
mod outcomes;
mod policy;
mod rights;
mod trainer;
