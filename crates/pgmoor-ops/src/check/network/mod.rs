//! Whether the servers are reached, and whether PostgreSQL answers there.

mod tried;

checks! { resolves, refused, silent, reachable, postgres, pooler, pool_mode }
