//! Servers prepared by SQL, looked at as their application would.

use pgmoor_ops::report::DatabaseReport;
use pgmoor_testkit::Postgres;

use crate::site::Look;

/// Runs statements as the superuser in database `app`.
pub(crate) async fn sql(postgres: &Postgres, statements: &str) {
    admin(postgres)
        .await
        .batch_execute(statements)
        .await
        .unwrap();
}

/// The superuser in database `app`.
pub(crate) async fn admin(postgres: &Postgres) -> tokio_postgres::Client {
    let password = postgres.admin_password();
    postgres.connect_as("postgres", password, "app").await
}

/// Looks at database `app` as `app`; `change` says what is asked of it.
pub(crate) async fn look(postgres: &Postgres, change: impl FnOnce(&mut Look)) -> DatabaseReport {
    let mut look = Look::at(&postgres.url());
    change(&mut look);
    look.report().await
}

/// Looks at it without anything in particular being asked.
pub(crate) async fn plainly(postgres: &Postgres) -> DatabaseReport {
    look(postgres, |_| {}).await
}
