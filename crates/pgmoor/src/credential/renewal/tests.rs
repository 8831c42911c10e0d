//! Renewal under a paused clock: one flight, stale but valid, back-off, rejection, sleep.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use tokio::sync::Notify;
use tokio::time::{Instant, advance};

use super::*;

mod kept;
mod rejected;

/// A value with a number and an end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Numbered {
    number: u64,
    end: SystemTime,
}

impl Expiring for Numbered {
    fn expires_at(&self) -> Option<SystemTime> {
        Some(self.end)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

/// An issuer that numbers what it issues, or fails.
struct Issuer {
    asked: AtomicU64,
    life: Duration,
    failing: Mutex<Option<TokenError>>,
    /// While held, nobody gets an answer.
    gate: Mutex<Option<Arc<Notify>>>,
    /// Issues the same number until it is asked to go on.
    sticky: Mutex<Option<Numbered>>,
    /// How far the wall clock is ahead of the steady one.
    slept: Arc<Mutex<Duration>>,
    start: Instant,
}

struct Site {
    issuer: Arc<Issuer>,
    renewal: Renewal<Numbered>,
}

fn failure(cause: FailureCause) -> TokenError {
    TokenError::new(cause, "ask the issuer")
}

fn site(life: u64) -> Site {
    site_with(life, 1)
}

fn site_with(life: u64, tries: u32) -> Site {
    let slept = Arc::new(Mutex::new(Duration::ZERO));
    let start = Instant::now();
    let issuer = Arc::new(Issuer {
        asked: AtomicU64::new(0),
        life: Duration::from_secs(life),
        failing: Mutex::default(),
        gate: Mutex::default(),
        sticky: Mutex::default(),
        slept: slept.clone(),
        start,
    });
    let clock = Clock::by(move || {
        let slept = *slept.lock().expect("slept");
        UNIX_EPOCH + Duration::from_secs(1_000_000) + start.elapsed() + slept
    });
    let asked = issuer.clone();
    let policy = Policy {
        tries,
        ..Policy::new("the issuer")
    };
    let renewal = Renewal::new(policy, clock, move || {
        let issuer = asked.clone();
        Box::pin(async move { issuer.issue().await })
    });
    Site { issuer, renewal }
}

impl Issuer {
    fn wall(&self) -> SystemTime {
        let slept = *self.slept.lock().expect("slept");
        UNIX_EPOCH + Duration::from_secs(1_000_000) + self.start.elapsed() + slept
    }

    async fn issue(&self) -> Result<Numbered, CredentialError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let gate = self.gate.lock().expect("gate").clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        if let Some(error) = self.failing.lock().expect("failing").clone() {
            return Err(error.into());
        }
        if let Some(same) = self.sticky.lock().expect("sticky").clone() {
            return Ok(same);
        }
        let end = self.wall() + self.life;
        Ok(Numbered { number, end })
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    fn fail(&self, error: impl Into<Option<TokenError>>) {
        *self.failing.lock().expect("failing") = error.into();
    }
}

impl Site {
    /// The number of the value after a server rejected this one.
    async fn another(&self, rejected: u64) -> u64 {
        let another = self.renewal.another(|value| value.number == rejected);
        another.await.expect("a value").number
    }

    async fn number(&self) -> u64 {
        self.renewal.get().await.expect("a value").number
    }

    /// Lets time go by as it does, with all that happens meanwhile.
    async fn pass(&self, span: Duration) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            advance(seconds(1)).await;
            tokio::task::yield_now().await;
        }
        self.settle().await;
    }

