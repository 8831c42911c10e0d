//! Google identities and the connector of Cloud SQL, against stand-ins of Google's services and a real
//! PostgreSQL behind them.
#![cfg(feature = "google")]

mod cloudsql;
mod common;
mod direct;
mod names;
mod refused;
mod sources;
