//! `pgmoor login test`: what it tells of an identity, of a login, and of one that does not come about.

use std::process::Output;

use pgmoor_testkit::identity::azure::{CLIENT, RESOURCE, TENANT};
use pgmoor_testkit::identity::{AzureStandIn, Fault, Reply};
use serde_json::Value;

use crate::site::{Cloud, HOST, REGION, ROLE, Variables};

fn irsa(cloud: &Cloud) -> Variables {
    let file = cloud.file("web-token", &cloud.aws.web_identity_token());
    vec![
        ("AWS_ROLE_ARN", ROLE.to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.display().to_string()),
    ]
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn json(output: &Output) -> Value {
    let printed = text(&output.stdout);
    serde_json::from_str(&printed)
        .unwrap_or_else(|error| panic!("{error}:\n{printed}\n{}", text(&output.stderr)))
}

/// What came of each place that was looked at.
fn outcomes(document: &Value) -> Vec<(String, String)> {
    let all = document["credential"]["considered"].as_array();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = all.expect("a list").iter();
    all.map(|one| (word(&one["source"]), word(&one["outcome"])))
        .collect()
}

#[tokio::test]
async fn a_login_by_aws_is_told_with_its_source_its_token_its_renewal_and_its_tls() {
    let cloud = Cloud::new().await;
    let test = cloud.gateway("{ provider: aws }", &irsa(&cloud));

    let output = test.run(&["login", "test", "cloud", "-o", "json"]).await;

    let told = json(&output);
    assert_eq!(output.status.code(), Some(0), "{told:#}");
    assert_eq!(told["ok"], true);
    let of = |source: &str, outcome: &str| (source.to_owned(), outcome.to_owned());
    assert_eq!(
        outcomes(&told),
        [
            of("environment", "absent"),
            of("profile", "absent"),
            of("web identity (IRSA)", "used"),
            of("container (EKS Pod Identity, ECS)", "not_reached"),
            of("instance metadata (IMDSv2)", "not_reached"),
        ]
    );
    let claims = &told["credential"]["claims"];
    assert_eq!(
        claims["endpoint"],
        format!("{HOST}:{}", cloud.postgres.port())
    );
    assert_eq!(
        (&claims["user"], &claims["region"]),
        (&"iam".into(), &REGION.into())
    );
    assert!(claims["expires at"].is_string(), "{claims}");
    let renewal = &told["credential"]["renewal"];
    assert_eq!(renewal["renewals"], 1);
    let at = |name: &str| renewal[name].as_str().expect("a time").to_owned();
    assert!(at("fetched_at") < at("next_renewal") && at("next_renewal") < at("expires_at"));
    let login = &told["login"];
    assert_eq!(
        (&login["user"], &login["database"]),
        (&"iam".into(), &"app".into())
    );
    assert_eq!(login["tls"]["version"], "TLSv1.3");
    assert_eq!(login["tls"]["verified"], true);
    let stages = login["stages"].as_array().expect("stages");
    let stages: Vec<_> = stages.iter().map(|stage| stage["stage"].as_str()).collect();
    let expected = ["credential", "tcp", "tls", "auth", "startup"];
    assert_eq!(stages, expected.map(Some));
    assert_eq!(cloud.aws.issued().len(), 1, "what was told was used");
}

#[tokio::test]
async fn text_for_people_has_the_same_and_no_secret() {
    let cloud = Cloud::new().await;
    let test = cloud.gateway("{ provider: aws }", &irsa(&cloud));

    let output = test
        .config("log: { level: trace }")
        .run(&["login", "test"])
        .await;

    let (told, log) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}\n{log}");
    for part in [
        "not there: AWS_ACCESS_KEY_ID is not set",
        "not there: AWS_PROFILE is not set, and there is no profile \"default\" with credentials in",
        "used: role arn:aws:iam::123456789012:role/app",
        "not looked at",
        "renewed from",
        "TLSv1.3, TLS13_AES_256_GCM_SHA384, server verified",
        "iam on database app",
        "to agree on TLS",
        "\nok: logged in to app.c0ffee.eu-central-1.rds.amazonaws.com",
    ] {
        assert!(told.contains(part), "no {part:?} in:\n{told}");
    }
    for keys in cloud.aws.issued() {
        let session = keys.session_token.expect("they have one");
        let session = session.split('/').next().unwrap_or_default();
        for secret in [session, &keys.secret_access_key, "X-Amz-Signature="] {
            assert!(
                !told.contains(secret) && !log.contains(secret),
                "{told}\n{log}"
            );
        }
    }
}

#[tokio::test]
async fn claims_of_an_entra_token_are_told_and_never_the_token() {
    let cloud = Cloud::new().await;
    let azure = AzureStandIn::start(&cloud.judge, "iam", std::env::temp_dir()).await;
    let file = cloud.file("azure-token", &azure.federated_token());
    let variables = azure.workload(&file.display().to_string());
    let test = cloud.gateway_to("localhost", "{ provider: azure }", &variables);

    let output = test.run(&["login", "test", "-o", "json"]).await;

    let told = json(&output);
    assert_eq!(output.status.code(), Some(0), "{told:#}");
    let claims = &told["credential"]["claims"];
    assert_eq!(claims["audience"], RESOURCE);
    assert_eq!(claims["tenant"], TENANT);
    assert_eq!(claims["application"], CLIENT);
    assert_eq!(
        claims["issuer"],
        format!("https://sts.windows.net/{TENANT}/")
    );
    assert!(!text(&output.stdout).contains("eyJ"), "{told:#}");
}

