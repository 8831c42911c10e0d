//! LangSmith: values of its Helm chart, or the environment of an installation by Compose.

mod identity;

mod tls;

mod read;

mod variables;

mod write;

pub(super) use read::{claims, read};
pub(super) use variables::{claims as claims_variables, read as read_variables};
pub(super) use write::{owned, write};

/// What requirements call it, and its main database.
pub(super) const NAME: &str = "langsmith";

/// Features with a database of their own.
pub(super) const FEATURES: [&str; 3] = ["fleet", "polly", "engineInsightsAgent"];

/// The services that open connections, by their keys in the values.
pub(super) const SERVICES: [&str; 5] = [
    "backend",
    "queue",
    "platformBackend",
    "hostBackend",
    "ingestQueue",
];

/// The jobs that do, by their keys below `backend`, whose service account they have.
pub(super) const JOBS: [&str; 4] = [
    "migrations",
    "authBootstrap",
    "feedbackConfigMigration",
    "feedbackDataMigration",
];
