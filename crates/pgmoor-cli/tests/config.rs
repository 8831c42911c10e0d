//! What a person reads when the configuration is wrong, and what they get when it is right.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use assert_cmd::Command;
use tempfile::TempDir;

/// A directory with this `pgmoor.yaml`.
fn directory(yaml: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("temporary directory");
    fs::write(directory.path().join("pgmoor.yaml"), yaml).expect("write the file");
    directory
}

fn pgmoor(directory: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("pgmoor").expect("is built");
    command
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(directory)
        .args(arguments);
    command
}

/// What `config check` says on standard error, when it ends with code 2 and prints no result.
fn refusal_with(yaml: &str, variables: &[(&str, &str)]) -> String {
    let directory = directory(yaml);
    let output = pgmoor(directory.path(), variables, &["config", "check"])
        .output()
        .expect("runs");
    assert_eq!(
        output.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.stdout.is_empty(), "a failure prints no result");
    let text = String::from_utf8(output.stderr).expect("is text");
    text.replace(&directory.path().display().to_string(), "DIR")
}

fn refusal(yaml: &str) -> String {
    refusal_with(yaml, &[])
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_nearest_key() {
    insta::assert_snapshot!(refusal("databases:\n  app:\n    endpoint: bundled\n    pool: { sise: 3 }\n"), @r#"
    error: pgmoor.yaml:4:13: unknown key "databases.app.pool.sise"
    hint: did you mean "size"?
    "#);
}

#[test]
fn a_bad_value_is_refused_with_what_is_allowed() {
    let yaml = "gateway:\n  listen: [\"*:5432\"]\n  login_timeout: 5\n  workers: 5000\nlog: { level: verbose }\n";

    insta::assert_snapshot!(refusal(yaml), @r#"
    error: pgmoor.yaml:2:12: invalid value "*:5432" for "gateway.listen[0]"
    cause: must be an IP address and port, such as "127.0.0.1:6432"
    hint: for all interfaces write "0.0.0.0:5432" or "[::]:5432"

    error: pgmoor.yaml:3:18: invalid value "5" for "gateway.login_timeout"
    cause: must be a number with ms, s, m, h or d, such as "10s"
    hint: did you mean "5s" or "5ms"?

    error: pgmoor.yaml:4:12: invalid value "5000" for "gateway.workers"
    cause: must be between 0 and 1024

    error: pgmoor.yaml:5:15: invalid value "verbose" for "log.level"
    cause: must be one of "error", "warn", "info", "debug", "trace"
    "#);
}

#[test]
fn an_unset_variable_is_refused_by_name() {
    let yaml = "endpoints:\n  db: { url: \"postgres://app:${DB_PASSWORD}@db/app\" }\ndatabases: { app: { endpoint: db } }\n";

    insta::assert_snapshot!(refusal(yaml), @r#"
    error: pgmoor.yaml:2:14: "endpoints.db.url" needs the environment variable "DB_PASSWORD"
    cause: DB_PASSWORD is not set
    hint: set DB_PASSWORD, or write ${DB_PASSWORD:-default}
    "#);
}

#[test]
fn a_missing_secret_file_is_refused() {
    insta::assert_snapshot!(refusal("gateway: { auth: { users: { app: { password: \"file:./app.pw\" } } } }\n"), @r#"
    error: pgmoor.yaml:1:46: cannot use the secret file of "gateway.auth.users.app.password"
    cause: DIR/app.pw: no such file or directory
    hint: create DIR/app.pw or correct the path
    "#);
}

#[test]
fn a_secret_file_that_everyone_can_read_is_refused_with_the_command_that_helps() {
    let directory = directory("gateway: { auth: { users_file: ./userlist.txt } }\n");
    let path = directory.path().join("userlist.txt");
    fs::write(&path, "\"app\" \"secret\"\n").expect("write");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");

    let output = pgmoor(directory.path(), &[], &["config", "check"])
        .output()
        .expect("runs");

    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr)
        .replace(&directory.path().display().to_string(), "DIR");
    assert!(
        text.contains("cause: DIR/userlist.txt can be read by others (mode 0644)"),
        "{text}"
    );
    assert!(text.contains("hint: run: chmod 06"), "{text}");
    assert!(!text.contains("secret\""), "{text}");
}

#[test]
fn a_bad_value_in_the_environment_is_refused_with_the_variable() {
    insta::assert_snapshot!(refusal_with("", &[("PGMOOR_GATEWAY__MAX_CLIENT_CONNECTIONS", "many")]), @r#"
    error: environment variable PGMOOR_GATEWAY__MAX_CLIENT_CONNECTIONS: invalid value "many" for "gateway.max_client_connections"
    cause: must be a whole number, 1 or more
    "#);
}

#[test]
fn a_variable_that_matches_no_key_is_refused_with_the_one_that_is_meant() {
    insta::assert_snapshot!(refusal_with("", &[("PGMOOR_GATEWAY_LISTEN", "127.0.0.1:1"), ("PGMOOR_COFNIG", "x")]), @r#"
    error: environment variable PGMOOR_COFNIG: it matches no key
    cause: names start with PGMOOR_, then the key's parts joined by __
    hint: did you mean PGMOOR_CONFIG?

    error: environment variable PGMOOR_GATEWAY_LISTEN: it matches no key
    cause: names start with PGMOOR_, then the key's parts joined by __
    hint: did you mean PGMOOR_GATEWAY__LISTEN?
    "#);
}

#[test]
fn a_log_level_that_is_none_is_refused() {
    insta::assert_snapshot!(refusal_with("", &[("PGMOOR_LOG", "inof")]), @r#"
    error: environment variable PGMOOR_LOG: invalid value "inof"
    cause: "inof" is no level; levels are error, warn, info, debug, trace, off
    hint: write a level such as "debug", or levels by module such as "info,pgmoor_gateway=debug"
    "#);
}

#[test]
fn names_that_mean_nothing_are_found_together_with_all_else() {
    let yaml = r#"databases:
  app: { endpoint: primry }
  both: { endpoint: primary, url: "postgres://h/d" }
  none: {}
endpoints:
  primary:
    url: postgres://app@db/app
    credential: { provider: command, password: x }
  neither: {}
  two: { url: postgres://h, bundled: {} }
gateway:
  tls: { mode: require }
  auth:
    users:
      reader: { password: x, verifier: y, databases: [ap] }
"#;

    insta::assert_snapshot!(refusal(yaml), @r#"
    error: pgmoor.yaml:2:20: "databases.app.endpoint" names the endpoint "primry", which does not exist
    hint: did you mean "primary"?

    error: pgmoor.yaml:3:30: "databases.both" has both "endpoint" and "url"
    cause: a database is served by one endpoint
    hint: keep one of them

    error: pgmoor.yaml:4:3: "databases.none" has no endpoint
    hint: add "endpoint: primary"; there are primary, neither, two, bundled

    error: pgmoor.yaml:8:17: "endpoints.primary.credential" needs "command"
    cause: the provider is "command"

    error: pgmoor.yaml:8:38: "endpoints.primary.credential.password" is not used
    cause: the provider is "command"
    hint: remove it, or set "provider: password"

    error: pgmoor.yaml:9:12: "endpoints.neither" has neither "url" nor "cloud_sql" nor "bundled"
    hint: give an external server's url, or "bundled: {}" for a server that pgmoor runs

    error: pgmoor.yaml:10:8: "endpoints.two" has both "url" and "bundled"
    cause: an endpoint is one server: external, an instance of Cloud SQL, or bundled
    hint: make two endpoints of it

    error: pgmoor.yaml:12:16: "gateway.tls" needs "certificate"
    cause: "gateway.tls.mode" is "require"
    hint: add "certificate: PATH", a file in PEM

    error: pgmoor.yaml:12:16: "gateway.tls" needs "key"
    cause: "gateway.tls.mode" is "require"
    hint: add "key: PATH", a file in PEM

    error: pgmoor.yaml:15:15: "gateway.auth.users.reader" has both "password" and "verifier"
    hint: keep one of them

    error: pgmoor.yaml:15:55: "gateway.auth.users.reader.databases" names "ap", which does not exist
    hint: did you mean "app"?
    "#);
}

#[test]
fn an_address_that_cannot_be_read_is_refused_without_its_password() {
    let told = refusal("databases:\n  app: { url: \"postgres://u:geheim@h/d?sslmode=foo\" }\n");

    assert!(
        told.starts_with(
            "error: pgmoor.yaml:2:15: cannot use the address of endpoint \"app\"\ncause: "
        ),
        "{told}"
    );
    assert!(
        told.contains("sslmode") && told.contains("\nhint: "),
        "{told}"
    );
    assert!(!told.contains("geheim"), "{told}");
}

#[test]
fn an_address_that_cannot_be_read_is_told_with_everything_else_that_is_wrong() {
    let yaml = "databases:\n  app: { endpoint: one }\n  two: { url: \"postgres://h/d?prot=1\" }\n\
                endpoints:\n  one: { url: \"postgres://h/d?sslmode=verify-ful\" }\n\
                log: { level: verbose }\n";

    let told = refusal(yaml);

    for place in ["pgmoor.yaml:3:15", "pgmoor.yaml:5:15", "pgmoor.yaml:6:15"] {
        assert!(told.contains(&format!("error: {place}: ")), "{told}");
    }
    assert_eq!(told.matches("error: ").count(), 3, "{told}");
}

#[test]
fn a_database_cannot_take_the_name_of_the_admin_database() {
    insta::assert_snapshot!(refusal("databases: { pgmoor: { endpoint: bundled } }\n"), @r#"
    error: pgmoor.yaml:1:14: a database cannot be named "pgmoor"
    cause: that is the admin database, which answers SHOW, PAUSE and RESUME
    hint: choose another name, and set "dbname: pgmoor" if the server's is so
    "#);
}

#[test]
fn a_certificate_or_verifier_that_cannot_be_used_is_refused() {
    let directory = directory(
        "gateway:\n  tls: { mode: require, certificate: ./tls.crt, key: ./tls.key }\n  auth: { users: { app: { verifier: md5abc } } }\n",
    );
    for file in ["tls.crt", "tls.key"] {
        fs::write(directory.path().join(file), "nothing of use\n").expect("write");
        fs::set_permissions(
            directory.path().join(file),
            fs::Permissions::from_mode(0o600),
        )
        .expect("chmod");
    }

    let output = pgmoor(directory.path(), &[], &["config", "check"])
        .output()
        .expect("runs");

    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("error: pgmoor.yaml:2:8: cannot use \"gateway.tls\"\ncause: certificate "),
        "{told}"
    );
    assert!(
        told.contains(
            "error: pgmoor.yaml:3:37: \"gateway.auth.users.app.verifier\" cannot be used"
        ),
        "{told}"
    );
}

#[test]
fn a_key_that_stands_twice_is_refused_with_both_places() {
    insta::assert_snapshot!(refusal("log: {}\ngateway: {}\nlog: {}\n"), @r#"
    error: pgmoor.yaml:3:1: the key "log" stands twice
    cause: it is already at pgmoor.yaml:1:1
    hint: remove one of them
    "#);
}

#[test]
fn text_that_is_no_yaml_is_refused_with_its_place() {
    insta::assert_snapshot!(refusal("gateway:\n\tlisten: x\n"), @r#"
    error: pgmoor.yaml:2:2: the file is not valid YAML
    cause: tabs disallowed within this context (block indentation)
    hint: indent with spaces; YAML takes no tabs
    "#);
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let directory = tempfile::tempdir().expect("directory");
    let output = pgmoor(
        directory.path(),
        &[("PGMOOR_CONFIG", "other.yaml")],
        &["config", "check"],
    )
    .output()
    .expect("runs");

    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @r#"
    error: cannot read the configuration file "other.yaml"
    cause: no such file or directory
    hint: pgmoor config sample prints one to start from
    "#);
}

#[test]
fn with_json_output_a_failure_is_json_too() {
    let directory = directory("lgo: {}\n");
    let output = pgmoor(directory.path(), &[], &["config", "check", "-o", "json"])
        .output()
        .expect("runs");

    assert_eq!(output.status.code(), Some(2));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("is JSON");
    assert_eq!(document["ok"], false);
    assert_eq!(document["errors"][0]["at"], "pgmoor.yaml:1:1");
    assert_eq!(document["errors"][0]["hint"], "did you mean \"log\"?");
}

#[test]
fn without_a_file_the_default_is_a_bundled_database() {
    let directory = tempfile::tempdir().expect("directory");

    pgmoor(directory.path(), &[], &["config", "check"])
        .assert()
        .success()
        .stdout("ok: built-in default is in order\n  database app: endpoint bundled\n");
    pgmoor(directory.path(), &[], &["url"])
        .assert()
        .success()
        .stdout("postgres://app@127.0.0.1:6432/app\n");
}

#[test]
fn the_default_database_can_be_tuned_by_a_variable_alone() {
    let directory = tempfile::tempdir().expect("directory");

    let mut command = pgmoor(
        directory.path(),
        &[("PGMOOR_DATABASES__APP__POOL__SIZE", "5")],
        &["config", "show", "-o", "json"],
    );
    let shown: serde_json::Value =
        serde_json::from_slice(&command.output().expect("runs").stdout).expect("is JSON");

    assert_eq!(shown["settings"]["databases"]["app"]["pool"]["size"], 5);
    assert_eq!(shown["settings"]["databases"]["app"]["endpoint"], "bundled");
}

#[test]
fn one_variable_is_enough_for_an_external_database() {
    let directory = tempfile::tempdir().expect("directory");

    pgmoor(
        directory.path(),
        &[("PGMOOR_DATABASES__SHOP__URL", "postgres://u:geheim@db/shop")],
        &["config", "check"],
    )
    .assert()
    .success()
    .stdout("ok: built-in default is in order\n  database shop: endpoint shop\n");
}

#[test]
fn what_is_in_effect_is_shown_with_its_origin_and_without_secrets() {
    let directory = directory(
        "databases: { app: { url: \"postgres://u:${PW}@db/app\" } }\ngateway: { auth: { users: { app: { password: geheim } } } }\n",
    );
    let variables = [("PW", "geheim"), ("PGMOOR_GATEWAY__WORKERS", "3")];

    let text = pgmoor(
        directory.path(),
        &variables,
        &["config", "show", "--origin"],
    )
    .output()
    .expect("runs")
    .stdout;
    let json = pgmoor(
        directory.path(),
        &variables,
        &["config", "show", "--origin", "-o", "json"],
    )
    .output()
    .expect("runs")
    .stdout;

    let text = String::from_utf8(text).expect("is text");
    let line = |key: &str| {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(key))
            .unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        line("workers"),
        "workers: 3 # environment variable PGMOOR_GATEWAY__WORKERS"
    );
    assert_eq!(line("password"), "password: \"***\" # pgmoor.yaml:2:46");
    assert_eq!(line("listen"), "listen: [\"127.0.0.1:6432\"] # default");
    assert_eq!(
        line("url"),
        "url: \"postgres://u:***@db/app\" # pgmoor.yaml:1:26"
    );
    let document: serde_json::Value = serde_json::from_slice(&json).expect("is JSON");
    assert_eq!(document["settings"]["gateway"]["workers"], 3);
    assert_eq!(
        document["origins"]["gateway.workers"],
        "environment variable PGMOOR_GATEWAY__WORKERS"
    );
    assert!(!text.contains("geheim") && !String::from_utf8_lossy(&json).contains("geheim"));
}

#[test]
fn the_sample_is_in_order_and_changes_nothing() {
    let empty = tempfile::tempdir().expect("directory");
    let sample = pgmoor(empty.path(), &[], &["config", "sample"])
        .output()
        .expect("runs")
        .stdout;
    let with_sample = directory(&String::from_utf8(sample).expect("is text"));
    let show = |directory: &Path| {
        let shown = pgmoor(directory, &[], &["config", "show"])
            .output()
            .expect("runs")
            .stdout;
        let shown = String::from_utf8(shown)
            .expect("is text")
            .replace(&directory.display().to_string(), "DIR");
        shown.lines().skip(1).collect::<Vec<_>>().join("\n")
    };

    assert_eq!(show(with_sample.path()), show(empty.path()));
}

#[test]
fn the_sample_without_its_comment_signs_has_only_known_keys_and_valid_values() {
    let empty = tempfile::tempdir().expect("directory");
    let sample = pgmoor(empty.path(), &[], &["config", "sample"])
        .output()
        .expect("runs")
        .stdout;
    let sample = String::from_utf8(sample).expect("is text");
    // A key's sign stands directly before it; a remark's is followed by a space.
    let all: String = sample
        .lines()
        .map(|line| match line.split_once('#') {
            Some((indent, rest)) if indent.trim().is_empty() && !rest.starts_with(' ') => {
                format!("{indent}{rest}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let directory = directory(&all);
    let variables = [
        ("PGPASSWORD", "x"),
        ("APP_VERIFIER", "SCRAM-SHA-256$4096:x$y:z"),
    ];

    let output = pgmoor(directory.path(), &variables, &["config", "check"])
        .output()
        .expect("runs");

    let text = String::from_utf8(output.stderr).expect("is text");
    assert!(
        text.contains("has both \"endpoint\" and \"url\""),
        "everything at once cannot be in order: {text}"
    );
    for wrong in [
        "unknown key",
        "invalid value",
        "not valid YAML",
        "must be a",
    ] {
        assert!(!text.contains(wrong), "{text}");
    }
}

#[test]
fn the_reference_pages_are_up_to_date() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let pages = pages.to_str().expect("is text");

    pgmoor(Path::new("/"), &[], &["docs", "--check", pages])
        .assert()
        .success();
}
