//! What lets other libraries use a [`Connection`](crate::connector::Connection) that is logged in
//! already.

mod greeted;

mod local;

#[cfg(feature = "tokio-postgres")]
pub mod tokio_postgres;

#[cfg(feature = "deadpool-postgres")]
pub mod deadpool_postgres;

pub use greeted::Greeted;
pub use local::LocalSocket;
