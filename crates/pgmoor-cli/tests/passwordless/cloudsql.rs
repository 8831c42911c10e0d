//! Cloud SQL by the connector's way, through the gateway: both kinds of authorities, each refusal with its cause and
//! what to do, and a name in DNS that comes to lead elsewhere.

use std::time::Duration;

use pgmoor_testkit::dns::Dns;
use pgmoor_testkit::google::{Google, IAM_HBA, Instance, InstanceOptions, scope};
use pgmoor_testkit::{Pgmoor, PgmoorBuilder, Postgres, free_port, wait_for};

use crate::site::{STUCK, assert_told, client, refused, who};

const APP: &str = "app@proj.iam.gserviceaccount.com";
const ROBOT: &str = "robot@proj.iam.gserviceaccount.com";
const NAME: &str = "proj:europe-west1:db";
const DNS_NAME: &str = "0a1b.2c3d.europe-west1.sql.goog";
const DOMAIN: &str = "db.example.com";

/// A machine of Google's that runs as [`APP`], and a server that instances may be put in front of.
struct Site {
    google: Google,
    postgres: Postgres,
    port: u16,
}

impl Site {
    async fn new() -> Site {
        let google = Google::start().await;
        google.machine(APP, &[scope::CLOUD]);
        google.make_client(APP, "proj");
        Site {
            google,
            postgres: Postgres::builder().hba(IAM_HBA).start().await,
            port: free_port(),
        }
    }

    /// An instance at this address. All have one port, as real ones do.
    async fn instance(&self, host: &str, options: InstanceOptions) -> Instance {
        let options = InstanceOptions {
            addresses: vec![("PRIMARY", host.to_owned())],
            ..options
        };
        let address = format!("{host}:{}", self.port).parse().expect("address");
        let instance = self.google.instance_at(options, &self.postgres, address);
        instance.await
    }

    async fn with_roles(&self, instance: &Instance) {
        for principal in [APP, ROBOT] {
            instance.add_iam_role(principal, &self.postgres).await;
        }
    }

    fn gateway(&self, instance: &str, user: &str, more: &str) -> PgmoorBuilder {
        let (port, api) = (self.port, self.google.url());
        Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor"))
            .config(&format!(
                "databases: {{ app: {{ endpoint: one, pool: {{ mode: transaction, size: 2, checkout_timeout: 3s }} }} }}\n\
                 endpoints:\n  one:\n    cloud_sql: {{ instance: \"{instance}\", user: \"{user}\", dbname: app, \
                 port: {port}, api_endpoint: \"{api}\"{more} }}"
            ))
            .gateway("auth: { trust: [loopback], users: { app: { password: unused } } }")
            .env("GCE_METADATA_HOST", &self.google.metadata_host())
    }
}

#[tokio::test]
async fn instances_of_both_kinds_of_authorities_are_served() {
    let site = Site::new().await;
    let own = site.instance("127.0.0.1", InstanceOptions::new(NAME)).await;
    site.with_roles(&own).await;
    let shared = "proj:europe-west1:shared";
    let options = InstanceOptions::shared(shared, DNS_NAME);
    let of_shared = site.instance("127.0.0.2", options).await;
    of_shared.knows_iam_role(APP);

    for name in [NAME, shared] {
        let gateway = site.gateway(name, APP, "").start().await;
        assert_eq!(who(&gateway).await.as_deref(), Ok("app@proj.iam"), "{name}");
    }
    assert_eq!((own.certificates(), of_shared.certificates()), (1, 1));
}

#[tokio::test]
async fn every_refusal_reaches_the_client_with_its_cause_and_what_to_do() {
    let site = Site::new().await;
    let instance = site.instance("127.0.0.1", InstanceOptions::new(NAME)).await;
    site.with_roles(&instance).await;
    let nameless = InstanceOptions {
        certificate_has_name: false,
        ..InstanceOptions::shared("proj:europe-west1:nameless", DNS_NAME)
    };
    let _nameless = site.instance("127.0.0.2", nameless).await;

    for (name, user, more, told) in [
        // Somebody else than the identity.
        (
            NAME,
            ROBOT,
            "",
            [
                "28000",
                "Cloud SQL IAM user authentication failed for user \"robot@proj.iam\"",
            ],
        ),
        // Elsewhere.
        (
            "proj:us-east1:db",
            APP,
            "",
            ["it is in the region \"europe-west1\"", "us-east1"],
        ),
        // A way that it has not.
        (
            NAME,
            APP,
            ", ip_type: PRIVATE",
            [
                "the instance has none of the type PRIVATE",
                "set ip_type to one that it has: PUBLIC",
            ],
        ),
        // A server that is another.
        (
            "proj:europe-west1:nameless",
            APP,
            "",
            ["TLS with proj:europe-west1:nameless", "not valid for name"],
        ),
        // Another universe.
        (
            NAME,
            APP,
            ", google: { universe_domain: other.goog }",
            ["they belong to the universe", "set universe_domain"],
        ),
    ] {
        let gateway = site.gateway(name, user, more).launch();
        let text = refused(&gateway).await;
        assert_told(&text, &told);
        for token in site.google.tokens() {
            assert!(!text.contains(&token), "{text}");
        }
    }
}

#[tokio::test]
async fn a_role_that_was_taken_is_told_and_its_return_noticed() {
    let site = Site::new().await;
    let instance = site.instance("127.0.0.1", InstanceOptions::new(NAME)).await;
    site.with_roles(&instance).await;
    site.google.take_client(APP, "proj");
    let gateway = site.gateway(NAME, APP, "").launch();

    let told = refused(&gateway).await;

    assert_told(
        &told,
        &[
            "The client is not authorized to make this request.",
            "hint: grant the identity roles/cloudsql.client",
        ],
    );
    site.google.make_client(APP, "proj");
    wait_for("the role to be noticed", STUCK, async || {
        who(&gateway).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn clients_follow_a_name_that_comes_to_lead_to_another_instance() {
    let site = Site::new().await;
    let first = site.instance("127.0.0.1", InstanceOptions::new(NAME)).await;
    site.with_roles(&first).await;
    let other = "proj:europe-west1:other";
    let second = site
        .instance("127.0.0.2", InstanceOptions::new(other))
        .await;
    second.knows_iam_role(APP);
    let dns = Dns::start().await;
    dns.text(DOMAIN, &[NAME]);
    let more = format!(", dns_server: \"{}\", dns_check: 100ms", dns.address());
    let gateway = site.gateway(DOMAIN, APP, &more).start().await;
    let held = client(&gateway).await.expect("a client");
    held.batch_execute("select 1").await.expect("an answer");
    assert!(first.connections() > 0 && second.connections() == 0);

    dns.text(DOMAIN, &[other]);

    wait_for("the first instance to be left", STUCK, async || {
        first.connections() == 0
    })
    .await;
    // Who stays between two transactions notices nothing.
    wait_for(
        "the second instance to serve",
        Duration::from_secs(20),
        async || {
            held.batch_execute("select 1").await.expect("an answer");
            second.connections() > 0
        },
    )
    .await;
    assert_eq!(who(&gateway).await.as_deref(), Ok("app@proj.iam"));
}
