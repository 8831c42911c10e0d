//! Which migrations run, and which do not because something does not fit.

use pgmoor_ops::schema::{Resolution, SchemaError, Stop, plan_down, resolve};
use pgmoor_testkit::Postgres;

use crate::common::{Dir, chain, down, look, majors, ran, rules, session, up};

#[tokio::test]
async fn migrations_run_in_their_order_and_come_back_the_other_way() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let session = session(&postgres).await;
        let dir = Dir::new(&[
            (
                "V1__users.sql",
                "create table users (id int); insert into users values (1), (2);",
            ),
            ("V1__users.down.sql", "drop table users"),
            (
                "V2__names.sql",
                "alter table users add name text default 'x'",
            ),
            ("V2__names.down.sql", "alter table users drop name"),
            ("V10__posts.sql", "create table posts (id int)"),
            ("V10__posts.down.sql", "drop table posts"),
        ]);
        let mut rules = rules();
        rules.allow_gaps = true;

        let first = up(&session, &dir.files(), &rules).await.unwrap();
        let second = up(&session, &dir.files(), &rules).await.unwrap();

        assert_eq!(ran(&first), ["V1__users", "V2__names", "V10__posts"]);
        assert!(second.ran.is_empty());
        assert_eq!(second.current.as_deref(), Some("V10__posts"));
        assert_eq!(
            postgres.psql("select sum(id), min(name) from users").await,
            "3|x"
        );

        let files = dir.files();
        let (_stopper, stop) = Stop::new();
        let status = pgmoor_ops::schema::look(&session, &files, &rules)
            .await
            .unwrap();
        let planned = plan_down(&files, &status, 1).unwrap();
        let versions: Vec<i64> = planned.iter().map(|file| file.version()).collect();
        assert_eq!(versions, [10, 2]);
        pgmoor_ops::schema::down(&session, &files, &rules, &versions, stop, &|_| {})
            .await
            .unwrap();

        let tables = "select string_agg(table_name || '.' || column_name, ' ' order by 1) \
                      from information_schema.columns where table_name in ('users', 'posts')";
        assert_eq!(postgres.psql(tables).await, "users.id");
        let again = up(&session, &dir.files(), &rules).await.unwrap();
        assert_eq!(ran(&again), ["V2__names", "V10__posts"]);
    }
}

