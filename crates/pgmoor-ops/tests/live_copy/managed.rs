//! A target of which the login is no superuser, and which has none of the source's roles: what gets lost is told before, and
//! accepted by name, or mended by a map of roles.

use pgmoor_ops::live_move::copy::{Accepted, Copy, CopyError, Options, Silent};
use pgmoor_testkit::Postgres;

use crate::site::{contents, side, side_of};

const MAKE: &str = "
    create role owner_of_things; create role reader; create role auditor;
    create schema things authorization owner_of_things;
    create extension citext;
    create table things.accounts (id bigint generated always as identity primary key, email citext unique, tenant int not null);
    create table things.entries (id bigint primary key, account bigint references things.accounts, amount numeric check (amount <> 0));
    alter table things.accounts owner to owner_of_things;
    alter table things.accounts enable row level security;
    create policy own on things.accounts for select using (tenant > 0);
    create policy only_read on things.accounts as restrictive for all to reader using (true);
    grant select on things.accounts to reader;
    grant insert on things.entries to auditor;
    insert into things.accounts (email, tenant) select 'a' || i || '@example.com', i % 7 from generate_series(1, 500) i;
    insert into things.entries select i, i, i from generate_series(1, 500) i;
    comment on table things.entries is 'what was booked'";

/// A superuser's source, and a target of which role `app` owns an empty database and nothing else.
async fn servers() -> (Postgres, Postgres, Copy) {
    let (source, target) = (Postgres::start().await, Postgres::start().await);
    let client = source
        .connect_as("postgres", source.admin_password(), "app")
        .await;
    client.batch_execute(MAKE).await.unwrap();
    let copy = Copy {
        source: side(&source, "old"),
        target: side_of(&target, "new", "app", target.app_password()),
        snapshot: None,
        mark: "now".to_owned(),
        options: Options::default(),
    };
    (source, target, copy)
}

#[tokio::test]
async fn every_loss_is_told_before_and_nothing_else_is_lost() {
    let (source, target, mut copy) = servers().await;

    let plan = copy.plan().await.unwrap();
    let names: Vec<&str> = plan
        .missing_roles
        .iter()
        .map(|role| role.name.as_str())
        .collect();
    assert!(
        names.starts_with(&["auditor", "owner_of_things"]),
        "{names:?}"
    );
    let losses: Vec<String> = plan
        .losses
        .iter()
        .map(|loss| {
            format!(
                "{} {} {}: {}",
                loss.kind, loss.name, loss.property, loss.reason
            )
        })
        .collect();
    let policy = "policy only_read on things.accounts : there is no role \"reader\" on the target";
    assert!(losses.iter().any(|loss| loss == policy), "{losses:#?}");

    let error = copy.run(&Silent).await.unwrap_err();
    assert!(matches!(error, CopyError::Losses { .. }), "{error}");
    let tables = "select count(*) from pg_class where relkind = 'r' and relnamespace >= 16384";
    let client = target
        .connect_as("postgres", target.admin_password(), "app")
        .await;
    let count: i64 = client.query_one(tables, &[]).await.unwrap().get(0);
    assert_eq!(
        count, 0,
        "nothing is written before the losses are accepted"
    );

    copy.options.accepted = Accepted::of(&plan.losses);
    let copied = copy.run(&Silent).await;
    let copied = copied.unwrap_or_else(|error| panic!("{error}: {error:?}"));
    assert_eq!(copied.losses, plan.losses);
    let mut there = contents(&target).await;
    there.retain(|name, _| !name.starts_with("pgmoor_move."));
    assert_eq!(contents(&source).await, there);
}

#[tokio::test]
async fn with_a_map_of_roles_nothing_is_lost() {
    let (source, target, mut copy) = servers().await;
    let client = target.connect_admin().await;
    let make = "create role reading; grant reading to app with admin option";
    client.batch_execute(make).await.unwrap();
    let map = [
        ("owner_of_things", "app"),
        ("reader", "reading"),
        ("auditor", "reading"),
        ("postgres", "app"),
    ];
    let map = map.map(|(from, to)| (from.to_owned(), to.to_owned()));
    copy.options.roles = map.into_iter().collect();

    let plan = copy.plan().await.unwrap();
    assert_eq!(plan.losses, []);
    let copied = copy.run(&Silent).await;
    let copied = copied.unwrap_or_else(|error| panic!("{error}: {error:?}"));

    assert_eq!(copied.differences, []);
    let mut there = contents(&target).await;
    there.retain(|name, _| !name.starts_with("pgmoor_move."));
    assert_eq!(contents(&source).await, there);
}
