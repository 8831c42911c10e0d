//! Facts, read of real servers of every major version.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint::Endpoint;
use pgmoor_ops::facts::{Vendor, capacity, extensions, moving, rights, server};
use pgmoor_ops::{Error, Session};
use pgmoor_testkit::{Postgres, majors};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(20);

async fn session(postgres: &Postgres) -> Session {
    let text = format!(
        "host=127.0.0.1 port={} user=app dbname=app password={}",
        postgres.port(),
        postgres.app_password()
    );
    let endpoint = Endpoint::parse(&text).unwrap();
    let connector = Connector::with_home(endpoint, Arc::new(NoCredential), None).unwrap();
    let deadline = Instant::now() + LIMIT;
    Session::open(&connector, "primary", None, &[], deadline)
        .await
        .unwrap()
}

async fn admin(postgres: &Postgres) -> tokio_postgres::Client {
    let password = postgres.admin_password();
    postgres.connect_as("postgres", password, "app").await
}

/// As the superuser, in database `app`.
async fn prepare(postgres: &Postgres, sql: &str) {
    let client = admin(postgres).await;
    client.batch_execute(sql).await.unwrap();
}

#[tokio::test]
async fn every_group_of_facts_is_read_of_every_major_version() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        prepare(
            &postgres,
            "alter role app set statement_timeout = '7s'; alter role app connection limit 50",
        )
        .await;
        let session = session(&postgres).await;

        let server = server::read(&session, LIMIT).await.unwrap();
        assert_eq!(server.major(), u32::from(major));
        assert!(server.version_text.starts_with(&server.version_number()));
        assert!(server.version_number().starts_with(&format!("{major}.")));
        assert_eq!(server.vendor, Vendor::Plain);
        assert!(!server.is_standby);
        assert_eq!(server.encoding, "UTF8");
        assert!(server.clock.ahead.abs() < 1.0, "{:?}", server.clock);
        assert_eq!(
            server.time("statement_timeout"),
            Some(Duration::from_secs(7))
        );
        assert_eq!(server.time("idle_in_transaction_session_timeout"), None);
        let [one] = &server.overrides[..] else {
            panic!("{:?}", server.overrides)
        };
        assert_eq!(one.setting, "statement_timeout=7s");
        assert_eq!(
            one.reset("app", "app"),
            "ALTER ROLE app RESET statement_timeout"
        );

        let rights = rights::read(&session, "public", &["nowhere".to_owned()], LIMIT)
            .await
            .unwrap();
        assert_eq!(rights.user, "app");
        assert_eq!(rights.role.connection_limit, Some(50));
        assert!(!rights.role.is_superuser);
        assert_eq!(rights.search_path_schemas, ["public"]);
        assert!(!rights.other_databases[0].exists);

        let facts = extensions::read(&session, LIMIT).await.unwrap();
        assert!(facts.extensions["plpgsql"].installed.is_some());
        assert!(facts.extensions["pg_trgm"].available.is_some());
        assert_eq!(facts.extensions["pg_trgm"].is_trusted, major >= 13);
        assert_eq!(facts.allowed, None);

        let capacity = capacity::read(&session, LIMIT).await.unwrap();
        assert!(capacity.connections.usable() > 0);
        assert_eq!(capacity.connections.own, 0);
        assert!(capacity.database_bytes > 1_000_000);
        assert_eq!(capacity.fullest_sequence, None);

        let moving = moving::read(&session, LIMIT).await.unwrap();
        assert!(!moving.may_replicate);
        assert_eq!(moving.tables, 0);
    }
}

