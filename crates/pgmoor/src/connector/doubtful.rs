//! Servers that gave no sign of life lately, so that not each connection waits for them again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For how long a server is tried after the others.
const MEMORY: Duration = Duration::from_secs(30);
/// No endpoint has more addresses; the oldest are forgotten.
const LIMIT: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Doubtful(Mutex<Vec<(String, Instant)>>);

impl Doubtful {
    /// This one did not answer.
    pub(super) fn note(&self, server: String, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(name, since)| *name != server && now < *since + MEMORY);
        if known.len() == LIMIT {
            known.remove(0);
        }
        known.push((server, now));
    }

    /// This one is alive.
    pub(super) fn clear(&self, server: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(name, _)| name != server);
    }

    /// The same items, those that are in doubt last.
    pub(super) fn last<'a, T>(
        &self,
        mut items: Vec<&'a T>,
        name: impl Fn(&T) -> String,
        now: Instant,
    ) -> Vec<&'a T> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.is_empty() {
            items.sort_by_cached_key(|item| {
                let name = name(item);
                let mut all = known.iter();
                all.any(|(known, since)| *known == name && now < *since + MEMORY)
            });
        }
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_did_not_answer_is_tried_last_for_a_time() {
        let (doubtful, now) = (Doubtful::default(), Instant::now());
        let order = |now| -> String {
            let items = doubtful.last(vec![&'a', &'b', &'c'], char::to_string, now);
            items.into_iter().collect()
        };

        doubtful.note("a".to_owned(), now);
        assert_eq!(order(now), "bca");
        doubtful.note("b".to_owned(), now);
        assert_eq!(order(now), "cab");
        doubtful.clear("a");
        assert_eq!(order(now), "acb");

        assert_eq!(order(now + MEMORY), "abc");
    }
}
