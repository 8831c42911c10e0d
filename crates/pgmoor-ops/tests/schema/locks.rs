//! Migrations among others who hold locks.

use std::time::Duration;

use pgmoor_ops::schema::{self, Event, SchemaError, Stop};
use pgmoor_testkit::{Postgres, wait_for};

use crate::common::{
    Dir, PATIENCE, Told, connector, majors, open, ran, rules, session, up, up_telling,
};

async fn table(postgres: &Postgres) {
    postgres
        .psql("create table t (a int); alter table t owner to app")
        .await;
}

#[tokio::test]
async fn a_migration_gives_way_while_its_table_is_in_use_and_gets_it_at_last() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        table(&postgres).await;
        let (session, user) = (session(&postgres).await, postgres.connect().await);
        user.batch_execute("begin; select * from t").await.unwrap();
        let dir = Dir::new(&[("V1__b.sql", "alter table t add b int")]);
        let (files, rules, told) = (dir.files(), rules(), Told::default());

        let migrating = up_telling(&session, &files, &rules, &told);
        let in_use = async {
            let retries = |event: &Event| matches!(event, Event::Retries { .. });
            wait_for("an attempt to give way", PATIENCE, async || {
                told.any(retries)
            })
            .await;
            // Nobody queues behind the migration while it pauses.
            let other = postgres.connect().await;
            let read = tokio::time::timeout(PATIENCE, other.query("select * from t", &[])).await;
            read.expect("in time").unwrap();
            user.batch_execute("commit").await.unwrap();
        };
        let (report, ()) = tokio::join!(migrating, in_use);

        assert_eq!(ran(&report.unwrap()), ["V1__b"], "{major}");
    }
}

#[tokio::test]
async fn a_migration_that_never_gets_its_lock_is_given_up_with_a_name() {
    let postgres = Postgres::start().await;
    table(&postgres).await;
    let (session, user) = (session(&postgres).await, postgres.connect().await);
    user.batch_execute("begin; select * from t").await.unwrap();
    let dir = Dir::new(&[("V1__b.sql", "alter table t add b int")]);
    let mut rules = rules();
    rules.lock_timeout = Duration::from_millis(50);
    rules.lock_retry_for = Duration::from_millis(700);

    let error = up(&session, &dir.files(), &rules).await.unwrap_err();

    let SchemaError::Locked {
        migration,
        attempts,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!((migration.as_str(), *attempts), ("V1__b", 2));
    assert!(error.is_retryable());
    assert_eq!(error.sqlstate().unwrap().as_str(), "55P03");
}

#[tokio::test]
async fn a_statement_timeout_of_the_role_does_not_end_a_migration() {
    let postgres = Postgres::start().await;
    postgres.psql("alter role app set statement_timeout = '100ms'; alter role app set lock_timeout = '1ms'").await;
    let session = session(&postgres).await;
    let dir = Dir::new(&[("V1__long.sql", "select pg_sleep(0.4)")]);

    let report = up(&session, &dir.files(), &rules()).await.unwrap();

    assert_eq!(ran(&report), ["V1__long"]);
}

#[tokio::test]
async fn who_is_told_to_stop_cancels_its_migration_and_leaves_nothing() {
    let postgres = Postgres::start().await;
    let session = session(&postgres).await;
    let dir = Dir::new(&[("V1__long.sql", "create table t (); select pg_sleep(600)")]);
    let (files, rules) = (dir.files(), rules());
    let (stopper, stop) = Stop::new();
    let admin = postgres.connect_admin().await;

    let migrating = schema::up(&session, &files, &rules, None, stop, &|_| {});
    let stopping = async {
        wait_for("the migration to run", PATIENCE, async || {
            let asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
            admin.query_one(asleep, &[]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
        stopper.stop();
    };
    let (outcome, ()) = tokio::join!(migrating, stopping);

    assert!(matches!(outcome, Err(SchemaError::Stopped)));
    assert_eq!(postgres.psql("select to_regclass('t') is null").await, "t");
    let locks = "select count(*) from pg_locks where locktype = 'advisory'";
    assert_eq!(postgres.psql(locks).await, "0", "others may go on");
}

#[tokio::test]
async fn who_waits_too_long_for_another_process_names_it() {
    let postgres = Postgres::start().await;
    let (first, second) = (session(&postgres).await, session(&postgres).await);
    let dir = Dir::new(&[("V1__long.sql", "select pg_sleep(600)")]);
    let (files, patient) = (dir.files(), rules());
    let (stopper, stop) = Stop::new();
    let (told, told_first) = (Told::default(), Told::default());
    let mut impatient = rules();
    impatient.wait_timeout = Duration::from_millis(200);

    let note = |event| told_first.note(event);
    let working = schema::up(&first, &files, &patient, None, stop, &note);
    let waiting = async {
        let begins = |event: &Event| matches!(event, Event::Begins { .. });
        wait_for("the first to begin", PATIENCE, async || {
            told_first.any(begins)
        })
        .await;
        let error = up_telling(&second, &files, &impatient, &told)
            .await
            .unwrap_err();
        stopper.stop();
        error
    };
    let (_, error) = tokio::join!(working, waiting);

    assert!(matches!(error, SchemaError::Busy { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("app from 127.0.0.1, pgmoor schema"),
        "{error}"
    );
    assert!(told.any(|event| matches!(event, Event::Waits { .. })));
}

#[tokio::test]
async fn a_pooler_that_changes_the_server_process_is_found_out() {
    let postgres = Postgres::start().await;
    let session = session(&postgres).await;
    // As if the next transaction ran in another process than the one that got the lock.
    let dir = Dir::new(&[
        ("V1__a.sql", "select pg_advisory_unlock_all()"),
        ("V2__b.sql", "create table b ()"),
    ]);

    let error = up(&session, &dir.files(), &rules()).await.unwrap_err();

    assert!(matches!(error, SchemaError::Pooler), "{error}");
    assert_eq!(postgres.psql("select to_regclass('b') is null").await, "t");
}

#[tokio::test]
async fn migrations_of_two_applications_in_one_database_do_not_wait_for_each_other() {
    let postgres = Postgres::start().await;
    postgres.psql("create schema other authorization app").await;
    let connector = connector(postgres.port(), "app", postgres.app_password(), "app");
    let (first, second) = (open(&connector).await, open(&connector).await);
    let long = Dir::new(&[("V1__long.sql", "select pg_sleep(600)")]);
    let short = Dir::new(&[("V1__short.sql", "create table other.t ()")]);
    let (files, plain) = (long.files(), rules());
    let (stopper, stop) = Stop::new();
    let mut other = rules();
    other.history = "other.refinery_schema_history".into();
    let told = Told::default();

    let note = |event| told.note(event);
    let working = schema::up(&first, &files, &plain, None, stop, &note);
    let beside = async {
        let begins = |event: &Event| matches!(event, Event::Begins { .. });
        wait_for("the first to begin", PATIENCE, async || told.any(begins)).await;
        let report = up(&second, &short.files(), &other).await;
        stopper.stop();
        report
    };
    let (_, report) = tokio::join!(working, beside);

    assert_eq!(ran(&report.unwrap()), ["V1__short"]);
}
