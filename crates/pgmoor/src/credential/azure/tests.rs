//! Every source against a stand-in that refuses what Azure would refuse.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pgmoor_testkit::identity::azure::{CLIENT, TENANT};
use pgmoor_testkit::identity::{AzureStandIn, Fault, Judge, Reply};
use pgmoor_wire::Secret;
use tempfile::TempDir;

use super::*;
use crate::credential::Claim;
use crate::http::{Proxies, Trust};

struct World {
    judge: Judge,
    azure: AzureStandIn,
    files: TempDir,
}

impl World {
    async fn start() -> Self {
        let files = tempfile::tempdir().expect("directory");
        let judge = Judge::new();
        let azure = AzureStandIn::start(&judge, "app", files.path()).await;
        Self {
            judge,
            azure,
            files,
        }
    }

    /// A source that sees these variables and no others.
    fn source(&self, azure: Azure, variables: Vec<(&'static str, String)>) -> AzureSource {
        let variables: HashMap<_, _> = variables.into_iter().collect();
        let get = move |name: &str| variables.get(name).cloned();
        let client = Client::new(
            Trust::from_environment(|_| None),
            Proxies::from_environment(|_| None),
        );
        let mut source = AzureSource::new(azure, client, Arc::new(get));
        source.arc_keys = self.files.path().to_owned();
        source
    }

    fn instance(&self) -> Vec<(&'static str, String)> {
        vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", self.azure.url(""))]
    }

    fn application(&self) -> Azure {
        Azure {
            authority_host: Some(self.azure.url("")),
            tenant_id: Some(TENANT.to_owned()),
            client_id: Some(CLIENT.to_owned()),
            ..Azure::default()
        }
    }

    fn write(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, content).expect("write");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("chmod");
        path
    }

    async fn lets_in(&self, source: &AzureSource) {
        let token = source.mint().await.expect("a token");
        assert_eq!(self.judge.judge("app", token.secret.expose()), Ok(()));
        let left = token
            .expires_at
            .expect("an end")
            .duration_since(std::time::SystemTime::now());
        let left = left.expect("in time").as_secs();
        assert!((3_500..=3_600).contains(&left), "{left} s");
        assert!(
            token.claims.contains(&Claim::new("tenant", TENANT)),
            "{:?}",
            token.claims
        );
    }
}

async fn failure(source: &AzureSource) -> (String, FailureCause, String) {
    let error = source.mint().await.expect_err("no token");
    (
        chain(&error),
        error.cause(),
        error.advice().unwrap_or_default().to_owned(),
    )
}

/// A certificate with an RSA key, as Entra wants it, in one PEM.
fn certificate(seed: &str) -> (rcgen::Certificate, String) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("key");
    let parameters = rcgen::CertificateParams::new(vec![seed.to_owned()]).expect("names");
    let certificate = parameters.self_signed(&key).expect("sign");
    let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
    (certificate, pem)
}

#[tokio::test]
async fn a_client_secret_is_exchanged_for_a_token() {
    let world = World::start().await;
    let azure = Azure {
        client_secret: Some(ClientSecret::Value(Secret::new(world.azure.secret()))),
        ..world.application()
    };

    world.lets_in(&world.source(azure, vec![])).await;
}

#[tokio::test]
async fn a_secret_in_a_file_is_read_anew_at_each_exchange() {
    let world = World::start().await;
    let file = world.write("secret", "the one before", 0o600);
    let azure = Azure {
        client_secret: Some(ClientSecret::File(file)),
        ..world.application()
    };
    let source = world.source(azure, vec![]);
    let (text, ..) = failure(&source).await;
    assert!(text.contains("AADSTS7000215"), "{text}");

    world.write("secret", &format!("{}\n", world.azure.secret()), 0o600);

    world.lets_in(&source).await;
}

#[tokio::test]
async fn a_wrong_secret_is_told_in_entras_words_with_what_to_do() {
    let world = World::start().await;
    let azure = Azure {
        client_secret: Some(ClientSecret::Value(Secret::new("canary-8812".to_owned()))),
        ..world.application()
    };
    let source = world.source(azure, vec![]);

    let (text, cause, hint) = failure(&source).await;

    assert_eq!(cause, FailureCause::Refused);
    assert_eq!(
        text,
        format!(
            "cannot get a token of tenant {TENANT} for client {CLIENT} by its secret: it answered 401 Unauthorized: invalid_client: AADSTS7000215: Invalid client secret provided."
        )
    );
    assert_eq!(
        hint,
        "give the secret's value, not its id, and of this application"
    );
    assert!(!format!("{source:?}").contains("canary-8812"));
}

