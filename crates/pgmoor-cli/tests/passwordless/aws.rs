//! Every source of AWS credentials, to a login through the gateway.

use pgmoor_testkit::identity::AwsDatabase;

use crate::site::{Cloud, HOST, REGION, ROLE, Variables, who};

/// A way to an identity: what the workload is given, and what its credential's settings are.
struct Way {
    name: &'static str,
    variables: Variables,
    credential: &'static str,
}

fn way(name: &'static str, variables: Variables) -> Way {
    Way {
        name,
        variables,
        credential: "{ provider: aws }",
    }
}

fn ways(cloud: &Cloud) -> Vec<Way> {
    let mut ways = of_files_and_variables(cloud);
    ways.extend(of_services(cloud));
    ways
}

fn of_files_and_variables(cloud: &Cloud) -> Vec<Way> {
    let aws = &cloud.aws;
    let (user, other) = (aws.user_keys(), aws.user_keys());
    let path = |name: &str, content: &str| cloud.file(name, content).display().to_string();
    let keys = |profile: &str, keys: &pgmoor_testkit::identity::AwsKeys| {
        format!(
            "[{profile}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            keys.access_key_id, keys.secret_access_key
        )
    };
    let credentials = path("credentials", &keys("base", &other));
    let process = path(
        "process.json",
        &serde_json::json!({
            "Version": 1,
            "AccessKeyId": user.access_key_id,
            "SecretAccessKey": user.secret_access_key,
        })
        .to_string(),
    );
    let web = path("web-token", &aws.web_identity_token());
    let config = path(
        "config",
        &format!(
            "[profile static]\nregion = us-west-1\naws_access_key_id = {}\naws_secret_access_key = {}\n\
         [profile middle]\nrole_arn = {ROLE}-middle\nsource_profile = base\nregion = {REGION}\n\
         [profile chain]\nrole_arn = {ROLE}\nsource_profile = middle\nregion = {REGION}\n\
         [profile process]\ncredential_process = cat {process}\n\
         [profile web]\nrole_arn = {ROLE}\nweb_identity_token_file = {web}\nrole_session_name = gate\n",
            user.access_key_id, user.secret_access_key
        ),
    );
    let profile = |name: &str| {
        vec![
            ("AWS_CONFIG_FILE", config.clone()),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.clone()),
            ("AWS_PROFILE", name.to_owned()),
        ]
    };
    let environment = vec![
        ("AWS_ACCESS_KEY_ID", user.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", user.secret_access_key.clone()),
    ];
    // They are wrong, and do not count where a profile is named.
    let mut named = profile("base");
    named.retain(|(name, _)| *name != "AWS_PROFILE");
    named.push(("AWS_ACCESS_KEY_ID", "AKIAWRONG".to_owned()));
    named.push(("AWS_SECRET_ACCESS_KEY", "wrong".to_owned()));
    vec![
        way("environment", environment),
        way("profile with keys", profile("static")),
        way("profile with a chain of roles", profile("chain")),
        way("profile with a process", profile("process")),
        way("profile with a web identity", profile("web")),
        Way {
            credential: "{ aws: { profile: chain } }",
            ..way("profile of the settings", named)
        },
    ]
}

fn of_services(cloud: &Cloud) -> Vec<Way> {
    let aws = &cloud.aws;
    let path = |name: &str, content: &str| cloud.file(name, content).display().to_string();
    let web = path("web-token", &aws.web_identity_token());
    vec![
        way(
            "IRSA",
            vec![
                ("AWS_ROLE_ARN", ROLE.to_owned()),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", web),
                ("AWS_ROLE_SESSION_NAME", "gate".to_owned()),
            ],
        ),
        way(
            "EKS Pod Identity",
            vec![
                (
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    aws.url("/v1/credentials"),
                ),
                (
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                    path("pod-token", &aws.pod_token()),
                ),
            ],
        ),
        way(
            "ECS",
            vec![
                (
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    aws.url("/v2/credentials/task"),
                ),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", aws.task_token()),
            ],
        ),
        way(
            "instance",
            vec![
                ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.url("")),
            ],
        ),
    ]
}

#[tokio::test]
async fn every_source_of_aws_credentials_leads_to_a_login() {
    let cloud = Cloud::new().await;
    for way in ways(&cloud) {
        let pgmoor = cloud.gateway(way.credential, &way.variables).start().await;

        let outcome = who(&pgmoor).await;

        let refusal = cloud.judge.last_refusal();
        assert_eq!(
            outcome.as_deref(),
            Ok("iam"),
            "{}: {refusal:?}\n{}",
            way.name,
            pgmoor.log()
        );
    }
    let verdicts = cloud.judge.verdicts();
    assert!(
        verdicts.iter().all(|verdict| verdict.outcome.is_ok()),
        "{verdicts:?}"
    );
}

