//! Every way to a token, and every way that it is refused.

use std::time::Duration;

use pgmoor::credential::google::LOGIN;
use pgmoor::credential::{FailureCause, Outcome, Token, TokenSource};
use pgmoor_testkit::google::{Google, Service, scope};
use pgmoor_testkit::identity::{Fault, Reply};
use serde_json::json;

use crate::common::{APP, ROBOT, World, acting_as, federated, program, told};

#[tokio::test]
async fn key_of_a_service_account_is_exchanged_for_its_token() {
    let world = World::with_file(|google| google.key_file(APP)).await;
    assert_eq!(world.principal().await, APP);
}

#[tokio::test]
async fn consent_of_a_person_is_exchanged_for_less_than_it_was_given_for() {
    let world = World::with_file(|google| google.user_file("ann@example.com")).await;
    assert_eq!(world.principal().await, "ann@example.com");
}

#[tokio::test]
async fn machine_of_googles_has_the_token_of_its_account() {
    let world = World::machine().await;
    assert_eq!(world.principal().await, APP);
    // Real ones fill tokens up with dots, and take them so.
    world.google.pad_tokens(40);
    assert_eq!(world.principal().await, APP);
}

#[tokio::test]
async fn file_of_gcloud_is_found_without_a_word() {
    let world = World::new().await;
    let name = ".config/gcloud/application_default_credentials.json";
    world.write(name, world.google.user_file("ann@example.com").to_string());
    assert_eq!(world.principal().await, "ann@example.com");
}

#[tokio::test]
async fn token_in_a_file_is_read_at_each_exchange() {
    let mut world = World::new().await;
    let audience = world.google.token_pool("kubernetes");
    let path = world.write("token", world.google.subject_token(&audience, "ns:app"));
    world.set_file(&federated(
        &world.google,
        &audience,
        json!({ "file": path }),
    ));
    let principal = Google::principal(&audience, "ns:app");
    assert_eq!(world.principal().await, principal);

    // Rotated: the one before is stale.
    let next = world.google.subject_token(&audience, "ns:app");
    let refused = world.refusal().await;
    assert!(
        refused.contains("invalid_grant: The subject token is unknown or stale."),
        "{refused}"
    );
    world.write("token", format!("{next}\n"));

    assert_eq!(world.principal().await, principal);
}

#[tokio::test]
async fn token_from_an_address_needs_its_header_and_is_read_from_its_field() {
    let mut world = World::new().await;
    let audience = world.google.token_pool("azure");
    let token = world.google.subject_token(&audience, "vm");
    world.google.serve_subject(&token, "google");
    let source = |wanted: &str| {
        json!({
            "url": format!("{}/subject", world.google.url()),
            "headers": { "X-Subject-For": wanted },
            "format": { "type": "json", "subject_token_field_name": "value" },
        })
    };
    let (good, bad) = (source("google"), source("somebody"));
    world.set_file(&federated(&world.google, &audience, good));
    assert_eq!(world.principal().await, Google::principal(&audience, "vm"));

    world.set_file(&federated(&world.google, &audience, bad));
    let refused = world.refusal().await;
    assert!(refused.contains("X-Subject-For is wrong"), "{refused}");
}

#[tokio::test]
async fn token_of_a_program_is_taken_when_programs_are_allowed() {
    let mut world = World::new().await;
    let audience = world.google.token_pool("saml");
    let token = world.google.subject_token(&audience, "app");
    let path = world.home.path().join("program");
    let answer = json!({
        "version": 1, "success": true,
        "token_type": "urn:ietf:params:oauth:token-type:jwt", "id_token": token,
    });
    let script = format!(
        "[ \"$GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE\" = '{audience}' ] && [ \"$1\" = print ] && echo '{answer}'"
    );
    program(&path, &script);
    let source = json!({ "executable": { "command": format!("{} print", path.display()) } });
    world.set_file(&federated(&world.google, &audience, source));

    let refused = world.refusal().await;
    assert!(
        refused.contains("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES is not 1"),
        "{refused}"
    );
    world.set("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");

    assert_eq!(world.principal().await, Google::principal(&audience, "app"));
}

