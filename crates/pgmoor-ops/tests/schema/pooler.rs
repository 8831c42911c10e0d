//! Migrations through PgBouncer.

use pgmoor_ops::schema::{SchemaError, refuse_pooler};
use pgmoor_testkit::Postgres;
use pgmoor_testkit::zoo::{PgBouncer, PoolMode};

use crate::common::{Dir, connector, open, ran, rules, up};

#[tokio::test]
async fn a_pooler_in_session_mode_lets_migrations_through() {
    let postgres = Postgres::start().await;
    let bouncer = PgBouncer::start(&postgres, PoolMode::Session).await;
    let connector = connector(bouncer.port(), "app", postgres.app_password(), "app");
    let session = open(&connector).await;
    let dir = Dir::new(&[
        ("V1__a.sql", "create table a (id int)"),
        (
            "V2__i.sql",
            "-- no-transaction\ncreate index concurrently i on a (id)",
        ),
    ]);

    refuse_pooler(&connector, Some("app"), &session)
        .await
        .unwrap();
    let report = up(&session, &dir.files(), &rules()).await.unwrap();

    assert_eq!(ran(&report), ["V1__a", "V2__i"]);
    let left = "select count(*) from pg_locks where locktype = 'advisory'";
    assert_eq!(postgres.psql(left).await, "0");
}

#[tokio::test]
async fn a_pooler_in_another_mode_is_refused_before_anything_is_locked() {
    let postgres = Postgres::start().await;
    for mode in [PoolMode::Transaction, PoolMode::Statement] {
        let bouncer = PgBouncer::start(&postgres, mode).await;
        let connector = connector(bouncer.port(), "app", postgres.app_password(), "app");
        let session = open(&connector).await;

        let error = refuse_pooler(&connector, Some("app"), &session)
            .await
            .unwrap_err();

        assert!(matches!(error, SchemaError::Pooler), "{mode:?}: {error}");
        assert!(error.hint().unwrap().contains("schema.endpoint"));
    }
}
