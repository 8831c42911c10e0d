//! Many at once: one runs them, the others wait.

use pgmoor_ops::schema::Event;
use pgmoor_testkit::{Postgres, wait_for};
use tokio::task::JoinSet;

use crate::common::{
    Dir, PATIENCE, Told, connector, look, majors, open, rules, session, up_telling,
};

#[tokio::test]
async fn twenty_that_start_at_once_run_each_migration_once() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        // A table that counts: run twice, they would give other numbers.
        let dir = Dir::new(&[
            (
                "V1__a.sql",
                "create table count (n int); insert into count values (1)",
            ),
            (
                "V2__b.sql",
                "update count set n = n + 1; select pg_sleep(0.3)",
            ),
            (
                "V3__i.sql",
                "-- no-transaction\ncreate index concurrently i on count (n)",
            ),
            ("V4__c.sql", "update count set n = n * 10"),
        ]);
        let (port, password) = (postgres.port(), postgres.app_password().to_owned());
        let told = Told::default();
        let mut all = JoinSet::new();
        for _ in 0..20 {
            let (files, password, told) = (dir.files(), password.clone(), told.clone());
            all.spawn(async move {
                let session = open(&connector(port, "app", &password, "app")).await;
                up_telling(&session, &files, &rules(), &told).await
            });
        }

        let mut runs = 0;
        while let Some(outcome) = all.join_next().await {
            let report = outcome.unwrap().unwrap();
            assert_eq!(report.current.as_deref(), Some("V4__c"));
            runs += report.ran.len();
        }

        assert_eq!(runs, 4, "{major}");
        assert_eq!(postgres.psql("select n from count").await, "20");
        assert!(
            told.any(|event| matches!(event, Event::Waits { .. })),
            "they say so"
        );
    }
}

#[tokio::test]
async fn the_next_one_goes_on_when_whoever_ran_them_dies() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let dir = Dir::new(&[
            ("V1__a.sql", "create table a ()"),
            (
                "V2__b.sql",
                "create table b (); select pg_sleep(case when current_setting('app.slow', true) = 'yes' then 600 else 0 end)",
            ),
        ]);
        let slow = session(&postgres).await;
        let admin = postgres.connect_admin().await;
        admin
            .batch_execute("alter role app set app.slow = 'yes'")
            .await
            .unwrap();
        let victim = session(&postgres).await;
        admin
            .batch_execute("alter role app reset app.slow")
            .await
            .unwrap();
        let files = dir.files();
        let first = tokio::spawn({
            let files = files.clone();
            async move { up_telling(&victim, &files, &rules(), &Told::default()).await }
        });
        let pid = async || {
            let asleep = "select pid from pg_stat_activity where wait_event = 'PgSleep'";
            admin
                .query_opt(asleep, &[])
                .await
                .unwrap()
                .map(|row| row.get::<_, i32>(0))
        };
        wait_for("it to be in the second", PATIENCE, async || {
            pid().await.is_some()
        })
        .await;

        let told = Told::default();
        let (rules, victim) = (rules(), pid().await.unwrap());
        let second = up_telling(&slow, &files, &rules, &told);
        let killing = async {
            let waits = |event: &Event| matches!(event, Event::Waits { .. });
            wait_for("the next one to wait", PATIENCE, async || told.any(waits)).await;
            postgres.terminate_backend(victim);
        };
        let (report, ()) = tokio::join!(second, killing);

        assert_eq!(crate::common::ran(&report.unwrap()), ["V2__b"], "{major}");
        assert!(first.await.unwrap().unwrap_err().is_retryable());
        assert!(look(&slow, &files).await.pending(None).next().is_none());
    }
}
