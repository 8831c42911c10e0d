//! Any order of requests, failures, rejections, waits and sleeps, against what must always hold.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;
use tokio::time::Instant;

use super::state::{Decision, Rejection, State};
use super::*;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Value {
    number: u32,
    end: SystemTime,
}

impl Expiring for Value {
    fn expires_at(&self) -> Option<SystemTime> {
        Some(self.end)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

#[derive(Debug, Clone)]
enum Event {
    /// Somebody asks; what a fetch brings, if one is begun.
    Ask(Bring),
    /// A server rejects what is held; what a fetch brings, if one is begun.
    Reject(Bring),
    Wait(u64),
    /// The wall clock goes on and the steady one does not.
    Sleep(u64),
}

#[derive(Debug, Clone)]
enum Bring {
    New { life: u64 },
    Same,
    Failure(FailureCause),
}

fn event() -> impl Strategy<Value = Event> {
    let cause = prop::sample::select(FailureCause::ALL.to_vec());
    let bring = prop_oneof![
        3 => (1..5_000_u64).prop_map(|life| Bring::New { life }),
        1 => Just(Bring::Same),
        2 => cause.prop_map(Bring::Failure),
    ];
    prop_oneof![
        6 => bring.clone().prop_map(Event::Ask),
        1 => bring.prop_map(Event::Reject),
        4 => (0..400_u64).prop_map(Event::Wait),
        1 => (0..8_000_u64).prop_map(Event::Sleep),
    ]
}

struct World {
    state: State<Value>,
    now: Moment,
    issued: u32,
    last: Option<Value>,
    fetched_at: Option<Moment>,
    /// When it failed last, if it did not succeed since.
    failed_at: Option<(Instant, FailureCause)>,
}

impl World {
    fn is_good(&self, value: &Value) -> bool {
        self.now.wall < value.end
    }

    fn ask(&mut self, bring: &Bring) -> Result<(), TestCaseError> {
        match self.state.decide(self.now) {
            Decision::Use(value) => prop_assert!(self.is_good(&value), "expired, and used"),
            Decision::Renew(value) => {
                prop_assert!(self.is_good(&value), "expired, and used");
                if let Some(fetched) = self.fetched_at {
                    let age = self
                        .now
                        .wall
                        .duration_since(fetched.wall)
                        .unwrap_or_default();
                    prop_assert!(age >= Duration::from_secs(1), "renewed at once");
                }
                self.fetch(bring)?;
            }
            Decision::Fetch => self.fetch(bring)?,
            Decision::Refuse(error) => {
                let good = self.last.as_ref().is_some_and(|last| self.is_good(last));
                prop_assert!(!good, "refused, although there is a good one: {error}");
            }
        }
        Ok(())
    }

    fn fetch(&mut self, bring: &Bring) -> Result<(), TestCaseError> {
        if let Some((at, cause)) = self.failed_at {
            let waited = self.now.steady.duration_since(at);
            let least = if cause.is_transient() { 500 } else { 2_500 };
            prop_assert!(
                waited >= Duration::from_millis(least),
                "tried again after {waited:?}"
            );
        }
        let good = self.last.clone().filter(|last| self.is_good(last));
        let value = match bring {
            Bring::New { life } => {
                self.issued += 1;
                let end = self.now.wall + Duration::from_secs(*life);
                Some(Value {
                    number: self.issued,
                    end,
                })
            }
            Bring::Same => self.last.clone(),
            Bring::Failure(_) => None,
        };
        match value {
            Some(value) if self.is_good(&value) => {
                let used = self.state.fetched(value.clone(), self.now, 0.5);
                prop_assert_eq!(used.ok(), Some(value.clone()));
                self.failed_at = None;
                self.fetched_at = Some(self.now);
                self.last = Some(value);
            }
            value => {
                let cause = match bring {
                    Bring::Failure(cause) => *cause,
                    Bring::New { .. } | Bring::Same => FailureCause::Expired,
                };
                let outcome = match value {
                    Some(expired) => self.state.fetched(expired, self.now, 0.5),
                    None => {
                        let error = TokenError::new(cause, "ask").into();
                        self.state.failed(error, self.now, 0.5)
                    }
                };
                self.failed_at = Some((self.now.steady, cause));
                prop_assert_eq!(outcome.ok(), good, "stale but valid is kept");
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn nothing_expired_is_used_nothing_valid_is_refused_and_nobody_is_asked_at_any_speed(
        events in prop::collection::vec(event(), 1..80),
    ) {
        let mut world = World {
            state: State::new(Policy::new("issuer")),
            now: Moment { wall: UNIX_EPOCH + Duration::from_secs(1_000), steady: Instant::now() },
            issued: 0,
            last: None,
            fetched_at: None,
            failed_at: None,
        };
        for event in events {
            match event {
                Event::Ask(bring) => world.ask(&bring)?,
                Event::Reject(bring) => {
                    let held = world.state.decide(world.now);
                    if world.state.rejected(|_| true, world.now) == Rejection::Fetch {
                        let kept = matches!(held, Decision::Use(_) | Decision::Renew(_));
                        let after = world.state.decide(world.now);
                        prop_assert_eq!(
                            kept,
                            matches!(after, Decision::Use(_) | Decision::Renew(_)),
                            "others go on with it"
                        );
                        world.fetch(&bring)?;
                    }
                }
                Event::Wait(seconds) => {
                    world.now.wall += Duration::from_secs(seconds);
                    world.now.steady += Duration::from_secs(seconds);
                }
                Event::Sleep(seconds) => world.now.wall += Duration::from_secs(seconds),
            }
            let status = world.state.status(world.now);
            let good = world.last.as_ref().is_some_and(|last| world.now.wall < last.end);
            prop_assert_eq!(status.is_valid, good);
        }
    }
}
