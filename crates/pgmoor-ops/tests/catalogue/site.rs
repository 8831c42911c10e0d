//! What the tests of the catalogue share.

use std::sync::Arc;
use std::time::Duration;

use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint::Endpoint;
use pgmoor_ops::Session;
use pgmoor_ops::catalogue::{self, Catalogue, Object};
use pgmoor_testkit::{Dataset, Postgres};
use tokio::time::Instant;

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A server of this version with the data set.
pub(crate) async fn source(major: u16) -> Postgres {
    let postgres = Postgres::builder().major(major).start().await;
    Dataset::SMALL.make(&postgres).await;
    postgres
}

pub(crate) async fn session(postgres: &Postgres, user: &str, password: &str) -> Session {
    let text = format!(
        "host=127.0.0.1 port={} user={user} dbname=app password={password}",
        postgres.port()
    );
    let endpoint = Endpoint::parse(&text).unwrap();
    let connector = Connector::with_home(endpoint, Arc::new(NoCredential), None).unwrap();
    let deadline = Instant::now() + LIMIT;
    Session::open(&connector, "primary", None, &[], deadline)
        .await
        .unwrap()
}

/// The catalogue of database `app`, read by the superuser.
pub(crate) async fn read(postgres: &Postgres) -> Catalogue {
    let session = session(postgres, "postgres", postgres.admin_password()).await;
    let outcome = catalogue::read(&session, LIMIT).await;
    outcome.unwrap_or_else(|error| panic!("{error:?}"))
}

/// The object of this kind and name, of this table if it belongs to one.
pub(crate) fn object<'a>(catalogue: &'a Catalogue, kind: &str, name: &str) -> &'a Object {
    let found = catalogue
        .objects
        .iter()
        .find(|object| object.detail.kind() == kind && object.name == name);
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}
