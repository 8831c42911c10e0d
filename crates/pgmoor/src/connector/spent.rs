//! How long each stage of connecting took.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::stage::Stage;

/// What stages took so far, in the order in which they were begun. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Spent(Arc<Mutex<Vec<(Stage, Duration)>>>);

impl Spent {
    /// Counts more time to a stage.
    pub(super) fn add(&self, stage: Stage, time: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, spent)) => *spent += time,
            None => all.push((stage, time)),
        }
    }

    pub(super) fn all(&self) -> Vec<(Stage, Duration)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }
}
