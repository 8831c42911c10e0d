//! Verification finds each difference, and none where there is none.

use pgmoor_ops::live_move::copy::Silent;
use pgmoor_ops::live_move::verify::Verified;
use pgmoor_testkit::{Dataset, Postgres};

use crate::site::{copy, source, target, verification};

async fn run(source: &Postgres, target: &Postgres) -> Verified {
    let verified = verification(source, target).run(&Silent).await;
    verified.unwrap_or_else(|error| panic!("{error}: {error:?}"))
}

/// What differs after `sql` was run on the target.
async fn differences(source: &Postgres, target: &Postgres, sql: &str) -> Vec<String> {
    let password = target.admin_password();
    let client = target.connect_as("postgres", password, "app").await;
    client.batch_execute(sql).await.unwrap();
    let verified = run(source, target).await;
    verified
        .differences
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[tokio::test]
async fn every_change_of_the_target_is_found_and_named() {
    let (source, target) = (source(15, Dataset::SMALL).await, target(15).await);
    let copied = copy(&source, &target).run(&Silent).await.unwrap();

    let verified = run(&source, &target).await;
    assert_eq!(verified.differences, []);
    for table in &copied.tables {
        assert_eq!(verified.tables[&table.name], table.digest, "{}", table.name);
    }

    let quiet = "set session_replication_role = replica;";
    let update = format!("{quiet} update public.traces set latency = latency + 1 where id = 77");
    assert_eq!(
        differences(&source, &target, &update).await,
        [
            "public.traces: 200 rows on both sides, not all the same; 1 only here so, 1 only there so, (id) = (77)"
        ]
    );
    let more = format!("{quiet} delete from public.traces where id between 50 and 60;
        insert into public.keyless values (0, 'twice'); alter table public.keyless disable rule also");
    let found = differences(&source, &target, &more).await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with(
            "public.keyless: 30 rows here, 31 there; 0 only here so, 1 only there so, (ctid) = "
        ),
        "{found:?}"
    );
    assert_eq!(
        found[1],
        "public.traces: 200 rows here, 189 there; 12 only here so, 1 only there so, (id) from (50) to (77)"
    );
}

#[tokio::test]
async fn the_digests_of_a_copy_are_enough_to_verify_its_target() {
    let (source, target) = (source(15, Dataset::SMALL).await, target(15).await);
    let copied = copy(&source, &target).run(&Silent).await.unwrap();
    let verification = verification(&source, &target);

    let verified = verification
        .run_against(&copied.tables, &Silent)
        .await
        .unwrap();
    assert_eq!(verified.differences, []);

    let client = target
        .connect_as("postgres", target.admin_password(), "app")
        .await;
    let swap = "set session_replication_role = replica; update \"Häus \"\"1\"\"\".\"select\" set \"ümlaut\" = null where \"from\" = 1";
    client.batch_execute(swap).await.unwrap();
    let verified = verification
        .run_against(&copied.tables, &Silent)
        .await
        .unwrap();
    assert_eq!(verified.differences.len(), 1);
    let rows = verified.differences[0].rows.as_ref().unwrap();
    assert_eq!(
        (rows.by.as_str(), &rows.here),
        ("from", &vec!["1".to_owned()])
    );
}
