//! Broken servers, and things that are none: what an operator meets in place of a PostgreSQL that is well.
//!
//! Servers that are PostgreSQL but wrong in some way are made by [`Postgres`](crate::Postgres) and
//! [`Ca`](crate::Ca).

mod black_hole;
mod impostor;
mod pgbouncer;

pub use black_hole::BlackHole;
pub use impostor::{HttpServer, closes_after_startup, refuses_every_login};
pub use pgbouncer::{PgBouncer, PoolMode};