#[tokio::test]
async fn a_certificate_signs_an_assertion_that_is_used_once() {
    let world = World::start().await;
    let (certificate, pem) = certificate("app");
    world.azure.trust(certificate.der().clone());
    let azure = Azure {
        client_certificate: Some(world.write("app.pem", &pem, 0o600)),
        ..world.application()
    };
    let source = world.source(azure, vec![]);

    world.lets_in(&source).await;
    // The stand-in refuses an assertion that it has seen.
    world.lets_in(&source).await;
}

#[tokio::test]
async fn a_certificate_that_is_unknown_unsafe_or_of_another_kind_is_told() {
    let world = World::start().await;
    let (_, pem) = certificate("stranger");
    let (known, _) = certificate("app");
    world.azure.trust(known.der().clone());
    let elliptic = rcgen::generate_simple_self_signed(vec!["app".to_owned()]).expect("certificate");
    let elliptic = format!(
        "{}{}",
        elliptic.cert.pem(),
        elliptic.signing_key.serialize_pem()
    );
    let fails = async |name: &str, content: &str, mode| {
        let azure = Azure {
            client_certificate: Some(world.write(name, content, mode)),
            ..world.application()
        };
        failure(&world.source(azure, vec![])).await
    };

    let (text, _, hint) = fails("stranger.pem", &pem, 0o600).await;
    assert!(text.contains("AADSTS700027"), "{text}");
    assert_eq!(hint, "upload this certificate to the application");
    let (text, cause, _) = fails("open.pem", &pem, 0o644).await;
    assert!(
        text.ends_with("open.pem can be read by others (mode 0644)"),
        "{text}"
    );
    assert_eq!(cause, FailureCause::Configuration);
    let (text, ..) = fails("elliptic.pem", &elliptic, 0o600).await;
    assert!(text.ends_with("elliptic.pem is not an RSA key"), "{text}");
    let (text, ..) = fails("empty.pem", "", 0o600).await;
    assert!(
        text.ends_with("empty.pem holds no certificate in PEM"),
        "{text}"
    );
}

#[tokio::test]
async fn a_federated_token_is_read_anew_at_each_exchange() {
    let world = World::start().await;
    // Kubernetes mounts it readable, with a line break or without.
    let file = world.write(
        "token",
        &format!("{}\n", world.azure.federated_token()),
        0o644,
    );
    let variables = world.azure.workload(file.to_str().expect("path"));
    let source = world.source(Azure::default(), variables);
    world.lets_in(&source).await;

    let rotated = world.azure.rotate_federated_token();
    let (text, cause, hint) = failure(&source).await;
    assert!(text.contains("AADSTS70021"), "{text}");
    assert_eq!(cause, FailureCause::Refused);
    assert!(hint.starts_with("add a federated credential"), "{hint}");

    world.write("token", &rotated, 0o644);
    world.lets_in(&source).await;
    let used = &source.considered()[1];
    assert_eq!(used.source, "workload identity");
    assert!(
        matches!(&used.outcome, Outcome::Used(found) if found.contains(CLIENT)),
        "{used:?}"
    );
}

#[tokio::test]
async fn a_federated_token_that_is_not_mounted_names_the_label() {
    let world = World::start().await;
    let variables = world.azure.workload("/nowhere/token");

    let (text, cause, hint) = failure(&world.source(Azure::default(), variables)).await;

    assert!(text.contains("cannot read /nowhere/token"), "{text}");
    assert_eq!(cause, FailureCause::Configuration);
    assert!(hint.contains("azure.workload.identity/use"), "{hint}");
}