#[tokio::test]
async fn answer_that_a_program_left_is_used_only_when_it_says_until_when() {
    let mut world = World::new().await;
    let audience = world.google.token_pool("saml");
    let (stale, fresh) = (
        world.google.subject_token(&audience, "app"),
        world.google.subject_token(&audience, "app"),
    );
    let answer = |token: &str, ends: Option<u64>| {
        let mut answer = json!({
            "version": 1, "success": true,
            "token_type": "urn:ietf:params:oauth:token-type:jwt", "id_token": token,
        });
        if let Some(ends) = ends {
            answer["expiration_time"] = json!(ends);
        }
        answer.to_string()
    };
    let path = world.home.path().join("program");
    program(&path, &format!("echo '{}'", answer(&fresh, None)));
    let left = world.write("left.json", answer(&stale, None));
    let source = json!({ "executable": { "command": path, "output_file": left } });
    world.set_file(&federated(&world.google, &audience, source));
    world.set("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");

    assert_eq!(world.principal().await, Google::principal(&audience, "app"));

    program(&path, "exit 7");
    world.write("left.json", answer(&fresh, Some(4_102_444_800)));
    assert_eq!(world.principal().await, Google::principal(&audience, "app"));
    world.write("left.json", answer(&fresh, Some(1)));
    let refused = world.refusal().await;
    assert!(refused.contains("failed with exit status: 7"), "{refused}");
}

#[tokio::test]
async fn program_sees_nothing_of_what_only_pgmoor_is_told() {
    let mut world = World::new().await;
    let audience = world.google.token_pool("saml");
    let (path, seen) = (
        world.home.path().join("program"),
        world.home.path().join("seen"),
    );
    // Cargo's own variable stands for those of ours.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    program(&path, &format!("env > {}", seen.display()));
    let source = json!({ "executable": { "command": path } });
    world.set_file(&federated(&world.google, &audience, source));
    world.set("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");

    let refused = world.refusal().await;

    assert!(refused.contains("it printed no JSON"), "{refused}");
    let seen = std::fs::read_to_string(seen).expect("it has run");
    let told = format!("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE={audience}");
    assert!(seen.contains(&told), "{seen}");
    assert!(!seen.contains("CARGO_MANIFEST_DIR="), "{seen}");
}

#[tokio::test]
async fn nothing_secret_is_got_in_clear_text_from_another_host() {
    let mut world = World::new().await;
    let audience = world.google.token_pool("azure");
    let clear = "http://192.0.2.1/subject?code=geheim";
    let url = json!({ "url": clear, "headers": { "Authorization": "Bearer geheim" } });
    let aws = json!({
        "environment_id": "aws1", "region_url": clear, "imdsv2_session_token_url": clear,
        "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
    });
    for source in [url, aws] {
        world.set_file(&federated(&world.google, &audience, source));
        let refused = world.refusal().await;
        assert!(
            refused.contains("http://192.0.2.1/subject is neither https nor a metadata service"),
            "{refused}"
        );
        assert!(!refused.contains("geheim"), "{refused}");
    }
}

