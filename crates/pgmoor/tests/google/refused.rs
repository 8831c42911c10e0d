//! What is refused, by the instance and by the API, and what that means for others.

use pgmoor::cloudsql::IpType;
use pgmoor::connector::Login;
use pgmoor_testkit::google::Service;
use pgmoor_testkit::identity::Fault;
use pgmoor_testkit::wait_for;
use tokio::time::Instant;

use crate::cloudsql::{PATIENCE, Site, open, told};
use crate::common::{APP, ROBOT};

#[tokio::test]
async fn other_principal_than_the_user_is_refused_with_cause_and_fix() {
    let site = Site::usual().await;
    site.instance.add_iam_role(ROBOT, &site.postgres).await;
    let refused = open(&site.connector_as(ROBOT, None))
        .await
        .expect_err("not our role");
    assert_eq!(refused.sqlstate().as_str(), "28000");
    let refused = told(&refused);
    assert!(
        refused.contains("Cloud SQL IAM user authentication failed for user \"robot@proj.iam\""),
        "{refused}"
    );
    assert!(refused.contains("hint: "), "{refused}");
}

#[tokio::test]
async fn refused_login_gets_a_new_certificate_with_a_new_token_once() {
    let site = Site::usual().await;
    let connector = site.connector();
    // The role is made only after the certificate.
    site.postgres
        .psql("alter role \"app@proj.iam\" nologin")
        .await;
    let refused = open(&connector).await.expect_err("may not log in");
    assert_eq!(refused.sqlstate().as_str(), "28000");
    assert_eq!(site.instance.certificates(), 2);
    // Not with every attempt: that would tell the API of each failure of each client.
    open(&connector).await.expect_err("may not log in");
    open(&connector).await.expect_err("may not log in");
    assert_eq!(site.instance.certificates(), 2);
    site.postgres
        .psql("alter role \"app@proj.iam\" login")
        .await;
    assert!(open(&connector).await.is_ok());
}

#[tokio::test]
async fn refused_login_takes_the_certificate_from_nobody() {
    let site = Site::usual().await;
    let connector = site.connector();
    drop(open(&connector).await.expect("connection"));
    let role = async |may: &str| {
        let change = format!("alter role \"app@proj.iam\" {may}");
        site.postgres.psql(&change).await;
    };
    let google = &site.world.google;
    google.fail_always(Service::EphemeralCert, Fault::Silence);
    let asked = google.calls(Service::EphemeralCert);
    role("nologin").await;
    let (refused, by) = (connector.clone(), Instant::now() + PATIENCE);
    let refused = tokio::spawn(async move {
        let opening = refused.connect(Login::Endpoint, None, &[], by);
        opening.await.expect_err("it may not log in")
    });
    wait_for(
        "another certificate to be asked for",
        PATIENCE,
        async || google.calls(Service::EphemeralCert) > asked,
    )
    .await;
    role("login").await;

    let others = tokio::time::timeout(PATIENCE / 2, open(&connector)).await;

    let others = others.expect("they need not wait for the API");
    assert!(others.is_ok(), "{others:?}");
    assert!(
        !refused.is_finished(),
        "this one waits for another certificate"
    );
    refused.abort();
}

#[tokio::test]
async fn refusals_of_the_api_name_cause_and_fix() {
    let mut site = Site::usual().await;
    site.world.google.take_client(APP, "proj");
    let refused = site.refused().await;
    assert!(
        refused.starts_with("cannot prepare a connection to proj:europe-west1:db\ncause: cannot "),
        "{refused}"
    );
    assert!(
        refused.contains("The client is not authorized to make this request."),
        "{refused}"
    );
    assert!(
        refused.contains("hint: grant the identity roles/cloudsql.client"),
        "{refused}"
    );
    site.world.google.make_client(APP, "proj");

    site.options.ip_type = IpType::Private;
    let refused = site.refused().await;
    assert!(
        refused.contains("the instance has none of the type PRIVATE"),
        "{refused}"
    );
    assert!(
        refused.contains("hint: set ip_type to one that it has: PUBLIC"),
        "{refused}"
    );
    site.options.ip_type = IpType::Auto;

    site.options.instance = "proj:us-east1:db".to_owned();
    let refused = site.refused().await;
    assert!(
        refused.contains("it is in the region \"europe-west1\""),
        "{refused}"
    );
}
