//! How secrets get in: files, programs, servers and a configuration that names them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pgmoor_testkit::{Ca, Postgres, ScriptedServer, Serving, backend, write_private};
use tempfile::TempDir;

use crate::search::Canary;

/// Where each secret goes in.
pub(crate) struct Secrets {
    pub(crate) url: Canary,
    pub(crate) variable: Canary,
    pub(crate) whole_url: Canary,
    pub(crate) credential_file: Canary,
    pub(crate) command: Canary,
    pub(crate) complaint: Canary,
    pub(crate) echo: Canary,
    pub(crate) environment: Canary,
    pub(crate) listed: Canary,
    pub(crate) from_file: Canary,
    pub(crate) stored: Canary,
    pub(crate) verifier: Canary,
    pub(crate) users_file: Canary,
    pub(crate) passed: Canary,
    pub(crate) guess: Canary,
    pub(crate) broken: Canary,
    pub(crate) token: Canary,
    pub(crate) key: Canary,
    pub(crate) client_key: Canary,
}

/// The databases beside `app`, each of an endpoint of its own.
pub(crate) const DATABASES: [&str; 8] = [
    "variable",
    "whole",
    "file",
    "command",
    "complaint",
    "echo",
    "liar",
    "certified",
];

/// The roles that endpoints and users log in as at the server.
pub(crate) async fn make_roles(postgres: &Postgres, secrets: &Secrets) {
    for (role, canary) in [
        ("url", &secrets.url),
        ("variable", &secrets.variable),
        ("whole", &secrets.whole_url),
        ("file", &secrets.credential_file),
        ("command", &secrets.command),
        ("passed", &secrets.passed),
    ] {
        let password = canary.password().replace('\'', "''");
        postgres
            .psql(&format!(
                "set log_statement = 'none'; create role {role} login password '{password}'"
            ))
            .await;
    }
}

/// A server that asks for the password and repeats it, or lies about what it is.
pub(crate) async fn rogue(repeats: bool) -> Serving {
    ScriptedServer::tcp()
        .await
        .serve(move |mut connection| async move {
            connection.expect_startup().await;
            connection.send(&backend::auth_cleartext()).await;
            let Ok(Some(message)) = connection.try_next().await else {
                return;
            };
            let password = message.strings().concat();
            let told = match repeats {
                true => backend::fatal("28P01", &format!("echo: \"{password}\" is wrong")),
                false => backend::fatal("XX000", "echo: out of order"),
            };
            let _ = connection.try_send(&told).await;
        })
}

pub(crate) fn yaml(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn script(path: &Path, text: String) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("chmod");
}

pub(crate) fn configuration(
    secrets: &Secrets,
    files: &TempDir,
    postgres: &Postgres,
    ca: &Ca,
    rogues: &[Serving; 2],
) -> String {
    let at = files.path();
    let port = postgres.port();
    let file = |name: &str, text: String| write_private(&at.join(name), text);
    file(
        "listed.password",
        format!("{}\n", secrets.from_file.password()),
    );
    file(
        "credential",
        format!("{}\n", secrets.credential_file.password()),
    );
    file(
        "users.txt",
        format!(
            "\"inusersfile\" \"{}\"\n",
            secrets.users_file.password().replace('"', "\"\"")
        ),
    );
    let whole = secrets.whole_url.in_url();
    file(
        "whole.url",
        format!("postgres://whole:{whole}@127.0.0.1:{port}/app\n"),
    );
    // What the commands see of our environment lies open to the search.
    script(
        &at.join("supply"),
        format!(
            "#!/bin/sh\nenv > {at}/supply.env\ntr '\\0' ' ' < /proc/$$/cmdline > {at}/supply.cmdline\n\
             echo 'some talk' >&2\nprintf '%s\\n' {}\n",
            shell(&secrets.command.password()),
            at = at.display()
        ),
    );
    script(
        &at.join("complain"),
        format!(
            "#!/bin/sh\nprintf '%s\\n' {0}\nprintf 'no: %s\\n' {0} >&2\nexit 3\n",
            shell(&secrets.complaint.password())
        ),
    );
    let url = secrets.url.in_url();
    let echo = secrets.echo.in_url();
    let (loud, liar) = (rogues[0].port(), rogues[1].port());
    let more: String = DATABASES
        .iter()
        .map(|name| format!("  {name}: {{ endpoint: {name}, pool: {{ checkout_timeout: 2s }} }}\n"))
        .collect();
    let here = format!("127.0.0.1:{port}/app");
    let at = at.display();
    let root = ca.root_path().display();
    format!(
        "databases:\n  app: {{ endpoint: primary }}\n{more}endpoints:\n  \
         primary: {{ url: \"postgres://url:{url}@{here}\" }}\n  \
         variable: {{ url: \"postgres://variable@{here}\", credential: {{ password: \"${{CANARY_VAR}}\" }} }}\n  \
         whole: {{ url: \"file:{at}/whole.url\" }}\n  \
         file: {{ url: \"postgres://file@{here}\", credential: {{ file: \"{at}/credential\" }} }}\n  \
         command: {{ url: \"postgres://command@{here}\", credential: {{ command: [\"{at}/supply\"] }} }}\n  \
         complaint: {{ url: \"postgres://command@{here}\", credential: {{ command: [\"{at}/complain\"] }} }}\n  \
         echo: {{ url: \"postgres://app:{echo}@127.0.0.1:{loud}/app?sslmode=disable\" }}\n  \
         liar: {{ url: \"postgres://app:{echo}@127.0.0.1:{liar}/app?sslmode=disable\" }}\n  \
         certified: {{ url: \"postgres://app:{echo}@localhost:{port}/app?sslmode=verify-full&sslrootcert={root}&sslcert={at}/client.crt&sslkey={at}/client.key\" }}\n"
    )
}

/// A word for a shell.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
