//! The sources of Entra's tokens.

use pgmoor_testkit::identity::azure::{CLIENT, TENANT};

use super::world::World;
use super::{Clock, Elsewhere, Given, Provider, Revoked, Source};

const REJECTION: &[&str] = &[
    "LDAP authentication failed for user",
    "hint: the token says: ",
    "audience https://ossrdbms-aad.database.windows.net",
    "good until ",
    "pgaadauth_list_principals",
];
/// Entra says no to an assertion that such a host signs.
const SIGNED: Clock = Clock::signs(&["AADSTS700024", "a clock is wrong"]);

/// The application is no longer in the tenant.
const DELETED: Revoked = Revoked {
    take: |world| world.azure.delete_application(true),
    told: &["AADSTS700016", "hint: check \"client_id\""],
    give_back: |world| world.azure.delete_application(false),
};
/// The machine has no identity any more.
const UNASSIGNED: Revoked = Revoked {
    take: |world| world.azure.unassign_identities(),
    told: &[
        "Identity not found",
        "hint: assign the identity to this machine",
    ],
    give_back: |world| world.azure.assign_identities(),
};

const STALE_TOKEN: &[&str] = &["AADSTS70021", "hint: add a federated credential"];
const STALE_SECRET: &[&str] = &["AADSTS7000215", "hint: give the secret's value"];
const STALE_CERTIFICATE: &[&str] = &["AADSTS700027", "hint: upload this certificate"];

pub(super) fn provider() -> Provider {
    Provider {
        name: "Azure",
        host: "localhost",
        section: "azure",
        sources: sources(),
        rejection: REJECTION,
        life: 4_000,
        elsewhere: Elsewhere {
            key: "cloud: china",
            move_away: |_| (),
            told: &["AADSTS500011", "hint: check the cloud"],
            besides: &[],
        },
        limit_users: |_| (),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// The keys of an application, and where its authority is.
fn application(world: &World, proof: String) -> Given {
    let authority = quoted(&world.azure.url(""));
    Given::keys([
        format!("tenant_id: {TENANT}"),
        format!("client_id: {CLIENT}"),
        proof,
        format!("authority_host: {authority}"),
    ])
}

/// The same by variables.
fn environment(world: &World, name: &'static str, value: String) -> Given {
    Given::variables(Vec::new())
        .and("AZURE_CLIENT_ID", CLIENT)
        .and("AZURE_TENANT_ID", TENANT)
        .and("AZURE_AUTHORITY_HOST", world.azure.url(""))
        .and(name, value)
}

fn federated_token(world: &World) -> String {
    let token = world.azure.federated_token();
    world
        .cloud
        .file("azure-token", &token)
        .display()
        .to_string()
}

fn certificate(world: &World) -> String {
    let pem = world.azure.make_certificate();
    world.cloud.file("azure.pem", &pem).display().to_string()
}

/// A program `az` for whoever is logged in with it. It knows one resource.
fn cli(world: &World) -> Given {
    use std::os::unix::fs::PermissionsExt;
    let printed = world
        .cloud
        .file("az.json", &world.azure.token_of_cli().to_string());
    let directory = world.cloud.home().join("bin");
    std::fs::create_dir_all(&directory).expect("a directory");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *\"--resource https://ossrdbms-aad.database.windows.net\"*) cat {};;\n\
         *) echo 'ERROR: AADSTS500011: The resource principal was not found in the tenant.' >&2; exit 1;; esac\n",
        printed.display()
    );
    let program = directory.join("az");
    std::fs::write(&program, script).expect("write");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).expect("chmod");
    let path = std::env::var("PATH").unwrap_or_default();
    Given::keys(["source: cli".to_owned()]).and("PATH", format!("{}:{path}", directory.display()))
}

fn sources() -> Vec<Source> {
    let mut sources = of_applications();
    sources.extend(of_machines());
    sources
}

fn of_applications() -> Vec<Source> {
    let rotate_token: fn(&World) = |world| drop(world.azure.rotate_federated_token());
    let rotate_secret: fn(&World) = |world| drop(world.azure.rotate_secret());
    let rotate_certificate: fn(&World) = |world| drop(world.azure.make_certificate());
    let source = |name, give, clock, rotated| Source {
        name,
        user: "iam",
        give,
        clock,
        rotated,
        revoked: DELETED,
    };
    vec![
        source(
            "workload identity",
            |world| Given::variables(world.azure.workload(&federated_token(world))),
            Clock::HARMLESS,
            Some((rotate_token, STALE_TOKEN)),
        ),
        source(
            "workload identity of the settings",
            |world| {
                let file = federated_token(world);
                application(world, format!("federated_token_file: {file}"))
            },
            Clock::HARMLESS,
            Some((rotate_token, STALE_TOKEN)),
        ),
        source(
            "secret of the environment",
            |world| environment(world, "AZURE_CLIENT_SECRET", world.azure.secret()),
            Clock::HARMLESS,
            None,
        ),
        source(
            "secret of the settings, in a file",
            |world| {
                let file = world.cloud.file("azure-secret", &world.azure.secret());
                let secret = quoted(&format!("file:{}", file.display()));
                application(world, format!("client_secret: {secret}"))
            },
            Clock::HARMLESS,
            Some((rotate_secret, STALE_SECRET)),
        ),
        source(
            "certificate of the environment",
            |world| environment(world, "AZURE_CLIENT_CERTIFICATE_PATH", certificate(world)),
            SIGNED,
            Some((rotate_certificate, STALE_CERTIFICATE)),
        ),
        source(
            "certificate of the settings",
            |world| {
                let file = certificate(world);
                application(world, format!("client_certificate: {file}"))
            },
            SIGNED,
            Some((rotate_certificate, STALE_CERTIFICATE)),
        ),
    ]
}

fn of_machines() -> Vec<Source> {
    let source = |name, give| Source {
        name,
        user: "iam",
        give,
        clock: Clock::ENDS_BY_DATE,
        rotated: None,
        revoked: UNASSIGNED,
    };
    let instance = |world: &World| {
        let base = world.azure.url("");
        Given::variables(Vec::new()).and("AZURE_POD_IDENTITY_AUTHORITY_HOST", base)
    };
    vec![
        source("App Service", |world| {
            Given::variables(world.azure.app_service())
        }),
        Source {
            // Nobody has named it: it is as if there were none.
            revoked: Revoked {
                told: &[
                    "managed identity: the instance has no managed identity",
                    "the machine a managed identity",
                ],
                ..UNASSIGNED
            },
            ..source("identity of the instance", instance)
        },
        source("one of several identities of the instance", |world| {
            let base = world.azure.url("");
            Given::keys([format!("client_id: {CLIENT}")])
                .and("AZURE_POD_IDENTITY_AUTHORITY_HOST", base)
        }),
        Source {
            // Who is logged out.
            revoked: Revoked {
                take: |world| {
                    let script = "#!/bin/sh\necho \"ERROR: Please run 'az login' to setup account.\" >&2\nexit 1\n";
                    std::fs::write(world.cloud.home().join("bin/az"), script).expect("write");
                },
                told: &["Please run 'az login'", "hint: run: az login"],
                give_back: |world| drop(cli(world)),
            },
            ..source("Azure CLI", cli)
        },
    ]
}
