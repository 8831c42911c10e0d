//! When a credential that costs something is used again, fetched anew, or not asked for: the
//! decisions, without clock and without input or output.

use std::time::{Duration, Instant};

use super::{Credential, CredentialError};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is known of one credential.
#[derive(Debug, Default)]
pub(super) struct Cache {
    held: Option<Held>,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Held {
    credential: Credential,
    fetched_at: Instant,
    refresh_at: Instant,
    valid_until: Instant,
}

#[derive(Debug)]
struct Failure {
    error: CredentialError,
    in_a_row: u32,
    retry_at: Instant,
}

/// What to do with a request.
#[derive(Debug)]
pub(super) enum Decision {
    /// Answer with this.
    Use(Credential),
    /// Fetch; where one fetch runs already, answer with what is still valid, if anything is.
    Fetch(Option<Credential>),
    /// Answer with this error: it failed a moment ago.
    Refuse(CredentialError),
}

impl Cache {
    pub(super) fn decide(&self, now: Instant) -> Decision {
        let valid = self.held.as_ref().filter(|held| now < held.valid_until);
        if let Some(held) = valid
            && now < held.refresh_at
        {
            return Decision::Use(held.credential.clone());
        }
        match (&self.failure, valid) {
            (Some(failure), Some(held)) if now < failure.retry_at => {
                Decision::Use(held.credential.clone())
            }
            (Some(failure), None) if now < failure.retry_at => {
                Decision::Refuse(CredentialError::BackOff {
                    wait: failure.retry_at - now,
                    source: Box::new(failure.error.clone()),
                })
            }
            (_, valid) => Decision::Fetch(valid.map(|held| held.credential.clone())),
        }
    }

    /// A new credential that lives for `lifetime`; it is renewed when four fifths have passed.
    pub(super) fn fetched(&mut self, credential: Credential, lifetime: Duration, now: Instant) {
        self.failure = self
            .failure
            .take()
            // Rejections in a row are told by the server, and forgotten with time.
            .filter(|failure| matches!(failure.error, CredentialError::Rejected { .. }));
        self.held = Some(Held {
            credential,
            fetched_at: now,
            refresh_at: now + lifetime * 4 / 5,
            valid_until: now + lifetime,
        });
    }

    /// The fetch failed: what is still valid is kept, and the next try waits.
    pub(super) fn failed(
        &mut self,
        error: CredentialError,
        now: Instant,
    ) -> Result<Credential, CredentialError> {
        let in_a_row = self.failure.as_ref().map_or(0, |failure| failure.in_a_row) + 1;
        self.failure = Some(Failure {
            error: error.clone(),
            in_a_row,
            retry_at: now + pause(in_a_row - 1),
        });
        match &self.held {
            Some(held) if now < held.valid_until => Ok(held.credential.clone()),
            _ => Err(error),
        }
    }

    /// A server rejected this credential. The first time another is fetched at once; one that is
    /// rejected again soon after is not replaced at any speed.
    pub(super) fn rejected(&mut self, rejected: &Credential, origin: &str, now: Instant) {
        let Some(held) = self.held.take_if(|held| held.credential.same_as(rejected)) else {
            return;
        };
        let lately = now.duration_since(held.fetched_at) < LONGEST_PAUSE;
        let before = self.failure.as_ref().filter(|_| lately);
        let in_a_row = before.map_or(0, |failure| failure.in_a_row) + 1;
        let wait = if in_a_row == 1 {
            Duration::ZERO
        } else {
            pause(in_a_row - 2)
        };
        self.failure = Some(Failure {
            error: CredentialError::Rejected {
                origin: origin.to_owned(),
            },
            in_a_row,
            retry_at: now + wait,
        });
    }
}

fn pause(failures_before: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(2_u32.saturating_pow(failures_before))
        .min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use pgmoor_wire::Secret;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn credential(text: &str) -> Credential {
        Credential::password(Secret::from(text))
    }

    fn failure() -> CredentialError {
        CredentialError::Timeout {
            program: "p".into(),
            timeout: MINUTE,
        }
    }

    fn used(cache: &Cache, now: Instant) -> Option<String> {
        match cache.decide(now) {
            Decision::Use(credential) => Some(credential.secret.expect("secret").expose().clone()),
            Decision::Fetch(_) | Decision::Refuse(_) => None,
        }
    }

    #[test]
    fn credential_is_used_until_most_of_its_life_has_passed() {
        let start = Instant::now();
        let mut cache = Cache::default();
        assert!(matches!(cache.decide(start), Decision::Fetch(None)));

        cache.fetched(credential("one"), 10 * MINUTE, start);

        assert_eq!(used(&cache, start + 7 * MINUTE).as_deref(), Some("one"));
        assert!(matches!(
            cache.decide(start + 8 * MINUTE),
            Decision::Fetch(Some(_))
        ));
        assert!(matches!(
            cache.decide(start + 10 * MINUTE),
            Decision::Fetch(None)
        ));
    }

    #[test]
    fn failed_renewal_keeps_what_is_valid_and_waits_longer_each_time() {
        let start = Instant::now();
        let mut cache = Cache::default();
        cache.fetched(credential("one"), 10 * MINUTE, start);
        let mut now = start + 8 * MINUTE;

        for wait in [1, 2, 4, 8] {
            assert!(matches!(cache.decide(now), Decision::Fetch(Some(_))));
            assert!(cache.failed(failure(), now).is_ok());
            let wait = Duration::from_secs(wait);
            assert_eq!(
                used(&cache, now + wait - Duration::from_millis(1)).as_deref(),
                Some("one")
            );
            now += wait;
        }

        let late = start + 11 * MINUTE;
        assert!(cache.failed(failure(), late).is_err());
        assert!(matches!(
            cache.decide(late),
            Decision::Refuse(CredentialError::BackOff { .. })
        ));
    }

    #[test]
    fn rejected_credential_is_replaced_at_once_but_not_at_any_speed() {
        let now = Instant::now();
        let mut cache = Cache::default();
        cache.fetched(credential("one"), 10 * MINUTE, now);

        cache.rejected(&credential("one"), "command", now);
        assert!(matches!(cache.decide(now), Decision::Fetch(None)));
        cache.fetched(credential("two"), 10 * MINUTE, now);
        cache.rejected(&credential("one"), "command", now);
        assert_eq!(used(&cache, now).as_deref(), Some("two"));

        cache.rejected(&credential("two"), "command", now);
        assert!(matches!(cache.decide(now), Decision::Refuse(_)));
        assert!(matches!(
            cache.decide(now + FIRST_PAUSE),
            Decision::Fetch(None)
        ));
    }
}
