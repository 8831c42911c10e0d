//! Migrations without a transaction: indexes that are built and dropped while others read and write.

use pgmoor_ops::schema::{Resolution, SchemaError, Stop, Trouble, resolve};
use pgmoor_testkit::{Postgres, wait_for};

use crate::common::{
    Dir, PATIENCE, Told, chain, look, majors, ran, rules, session, up, up_telling,
};

const VALID: &str = "select string_agg(c.relname || ' ' || indisvalid, ', ' order by 1) from pg_index i \
                     join pg_class c on c.oid = i.indexrelid where indrelid = 't'::regclass";

async fn table(postgres: &Postgres) {
    let sql = "create table t (a int, b int); insert into t select i, i from generate_series(1, 1000) i; \
               alter table t owner to app";
    postgres.psql(sql).await;
}

#[tokio::test]
async fn an_index_is_built_beside_an_open_transaction_without_a_limit_on_its_wait() {
    let postgres = Postgres::start().await;
    table(&postgres).await;
    let (session, user) = (session(&postgres).await, postgres.connect().await);
    user.batch_execute("begin; insert into t values (0, 0)")
        .await
        .unwrap();
    let dir = Dir::new(&[(
        "V1__i.sql",
        "-- no-transaction\nset maintenance_work_mem = '32MB';\ncreate index concurrently i on t (a);\n\
         create index concurrently j on t (b);",
    )]);
    let (files, mut rules) = (dir.files(), rules());
    rules.lock_timeout = std::time::Duration::from_millis(20);

    let building = up(&session, &files, &rules);
    let using = async {
        let admin = postgres.connect_admin().await;
        // Longer than any lock may be waited for by a migration.
        wait_for("the index to wait for longer", PATIENCE, async || {
            let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
                         and query like '%concurrently i%' and query_start < now() - interval '300ms'";
            admin.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0
        })
        .await;
        user.batch_execute("commit").await.unwrap();
    };
    let (report, ()) = tokio::join!(building, using);

    report.unwrap();
    assert_eq!(postgres.psql(VALID).await, "i true, j true");
}

#[tokio::test]
async fn an_index_that_a_dead_process_left_is_built_anew() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        table(&postgres).await;
        let dir = Dir::new(&[(
            "V1__i.sql",
            "-- no-transaction\ncreate index concurrently i on t (a);\ncreate index concurrently \"J j\" on public.t (b);",
        )]);
        let (victim, next) = (session(&postgres).await, session(&postgres).await);
        let user = postgres.connect().await;
        let admin = postgres.connect_admin().await;
        // Lets the first index be built and holds the second.
        let files = dir.files();
        let holding = async {
            wait_for("the first index", PATIENCE, async || {
                let first = "select count(*) from pg_class where relname = 'i'";
                let there = user.query_one(first, &[]).await.unwrap();
                there.get::<_, i64>(0) > 0
            })
            .await;
        };
        user.batch_execute("begin; insert into t values (0, 0)")
            .await
            .unwrap();
        let first = tokio::spawn({
            let files = files.clone();
            async move { up_telling(&victim, &files, &rules(), &Told::default()).await }
        });
        holding.await;
        let pid = async || {
            let building = "select pid from pg_stat_activity where query like 'create index concurrently i %' \
                            and wait_event_type = 'Lock'";
            admin
                .query_opt(building, &[])
                .await
                .unwrap()
                .map(|row| row.get::<_, i32>(0))
        };
        wait_for("the index to wait", PATIENCE, async || {
            pid().await.is_some()
        })
        .await;
        postgres.terminate_backend(pid().await.unwrap());
        first.await.unwrap().unwrap_err();
        user.batch_execute("commit").await.unwrap();
        assert_eq!(postgres.psql(VALID).await, "i false", "{major}");
        let status = look(&next, &files).await;
        assert!(matches!(
            status.troubles[0],
            Trouble::Open { version: 1, .. }
        ));

        let told = Told::default();
        let report = up_telling(&next, &files, &rules(), &told).await.unwrap();

        assert_eq!(ran(&report), ["V1__i"]);
        assert_eq!(postgres.psql(VALID).await, "i true, J j true");
        let repaired = |event: &_| matches!(event, pgmoor_ops::schema::Event::Repaired { what, .. } if what.contains("dropped i,"));
        assert!(told.any(repaired));
    }
}

