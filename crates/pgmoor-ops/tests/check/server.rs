//! Checks of what the server is.

use pgmoor_testkit::Postgres;

use crate::site::{Look, leads, passes};

#[tokio::test]
async fn a_server_that_is_too_old_for_the_application_is_found() {
    let postgres = Postgres::start().await;
    let mut look = Look::at(&postgres.url());
    look.asked.requirement.min_version = 99;
    leads(&look.report().await, "PGM-SRV-001");

    passes(&Look::at(&postgres.url()).report().await, "PGM-SRV-001");
}