#[tokio::test]
async fn what_others_own_and_what_a_move_would_not_carry_is_found_by_name() {
    let postgres = Postgres::start().await;
    prepare(
        &postgres,
        "create role other; create role group_of_app; grant group_of_app to app;
         create extension citext;
         create table public.theirs (id int); alter table public.theirs owner to other;
         create table public.shared (id int primary key); alter table public.shared owner to group_of_app;
         create unlogged table public.\"Fast\" (id int primary key); alter table public.\"Fast\" owner to app;
         create materialized view public.seen as select 1; alter materialized view public.seen owner to app;
         create sequence public.numbers; alter sequence public.numbers owner to app;
         create function public.f() returns int language sql as 'select 1'; alter function public.f() owner to other;
         select lo_create(4711);",
    )
    .await;
    let session = session(&postgres).await;

    let rights = rights::read(&session, "public", &[], LIMIT).await.unwrap();
    let [other] = &rights.foreign_objects[..] else {
        panic!("{:?}", rights.foreign_objects)
    };
    assert_eq!((other.owner.as_str(), other.count), ("other", 2));
    assert_eq!(other.some, ["function public.f", "table public.theirs"]);
    assert_eq!(rights.denied_tables, ["public.theirs"]);
    assert!(rights.member_of.contains(&"group_of_app".to_owned()));

    let moving = moving::read(&session, LIMIT).await.unwrap();
    assert_eq!(moving.without_identity.some, ["public.theirs"]);
    assert_eq!(moving.unlogged.some, ["public.\"Fast\""]);
    assert_eq!(moving.materialized_views.some, ["public.seen"]);
    assert_eq!(moving.unreadable.some, ["public.theirs"]);
    assert_eq!(moving.large_objects, 1);
    assert_eq!(moving.sequences, 1);
    assert!(!moving.may_publish_all);

    prepare(
        &postgres,
        "create table public.counted (id serial); alter table public.counted owner to app; select setval('public.counted_id_seq', 1932735283)",
    )
    .await;
    let capacity = capacity::read(&session, LIMIT).await.unwrap();
    let (name, used) = capacity.fullest_sequence.unwrap();
    assert_eq!(name, "public.counted_id_seq");
    assert!((used - 0.9).abs() < 0.001, "{used}");
}

#[tokio::test]
async fn functions_of_the_user_are_never_called_in_place_of_the_servers_own() {
    let postgres = Postgres::start().await;
    prepare(
        &postgres,
        "create function public.pg_has_role(name, oid, varchar) returns bool language plpgsql as 'begin raise ''called''; end';
         create function public.has_schema_privilege(oid, varchar) returns bool language plpgsql as 'begin raise ''called''; end';
         create function public.current_setting(text) returns text language plpgsql as 'begin raise ''called''; end';
         alter role app set search_path = public, pg_catalog",
    )
    .await;
    let session = session(&postgres).await;

    let rights = rights::read(&session, "public", &[], LIMIT).await.unwrap();

    assert_eq!(rights.search_path, "public, pg_catalog");
    server::read(&session, LIMIT).await.unwrap();
    capacity::read(&session, LIMIT).await.unwrap();
    moving::read(&session, LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_group_that_is_held_up_ends_at_its_deadline_and_the_next_is_read() {
    let postgres = Postgres::start().await;
    let locker = admin(&postgres).await;
    locker
        .batch_execute("begin; lock table pg_catalog.pg_extension in access exclusive mode")
        .await
        .unwrap();
    let session = session(&postgres).await;

    let held = extensions::read(&session, Duration::from_millis(300)).await;

    let held = held.unwrap_err();
    assert!(
        matches!(&held, Error::Timeout { .. })
            || held
                .sqlstate()
                .is_some_and(|code| ["55P03", "57014"].contains(&code.as_str())),
        "{held:?}"
    );
    capacity::read(&session, LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_standby_is_read_as_one() {
    let postgres = Postgres::start().await;
    let standby = postgres.standby().await;
    let session = session(&standby).await;

    assert!(server::read(&session, LIMIT).await.unwrap().is_standby);
    rights::read(&session, "public", &[], LIMIT).await.unwrap();
    extensions::read(&session, LIMIT).await.unwrap();
    capacity::read(&session, LIMIT).await.unwrap();
    moving::read(&session, LIMIT).await.unwrap();
}
