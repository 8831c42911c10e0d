//! PostgreSQL protocol bytes to values and back.
