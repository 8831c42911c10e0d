//! The log as a server sends it: what is decoded has as many parts as it says, and shows no value.
//!
//! Also a module of `crates/pgmoor-wire/tests/fuzz.rs`, so it uses nothing but `pgmoor-wire`.

#![allow(
    unreachable_pub,
    reason = "a module of its own in one of those who share it"
)]

use pgmoor_wire::pgoutput::{Change, Old, Row, Value};
use pgmoor_wire::replication::ReplicationMessage;

/// A message in CopyData, and the change that may be inside.
pub fn pgoutput(data: &[u8]) {
    change(data);
    if let Ok(message) = ReplicationMessage::decode(data) {
        assert!(format!("{message:?}").len() < 100);
        if let ReplicationMessage::XLogData { data: inside, .. } = message {
            assert!(data.ends_with(inside));
            change(inside);
        }
    }
}

fn change(data: &[u8]) {
    let Ok(change) = Change::decode(data) else {
        return;
    };
    match change {
        Change::Relation(relation) => {
            assert_eq!(relation.columns().count(), relation.column_count());
        }
        Change::Insert { new, .. } => row(data, new),
        Change::Update { old, new, .. } => {
            row(data, new);
            old.into_iter().for_each(|old| old_row(data, old));
        }
        Change::Delete { old, .. } => old_row(data, old),
        // Each table takes four bytes, after the tag, the count and the options.
        Change::Truncate { relations, .. } => {
            assert_eq!(relations.ids().count() * 4 + 6, data.len());
        }
        Change::Message { content, .. } => assert!(data.ends_with(content)),
        Change::Begin { .. }
        | Change::Commit { .. }
        | Change::Origin { .. }
        | Change::Type { .. } => {}
    }
    // Nothing that was not read as a whole is a change.
    for cut in [1, data.len() / 2, data.len() - 1] {
        assert!(Change::decode(&data[..cut.min(data.len() - 1)]).is_err());
    }
}

fn old_row(data: &[u8], old: Old<'_>) {
    match old {
        Old::Key(old) | Old::Full(old) => row(data, old),
    }
}

fn row(data: &[u8], row: Row<'_>) {
    assert_eq!(row.values().count(), row.len());
    let sizes = row.values().map(|value| match value {
        Value::Null | Value::Unchanged => 1,
        Value::Text(bytes) | Value::Binary(bytes) => bytes.len() + 5,
    });
    assert!(sizes.sum::<usize>() < data.len());
}