#[tokio::test]
async fn the_instances_identity_is_asked_with_its_header_and_times_as_text() {
    let world = World::start().await;
    world
        .lets_in(&world.source(Azure::default(), world.instance()))
        .await;

    // A client id alone names a user-assigned one.
    let azure = Azure {
        client_id: Some(CLIENT.to_owned()),
        ..Azure::default()
    };
    world.lets_in(&world.source(azure, world.instance())).await;
    let asked = world.azure.asked();
    assert_eq!(asked[0].query_field("client_id"), None);
    assert_eq!(asked[1].query_field("client_id").as_deref(), Some(CLIENT));
}

#[tokio::test]
async fn an_instance_that_is_not_ready_is_asked_again() {
    let world = World::start().await;
    for status in [404, 410, 429, 503] {
        world
            .azure
            .fail_next(1, Fault::Instead(Reply::text(status, "not yet")));
        world
            .lets_in(&world.source(Azure::default(), world.instance()))
            .await;
    }
    let asked = world.azure.count();
    let busy = Reply::text(404, "being updated").with("retry-after", "7");
    world.azure.fail_next(1, Fault::Instead(busy));
    let source = world.source(Azure::default(), world.instance());
    let error = source.mint().await.expect_err("it asks for patience");
    assert_eq!(error.cause(), FailureCause::Unavailable);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(world.azure.count(), asked + 1, "it is left alone");
    world.azure.fail_next(1, Fault::Garbage);
    let (_, cause, _) = failure(&world.source(Azure::default(), world.instance())).await;
    assert!(cause.is_transient(), "{cause}");
}

#[tokio::test]
async fn an_identity_that_is_not_assigned_is_told_with_what_to_do() {
    let world = World::start().await;
    let azure = Azure {
        object_id: Some("0f0f0f0f-0000-4000-8000-000000000000".to_owned()),
        ..Azure::default()
    };

    let (text, cause, hint) = failure(&world.source(azure, world.instance())).await;

    assert!(
        text.ends_with("invalid_request: Identity not found"),
        "{text}"
    );
    assert_eq!(cause, FailureCause::Refused);
    assert!(
        hint.starts_with("assign the identity to this machine"),
        "{hint}"
    );
}

#[tokio::test]
async fn app_service_is_asked_by_its_endpoint_with_its_header() {
    let world = World::start().await;
    let mut variables = world.azure.app_service();
    world
        .lets_in(&world.source(Azure::default(), variables.clone()))
        .await;

    variables[1].1 = "wrong".to_owned();
    let (text, cause, _) = failure(&world.source(Azure::default(), variables)).await;
    assert!(
        text.starts_with(
            "cannot get a token of the managed identity from App Service: it answered 401"
        ),
        "{text}"
    );
    assert_eq!(cause, FailureCause::Refused);
}

#[tokio::test]
async fn arcs_challenge_is_answered_with_its_key_and_only_for_files_of_the_agent() {
    let world = World::start().await;
    let variables = world.azure.arc();
    world
        .lets_in(&world.source(Azure::default(), variables.clone()))
        .await;

    let mut source = world.source(Azure::default(), variables);
    source.arc_keys = Path::new("/elsewhere").to_owned();
    let (text, ..) = failure(&source).await;
    assert!(
        text.ends_with("the challenge names no key in /elsewhere"),
        "{text}"
    );
}

#[tokio::test]
async fn with_nothing_given_the_first_source_that_is_there_is_used_and_the_others_are_explained() {
    let world = World::start().await;
    let source = world.source(Azure::default(), world.instance());
    world.lets_in(&source).await;

    let considered = source.considered();

    assert_eq!(
        considered,
        [
            Considered::absent("environment", "AZURE_CLIENT_ID is not set"),
            Considered::absent("workload identity", "AZURE_FEDERATED_TOKEN_FILE is not set"),
            Considered::used("managed identity", "the identity of the instance"),
            Considered::not_reached("Azure CLI"),
        ]
    );
}

#[tokio::test]
async fn an_instance_without_any_identity_is_passed_over() {
    let world = World::start().await;
    world.azure.unassign_identities();
    let source = world.source(Azure::default(), world.instance());

    // Whether somebody is logged in with az on this machine is not for this test.
    let _ = source.mint().await;

    let managed = &source.considered()[2];
    let absent = Considered::absent("managed identity", "the instance has no managed identity");
    assert_eq!(managed, &absent);
}

