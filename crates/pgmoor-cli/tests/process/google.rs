//! Google's identities through the gateway: from a few lines of configuration to a query's answer.

use std::time::Duration;

use pgmoor_testkit::google::{Google, IAM_HBA, Instance, InstanceOptions, Service, scope};
use pgmoor_testkit::{Pgmoor, PgmoorBuilder, Postgres, wait_for};

use crate::site::pgmoor;

const APP: &str = "app@proj.iam.gserviceaccount.com";
const NAME: &str = "proj:europe-west1:db";
const PATIENCE: Duration = Duration::from_secs(30);

/// A machine that runs as [`APP`], with an instance that lets it in.
async fn machine() -> (Google, Postgres, Instance) {
    let google = Google::start().await;
    google.machine(APP, &[scope::CLOUD]);
    google.make_client(APP, "proj");
    let postgres = Postgres::builder().hba(IAM_HBA).start().await;
    let instance = google.instance(InstanceOptions::new(NAME), &postgres).await;
    instance.add_iam_role(APP, &postgres).await;
    (google, postgres, instance)
}

fn gate(google: &Google, instance: &Instance) -> PgmoorBuilder {
    let config = format!(
        "databases: {{ app: {{ endpoint: primary }} }}\nendpoints:\n  primary:\n    cloud_sql:\n      \
         instance: {NAME}\n      user: {APP}\n      dbname: app\n      port: {}\n      api_endpoint: \"{}\"\n",
        instance.port(),
        google.url()
    );
    let host = google.metadata_host();
    pgmoor()
        .config(&config)
        .config("log: { level: trace }")
        .env("GCE_METADATA_HOST", &host)
}

async fn ask(gate: &Pgmoor, query: &str) -> Result<String, tokio_postgres::Error> {
    let url = gate.url_of("app", &gate.generated_password(), "app");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(async { drop(connection.await) });
    Ok(client.query_one(query, &[]).await?.get(0))
}

#[tokio::test]
async fn instance_of_cloud_sql_is_served_without_address_or_password_and_no_token_is_seen() {
    let (google, _postgres, instance) = machine().await;
    let gate = gate(&google, &instance).start().await;

    let user = ask(&gate, "select current_user::text")
        .await
        .expect("answer");

    assert_eq!(user, "app@proj.iam");
    let process = std::path::PathBuf::from(format!("/proc/{}", gate.pid()));
    let seen = ["cmdline", "environ"].map(|name| std::fs::read(process.join(name)).expect(name));
    let log = gate.log();
    assert!(
        log.contains("opened server connection"),
        "the log tells all:\n{log}"
    );
    for token in google.tokens() {
        assert!(!log.contains(&token), "a token is in the log");
        let is_in = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).contains(&token);
        assert!(!seen.iter().any(is_in), "a token can be seen from outside");
    }
}

#[tokio::test]
async fn refused_role_is_told_to_clients_and_let_in_when_it_is_granted() {
    let (google, postgres, instance) = machine().await;
    let gate = gate(&google, &instance).start().await;
    assert!(ask(&gate, "select 'one'").await.is_ok());
    postgres.psql("alter role \"app@proj.iam\" nologin").await;
    instance.disconnect_all();
    wait_for("the gateway to see it", PATIENCE, async || {
        instance.connections() == 0
    })
    .await;

    let refused = ask(&gate, "select 'two'")
        .await
        .expect_err("the role may not log in");

    let told = refused
        .as_db_error()
        .map_or_else(|| refused.to_string(), |error| format!("{error:?}"));
    assert!(
        told.contains("app@proj.iam") || told.contains("28000"),
        "{told}"
    );
    postgres.psql("alter role \"app@proj.iam\" login").await;
    wait_for("it to be let in", PATIENCE, async || {
        ask(&gate, "select 'three'").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn certificate_outlives_a_reload_while_the_api_is_down() {
    let (google, _postgres, instance) = machine().await;
    let gate = gate(&google, &instance).start().await;
    assert!(ask(&gate, "select 'one'").await.is_ok());
    for service in [Service::ConnectSettings, Service::EphemeralCert] {
        google.fail_always(service, Google::refusal(503));
    }

    let before = gate.reloads("success").await;
    // An endpoint whose settings are the same would be left as it is.
    let config = std::fs::read_to_string(gate.config_path()).expect("read the configuration");
    let other = config.replace("    cloud_sql:", "    max_connections: 50\n    cloud_sql:");
    assert_ne!(config, other);
    std::fs::write(gate.config_path(), other).expect("write the configuration");
    wait_for("the reload", PATIENCE, async || {
        gate.reloads("success").await > before
    })
    .await;
    instance.disconnect_all();
    wait_for("the gateway to see it", PATIENCE, async || {
        instance.connections() == 0
    })
    .await;

    let answer = ask(&gate, "select 'two'").await;

    assert_eq!(answer.expect("the certificate is good still"), "two");
    assert_eq!(instance.certificates(), 1);
}

#[tokio::test]
async fn login_test_tells_of_the_identity_in_the_certificate_and_logs_in_by_it() {
    let (google, _postgres, instance) = machine().await;

    let output = gate(&google, &instance)
        .run(&["login", "test", "primary", "-o", "json"])
        .await;

    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(0), "{told:#}");
    let credential = &told["credential"];
    assert_eq!(
        credential["source"],
        "Google, in a certificate for Cloud SQL"
    );
    assert_eq!(credential["claims"]["principal"], APP);
    let considered = credential["considered"].as_array().expect("a list");
    let last = considered.last().expect("one");
    assert_eq!(
        (&last["source"], &last["outcome"]),
        (&"metadata server".into(), &"used".into())
    );
    let login = &told["login"];
    assert_eq!(login["user"], "app@proj.iam");
    assert_eq!(login["tls"]["verified"], true);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(google.tokens().iter().all(|token| !text.contains(token)));
}
