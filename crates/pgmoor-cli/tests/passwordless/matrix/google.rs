//! The sources of Google's tokens, for direct login.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::world::{ANN, APP, BETWEEN, ROBOT, World};
use super::{Clock, Elsewhere, Given, Provider, Revoked, Rotation, Source};

const REJECTION: &[&str] = &[
    "LDAP authentication failed for user",
    "hint: the token says: source ",
    "good until ",
    "was made as an IAM user",
    "roles/cloudsql.instanceUser",
];
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// Google says no to an assertion that such a host signs.
const SIGNED: Clock = Clock::signs(&["Invalid JWT", "the clock of this host"]);

pub(super) fn provider() -> Provider {
    Provider {
        name: "Google",
        host: "localhost",
        section: "google",
        sources: sources(),
        rejection: REJECTION,
        life: 4_000,
        elsewhere: Elsewhere {
            key: "universe_domain: other.goog",
            move_away: |_| (),
            told: &[
                "they belong to the universe \"googleapis.com\", and \"other.goog\" is configured",
                "hint: set universe_domain",
            ],
            besides: &[],
        },
        limit_users: |_| (),
    }
}

fn with_file(world: &World, content: &Value) -> Given {
    let file = world.cloud.file("google.json", &content.to_string());
    Given::variables(Vec::new()).and("GOOGLE_APPLICATION_CREDENTIALS", file.display().to_string())
}

fn acting_as(mut file: Value, world: &World, target: &str) -> Value {
    let address = format!(
        "{}/v1/projects/-/serviceAccounts/{target}:generateAccessToken",
        world.google.url()
    );
    file["service_account_impersonation_url"] = Value::from(address);
    file
}

/// A file of workload identity federation, which acts as [`APP`].
fn federated(world: &World, audience: &str, kind: &str, source: Value) -> Value {
    let file = json!({
        "type": "external_account",
        "audience": audience,
        "subject_token_type": kind,
        "token_url": format!("{}/v1/token", world.google.url()),
        "credential_source": source,
    });
    acting_as(file, world, APP)
}

fn subject_token(world: &World) -> String {
    world.google.subject_token(&world.pool, "ns:app")
}

/// Another token counts at the pool than that which the workload has.
fn rotate_subject(world: &World) {
    drop(subject_token(world));
}

const STALE_SUBJECT: &[&str] = &[
    "invalid_grant: The subject token is unknown or stale.",
    "hint: check that the pool trusts this issuer",
];

const NO_IMPERSONATION: Revoked = Revoked {
    take: |world| {
        world.google.forbid_impersonation(APP);
        world.google.forbid_impersonation(ROBOT);
    },
    told: &[
        "Permission 'iam.serviceAccounts.getAccessToken' denied",
        "hint: grant roles/iam.serviceAccountTokenCreator on",
    ],
    give_back: |world| world.allow_impersonation(),
};

fn sources() -> Vec<Source> {
    let mut sources = of_accounts();
    sources.extend(of_people());
    sources.extend(of_federation());
    sources
}

fn of_accounts() -> Vec<Source> {
    vec![
        Source {
            name: "key of a service account",
            user: "app@proj.iam",
            give: |world| with_file(world, &world.google.key_file(APP)),
            clock: SIGNED,
            rotated: Some((
                |world| world.google.delete_keys(APP),
                &["Invalid JWT", "check that the key was not deleted"],
            )),
            revoked: Revoked {
                take: |world| world.google.disable(APP),
                told: &["account not found", "the account not disabled"],
                give_back: |world| world.google.enable(APP),
            },
        },
        Source {
            name: "metadata server",
            user: "app@proj.iam",
            give: machine,
            clock: Clock::HARMLESS,
            rotated: None,
            revoked: Revoked {
                take: |world| world.google.detach_account(),
                told: &[
                    "the machine has no service account",
                    "hint: attach a service account to this machine",
                ],
                give_back: |world| world.attach_account(),
            },
        },
        Source {
            name: "chain of service accounts of the settings",
            user: "robot@proj.iam",
            give: |world| {
                let mut given = machine(world);
                given.keys = vec![
                    format!("impersonate: [{BETWEEN}, {ROBOT}]"),
                    format!("iam_endpoint: \"{}\"", world.google.url()),
                ];
                given
            },
            clock: Clock::ENDS_BY_DATE,
            rotated: None,
            revoked: NO_IMPERSONATION,
        },
    ]
}

