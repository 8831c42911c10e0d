//! Direct IAM login: every type of credential, to a real PostgreSQL that asks the judge of tokens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pgmoor::connector::{ConnectError, Connection, Connector};
use pgmoor::credential::CredentialProvider;
use pgmoor::credential::google::GoogleLogin;
use pgmoor::endpoint::Endpoint;
use pgmoor_testkit::google::database_user;
use pgmoor_testkit::identity::{Judge, LdapResponder};
use pgmoor_testkit::{Ca, Postgres};
use serde_json::{Value, json};

use crate::cloudsql::{open, told};
use crate::common::{APP, ROBOT, World, acting_as, federated};

const ANN: &str = "ann@example.com";
const OFFSET: Duration = Duration::from_secs(240);

/// A server that has the judge decide, and a world whose tokens the judge is told of.
struct Site {
    world: World,
    postgres: Postgres,
    ca: Ca,
    _ldap: LdapResponder,
}

impl Site {
    async fn new() -> Site {
        let (ca, judge) = (Ca::default(), Judge::new());
        let ldap = LdapResponder::start(&judge).await;
        let users = [APP, ROBOT, ANN].map(database_user);
        let mut builder = Postgres::builder().tls(&ca);
        for user in &users {
            builder = builder.hba(&ldap.hba(user));
        }
        let postgres = builder.start().await;
        for user in &users {
            postgres
                .psql(&format!("create role \"{user}\" login"))
                .await;
        }
        let world = World::new().await;
        world.google.tell(&judge);
        Site {
            world,
            postgres,
            ca,
            _ldap: ldap,
        }
    }

    fn connector(&self, user: &str, tls: &str) -> Connector {
        let login: Arc<dyn CredentialProvider> =
            Arc::new(GoogleLogin::new(&self.world.identity(), OFFSET));
        let text = format!(
            "host=localhost hostaddr=127.0.0.1 port={} dbname=app {tls}",
            self.postgres.port()
        );
        let mut endpoint = Endpoint::parse(&text).expect("address");
        endpoint.user = Some(user.to_owned());
        Connector::with_home(endpoint, login, None).expect("connector")
    }

    async fn log_in(&self, user: &str) -> Result<Connection, ConnectError> {
        open(&self.connector(user, &verified(self.ca.root_path()))).await
    }
}

fn verified(root: &Path) -> String {
    format!("sslmode=verify-full sslrootcert={}", root.display())
}

#[tokio::test]
async fn every_type_of_credential_logs_in() {
    let mut site = Site::new().await;
    let google = &site.world.google;
    let audience = google.token_pool("kubernetes");
    let token = site
        .world
        .write("token", google.subject_token(&audience, "ns:app"));
    google.allow_impersonation(
        &pgmoor_testkit::google::Google::principal(&audience, "ns:app"),
        APP,
    );
    google.allow_impersonation(ANN, ROBOT);
    let impersonation = json!({
        "type": "impersonated_service_account", "source_credentials": google.user_file(ANN),
    });
    let files: [(&str, &str, Value); 4] = [
        ("key", APP, google.key_file(APP)),
        ("consent", ANN, google.user_file(ANN)),
        (
            "federation",
            APP,
            acting_as(
                federated(google, &audience, json!({ "file": token })),
                google,
                APP,
            ),
        ),
        (
            "impersonation",
            ROBOT,
            acting_as(impersonation, google, ROBOT),
        ),
    ];
    for (kind, user, file) in files {
        site.world.set_file(&file);
        let connection = site.log_in(user).await;
        let connection = connection.unwrap_or_else(|error| panic!("{kind}: {}", told(&error)));
        assert_eq!(connection.user, database_user(user), "{kind}");
    }
    site.world.variables.clear();
    site.world
        .google
        .machine(APP, &[pgmoor_testkit::google::scope::CLOUD]);
    site.world
        .set("GCE_METADATA_HOST", site.world.google.metadata_host());
    let connection = site.log_in(APP).await;
    connection.unwrap_or_else(|error| panic!("metadata: {}", told(&error)));
}

#[tokio::test]
async fn token_is_for_its_own_role_and_goes_to_a_verified_server_only() {
    let mut site = Site::new().await;
    let file = site.world.google.key_file(APP);
    site.world.set_file(&file);

    let refused = site.log_in(ROBOT).await.expect_err("not our role");
    assert_eq!(refused.sqlstate().as_str(), "28000");

    let asked = site.postgres.log().len();
    let exposed = open(&site.connector(APP, "sslmode=require"))
        .await
        .expect_err("nobody is verified");
    let exposed = told(&exposed);
    assert!(exposed.contains("the token is not sent to"), "{exposed}");
    assert!(
        !site.postgres.log()[asked..].contains("LDAP"),
        "the server saw a token"
    );
}
