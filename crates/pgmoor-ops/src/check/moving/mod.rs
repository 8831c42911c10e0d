//! Whether the database can be moved while it is used.

checks!(
    wal_level,
    slots,
    senders,
    replication,
    publication,
    identity,
    unlogged,
    foreign_tables,
    materialized_views,
    event_triggers,
    publications,
    row_security,
    unreadable,
    prepared_transactions,
    collations,
    large_objects,
    open_transaction,
    size,
);