#[tokio::test]
async fn an_index_that_cannot_be_built_leaves_nothing_in_the_way() {
    let postgres = Postgres::start().await;
    table(&postgres).await;
    postgres.psql("insert into t values (1, 1)").await;
    let session = session(&postgres).await;
    let sql = "-- no-transaction\ncreate unique index concurrently i on t (a)";
    let dir = Dir::new(&[("V1__i.sql", sql)]);

    let error = up(&session, &dir.files(), &rules()).await.unwrap_err();

    assert!(
        chain(&error)
            .starts_with("migration V1__i failed at line 2: could not create unique index"),
        "{}",
        chain(&error)
    );
    assert_eq!(postgres.psql(VALID).await, "");
    postgres
        .psql("delete from t where ctid = (select max(ctid) from t where a = 1)")
        .await;
    up(&session, &dir.files(), &rules()).await.unwrap();
    assert_eq!(postgres.psql(VALID).await, "i true");
}

#[tokio::test]
async fn what_may_have_happened_in_part_is_named_and_left_to_a_person() {
    let postgres = Postgres::start().await;
    table(&postgres).await;
    let session = session(&postgres).await;
    let sql = "-- no-transaction\ndo $$ begin update t set b = 0; commit; perform 1/0; end $$";
    let dir = Dir::new(&[("V1__batches.sql", sql), ("V2__c.sql", "create table c ()")]);

    let error = up(&session, &dir.files(), &rules()).await.unwrap_err();
    assert!(
        chain(&error).contains("division by zero (22012)"),
        "{}",
        chain(&error)
    );
    let error = up(&session, &dir.files(), &rules()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("V1__batches was begun and did not end: its up ran since"),
        "{error}"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("pgmoor schema resolve 1 --as applied")
    );

    let (_stopper, stop) = Stop::new();
    let files = dir.files();
    resolve(
        &session,
        &files,
        &rules(),
        1,
        Resolution::Applied,
        stop,
        &|_| {},
    )
    .await
    .unwrap();
    let report = up(&session, &files, &rules()).await.unwrap();
    assert_eq!(ran(&report), ["V2__c"]);
}

#[tokio::test]
async fn what_cannot_run_in_a_transaction_is_told_how() {
    let postgres = Postgres::start().await;
    table(&postgres).await;
    let session = session(&postgres).await;
    let dir = Dir::new(&[("V1__i.sql", "create index concurrently i on t (a)")]);

    let error = up(&session, &dir.files(), &rules()).await.unwrap_err();

    assert!(matches!(error, SchemaError::Migration { .. }));
    assert_eq!(
        error.hint().unwrap(),
        "begin the file with the line \"-- no-transaction\""
    );
}

#[tokio::test]
async fn an_index_is_dropped_on_the_way_back() {
    let postgres = Postgres::start().await;
    table(&postgres).await;
    let session = session(&postgres).await;
    let dir = Dir::new(&[
        (
            "V1__i.sql",
            "-- no-transaction\ncreate index concurrently i on t (a)",
        ),
        (
            "V1__i.down.sql",
            "-- no-transaction\ndrop index concurrently i",
        ),
    ]);
    up(&session, &dir.files(), &rules()).await.unwrap();

    crate::common::down(&session, &dir.files(), &[1])
        .await
        .unwrap();

    assert_eq!(postgres.psql(VALID).await, "");
    assert_eq!(look(&session, &dir.files()).await.pending(None).count(), 1);
}
