//! What lets other libraries use a [`Connection`](crate::connector::Connection) that is logged in
//! already.

mod greeted;

#[cfg(feature = "tokio-postgres")]
pub mod tokio_postgres;

pub use greeted::Greeted;
