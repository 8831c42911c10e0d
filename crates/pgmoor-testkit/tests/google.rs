//! The stand-ins of Google's services, driven by Google's own clients: what these take for real is
//! honest.
//!
//! `tests/fetch-clients` installs them, and `PGMOOR_TEST_CLIENTS` names their directory, as `cargo x test` does.
//! Without it these tests say aloud that they show nothing.

use std::io::Write;
use std::path::PathBuf;

use pgmoor_testkit::Postgres;
use pgmoor_testkit::google::{Google, IAM_HBA, Instance, InstanceOptions, Service, scope};
use serde_json::{Value, json};
use tokio::process::Command;

const APP: &str = "app@proj.iam.gserviceaccount.com";
const ROBOT: &str = "robot@proj.iam.gserviceaccount.com";

/// Something of the clouds' own clients, or else a word about what is not shown.
fn client(path: &str) -> Option<PathBuf> {
    let place = std::env::var_os("PGMOOR_TEST_CLIENTS").map(PathBuf::from);
    if place.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: PGMOOR_TEST_CLIENTS is not set; tests/fetch-clients says to what"
        );
    }
    Some(place?.join(path))
}

async fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().await.expect("run it");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!(
            "{}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        )),
    }
}

const PYTHON: &str = "
import google.auth, google.auth.transport.requests
credentials, _ = google.auth.default(scopes=['https://www.googleapis.com/auth/sqlservice.login'])
credentials.refresh(google.auth.transport.requests.Request())
print(credentials.token)
";

