//! Values that are renewed though nobody asks for them.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::advance;

use super::{FailureCause, Site, failure, seconds, site};

#[tokio::test(start_paused = true)]
async fn value_is_renewed_in_time_while_nobody_asks_for_it() {
    let site = site(3_600);
    assert_eq!(site.number().await, 1);

    site.pass(seconds(4 * 3_600)).await;

    assert_eq!(site.issuer.asked(), 5);
    // Whoever comes now waits for nobody.
    *site.issuer.gate.lock().expect("gate") = Some(Arc::new(Notify::new()));
    assert_eq!(site.number().await, 5);
}

#[tokio::test(start_paused = true)]
async fn issuer_that_is_down_while_nobody_asks_has_time_to_come_back_and_is_not_pressed() {
    let site = site(3_600);
    assert_eq!(site.number().await, 1);
    site.issuer.fail(failure(FailureCause::Network));

    site.pass(seconds(3_600 + 600)).await;

    let asked = site.issuer.asked();
    assert!((10..=32).contains(&asked), "{asked} times in 15 minutes");
    site.issuer.fail(None);
    site.pass(seconds(60)).await;
    assert!(site.renewal.status().is_valid);
}

#[tokio::test(start_paused = true)]
async fn value_that_nobody_wants_for_half_a_day_is_left_to_end() {
    let site = site(3_600);
    assert_eq!(site.number().await, 1);
    site.pass(seconds(12 * 3_600)).await;
    let asked = site.issuer.asked();
    assert!((12..=15).contains(&asked), "{asked}");

    site.pass(seconds(3 * 3_600)).await;

    assert_eq!(site.issuer.asked(), asked);
    // Who comes then waits, and it is kept again.
    assert_eq!(site.number().await, asked + 1);
    site.pass(seconds(3_600)).await;
    assert_eq!(site.issuer.asked(), asked + 2);
}

#[tokio::test(start_paused = true)]
async fn value_is_renewed_no_more_when_its_owner_is_gone() {
    let Site { issuer, renewal } = site(3_600);
    renewal.get().await.expect("a value");

    drop(renewal);

    for _ in 0..240 {
        advance(seconds(30)).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(issuer.asked(), 1);
    // The closure that fetches held the other one.
    assert_eq!(Arc::strong_count(&issuer), 1);
}

#[test]
fn value_whose_keeper_died_with_its_event_loop_is_kept_by_that_of_the_next_who_asks() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true);
        builder.build().expect("runtime")
    };
    let (first, second) = (runtime(), runtime());
    let site = first.block_on(async {
        let site = site(3_600);
        assert_eq!(site.number().await, 1);
        site
    });
    drop(first);

    second.block_on(async {
        assert_eq!(site.number().await, 1);
        site.pass(seconds(3_600)).await;
        assert_eq!(site.issuer.asked(), 2);
    });
}
