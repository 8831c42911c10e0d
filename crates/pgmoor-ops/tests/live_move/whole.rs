//! A database with every kind of object, moved while all of it changes.

use std::sync::Arc;

use pgmoor_ops::live_move::copy::Options;
use pgmoor_ops::live_move::event::Nobody;
use pgmoor_ops::live_move::{Limits, Move};
use pgmoor_testkit::{Dataset, Postgres};

use crate::crossing::{Gateway, go_on};
use crate::site::{server, side};

/// Changes rows of every table, each to what it was or away, by statements that fire no trigger.
async fn churn(postgres: &Postgres) {
    let password = postgres.admin_password();
    let client = postgres.connect_as("postgres", password, "app").await;
    let settings = "set session_replication_role = replica; set row_security = off";
    client.batch_execute(settings).await.unwrap();
    let tables = "select c.oid::regclass::text, min(quote_ident(attname)) filter (where attidentity <> 'a' and attgenerated = '')
        from pg_class c join pg_namespace n on n.oid = relnamespace
            left join pg_attribute a on attrelid = c.oid and attnum > 0 and not attisdropped
        where relkind = 'r' and relpersistence = 'p' and nspname !~ '^(pg_|pgmoor_|information_schema)'
            and not exists (select from pg_depend where objid = c.oid and deptype = 'e')
        group by 1 order by 1";
    let tables = client.query(tables, &[]).await.unwrap();
    assert!(tables.len() > 10, "{}", tables.len());
    for row in tables {
        let (table, column): (String, Option<String>) = (row.get(0), row.get(1));
        if let Some(column) = column {
            let sql = format!(
                "update only {table} set {column} = {column} where ctid in (select ctid from only {table} limit 50)"
            );
            client.batch_execute(&sql).await.unwrap();
        }
        let sql = format!(
            "delete from only {table} where ctid in (select ctid from only {table} limit 3)"
        );
        client.batch_execute(&sql).await.unwrap();
    }
}

async fn moves_and_comes_back(majors: (u16, u16)) {
    let (from, to) = (server(majors.0).await, server(majors.1).await);
    Dataset::SMALL.make(&from).await;
    let roles = Dataset::roles_sql(majors.1);
    to.connect_admin()
        .await
        .batch_execute(&roles)
        .await
        .unwrap();
    let it = Move {
        database: "app".to_owned(),
        source: side(&from, "old"),
        target: side(&to, "new"),
        limits: Limits::default(),
        listener: Arc::new(Nobody),
    };
    let gateway = Gateway::default();

    let copied = it.copy(Options::default()).await.unwrap();
    assert_eq!((copied.losses.len(), copied.differences.len()), (0, 0));
    churn(&from).await;
    let mut hold = it.take(None).await.unwrap();
    let verified = hold.verify(&it, 2).await.unwrap();
    assert!(verified.tables.len() > 10);
    let (mut hold, _) = hold.cross(&it, &gateway, go_on()).await.unwrap();
    churn(&to).await;
    hold.verify(&it, 2).await.unwrap();
    let (hold, _) = hold.cross(&it, &gateway, go_on()).await.unwrap();
    let (hold, _) = hold.cross(&it, &gateway, go_on()).await.unwrap();
    drop(hold);

    assert_eq!(it.finish().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn every_kind_of_object_moves_while_its_rows_change_and_comes_back() {
    moves_and_comes_back((15, 15)).await;
}

#[tokio::test]
async fn every_kind_of_object_moves_to_the_newest_version() {
    moves_and_comes_back((12, 18)).await;
}