#[tokio::test]
async fn region_of_a_private_name_comes_from_settings_variables_or_the_instance() {
    let cloud = Cloud::new().await;
    cloud.judge.guard(AwsDatabase::rds(
        "localhost",
        cloud.postgres.port(),
        "us-gov-east-1",
    ));
    let user = cloud.aws.user_keys();
    let keys = || -> Variables {
        vec![
            ("AWS_ACCESS_KEY_ID", user.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", user.secret_access_key.clone()),
        ]
    };
    let more = |name, value: &str| -> Variables {
        let mut variables = keys();
        variables.push((name, value.to_owned()));
        variables
    };
    for (credential, variables) in [
        (
            "{ aws: { region: us-gov-east-1 } }",
            more("AWS_REGION", "eu-west-1"),
        ),
        ("{ provider: aws }", more("AWS_REGION", "us-gov-east-1")),
        (
            "{ provider: aws }",
            more("AWS_DEFAULT_REGION", "us-gov-east-1"),
        ),
    ] {
        let pgmoor = cloud
            .gateway_to("localhost", credential, &variables)
            .start()
            .await;
        let refusal = cloud.judge.last_refusal();
        assert_eq!(
            who(&pgmoor).await.as_deref(),
            Ok("iam"),
            "{credential}: {refusal:?}"
        );
    }

    // The stand-in's instance is elsewhere.
    cloud
        .judge
        .guard(AwsDatabase::rds("localhost", cloud.postgres.port(), REGION));
    let mut instance = keys();
    instance.push(("AWS_EC2_METADATA_DISABLED", "false".to_owned()));
    instance.push(("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.aws.url("")));
    let pgmoor = cloud
        .gateway_to("localhost", "{ provider: aws }", &instance)
        .start()
        .await;
    assert_eq!(who(&pgmoor).await.as_deref(), Ok("iam"), "{}", pgmoor.log());
}

#[tokio::test]
async fn token_names_the_database_and_not_the_tunnel_to_it() {
    let cloud = Cloud::new().await;
    cloud.judge.guard(AwsDatabase::rds(HOST, 6_543, REGION));
    let user = cloud.aws.user_keys();
    let variables: Variables = vec![
        ("AWS_ACCESS_KEY_ID", user.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", user.secret_access_key.clone()),
    ];
    let credential = format!("{{ aws: {{ host: {HOST}, port: 6543 }} }}");

    let pgmoor = cloud
        .gateway_to("localhost", &credential, &variables)
        .start()
        .await;

    let refusal = cloud.judge.last_refusal();
    assert_eq!(who(&pgmoor).await.as_deref(), Ok("iam"), "{refusal:?}");
}

#[tokio::test]
async fn role_is_assumed_where_the_workload_is_and_not_where_the_database_is() {
    let cloud = Cloud::new().await;
    let far = "us-west-2";
    cloud
        .judge
        .guard(AwsDatabase::rds("localhost", cloud.postgres.port(), far));
    let user = cloud.aws.user_keys();
    let profile = |region: &str| {
        let config = format!(
            "[profile base]\naws_access_key_id = {}\naws_secret_access_key = {}\n\
             [profile role]\nrole_arn = {ROLE}\nsource_profile = base\n{region}",
            user.access_key_id, user.secret_access_key
        );
        let path = cloud.file("config", &config).display().to_string();
        vec![
            ("AWS_CONFIG_FILE", path),
            ("AWS_PROFILE", "role".to_owned()),
        ]
    };
    let here = || REGION.to_owned();
    let (mut by_region, mut by_default) = (profile(""), profile(""));
    by_region.push(("AWS_REGION", here()));
    by_default.push(("AWS_DEFAULT_REGION", here()));
    let credential = format!("{{ aws: {{ region: {far} }} }}");
    for variables in [by_region, by_default] {
        let pgmoor = cloud.gateway_to("localhost", &credential, &variables);
        let pgmoor = pgmoor.start().await;
        assert_eq!(who(&pgmoor).await.as_deref(), Ok("iam"), "{}", pgmoor.log());
    }
    let variables = profile(&format!("region = {REGION}\n"));
    let pgmoor = cloud.gateway_to("localhost", &credential, &variables);
    let pgmoor = pgmoor.start().await;
    assert_eq!(who(&pgmoor).await.as_deref(), Ok("iam"), "{}", pgmoor.log());
}

#[tokio::test]
async fn name_that_ends_in_a_dot_is_the_same_name() {
    let cloud = Cloud::new().await;
    let user = cloud.aws.user_keys();
    let variables: Variables = vec![
        ("AWS_ACCESS_KEY_ID", user.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", user.secret_access_key.clone()),
    ];

    let pgmoor = cloud.gateway_to(&format!("{HOST}."), "{ provider: aws }", &variables);
    let pgmoor = pgmoor.start().await;

    let refusal = cloud.judge.last_refusal();
    assert_eq!(who(&pgmoor).await.as_deref(), Ok("iam"), "{refusal:?}");
}
