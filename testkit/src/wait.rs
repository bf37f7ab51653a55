//! Awaiting a condition.

use std::{
    fmt::Debug,
    future::Future,
    time::{Duration, Instant},
};

/// Longest wait; only a test that fails waits for so long.
const LIMIT: Duration = Duration::from_secs(90);

/// Calls `look` until it returns something, and returns that.
///
/// # Panics
///
/// After 90 seconds, with `what` and the last thing that `look` was not content with.
#[expect(clippy::panic, reason = "this is for tests alone")]
pub async fn eventually<T, E, F, R>(what: &str, mut look: F) -> T
where
    F: FnMut() -> R,
    R: Future<Output = Result<T, E>>,
    E: Debug,
{
    let deadline = Instant::now() + LIMIT;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if Instant::now() > deadline => panic!("waited in vain for {what}: {seen:#?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
