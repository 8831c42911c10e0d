//! Values that a server rejected.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::advance;

use super::{FailureCause, failure, seconds, site};

#[tokio::test(start_paused = true)]
async fn rejected_value_is_replaced_at_once_but_not_at_any_speed() {
    let site = site(3_600);
    assert_eq!(site.number().await, 1);
    assert_eq!(site.another(1).await, 2);

    // One that is not held any more changes nothing.
    assert_eq!(site.another(1).await, 2);
    for _ in 0..60 {
        let held = site.number().await;
        site.another(held).await;
        advance(seconds(1)).await;
    }
    let asked = site.issuer.asked();
    assert!((3..=7).contains(&asked), "{asked}");
    assert_eq!(
        site.renewal.status().failures.of(FailureCause::Rejected),
        61
    );
}

#[tokio::test(start_paused = true)]
async fn value_that_one_server_rejects_serves_all_others_until_there_is_another() {
    let site = site(3_600);
    assert_eq!(site.number().await, 1);
    let gate = Arc::new(Notify::new());
    *site.issuer.gate.lock().expect("gate") = Some(gate.clone());
    let rejected: Vec<_> = (0..10)
        .map(|_| {
            let renewal = site.renewal.clone();
            tokio::spawn(async move { renewal.another(|value| value.number == 1).await })
        })
        .collect();
    site.settle().await;

    // Nobody else waits, although the issuer is silent.
    assert_eq!(site.number().await, 1);
    assert_eq!(site.issuer.asked(), 2);
    gate.notify_one();

    for rejected in rejected {
        let another = rejected.await.expect("a task").expect("a value");
        assert_eq!(another.number, 2);
    }
    assert_eq!(site.issuer.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn rejected_value_is_used_again_when_there_is_no_other() {
    let site = site(3_600);
    assert_eq!(site.number().await, 1);
    site.issuer.fail(failure(FailureCause::Network));

    // Another server may well take it.
    assert_eq!(site.another(1).await, 1);
    assert_eq!(site.issuer.asked(), 2);
    // The issuer is left alone for a moment.
    assert_eq!(site.another(1).await, 1);
    assert_eq!(site.issuer.asked(), 2);
}
