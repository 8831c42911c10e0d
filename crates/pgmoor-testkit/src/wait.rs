//! Waits for conditions instead of sleeping. Decides nothing about what is waited for.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

/// The pause between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `condition` is true.
///
/// # Panics
///
/// When that has not happened within `deadline`; `what` says what was waited for.
pub async fn wait_for<F, Fut>(what: &str, deadline: Duration, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let end = Instant::now() + deadline;
    while !condition().await {
        assert!(
            Instant::now() < end,
            "waited {deadline:?} in vain for: {what}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until `look` returns `Some`, and returns what is in it.
///
/// # Panics
///
/// When that has not happened within `deadline`.
pub async fn wait_for_some<T, F, Fut>(what: &str, deadline: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            Instant::now() < end,
            "waited {deadline:?} in vain for: {what}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until `look` returns `wanted`, and shows the last value seen when it never does.
///
/// # Panics
///
/// When that has not happened within `deadline`.
pub async fn wait_for_value<T, F, Fut>(what: &str, deadline: Duration, wanted: T, mut look: F)
where
    T: PartialEq + Debug,
    F: FnMut() -> Fut,
    Fut: Future<Output = T>,
{
    let end = Instant::now() + deadline;
    loop {
        let seen = look().await;
        if seen == wanted {
            return;
        }
        assert!(
            Instant::now() < end,
            "waited {deadline:?} in vain for {what} to be {wanted:?}; it is {seen:?}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
