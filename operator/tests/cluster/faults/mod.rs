//! The operator dies, its API server fails: what a search comes to stays the same.

mod play;
mod storm;
mod sweep;
mod weather;
mod wire;

use sweep::{Of, sweep};

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_operator_dies_in_a_search_it_ends_as_if_nothing_had_been() {
    sweep(Of::Search).await.publish();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_dies_at_a_lease_or_an_event_changes_nothing() {
    sweep(Of::Rest).await.publish();
}