    /// Lets tasks run until nothing moves.
    async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[tokio::test(start_paused = true)]
async fn many_who_wait_share_one_fetch_and_one_who_leaves_takes_nothing_with_him() {
    let site = site(3_600);
    let gate = Arc::new(Notify::new());
    *site.issuer.gate.lock().expect("gate") = Some(gate.clone());
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let renewal = site.renewal.clone();
            tokio::spawn(async move { renewal.get().await })
        })
        .collect();
    site.settle().await;
    assert_eq!(site.issuer.asked(), 1);

    // The one that began it among them.
    for waiter in waiting.iter().take(25) {
        waiter.abort();
    }
    site.settle().await;
    gate.notify_one();

    for waiter in waiting.into_iter().skip(25) {
        let value = waiter.await.expect("not aborted").expect("a value");
        assert_eq!(value.number, 1);
    }
    assert_eq!(site.issuer.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn value_is_renewed_ahead_of_its_end_while_the_old_one_is_used() {
    let site = site(3_600);
    assert_eq!(site.number().await, 1);
    advance(seconds(3_600 - 331)).await;
    assert_eq!(site.number().await, 1);
    site.settle().await;
    assert_eq!(site.issuer.asked(), 1, "it is not due yet");

    let gate = Arc::new(Notify::new());
    *site.issuer.gate.lock().expect("gate") = Some(gate.clone());
    advance(seconds(32)).await;
    for _ in 0..10 {
        // Nobody waits, although the issuer is silent.
        assert_eq!(site.number().await, 1);
        site.settle().await;
    }
    assert_eq!(site.issuer.asked(), 2);
    gate.notify_one();
    site.settle().await;

    assert_eq!(site.number().await, 2);
    assert_eq!(site.issuer.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn short_life_is_renewed_at_its_half() {
    let site = site(10);
    assert_eq!(site.number().await, 1);
    advance(Duration::from_millis(4_900)).await;
    assert_eq!(site.number().await, 1);
    site.settle().await;
    assert_eq!(site.issuer.asked(), 1);

    advance(Duration::from_millis(100)).await;
    site.settle().await;
    assert_eq!(site.number().await, 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_issuer_is_down_the_old_value_serves_to_its_end_and_a_new_one_seconds_after() {
    let site = site(600);
    assert_eq!(site.number().await, 1);
    site.issuer.fail(failure(FailureCause::Unavailable));
    let mut asked = site.issuer.asked();
    for _ in 0..59 {
        advance(seconds(10)).await;
        assert_eq!(site.number().await, 1);
        site.settle().await;
        let now = site.issuer.asked();
        assert!(now <= asked + 1, "one try in ten seconds");
        asked = now;
    }
    assert!(asked > 20, "it is tried again and again: {asked}");

    advance(seconds(10)).await;
    let error = site.renewal.get().await.expect_err("the value has ended");
    assert_eq!(error.cause(), FailureCause::Unavailable);
    assert!(error.is_retryable());
    let again = site
        .renewal
        .get()
        .await
        .expect_err("it failed a moment ago");
    assert!(matches!(again, CredentialError::BackOff { .. }), "{again}");
    let status = site.renewal.status();
    assert!(!status.is_valid);
    assert!(status.last_error.is_some() && status.failures_in_a_row > 20);
    assert_eq!(
        status.failures.of(FailureCause::Unavailable),
        site.issuer.asked() - 1
    );

    site.issuer.fail(None);
    advance(seconds(8)).await;
    assert!(site.number().await > 1);
    assert_eq!(site.renewal.status().failures_in_a_row, 0);
}

#[tokio::test(start_paused = true)]
async fn trouble_that_may_pass_at_once_is_met_by_another_try_and_a_refusal_is_not() {
    let site = site_with(600, 3);
    site.issuer.fail(failure(FailureCause::Network));
    assert!(site.renewal.get().await.is_err());
    assert_eq!(site.issuer.asked(), 3);
    assert_eq!(site.renewal.status().failures.of(FailureCause::Network), 3);

    advance(seconds(10)).await;
    site.issuer.fail(failure(FailureCause::Refused));
    assert!(site.renewal.get().await.is_err());
    assert_eq!(site.issuer.asked(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_only_a_person_can_mend_is_told_at_once_and_retried_slowly() {
    let site = site(600);
    site.issuer.fail(failure(FailureCause::Refused));
    let first = site.renewal.get().await.expect_err("refused");
    assert!(!matches!(first, CredentialError::BackOff { .. }));
    assert!(!first.is_retryable());
    for _ in 0..600 {
        advance(seconds(1)).await;
        assert!(site.renewal.get().await.is_err());
    }
    let asked = site.issuer.asked();
    assert!((10..=25).contains(&asked), "{asked} times in ten minutes");

    // The role is granted.
    site.issuer.fail(None);
    advance(seconds(60)).await;
    assert!(site.renewal.get().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn issuer_that_asks_for_patience_gets_it() {
    let site = site(600);
    let answer = ::http::Response::builder()
        .status(429)
        .header("retry-after", "45");
    let answer = answer.body(crate::http::Body::empty()).expect("answer");
    site.issuer
        .fail(TokenError::answered("ask the issuer", &answer, None));
    assert!(site.renewal.get().await.is_err());
    site.issuer.fail(None);

    advance(seconds(44)).await;
    assert!(site.renewal.get().await.is_err());
    assert_eq!(site.issuer.asked(), 1);

    advance(seconds(1)).await;
    assert_eq!(site.number().await, 2);
}

#[tokio::test(start_paused = true)]
async fn issuer_that_never_answers_holds_nobody_longer_than_the_limit() {
    let site = site(600);
    *site.issuer.gate.lock().expect("gate") = Some(Arc::new(Notify::new()));
    let began = Instant::now();

    let error = site.renewal.get().await.expect_err("silence");

    assert_eq!(error.cause(), FailureCause::Timeout);
    assert_eq!(began.elapsed(), Policy::new("").timeout);
}

#[tokio::test(start_paused = true)]
async fn after_a_sleep_the_wall_clock_says_what_has_expired() {
    let site = site(3_600);
    assert_eq!(site.number().await, 1);

    // The steady clock stood still meanwhile.
    *site.issuer.slept.lock().expect("slept") = seconds(2 * 3_600);

    assert_eq!(site.number().await, 2);
}

#[tokio::test(start_paused = true)]
async fn wall_clock_that_is_set_back_does_not_lengthen_a_life() {
    let site = site(3_600);
    *site.issuer.slept.lock().expect("slept") = seconds(86_400);
    assert_eq!(site.number().await, 1);
    *site.issuer.slept.lock().expect("slept") = Duration::ZERO;

    advance(seconds(3_600)).await;

    assert_eq!(site.number().await, 2);
}

#[tokio::test(start_paused = true)]
async fn same_value_again_is_normal_and_asked_for_at_most_every_ten_seconds() {
    let site = site(3_600);
    assert_eq!(site.number().await, 1);
    let first = site.renewal.get().await.expect("a value");
    *site.issuer.sticky.lock().expect("sticky") = Some(first);

    advance(seconds(3_300)).await;
    for _ in 0..299 {
        assert_eq!(site.number().await, 1);
        site.settle().await;
        advance(seconds(1)).await;
    }
    let asked = site.issuer.asked();
    assert!((3..=31).contains(&asked), "{asked}");

    *site.issuer.sticky.lock().expect("sticky") = None;
    advance(seconds(10)).await;
    assert!(site.number().await > 1);
}

#[tokio::test(start_paused = true)]
async fn value_that_has_expired_on_arrival_is_an_error() {
    let site = site(0);
    let error = site.renewal.get().await.expect_err("expired");
    assert_eq!(error.cause(), FailureCause::Expired);
}

#[test]
fn fetch_that_dies_with_its_event_loop_is_begun_again_by_the_next() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().expect("runtime")
    };
    let (first, second) = (runtime(), runtime());
    let site = first.block_on(async {
        let site = site(3_600);
        *site.issuer.gate.lock().expect("gate") = Some(Arc::new(Notify::new()));
        let renewal = site.renewal.clone();
        let _waiting = tokio::spawn(async move { renewal.get().await });
        site.settle().await;
        site
    });
    assert_eq!(site.issuer.asked(), 1);
    drop(first);
    *site.issuer.gate.lock().expect("gate") = None;

    assert_eq!(second.block_on(site.number()), 2);
}