#[tokio::test]
async fn the_cli_is_asked_for_the_resource_and_the_tenant() {
    let world = World::start().await;
    let token = "eyJ0.eyJleHAiOjQxMDI0NDQ4MDAsInRpZCI6InQiLCJ1cG4iOiJhbmFAZXhhbXBsZS5jb20ifQ.s";
    let printed =
        format!(r#"{{"accessToken": "{token}", "expiresOn": "2099-12-31 23:59:59.000000"}}"#);
    let script = format!(
        "#!/bin/sh\n[ \"$*\" = \"account get-access-token --output json --resource {} --tenant {TENANT}\" ] || exit 3\necho '{printed}'\n",
        pgmoor_testkit::identity::azure::RESOURCE
    );
    let azure = Azure {
        source: Some(Source::Cli),
        tenant_id: Some(TENANT.to_owned()),
        ..Azure::default()
    };
    let mut source = world.source(azure, vec![]);
    source.az = world.write("az", &script, 0o755).display().to_string();

    let minted = source.mint().await.expect("a token");

    assert_eq!(minted.secret.expose(), token);
    // Older releases give a local time only: the token's own end counts.
    let end = std::time::UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    assert_eq!(minted.expires_at, Some(end));
    assert!(
        minted
            .claims
            .contains(&Claim::new("user", "ana@example.com"))
    );
}

#[tokio::test]
async fn who_we_are_does_not_change_while_the_metadata_service_is_away() {
    let world = World::start().await;
    let variables = world.instance();
    let mut source = world.source(Azure::default(), variables.clone());
    let script =
        "#!/bin/sh\necho '{\"accessToken\": \"somebody-elses\", \"expires_on\": 4102444800}'\n";
    source.az = world.write("az", script, 0o755).display().to_string();
    world.lets_in(&source).await;
    let port = world.azure.port();

    drop(world.azure);

    let (text, cause, _) = failure(&source).await;
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    assert_eq!(cause, FailureCause::Network);
    let managed = &source.considered()[2];
    assert!(matches!(managed.outcome, Outcome::Failed(_)), "{managed:?}");
    // One that has never been anybody looks on.
    let another = AzureSource {
        az: source.az.clone(),
        ..AzureSource::new(
            Azure::default(),
            source.client.clone(),
            source.environment.clone(),
        )
    };
    let token = another.mint().await.expect("that of az");
    assert_eq!(token.secret.expose(), "somebody-elses");
}

#[tokio::test]
async fn silence_of_a_metadata_service_that_may_be_there_is_no_fault_of_the_configuration() {
    let world = World::start().await;
    let mut source = world.source(Azure::default(), world.instance());
    source.az = "/nowhere/az".to_owned();

    drop(world.azure);

    let (text, cause, _) = failure(&source).await;
    assert!(text.starts_with("cannot find an Azure identity"), "{text}");
    assert_eq!(cause, FailureCause::Network);
}

#[tokio::test]
async fn a_cli_that_is_missing_or_logged_out_says_what_to_type() {
    let world = World::start().await;
    let azure = Azure {
        source: Some(Source::Cli),
        ..Azure::default()
    };
    let mut source = world.source(azure, vec![]);
    let script = "#!/bin/sh\necho \"ERROR: Please run 'az login' to setup account.\" >&2\nexit 1\n";

    source.az = world.write("az", script, 0o755).display().to_string();
    let (text, _, hint) = failure(&source).await;
    assert!(
        text.ends_with("ERROR: Please run 'az login' to setup account."),
        "{text}"
    );
    assert_eq!(hint, "run: az login");
    source.az = "/nowhere/az".to_owned();
    let (text, cause, _) = failure(&source).await;
    assert!(
        text.contains("cannot start credential command \"/nowhere/az\""),
        "{text}"
    );
    assert_eq!(cause, FailureCause::Configuration);
}

#[tokio::test]
async fn secrets_go_to_no_authority_in_clear_text() {
    let world = World::start().await;
    let azure = Azure {
        authority_host: Some("http://login.example.com".to_owned()),
        client_secret: Some(ClientSecret::Value(Secret::new("s".to_owned()))),
        ..world.application()
    };

    let (text, cause, _) = failure(&world.source(azure, vec![])).await;

    assert!(
        text.ends_with("the authority http://login.example.com has no https"),
        "{text}"
    );
    assert_eq!(cause, FailureCause::Configuration);
}
