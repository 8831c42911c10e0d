//! The changes that real servers make of their log, read by the decoder.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;

use pgmoor_testkit::{Postgres, majors};
use pgmoor_wire::pgoutput::{Change, Old, Value};

const PREPARE: &str = "
    create type mood as enum ('calm');
    create table keyed (id int primary key, name text, mood mood);
    create table whole (id int, name text);
    alter table whole replica identity full;
    alter table keyed alter column name set storage external;
    create publication everything for all tables";

const SLOT: &str = "select pg_create_logical_replication_slot('reading', 'pgoutput')";

const CHANGES: &str = "
    begin;
    insert into keyed values (1, repeat('x', 10000), 'calm');
    update keyed set mood = null where id = 1;
    update keyed set id = 2 where id = 1;
    delete from keyed where id = 2;
    insert into whole values (1, 'a'), (2, null);
    update whole set name = 'b' where id = 1;
    truncate keyed, whole restart identity;
    commit";

/// What a change is, in short.
fn told(change: Change<'_>) -> String {
    match change {
        Change::Begin { .. } => "begin".to_owned(),
        Change::Commit { .. } => "commit".to_owned(),
        Change::Origin { name, .. } => format!("origin {name}"),
        Change::Relation(relation) => {
            let columns = relation.columns().map(|column| match column.is_key {
                true => format!("{}*", column.name),
                false => column.name.to_owned(),
            });
            let columns = columns.collect::<Vec<_>>().join(" ");
            format!("relation {}.{} ({columns})", relation.schema, relation.name)
        }
        Change::Type { schema, name, .. } => format!("type {schema}.{name}"),
        Change::Insert { new, .. } => format!("insert {}", values(new.values())),
        Change::Update { old, new, .. } => {
            let old = old.map_or(String::new(), |old| format!("{} to ", told_old(old)));
            format!("update {old}{}", values(new.values()))
        }
        Change::Delete { old, .. } => format!("delete {}", told_old(old)),
        Change::Truncate {
            relations,
            restarts_identity,
            ..
        } => {
            format!(
                "truncate {} tables, restarts: {restarts_identity}",
                relations.ids().count()
            )
        }
        Change::Message { prefix, .. } => format!("message {prefix}"),
    }
}

fn told_old(old: Old<'_>) -> String {
    match old {
        Old::Key(row) => format!("key {}", values(row.values())),
        Old::Full(row) => format!("full {}", values(row.values())),
    }
}

fn values<'a>(values: impl Iterator<Item = Value<'a>>) -> String {
    let values = values.map(|value| match value {
        Value::Null => "null".to_owned(),
        Value::Unchanged => "unchanged".to_owned(),
        Value::Text(text) if text.len() > 100 => format!("{} bytes", text.len()),
        Value::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        Value::Binary(bytes) => format!("{bytes:?}"),
    });
    format!("({})", values.collect::<Vec<_>>().join(", "))
}

#[tokio::test]
async fn every_change_of_every_major_version_is_read() {
    for major in majors() {
        let postgres = Postgres::builder()
            .major(major)
            .conf("wal_level", "logical")
            .start()
            .await;
        let admin = postgres.connect_admin().await;
        admin.batch_execute(PREPARE).await.unwrap();
        admin.batch_execute(SLOT).await.unwrap();
        admin.batch_execute(CHANGES).await.unwrap();

        let read = "select data from pg_logical_slot_peek_binary_changes('reading', null, null,
            'proto_version', '1', 'publication_names', 'everything')";
        let rows = admin.query(read, &[]).await.unwrap();

        let changes = rows
            .iter()
            .map(|row| told(Change::decode(row.get(0)).unwrap()));
        // Some versions describe a table again when its transaction goes on by a TRUNCATE.
        let mut described = BTreeSet::new();
        let is_new = |told: &String| {
            let describes = told.starts_with("type") || told.starts_with("relation");
            !describes || described.insert(told.clone())
        };
        let changes: Vec<String> = changes.filter(is_new).collect();
        let expected = [
            "begin",
            "type public.mood",
            "relation public.keyed (id* name mood)",
            "insert (1, 10000 bytes, calm)",
            "update (1, unchanged, null)",
            "update key (1, null, null) to (2, unchanged, null)",
            "delete key (2, null, null)",
            "relation public.whole (id* name*)",
            "insert (1, a)",
            "insert (2, null)",
            "update full (1, a) to (1, b)",
            "truncate 2 tables, restarts: true",
            "commit",
        ];
        assert_eq!(changes, expected, "PostgreSQL {major}");

        if major >= 14 {
            let binary =
                "select data from pg_logical_slot_peek_binary_changes('reading', null, null,
                'proto_version', '1', 'publication_names', 'everything', 'binary', 'true')";
            let rows = admin.query(binary, &[]).await.unwrap();
            let insert = rows
                .iter()
                .map(|row| told(Change::decode(row.get(0)).unwrap()));
            let insert = insert.filter(|told| told.starts_with("insert")).last();
            assert_eq!(insert.as_deref(), Some("insert ([0, 0, 0, 2], null)"));
        }
    }
}