fn of_people() -> Vec<Source> {
    let consent_gone: &[&str] = &[
        "invalid_grant: Token has been expired or revoked.",
        "hint: run: gcloud auth application-default login",
    ];
    let ann_disabled = || Revoked {
        take: |world| world.google.disable(ANN),
        told: &["invalid_grant", "account not found"],
        give_back: |world| world.google.enable(ANN),
    };
    vec![
        Source {
            name: "a person's consent",
            user: ANN,
            give: |world| with_file(world, &world.google.user_file(ANN)),
            clock: Clock::HARMLESS,
            rotated: Some((|world| world.google.revoke_consents(), consent_gone)),
            revoked: ann_disabled(),
        },
        Source {
            name: "file of gcloud",
            user: ANN,
            give: |world| {
                let directory = world.cloud.home().join("gcloud");
                std::fs::create_dir_all(&directory).expect("a directory");
                let file = world.google.user_file(ANN).to_string();
                let name = "gcloud/application_default_credentials.json";
                drop(world.cloud.file(name, &file));
                let directory = directory.display().to_string();
                Given::variables(Vec::new()).and("CLOUDSDK_CONFIG", directory)
            },
            clock: Clock::HARMLESS,
            rotated: Some((|world| world.google.revoke_consents(), consent_gone)),
            revoked: ann_disabled(),
        },
        Source {
            name: "impersonation of a file",
            user: "robot@proj.iam",
            give: |world| {
                let file = json!({
                    "type": "impersonated_service_account",
                    "source_credentials": world.google.user_file(ANN),
                });
                with_file(world, &acting_as(file, world, ROBOT))
            },
            clock: Clock::ENDS_BY_DATE,
            rotated: Some((|world| world.google.revoke_consents(), consent_gone)),
            revoked: NO_IMPERSONATION,
        },
    ]
}

fn machine(world: &World) -> Given {
    let host = world.google.metadata_host();
    Given::variables(Vec::new()).and("GCE_METADATA_HOST", host)
}

fn of_federation() -> Vec<Source> {
    let source = |name, give, clock, rotated| Source {
        name,
        user: "app@proj.iam",
        give,
        clock,
        rotated,
        revoked: NO_IMPERSONATION,
    };
    let rotated: Option<Rotation> = Some((rotate_subject, STALE_SUBJECT));
    vec![
        source(
            "federation by a file",
            |world| {
                let token = world.cloud.file("subject", &subject_token(world));
                let source = json!({ "file": token });
                with_file(world, &federated(world, &world.pool, JWT, source))
            },
            Clock::ENDS_BY_DATE,
            rotated,
        ),
        source(
            "federation by an address",
            |world| {
                world.google.serve_subject(&subject_token(world), "pgmoor");
                let source = json!({
                    "url": format!("{}/subject", world.google.url()),
                    "headers": { "X-Subject-For": "pgmoor" },
                    "format": { "type": "json", "subject_token_field_name": "value" },
                });
                with_file(world, &federated(world, &world.pool, JWT, source))
            },
            Clock::ENDS_BY_DATE,
            rotated,
        ),
        source(
            "federation by a program",
            |world| {
                let answer = json!({
                    "version": 1, "success": true, "token_type": JWT, "id_token": subject_token(world),
                });
                let answer = world.cloud.file("answer.json", &answer.to_string());
                let script = format!("#!/bin/sh\ncat {}\n", answer.display());
                let program = world.cloud.file("program", &script);
                std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700))
                    .expect("chmod");
                let source = json!({ "executable": { "command": program } });
                with_file(world, &federated(world, &world.pool, JWT, source))
                    .and("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
            },
            Clock::ENDS_BY_DATE,
            rotated,
        ),
        source(
            "federation by keys of AWS",
            |world| {
                let (audience, keys) = &world.aws_pool;
                let source = json!({
                    "environment_id": "aws1",
                    "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
                });
                let kind = "urn:ietf:params:aws:token-type:aws4_request";
                with_file(world, &federated(world, audience, kind, source))
                    .and("AWS_REGION", "eu-central-1")
                    .and("AWS_ACCESS_KEY_ID", &keys.id)
                    .and("AWS_SECRET_ACCESS_KEY", &keys.secret)
                    .and(
                        "AWS_SESSION_TOKEN",
                        keys.session.clone().unwrap_or_default(),
                    )
            },
            Clock::signs(&[
                "Signature expired, or not yet current",
                "the clock of this host",
            ]),
            None,
        ),
    ]
}
