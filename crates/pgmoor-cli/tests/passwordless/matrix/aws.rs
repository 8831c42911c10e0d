//! The sources of AWS credentials.

use pgmoor_testkit::identity::{AwsDatabase, AwsKeys};
use serde_json::json;

use super::world::World;
use super::{Clock, Elsewhere, Given, Provider, Revoked, Source};
use crate::site::{HOST, REGION, ROLE};

const REJECTION: &[&str] = &[
    "LDAP authentication failed for user",
    "hint: the token is for user",
    "by access key A",
    "rds_iam",
];
/// The database says no to what such a host signs.
const DATED: Clock = Clock::signs(REJECTION);
/// Credentials end by a date, and the database says no to what is signed by a clock that is behind.
const ISSUED: Clock = Clock {
    ahead: Clock::ENDS_BY_DATE.ahead,
    behind: Some(REJECTION),
};
/// STS says no to a request that such a host signs.
const SIGNED: Clock = Clock {
    ahead: Some(&["Signature not yet current", "hint: correct the clock"]),
    behind: Some(&["Signature expired", "hint: correct the clock"]),
};
const STALE_FILE: &[&str] = &[
    "it answered 400 Bad Request: ExpiredTokenException: Token expired or unknown",
    "check that the file is there and fresh",
];
const STALE_POD: &[&str] = &[
    "AccessDenied: the authorization token is stale or wrong",
    "Pod Identity association",
];

pub(super) fn provider() -> Provider {
    Provider {
        name: "AWS",
        host: HOST,
        section: "aws",
        sources: sources(),
        rejection: REJECTION,
        life: 4_000,
        elsewhere: Elsewhere {
            key: "",
            move_away: |world| {
                let port = world.cloud.postgres.port();
                let database = AwsDatabase::rds("other.host", port, REGION);
                world.cloud.judge.guard(database);
            },
            told: &[
                "28000",
                "the token is for user \"iam\" at app.c0ffee.eu-central-1.rds.amazonaws.com:",
                "check the clock of this host, that the database endpoint is the one named",
            ],
            besides: &[],
        },
        limit_users: |world| {
            let database = AwsDatabase::rds(HOST, world.cloud.postgres.port(), REGION);
            let users = vec!["iam".to_owned()];
            world.cloud.judge.guard(AwsDatabase { users, ..database });
        },
    }
}

/// Keys were deleted at AWS, and others made.
fn replace_keys(world: &World) {
    let other = world.cloud.aws.user_keys();
    world.cloud.judge.forget(&world.keys().access_key_id);
    *world.keys() = other;
}

const DELETED: Revoked = Revoked {
    take: |world| world.cloud.judge.forget(&world.keys().access_key_id),
    told: REJECTION,
    give_back: |world| world.cloud.judge.know(&world.keys()),
};

/// No role may be assumed any more, neither by STS nor by a pod, a task or an instance.
fn no_role(told: &'static [&'static str]) -> Revoked {
    Revoked {
        take: |world| {
            world.cloud.aws.revoke_role(ROLE);
            world.cloud.aws.revoke_role("app-role");
        },
        told,
        give_back: |world| world.cloud.aws.restore_roles(),
    }
}

fn section(profile: &str, keys: &AwsKeys) -> String {
    format!(
        "[{profile}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        keys.access_key_id, keys.secret_access_key
    )
}

/// Files of a workload with every kind of profile, of which one is chosen.
fn profile(world: &World, name: &str) -> Given {
    let path = |name: &str, content: &str| world.cloud.file(name, content).display().to_string();
    let keys = world.keys().clone();
    let process = json!({
        "Version": 1, "AccessKeyId": keys.access_key_id, "SecretAccessKey": keys.secret_access_key,
    });
    let process = path("process.json", &process.to_string());
    let web = path("web-token", &world.cloud.aws.web_identity_token());
    let config = format!(
        "[profile middle]\nrole_arn = {ROLE}-middle\nsource_profile = base\nregion = {REGION}\n\
         [profile chain]\nrole_arn = {ROLE}\nsource_profile = middle\nregion = {REGION}\n\
         [profile process]\ncredential_process = cat {process}\n\
         [profile web]\nrole_arn = {ROLE}\nweb_identity_token_file = {web}\nrole_session_name = gate\n",
    );
    let given = Given::variables(Vec::new())
        .and("AWS_CONFIG_FILE", path("config", &config))
        .and(
            "AWS_SHARED_CREDENTIALS_FILE",
            path("credentials", &section("base", &keys)),
        );
    match name {
        "" => given,
        name => given.and("AWS_PROFILE", name),
    }
}

