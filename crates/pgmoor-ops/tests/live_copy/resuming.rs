//! A copy that is broken off goes on where it was.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use pgmoor_ops::live_move::copy::{Copied, Copy, CopyError, Event, Progress, Silent};
use pgmoor_testkit::{Dataset, Postgres, Stop};
use tokio::sync::Notify;

use crate::site::{contents, copy, source, target};

/// Calls out when so many things have happened.
struct Alarm {
    left: AtomicUsize,
    call: Notify,
    resumed: AtomicUsize,
}

impl Alarm {
    fn after(events: usize) -> Self {
        Self {
            left: AtomicUsize::new(events),
            call: Notify::new(),
            resumed: AtomicUsize::new(0),
        }
    }
}

impl Progress for Alarm {
    fn event(&self, event: Event<'_>) {
        if let Event::Resumed { statements, .. } = event {
            self.resumed.store(statements, Ordering::Relaxed);
        }
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.call.notify_one();
        }
    }
}

/// Runs the copy until so many things have happened, and drops it there: sessions end as with a process that is killed.
async fn broken_off(copy: &Copy, events: usize) -> (Option<Result<Copied, CopyError>>, usize) {
    let alarm = Alarm::after(events);
    let outcome = tokio::select! {
        biased;
        () = alarm.call.notified() => None,
        outcome = copy.run(&alarm) => Some(outcome),
    };
    (outcome, alarm.resumed.into_inner())
}

async fn is_whole(source: &Postgres, target: &Postgres) {
    let (here, there) = (contents(source).await, contents(target).await);
    let journal = |name: &String| name.starts_with("pgmoor_move.");
    let there: BTreeMap<_, _> = there
        .into_iter()
        .filter(|(name, _)| !journal(name))
        .collect();
    assert_eq!(here, there);
}

#[tokio::test]
async fn a_copy_that_is_broken_off_at_many_points_ends_whole() {
    let (source, target) = (source(15, Dataset::SMALL).await, target(15).await);
    let copy = copy(&source, &target);
    let (mut breaks, mut before) = (0, 0);

    let copied = loop {
        // Each attempt gets a few steps further: through objects, rows, indexes, and the rest.
        let (outcome, resumed) = broken_off(&copy, 5 + breaks % 7).await;
        assert!(resumed >= before, "{resumed} after {before}");
        before = resumed;
        match outcome {
            Some(outcome) => break outcome.unwrap_or_else(|error| panic!("{error}: {error:?}")),
            None => breaks += 1,
        }
    };

    assert!(breaks > 8, "{breaks}");
    assert_eq!(copied.differences, []);
    is_whole(&source, &target).await;
    let traces = copied
        .tables
        .iter()
        .find(|table| table.name == "public.traces");
    assert_eq!(traces.unwrap().digest.rows, 200);
}

#[tokio::test]
async fn a_target_that_dies_in_the_middle_is_gone_on_with() {
    let (source, target) = (source(15, Dataset::SMALL).await, target(15).await);
    let copy = copy(&source, &target);
    let alarm = Alarm::after(20);
    let die = async {
        alarm.call.notified().await;
        target.stop(Stop::Kill9).await;
    };

    let (outcome, ()) = tokio::join!(copy.run(&alarm), die);

    let error = outcome.unwrap_err();
    assert!(matches!(error, CopyError::Wire { .. }), "{error:?}");
    target.start_again().await;
    let copied = copy.run(&Silent).await.unwrap();
    assert_eq!(copied.differences, []);
    is_whole(&source, &target).await;
}

#[tokio::test]
async fn tables_of_another_moment_stay_when_they_are_whole_and_may() {
    let (source, target) = (source(15, Dataset::SMALL).await, target(15).await);
    let mut copy = copy(&source, &target);
    let (outcome, _) = broken_off(&copy, 12).await;
    assert!(outcome.is_none());

    copy.mark = "later".to_owned();
    copy.options.keeps_other_moments = true;
    let copied = copy.run(&Silent).await.unwrap();

    let marks = |mark: &str| {
        copied
            .tables
            .iter()
            .filter(|table| table.mark == mark)
            .count()
    };
    assert!(
        marks("now") > 0 && marks("later") > 0,
        "{:?}",
        copied.tables
    );
    assert_eq!(marks("now") + marks("later"), copied.tables.len());
    is_whole(&source, &target).await;
}

#[tokio::test]
async fn what_changed_at_the_source_since_is_in_the_copy_of_a_later_moment() {
    let (source, target) = (source(15, Dataset::SMALL).await, target(15).await);
    let mut copy = copy(&source, &target);
    // All is done, constraints too; the last word is missing.
    let first = copy.run(&Silent).await.unwrap();
    let client = source
        .connect_as("postgres", source.admin_password(), "app")
        .await;
    let change = "set session_replication_role = replica; update public.traces set note = 'later'; update public.runs set name = name || '?';
        delete from public.followers; select lo_put(4200001, 0, 'x'); refresh materialized view public.summary";
    client.batch_execute(change).await.unwrap();

    copy.mark = "later".to_owned();
    let second = copy.run(&Silent).await.unwrap();

    assert_ne!(first.tables, second.tables);
    assert!(second.tables.iter().all(|table| table.mark == "later"));
    is_whole(&source, &target).await;
}
