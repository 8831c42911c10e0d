//! How much room there is.

checks!(
    connections,
    limits,
    memory,
    statements,
    standbys,
    wraparound,
    multixact,
    slots,
    transactions,
    idle_in_transaction,
    sequences,
);
