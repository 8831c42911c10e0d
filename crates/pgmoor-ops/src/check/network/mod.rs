//! Whether the servers are reached, and whether PostgreSQL answers there.

checks! { resolves, refused }