#[tokio::test]
async fn nothing_runs_while_files_and_history_do_not_fit() {
    let postgres = Postgres::start().await;
    let session = session(&postgres).await;
    let dir = Dir::new(&[
        ("V1__a.sql", "create table a ()"),
        ("V2__b.sql", "create table b ()"),
    ]);
    up(&session, &dir.files(), &rules()).await.unwrap();
    let refused = async |dir: &Dir| {
        let error = up(&session, &dir.files(), &rules()).await.unwrap_err();
        assert!(!error.is_retryable());
        (error.to_string(), error.hint().unwrap())
    };

    dir.write("V3__c.sql", "create table c ()");
    dir.write("V1__a.sql", "create table a (changed int)");
    let (error, hint) = refused(&dir).await;
    assert!(
        error.ends_with("the file of V1__a was changed after it was applied"),
        "{error}"
    );
    assert!(hint.contains("resolve"), "{hint}");

    dir.write("V1__a.sql", "create table a ()");
    dir.remove("V2__b.sql");
    let (error, _) = refused(&dir).await;
    assert!(
        error.contains("V2__b was applied, and its file is gone"),
        "{error}"
    );

    dir.write("V2__b.sql", "create table b ()");
    dir.remove("V3__c.sql");
    dir.write("V4__d.sql", "create table d ()");
    let (error, _) = refused(&dir).await;
    assert!(
        error.ends_with("there is V4__d, and no file of version 3"),
        "{error}"
    );

    let mut lenient = rules();
    lenient.allow_gaps = true;
    up(&session, &dir.files(), &lenient).await.unwrap();
    dir.write("V3__c.sql", "create table c ()");
    let (error, _) = refused(&dir).await;
    assert!(
        error.ends_with("V3__c is not applied, and V4__d is already"),
        "{error}"
    );
    assert_eq!(postgres.psql("select to_regclass('c') is null").await, "t");
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_and_says_where() {
    let postgres = Postgres::start().await;
    let session = session(&postgres).await;
    let dir = Dir::new(&[
        ("V1__a.sql", "create table a ()"),
        (
            "V2__b.sql",
            "create table b ();\n\n-- é\nselect nonsense;\n",
        ),
    ]);

    let error = up(&session, &dir.files(), &rules()).await.unwrap_err();

    assert_eq!(
        chain(&error),
        "migration V2__b failed at line 4: column \"nonsense\" does not exist (42703)"
    );
    assert!(error.hint().unwrap().starts_with("nothing of it stays"));
    assert_eq!(postgres.psql("select to_regclass('b') is null").await, "t");
    dir.write("V2__b.sql", "create table b ()");
    let report = up(&session, &dir.files(), &rules()).await.unwrap();
    assert_eq!(ran(&report), ["V2__b"], "the same session goes on");
}

#[tokio::test]
async fn a_migration_that_ends_its_own_transaction_is_refused() {
    let postgres = Postgres::start().await;
    let session = session(&postgres).await;
    let dir = Dir::new(&[(
        "V1__a.sql",
        "create table a ();\ncommit;\ncreate table b ();",
    )]);

    let error = up(&session, &dir.files(), &rules()).await.unwrap_err();
    assert_eq!(error.to_string(), "V1__a has \"commit\" at line 2");

    // What is not seen beforehand is seen afterwards.
    dir.write("V1__a.sql", "end");
    let error = up(&session, &dir.files(), &rules()).await.unwrap_err();
    assert!(
        matches!(error, SchemaError::OwnTransaction { .. }),
        "{error}"
    );
    let applied = "select count(*) from refinery_schema_history";
    assert_eq!(postgres.psql(applied).await, "0");
}

#[tokio::test]
async fn what_one_migration_sets_does_not_reach_the_next() {
    let postgres = Postgres::start().await;
    let session = session(&postgres).await;
    // As pg_dump begins what it writes.
    let dump = "select pg_catalog.set_config('search_path', '', false); create table public.a ();\n\
                set statement_timeout = 1;";
    let dir = Dir::new(&[
        ("V1__a.sql", dump),
        ("V2__b.sql", "create table b (); select pg_sleep(0.05)"),
    ]);

    up(&session, &dir.files(), &rules()).await.unwrap();

    assert_eq!(postgres.psql("select to_regclass('public.b')").await, "b");
}

#[tokio::test]
async fn somebody_who_has_seen_to_it_says_so() {
    let postgres = Postgres::start().await;
    let session = session(&postgres).await;
    postgres
        .psql("create table a (); alter table a owner to app")
        .await;
    let dir = Dir::new(&[
        ("V1__a.sql", "create table a ()"),
        ("V2__b.sql", "create table b ()"),
    ]);
    let error = up(&session, &dir.files(), &rules()).await.unwrap_err();
    assert!(
        error
            .hint()
            .unwrap()
            .contains("resolve VERSION --as applied")
    );
    let settle = async |version, resolution| {
        let (_stopper, stop) = Stop::new();
        resolve(
            &session,
            &dir.files(),
            &rules(),
            version,
            resolution,
            stop,
            &|_| {},
        )
        .await
    };

    settle(1, Resolution::Applied).await.unwrap();
    let report = up(&session, &dir.files(), &rules()).await.unwrap();
    assert_eq!(ran(&report), ["V2__b"]);

    dir.write("V1__a.sql", "create table a ( )");
    settle(1, Resolution::Applied).await.unwrap();
    assert!(look(&session, &dir.files()).await.troubles.is_empty());

    postgres.psql("drop table b").await;
    settle(2, Resolution::Pending).await.unwrap();
    let report = up(&session, &dir.files(), &rules()).await.unwrap();
    assert_eq!(ran(&report), ["V2__b"]);
    assert!(matches!(
        settle(9, Resolution::Applied).await,
        Err(SchemaError::NoVersion { version: 9 })
    ));
}

#[tokio::test]
async fn only_the_last_migrations_are_undone_and_only_with_a_file_for_it() {
    let postgres = Postgres::start().await;
    let session = session(&postgres).await;
    let dir = Dir::new(&[
        ("V1__a.sql", "create table a ()"),
        ("V2__b.sql", "create table b ()"),
        ("V2__b.down.sql", "drop table b"),
    ]);
    up(&session, &dir.files(), &rules()).await.unwrap();
    let files = dir.files();
    let status = look(&session, &files).await;

    assert_eq!(plan_down(&files, &status, 1).unwrap().len(), 1);
    let error = plan_down(&files, &status, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "V1__a cannot be undone: there is no file for it"
    );

    dir.write("V3__c.sql", "create table c ()");
    up(&session, &dir.files(), &rules()).await.unwrap();
    let error = down(&session, &dir.files(), &[2]).await.unwrap_err();
    assert!(matches!(error, SchemaError::Moved { .. }), "{error}");
    assert_eq!(postgres.psql("select to_regclass('b')").await, "b");
}
