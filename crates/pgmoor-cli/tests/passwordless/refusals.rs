//! Every way in which a login by AWS IAM is refused, and what a client is told: the cause and what to do.

use pgmoor_testkit::identity::AwsDatabase;
use pgmoor_testkit::wait_for;

use crate::site::{Cloud, HOST, REGION, ROLE, STUCK, Variables, assert_told, refused, who};

fn irsa(cloud: &Cloud) -> Variables {
    let file = cloud.file("web-token", &cloud.aws.web_identity_token());
    vec![
        ("AWS_ROLE_ARN", ROLE.to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.display().to_string()),
    ]
}

#[tokio::test]
async fn token_that_the_database_refuses_is_told_with_all_that_it_names() {
    let cloud = Cloud::new().await;
    let port = cloud.postgres.port();
    let right = || AwsDatabase::rds(HOST, port, REGION);
    let pgmoor = cloud.gateway("{ provider: aws }", &irsa(&cloud)).launch();
    let cases: [(&str, i64, AwsDatabase); 5] = [
        ("the token is dated", -1_000, right()),
        ("the token expired", 1_000, right()),
        (
            "the token is for",
            0,
            AwsDatabase::rds("other.host", port, REGION),
        ),
        ("the scope is", 0, AwsDatabase::rds(HOST, port, "us-east-1")),
        (
            "the policy does not allow",
            0,
            AwsDatabase {
                users: vec!["app".to_owned()],
                ..right()
            },
        ),
    ];
    for (refusal, ahead, database) in cases {
        cloud.judge.set_clock_ahead(ahead);
        cloud.judge.guard(database);

        // The gateway does not ask again at once after a refusal.
        wait_for(refusal, STUCK, async || {
            assert!(who(&pgmoor).await.is_err(), "{refusal}");
            let judged = cloud.judge.last_refusal().unwrap_or_default();
            judged.starts_with(refusal)
        })
        .await;
        let told = refused(&pgmoor).await;

        assert_told(
            &told,
            &[
                "28000",
                "LDAP authentication failed for user \"iam\"",
                &format!("the token is for user \"iam\" at {HOST}:{port} in {REGION}, signed at"),
                "by access key ASIA",
                "(source: web identity (IRSA))",
                "check the clock of this host",
                "rds_iam",
            ],
        );
        assert!(!told.contains("X-Amz"), "{told}");
    }

    cloud.judge.set_clock_ahead(0);
    cloud.judge.guard(right());
    wait_for("logins to work again", STUCK, async || {
        who(&pgmoor).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn missing_identity_is_told_with_all_places_that_were_looked_at() {
    let cloud = Cloud::new().await;
    let pgmoor = cloud.gateway("{ provider: aws }", &Vec::new()).launch();
    assert_told(
        &refused(&pgmoor).await,
        &[
            "cannot find AWS credentials",
            "environment: AWS_ACCESS_KEY_ID is not set",
            "profile: ",
            "web identity (IRSA): AWS_WEB_IDENTITY_TOKEN_FILE is not set",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "instance metadata (IMDSv2): AWS_EC2_METADATA_DISABLED is true",
            "hint: give this workload an identity",
        ],
    );
}

#[tokio::test]
async fn half_an_identity_is_an_error_and_not_passed_over() {
    let cloud = Cloud::new().await;
    let key = vec![("AWS_ACCESS_KEY_ID", "AKIA".to_owned())];
    let profile = vec![("AWS_PROFILE", "nowhere".to_owned())];
    let pod = vec![
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            cloud.aws.url("/v1/credentials"),
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "stale".to_owned()),
    ];
    for (variables, what) in [
        (
            key,
            [
                "one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is not set",
                "or neither",
            ],
        ),
        (
            profile,
            [
                "cannot get AWS credentials of profile \"nowhere\"",
                "aws sts get-caller-identity",
            ],
        ),
        (
            pod,
            [
                "AccessDenied: the authorization token is stale or wrong",
                "Pod Identity association",
            ],
        ),
    ] {
        let pgmoor = cloud.gateway("{ provider: aws }", &variables).launch();
        assert_told(&refused(&pgmoor).await, &what);
    }
}

#[tokio::test]
async fn region_is_never_guessed_and_a_load_balancer_is_no_database() {
    let cloud = Cloud::new().await;
    let pgmoor = cloud
        .gateway_to("localhost", "{ provider: aws }", &irsa(&cloud))
        .launch();
    assert_told(
        &refused(&pgmoor).await,
        &[
            "cannot tell the AWS region of localhost",
            "hint: set \"aws.region\"",
        ],
    );

    let balancer = "lb-0123.elb.eu-central-1.amazonaws.com";
    let pgmoor = cloud
        .gateway_to(balancer, "{ provider: aws }", &irsa(&cloud))
        .launch();
    assert_told(
        &refused(&pgmoor).await,
        &[
            "this is the name of a load balancer",
            "hint: set \"aws.host\"",
        ],
    );
}
