//! The initial copy: all objects and rows arrive, whatever breaks on the way.

use std::collections::BTreeMap;

use pgmoor_ops::live_move::copy::{CopyError, Silent};
use pgmoor_testkit::{Dataset, has_major};

use crate::site::{contents, copy, source, target, verification};

async fn arrives_whole(from: u16, to: u16) {
    let source = source(from, Dataset::SMALL).await;
    let target = target(to).await;

    let copied = copy(&source, &target).run(&Silent).await;
    let copied = copied.unwrap_or_else(|error| panic!("{error}: {error:?}"));

    assert_eq!(copied.differences, []);
    let (here, there) = (contents(&source).await, contents(&target).await);
    let journal = |name: &String| name.starts_with("pgmoor_move.");
    let there: BTreeMap<_, _> = there
        .into_iter()
        .filter(|(name, _)| !journal(name))
        .collect();
    assert_eq!(here, there, "{from} to {to}");
    let traces = copied
        .tables
        .iter()
        .find(|table| table.name == "public.traces");
    let traces = traces.unwrap();
    assert_eq!((traces.digest.rows, traces.is_binary), (200, true));
    let runs = copied
        .tables
        .iter()
        .find(|table| table.name == "public.runs");
    assert!(runs.unwrap().digest.rows > 0);
}

macro_rules! ways {
    ($($name:ident: $from:literal to $to:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            if has_major($from) && has_major($to) {
                arrives_whole($from, $to).await;
            }
        }
    )*};
}

ways! {
    all_rows_and_objects_arrive_on_the_same_15: 15 to 15;
    all_rows_and_objects_of_12_arrive_on_18: 12 to 18;
    all_rows_and_objects_of_15_arrive_on_17: 15 to 17;
}

#[tokio::test]
async fn a_target_with_objects_of_its_own_is_refused() {
    let (source, target) = (source(15, Dataset::SMALL).await, target(15).await);
    let client = target
        .connect_as("postgres", target.admin_password(), "app")
        .await;
    client
        .batch_execute("create table mine (a int)")
        .await
        .unwrap();

    let error = copy(&source, &target).run(&Silent).await.unwrap_err();

    assert!(
        matches!(error, CopyError::NotEmpty { count: 1, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("table public.mine"), "{error}");
}

#[tokio::test]
async fn a_value_of_50_mb_arrives_and_is_verified() {
    let dataset = Dataset {
        rows: 200,
        value_bytes: 50_000_000,
    };
    let (source, target) = (source(15, dataset).await, target(15).await);

    let copied = copy(&source, &target).run(&Silent).await.unwrap();

    let large = copied
        .tables
        .iter()
        .find(|table| table.name == "public.large");
    assert!(large.unwrap().digest.bytes > 50_000_000, "{large:?}");
    let hash = "select md5(value) from public.large where id = 1";
    let mut values = Vec::new();
    for postgres in [&source, &target] {
        let client = postgres
            .connect_as("postgres", postgres.admin_password(), "app")
            .await;
        values.push(
            client
                .query_one(hash, &[])
                .await
                .unwrap()
                .get::<_, String>(0),
        );
    }
    assert_eq!(values[0], values[1]);
    let verified = verification(&source, &target)
        .run_against(&copied.tables, &Silent)
        .await;
    assert_eq!(verified.unwrap().differences, []);
}
