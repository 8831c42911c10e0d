//! Sees to it that a value is renewed in time while nobody asks for it, so that whoever comes after hours of
//! silence need not wait, and an issuer that is down then has had hours to come back.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::sleep;

use super::{Expiring, Inner, Renewal, Shared};

/// A value that nobody asked for in so long is left to end.
const IDLE: Duration = Duration::from_secs(12 * 3_600);
/// The wall clock is looked at this often: a machine may have slept.
const GLANCE: Duration = Duration::from_secs(30);
/// How often it is looked whether a fetch has come back.
const MOMENT: Duration = Duration::from_secs(1);

/// Begins to see to it, unless somebody does.
pub(super) fn begin<T: Expiring>(renewal: &Renewal<T>, inner: &mut Inner<T>) {
    if !inner.is_kept {
        inner.is_kept = true;
        tokio::spawn(keep(Keeper(Arc::downgrade(&renewal.0))));
    }
}

/// Says that nobody keeps the value any more, also when its event loop ends.
struct Keeper<T: Expiring>(Weak<Shared<T>>);

impl<T: Expiring> Drop for Keeper<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            Renewal(shared).lock().is_kept = false;
        }
    }
}

/// Looks after the value until nobody wants it any more.
async fn keep<T: Expiring>(keeper: Keeper<T>) {
    while let Some(wait) = keeper.0.upgrade().and_then(|shared| tend(&Renewal(shared))) {
        sleep(wait).await;
    }
}

/// Renews the value when that is due. Says how long it is until it should be looked at again, if ever.
fn tend<T: Expiring>(renewal: &Renewal<T>) -> Option<Duration> {
    let now = renewal.0.clock.now();
    let mut inner = renewal.lock();
    let idle = inner.used.map(|used| now.steady.duration_since(used))?;
    if idle >= IDLE {
        return None;
    }
    let wait = inner.state.ahead(now)?;
    if wait.is_zero() {
        drop(renewal.join(&mut inner));
        return Some(MOMENT);
    }
    Some(wait.min(GLANCE))
}
