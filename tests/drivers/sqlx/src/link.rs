//! The address under test, and what the facts do with a connection to it.

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Error, Executor, PgConnection};

pub fn schema() -> String {
    std::env::var("PGMOOR_TEST_SCHEMA").unwrap_or_else(|_| "drivers".to_owned())
}

pub fn options() -> PgConnectOptions {
    let url = std::env::var("PGMOOR_TEST_URL").expect("PGMOOR_TEST_URL is set");
    let options: PgConnectOptions = url.parse().expect("PGMOOR_TEST_URL is an address");
    match std::env::var_os("PGMOOR_TEST_SSLROOTCERT") {
        None => options.ssl_mode(PgSslMode::Disable),
        Some(root) => options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(root),
    }
}

pub async fn connect() -> Result<PgConnection, Error> {
    options().connect().await
}

/// The one value that a query without parameters gives.
pub async fn text(connection: &mut PgConnection, sql: &str) -> Result<String, Error> {
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(connection)
        .await
}

pub async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), Error> {
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await?;
    Ok(())
}

/// The SQLSTATE of a refusal.
pub fn sqlstate<T>(result: Result<T, Error>) -> String {
    let error = result.err().expect("it is refused");
    match error.as_database_error().and_then(|error| error.code()) {
        Some(code) => code.into_owned(),
        None => panic!("no answer of the server: {error}"),
    }
}