fn environment(keys: &AwsKeys) -> Given {
    Given::variables(Vec::new())
        .and("AWS_ACCESS_KEY_ID", &keys.access_key_id)
        .and("AWS_SECRET_ACCESS_KEY", &keys.secret_access_key)
}

fn sources() -> Vec<Source> {
    let mut sources = of_profiles();
    sources.extend(of_services());
    sources
}

fn of_profiles() -> Vec<Source> {
    let by_web_identity: &[&str] = &[
        "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity",
        "aws sts get-caller-identity",
    ];
    let by_role: &[&str] = &[
        "AccessDenied: Not authorized to perform sts:AssumeRole",
        "aws sts get-caller-identity",
    ];
    let stale_keys: &[&str] = &[
        "The security token included in the request is invalid",
        "aws sts get-caller-identity",
    ];
    let source = |name, give, clock, rotated, revoked| Source {
        name,
        user: "iam",
        give,
        clock,
        rotated,
        revoked,
    };
    vec![
        source(
            "environment",
            |world| environment(&world.keys()),
            DATED,
            None,
            DELETED,
        ),
        source(
            "profile with keys",
            |world| profile(world, "base"),
            DATED,
            Some((replace_keys, REJECTION)),
            DELETED,
        ),
        source(
            "profile with a chain of roles",
            |world| profile(world, "chain"),
            SIGNED,
            Some((replace_keys, stale_keys)),
            no_role(by_role),
        ),
        source(
            "profile with a process",
            |world| profile(world, "process"),
            DATED,
            Some((replace_keys, REJECTION)),
            DELETED,
        ),
        source(
            "profile with a web identity",
            |world| profile(world, "web"),
            ISSUED,
            Some((
                |world| world.cloud.aws.rotate(),
                &[
                    "ExpiredTokenException: Token expired or unknown",
                    "aws sts get-caller-identity",
                ],
            )),
            no_role(by_web_identity),
        ),
        source(
            "profile of the settings",
            |world| {
                // They are wrong, and do not count where a profile is named.
                let mut given = profile(world, "")
                    .and("AWS_ACCESS_KEY_ID", "AKIAWRONG")
                    .and("AWS_SECRET_ACCESS_KEY", "wrong");
                given.keys.push("profile: chain".to_owned());
                given
            },
            SIGNED,
            Some((replace_keys, stale_keys)),
            no_role(by_role),
        ),
    ]
}

fn of_services() -> Vec<Source> {
    let source = |name, give, rotated, revoked| Source {
        name,
        user: "iam",
        give,
        clock: ISSUED,
        rotated,
        revoked: no_role(revoked),
    };
    let rotate: fn(&World) = |world| world.cloud.aws.rotate();
    vec![
        source(
            "web identity (IRSA)",
            |world| {
                let token = world.cloud.aws.web_identity_token();
                let file = world.cloud.file("web-token", &token);
                Given::variables(Vec::new())
                    .and("AWS_ROLE_ARN", ROLE)
                    .and("AWS_WEB_IDENTITY_TOKEN_FILE", file.display().to_string())
                    .and("AWS_ROLE_SESSION_NAME", "gate")
            },
            Some((rotate, STALE_FILE)),
            &[
                "it answered 403 Forbidden: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity",
                "trust policy",
            ],
        ),
        source(
            "EKS Pod Identity",
            |world| {
                let file = world.cloud.file("pod-token", &world.cloud.aws.pod_token());
                Given::variables(Vec::new())
                    .and(
                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                        world.cloud.aws.url("/v1/credentials"),
                    )
                    .and(
                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                        file.display().to_string(),
                    )
            },
            Some((rotate, STALE_POD)),
            &[
                "AccessDeniedException: the role may not be assumed",
                "Pod Identity association",
            ],
        ),
        source(
            "ECS",
            |world| {
                Given::variables(Vec::new())
                    .and(
                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                        world.cloud.aws.url("/v2/credentials/task"),
                    )
                    .and(
                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                        world.cloud.aws.task_token(),
                    )
            },
            None,
            &[
                "AccessDeniedException: the role may not be assumed",
                "this task a role",
            ],
        ),
        Source {
            // The library uses credentials of an instance also past their end; the database judges then.
            clock: DATED,
            ..source(
                "instance metadata (IMDSv2)",
                |world| {
                    Given::variables(Vec::new())
                        .and("AWS_EC2_METADATA_DISABLED", "false")
                        .and("AWS_EC2_METADATA_SERVICE_ENDPOINT", world.cloud.aws.url(""))
                },
                None,
                &[
                    "instance metadata (IMDSv2): cannot ask AWS: it answered 404 Not Found",
                    "hint: give this workload an identity",
                ],
            )
        },
    ]
}
