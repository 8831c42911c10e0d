//! What tokens of AWS name: the region, the database's name and port, the role.

use pgmoor_testkit::identity::AwsDatabase;

use crate::site::{Cloud, HOST, REGION, ROLE, Variables, who};

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