#[tokio::test]
async fn keys_of_aws_prove_who_we_are_there() {
    let mut world = World::new().await;
    let (audience, keys) = world.google.aws_pool("aws");
    let url = world.google.url();
    let mut file = federated(
        &world.google,
        &audience,
        json!({
            "environment_id": "aws1",
            "region_url": format!("{url}/latest/meta-data/placement/availability-zone"),
            "url": format!("{url}/latest/meta-data/iam/security-credentials"),
            "imdsv2_session_token_url": format!("{url}/latest/api/token"),
            "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        }),
    );
    file["subject_token_type"] = json!("urn:ietf:params:aws:token-type:aws4_request");
    world.set_file(&file);
    let principal = Google::principal(&audience, &keys.arn);
    assert_eq!(world.principal().await, principal);
    let asked = world.google.calls(Service::Subject);
    assert_eq!(asked, 4, "session, region, role and keys are asked for");

    world.set("AWS_REGION", "us-east-2");
    world.set("AWS_ACCESS_KEY_ID", &keys.id);
    world.set("AWS_SECRET_ACCESS_KEY", &keys.secret);
    world.set("AWS_SESSION_TOKEN", keys.session.clone().expect("session"));
    assert_eq!(world.principal().await, principal);
    assert_eq!(
        world.google.calls(Service::Subject),
        asked,
        "the environment has all of it"
    );

    world.set("AWS_SECRET_ACCESS_KEY", "another");
    let refused = world.refusal().await;
    assert!(
        refused.contains("The AWS signature does not fit."),
        "{refused}"
    );
}

#[tokio::test]
async fn federated_identity_acts_as_a_service_account_with_the_scope_that_iam_wants() {
    let mut world = World::new().await;
    let audience = world.google.token_pool("kubernetes");
    let path = world.write("token", world.google.subject_token(&audience, "ns:app"));
    let file = federated(&world.google, &audience, json!({ "file": path }));
    world.set_file(&acting_as(file, &world.google, APP));
    let refused = world.refusal().await;
    assert!(
        refused.contains(
            "grant roles/iam.serviceAccountTokenCreator on app@proj.iam.gserviceaccount.com"
        ),
        "{refused}"
    );

    world
        .google
        .allow_impersonation(&Google::principal(&audience, "ns:app"), APP);

    assert_eq!(world.principal().await, APP);
}

#[tokio::test]
async fn impersonation_file_holds_its_source() {
    let world = World::with_file(|google| {
        let file = json!({
            "type": "impersonated_service_account",
            "source_credentials": google.user_file("ann@example.com"),
            "delegates": [format!("projects/-/serviceAccounts/{ROBOT}")],
        });
        acting_as(file, google, APP)
    });
    let world = world.await;
    world.google.allow_impersonation("ann@example.com", ROBOT);
    assert!(world.refusal().await.contains("PERMISSION_DENIED"));
    world.google.allow_impersonation(ROBOT, APP);
    assert_eq!(world.principal().await, APP);
}

#[tokio::test]
async fn chain_of_the_settings_ends_at_its_last_account() {
    let mut world = World::machine().await;
    let between = "between@proj.iam.gserviceaccount.com";
    world.options.impersonate = vec![between.to_owned(), ROBOT.to_owned()];
    world.google.allow_impersonation(APP, between);
    let refused = world.refusal().await;
    assert!(
        refused.starts_with(&format!("cannot act as {ROBOT}")),
        "{refused}"
    );
    assert!(
        refused.contains(&format!("on {between} to {APP}, and so on along the chain")),
        "{refused}"
    );
    world.google.allow_impersonation(between, ROBOT);
    assert_eq!(world.principal().await, ROBOT);
}

#[tokio::test]
async fn what_was_looked_at_is_told_in_order() {
    let world = World::machine().await;
    let tokens = world.identity().tokens(LOGIN);
    tokens.mint().await.expect("token");

    let considered = tokens.considered();

    let names: Vec<&str> = considered.iter().map(|one| one.source).collect();
    assert_eq!(
        names,
        [
            "GOOGLE_APPLICATION_CREDENTIALS",
            "file of gcloud auth application-default login",
            "metadata server"
        ]
    );
    assert_eq!(
        considered[0].outcome,
        Outcome::Absent("it is not set".to_owned())
    );
    assert!(
        matches!(&considered[1].outcome, Outcome::Absent(why) if why.ends_with("does not exist"))
    );
    assert!(matches!(&considered[2].outcome, Outcome::Used(_)));
}

#[tokio::test]
async fn host_without_any_credentials_is_told_where_they_were_looked_for() {
    let refused = World::new().await.refusal().await;
    assert_eq!(
        refused,
        "cannot find Google credentials\n\
         cause: GOOGLE_APPLICATION_CREDENTIALS is not set, gcloud has left no file, and NO_GCE_CHECK is set\n\
         hint: on Google Cloud, attach a service account; elsewhere set GOOGLE_APPLICATION_CREDENTIALS, best to a file of workload identity federation"
    );
}

#[tokio::test]
async fn metadata_server_that_is_silent_may_answer_later() {
    let mut world = World::new().await;
    world.variables.clear();

    match world.mint().await {
        // This is a machine of Google's.
        Ok(_) => {}
        Err(error) => assert!(error.cause().is_transient(), "{}", told(&error)),
    }
}

#[tokio::test]
async fn who_we_are_does_not_change_while_we_run() {
    let world = World::machine().await;
    let tokens = world.identity().tokens(LOGIN);
    let principal = |token: Token| {
        world
            .google
            .judge(token.secret.expose())
            .expect("ours")
            .principal
    };
    let token = tokens.mint().await.expect("token");
    assert_eq!(principal(token), APP);

    let name = ".config/gcloud/application_default_credentials.json";
    let file = world.google.user_file("ann@example.com").to_string();
    world.write(name, &file);

    let token = tokens.mint().await.expect("token");
    assert_eq!(principal(token), APP);
    assert!(matches!(tokens.considered()[2].outcome, Outcome::Used(_)));
    // Another one starts with what is there by now, and does not become the machine when that is gone.
    let tokens = world.identity().tokens(LOGIN);
    let token = tokens.mint().await.expect("token");
    assert_eq!(principal(token), "ann@example.com");
    std::fs::remove_file(world.home.path().join(name)).expect("remove");
    let error = tokens.mint().await.expect_err("it is gone");
    assert!(told(&error).starts_with("cannot read "), "{}", told(&error));
    assert!(matches!(tokens.considered()[1].outcome, Outcome::Failed(_)));
    world.write(name, &file);
    assert!(tokens.mint().await.is_ok());
}

#[tokio::test]
async fn file_that_is_named_and_bad_is_not_passed_over() {
    let mut world = World::machine().await;
    for (content, why) in [
        ("{", "is no JSON (line 1, column 1)"),
        ("[]", "is no JSON object"),
        (
            r#"{"type":"gdch_service_account"}"#,
            "is of type \"gdch_service_account\"",
        ),
        (
            r#"{"type":"service_account","client_email":"a@b"}"#,
            "has no text \"private_key\"",
        ),
        (
            r#"{"type":"service_account","client_email":"a@b","private_key":"geheim"}"#,
            "has a \"private_key\" that is no PEM key",
        ),
    ] {
        let path = world.write("bad.json", content);
        world.set("GOOGLE_APPLICATION_CREDENTIALS", path.display().to_string());
        let refused = world.refusal().await;
        assert!(refused.contains(why), "{refused}");
        assert!(!refused.contains("geheim"), "{refused}");
    }
    world.set("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json");
    let refused = world.refusal().await;
    assert!(
        refused.starts_with("cannot read /nowhere/key.json"),
        "{refused}"
    );
    assert_eq!(world.google.calls(Service::Metadata), 0);
}

#[tokio::test]
async fn refusals_name_cause_and_fix() {
    let world = World::with_file(|google| google.key_file(APP)).await;
    world.google.delete_keys(APP);
    let refused = world.refusal().await;
    assert!(
        refused.starts_with(&format!(
            "cannot get a token for {APP} by its key\ncause: it answered 400"
        )),
        "{refused}"
    );
    assert!(
        refused.contains("hint: check that the key was not deleted"),
        "{refused}"
    );

    let world = World::with_file(|google| google.user_file("ann@example.com")).await;
    world.google.disable("ann@example.com");
    let refused = world.refusal().await;
    assert!(
        refused.contains("hint: run: gcloud auth application-default login"),
        "{refused}"
    );

    let world = World::machine().await;
    world.google.machine(APP, &[scope::ADMIN]);
    let refused = world.refusal().await;
    assert!(
        refused.contains("the machine was not made with these scopes"),
        "{refused}"
    );
    assert!(
        refused.contains("with the access scope cloud-platform"),
        "{refused}"
    );
}

#[tokio::test]
async fn identity_of_another_universe_is_refused() {
    let mut world = World::machine().await;
    world.google.set_universe("apis.example");
    let refused = world.refusal().await;
    assert!(
        refused.contains(
            "they belong to the universe \"apis.example\", and \"googleapis.com\" is configured"
        ),
        "{refused}"
    );
    world.set("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "apis.example");
    assert_eq!(world.principal().await, APP);
}

#[tokio::test]
async fn quota_project_is_counted_only_where_that_is_allowed() {
    let mut world = World::machine().await;
    world.options.impersonate = vec![ROBOT.to_owned()];
    world.options.quota_project = Some("billing".to_owned());
    world.google.allow_impersonation(APP, ROBOT);
    assert!(world.refusal().await.contains("permission to use project"));
    world.google.allow_quota(APP, "billing");
    assert_eq!(world.principal().await, ROBOT);
}

#[tokio::test]
async fn services_with_trouble_of_their_own_are_asked_again_and_others_not() {
    let world = World::with_file(|google| google.key_file(APP)).await;
    world.google.fail(Service::Token, Google::refusal(503), 2);
    assert_eq!(world.principal().await, APP);
    assert_eq!(world.google.calls(Service::Token), 3);

    let reply = Reply::text(429, "{}").with("retry-after", "7");
    world.google.fail(Service::Token, Fault::Instead(reply), 1);
    let error = world.mint().await.expect_err("throttled");
    assert_eq!(error.cause(), FailureCause::Throttled);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(world.google.calls(Service::Token), 4);

    let portal = Reply::text(200, "<html>captive portal</html>");
    world.google.fail(Service::Token, Fault::Instead(portal), 1);
    let error = world.mint().await.expect_err("garbage");
    assert_eq!(error.cause(), FailureCause::Malformed);
    assert_eq!(world.google.calls(Service::Token), 5);
}
