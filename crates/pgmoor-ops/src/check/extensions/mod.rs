//! What is installed, and what can be.

checks!(
    available,
    allowed,
    installed,
    min_version,
    schema,
    up_to_date,
);