#[tokio::test]
async fn python_library_gets_a_token_by_every_type_of_credential() {
    let Some(python) = client("python/bin/python") else {
        return;
    };
    let google = Google::start().await;
    let url = google.url();
    let directory = tempfile::tempdir().expect("directory");
    let audience = google.token_pool("kubernetes");
    let token = directory.path().join("token");
    std::fs::write(&token, google.subject_token(&audience, "ns:app")).expect("write");
    google.allow_impersonation(&Google::principal(&audience, "ns:app"), APP);
    let (aws, keys) = google.aws_pool("aws");
    let external = |audience: &str, kind: &str, source: Value| {
        json!({
            "type": "external_account", "audience": audience, "subject_token_type": kind,
            "token_url": format!("{url}/v1/token"), "credential_source": source,
        })
    };
    let jwt = "urn:ietf:params:oauth:token-type:jwt";
    let mut acting = external(&audience, jwt, json!({ "file": token }));
    acting["service_account_impersonation_url"] = json!(format!(
        "{url}/v1/projects/-/serviceAccounts/{APP}:generateAccessToken"
    ));
    let by_aws = external(
        &aws,
        "urn:ietf:params:aws:token-type:aws4_request",
        json!({
            "environment_id": "aws1",
            "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        }),
    );
    for (kind, file, principal) in [
        ("key", google.key_file(APP), APP.to_owned()),
        ("federation", acting, APP.to_owned()),
        ("aws", by_aws, Google::principal(&aws, &keys.arn)),
    ] {
        let path = directory.path().join(kind);
        std::fs::write(&path, file.to_string()).expect("write");
        let mut command = Command::new(&python);
        command
            .args(["-c", PYTHON])
            .env("GOOGLE_APPLICATION_CREDENTIALS", path);
        // Else the library asks a public service for the project.
        command
            .env("GOOGLE_CLOUD_PROJECT", "proj")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", &keys.id);
        command.env("AWS_SECRET_ACCESS_KEY", &keys.secret);
        command.env(
            "AWS_SESSION_TOKEN",
            keys.session.as_deref().unwrap_or_default(),
        );
        let token = run(&mut command)
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        let issued = google
            .judge(&token)
            .unwrap_or_else(|why| panic!("{kind}: {why}"));
        assert_eq!(
            (issued.principal, issued.scopes),
            (principal, vec![scope::LOGIN.to_owned()])
        );
    }

    google.machine(APP, &[scope::CLOUD]);
    let host = google.metadata_host();
    let mut command = Command::new(&python);
    command
        .args(["-c", PYTHON])
        .env("GCE_METADATA_HOST", &host)
        .env("GCE_METADATA_IP", &host);
    command
        .env("GOOGLE_CLOUD_PROJECT", "proj")
        .env("HOME", directory.path())
        .env_remove("GOOGLE_APPLICATION_CREDENTIALS");
    let token = run(&mut command).await.expect("metadata");
    assert_eq!(google.judge(&token).expect("token").principal, APP);
}

const NODE: &str = "
const { Connector } = require('@google-cloud/cloud-sql-connector');
const { Client } = require('pg');
(async () => {
  const connector = new Connector({ sqlAdminAPIEndpoint: process.env.API });
  const options = await connector.getOptions({
    instanceConnectionName: process.env.INSTANCE, authType: process.env.AUTH,
  });
  const client = new Client({
    ...options, user: process.env.ROLE, database: 'app', password: process.env.SECRET,
  });
  await client.connect();
  const answer = await client.query('select current_user');
  console.log(answer.rows[0].current_user);
  await client.end();
  connector.close();
})().catch((error) => { console.error(error); process.exit(1); });
";

#[tokio::test]
async fn node_connector_connects_to_instances_of_both_sorts_and_is_refused_what_is_not_its_own() {
    let Some(node) = client("node") else {
        return;
    };
    let google = Google::start().await;
    google.machine(APP, &[scope::CLOUD]);
    google.make_client(APP, "proj");
    let postgres = Postgres::builder().hba(IAM_HBA).start().await;
    // The one port that this connector knows; each instance has an address of its own.
    let serve = async |host: &str, options: InstanceOptions| {
        let options = InstanceOptions {
            addresses: vec![("PRIMARY", host.to_owned())],
            ..options
        };
        let address = format!("{host}:3307").parse().expect("address");
        let instance: Instance = google.instance_at(options, &postgres, address).await;
        instance
    };
    let ask = async |instance: &str, auth: &str, role: &str, secret: &str| {
        let mut command = Command::new("node");
        command.args(["-e", NODE]).current_dir(&node);
        command.env("GCE_METADATA_HOST", google.metadata_host());
        command
            .env("API", google.url())
            .env("INSTANCE", instance)
            .env("AUTH", auth);
        command.env("ROLE", role).env("SECRET", secret);
        run(&mut command).await
    };

    let name = "proj:europe-west1:one";
    let one = serve("127.0.0.1", InstanceOptions::new(name)).await;
    one.add_iam_role(APP, &postgres).await;
    one.add_iam_role(ROBOT, &postgres).await;
    assert_eq!(
        ask(name, "IAM", "app@proj.iam", "").await.as_deref(),
        Ok("app@proj.iam")
    );
    let password = postgres.app_password();
    assert_eq!(
        ask(name, "PASSWORD", "app", password).await.as_deref(),
        Ok("app")
    );
    let refused = ask(name, "IAM", "robot@proj.iam", "")
        .await
        .expect_err("not its role");
    assert!(refused.contains("28000"), "{refused}");
    google.take_client(APP, "proj");
    let refused = ask(name, "IAM", "app@proj.iam", "")
        .await
        .expect_err("no client");
    assert!(refused.contains("not authorized"), "{refused}");
    google.make_client(APP, "proj");

    let name = "proj:europe-west1:two";
    let options = InstanceOptions::shared(name, "0a1b.2c3d.europe-west1.sql.goog");
    let two = serve("127.0.0.2", options).await;
    two.knows_iam_role(APP);
    assert_eq!(
        ask(name, "IAM", "app@proj.iam", "").await.as_deref(),
        Ok("app@proj.iam")
    );
    assert!(google.calls(Service::EphemeralCert) >= 4);
}