#[tokio::test]
async fn an_issuer_that_says_no_is_told_with_all_places_and_exit_code_three() {
    let cloud = Cloud::new().await;
    cloud.aws.revoke_role(ROLE);
    let test = || cloud.gateway("{ provider: aws }", &irsa(&cloud));

    let output = test().run(&["login", "test", "cloud"]).await;

    let (told, complaint) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{told}\n{complaint}");
    assert!(told.contains("FAILED: cannot assume role"), "{told}");
    for part in [
        "error: cannot log in to endpoint \"cloud\" as \"iam\"",
        "AccessDenied",
        "hint: check that the file is there and fresh",
    ] {
        assert!(complaint.contains(part), "no {part:?} in:\n{complaint}");
    }
    let output = test().run(&["login", "test", "cloud", "-o", "json"]).await;
    let told = json(&output);
    assert_eq!(
        (output.status.code(), &told["exit_code"]),
        (Some(3), &3.into())
    );
    assert_eq!(told["ok"], false);
    assert!(told["login"].is_null());
    assert!(told["errors"][0]["hint"].is_string(), "{told:#}");
}

#[tokio::test]
async fn a_server_that_says_no_is_told_after_what_the_token_says() {
    let cloud = Cloud::new().await;
    cloud.judge.set_clock_ahead(1_000);
    let test = cloud.gateway("{ provider: aws }", &irsa(&cloud));

    let output = test.run(&["login", "test", "cloud"]).await;

    let (told, complaint) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{told}\n{complaint}");
    assert!(
        told.contains("signed at") && !told.contains("ok:"),
        "{told}"
    );
    assert!(
        complaint.contains("28000") && complaint.contains("check the clock"),
        "{complaint}"
    );
}

#[tokio::test]
async fn an_issuer_that_gives_no_answer_is_waited_for_as_long_as_was_said() {
    let cloud = Cloud::new().await;
    cloud.aws.fail(Fault::Silence);
    let test = cloud.gateway("{ provider: aws }", &irsa(&cloud));

    let output = test.run(&["login", "test", "--timeout", "1s"]).await;

    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{complaint}");
    assert!(
        complaint.contains("cannot get a credential from AWS within 1.0s"),
        "{complaint}"
    );
}

#[tokio::test]
async fn a_password_of_the_connection_string_or_of_a_passfile_is_told_as_such() {
    let cloud = Cloud::new().await;
    cloud
        .postgres
        .psql("create role plain login password 'geheim'")
        .await;
    let port = cloud.postgres.port();
    let host = format!("127.0.0.1:{port}/app");
    let config = |url: &str| {
        format!(
            "databases: {{ app: {{ endpoint: one }} }}\nendpoints: {{ one: {{ url: \"{url}\" }} }}"
        )
    };
    let gate = || pgmoor_testkit::Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor"));
    let passfile = cloud.file("pgpass", &format!("127.0.0.1:{port}:app:plain:geheim\n"));

    let own = gate().config(&config(&format!("postgres://plain:geheim@{host}")));
    let own = own.run(&["login", "test", "-o", "json"]).await;
    let filed = gate().config(&config(&format!("postgres://plain@{host}")));
    let filed = filed.env("PGPASSFILE", &passfile.display().to_string());
    let filed = filed.run(&["login", "test", "-o", "json"]).await;

    let (own, filed) = (json(&own), json(&filed));
    assert_eq!(
        (&own["ok"], &filed["ok"]),
        (&true.into(), &true.into()),
        "{own:#}\n{filed:#}"
    );
    assert_eq!(
        outcomes(&own)[0],
        ("connection string".to_owned(), "used".to_owned())
    );
    assert_eq!(
        outcomes(&filed)[1],
        ("passfile".to_owned(), "used".to_owned())
    );
    assert!(own["login"]["tls"]["verified"] == false || own["login"]["tls"].is_null());
    assert!(!own.to_string().contains("geheim") && !filed.to_string().contains("geheim"));
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_or_bundled_is_refused_with_what_to_do() {
    let cloud = Cloud::new().await;
    let test = || cloud.gateway("{ provider: aws }", &Vec::new());

    let unknown = test().run(&["login", "test", "clout"]).await;
    let other = test().run(&["login", "test", "-d", "other"]).await;
    let bundled = pgmoor_testkit::Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor"));
    let bundled = bundled.run(&["login", "test"]).await;

    for (output, told) in [
        (unknown, "the configuration has \"cloud\""),
        (other, "endpoint \"cloud\" serves no database \"other\""),
        (bundled, "run pgmoor wait"),
    ] {
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(told), "no {told:?} in:\n{complaint}");
    }
}

#[tokio::test]
async fn a_failure_that_is_over_is_told_beside_the_login() {
    let cloud = Cloud::new().await;
    cloud
        .aws
        .fail_next(1, Fault::Instead(Reply::text(503, "injected")));
    let test = cloud.gateway("{ provider: aws }", &irsa(&cloud));

    let output = test.run(&["login", "test", "-o", "json"]).await;

    let told = json(&output);
    assert_eq!(told["ok"], true, "{told:#}");
    assert_eq!(told["credential"]["renewal"]["failures"]["unavailable"], 1);
}
