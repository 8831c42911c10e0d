//! Real servers, certificates, scripted peers and faults for the tests.
//!
//! What a test needs is made for it alone and gone when it ends: a PostgreSQL with its own data and
//! port ([`Postgres`]), an authority with its own keys ([`Ca`]), a client that sends any bytes
//! ([`RawClient`]), a server that plays a script ([`ScriptedServer`]), a line that breaks on command
//! ([`FaultProxy`]), the product's own process ([`Pgmoor`]), load ([`Pgbench`]). A fixture that fails
//! panics, because then the test says nothing about the product.
//!
//! The protocol is written here a second time, on purpose: a mistake in `pgmoor-wire` must not be
//! made by its judge too.

mod host;
mod mount;
mod process;
mod wait;

mod ca;
mod message;
mod stream;
mod tls;

pub mod backend;
mod channel;
pub mod frontend;

mod fault;
mod postgres;
mod raw_client;
mod scripted;

pub mod attacks;

pub mod identity;

pub mod dns;
pub mod google;

pub mod zoo;

mod dataset;
mod pgbench;
mod pgmoor;

pub mod torture;

pub use ca::{Ca, Certificate, CertificateBuilder};
pub use dataset::Dataset;
pub use fault::{Direction, FaultProxy};
pub use host::{faketime, free_port, outward_address, private_dir, random_password, write_private};
pub use message::{Message, tags};
pub use mount::Mount;
pub use pgbench::{Pgbench, PgbenchReport, PgbenchRun, QueryMode};
pub use pgmoor::{Exit, HttpAnswer, Pgmoor, PgmoorBuilder, Replaced};
pub use postgres::{Postgres, PostgresBuilder, Stop, client_program, has_major, majors};
pub use process::{Signal, children_of, is_running, signal};
pub use raw_client::RawClient;
pub use scripted::{Login, ScriptedConnection, ScriptedServer, Serving, Session, Startup};
pub use stream::Address;
pub use tls::{POSTGRESQL_ALPN, client_config, client_config_trusting, server_config};
pub use wait::{wait_for, wait_for_some, wait_for_value};
