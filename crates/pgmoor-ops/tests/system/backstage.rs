//! Backstage: files laid over each other, all forms of substitution, and what is wrong in them.

use std::path::Path;

use pgmoor_ops::system::import;

use super::site::{assert_said, imported, input, line, said, yaml};

fn with(connection: &str) -> String {
    format!("backend:\n  database:\n    client: pg\n    connection:\n{connection}")
}

#[test]
fn later_files_and_then_variables_go_over_earlier_ones() {
    let first = with("      host: one\n      user: u\n      ssl: true\n");
    let second = "backend: {database: {connection: {host: two}, plugin: {catalog: {}}}}\n";
    let variables = "APP_CONFIG_backend_database_connection_user='\"me\"'\nAPP_CONFIG_backend_database_connection_port=6432\n";

    let yaml = yaml(&imported(&[
        ("app-config.yaml", &first),
        ("app-config.production.yaml", second),
        ("x.env", variables),
    ]));

    assert_eq!(
        line(&yaml, "url:"),
        "url: \"postgres://me@two:6432?sslmode=verify-full&sslrootcert=system\""
    );
}

#[test]
fn all_forms_of_substitution_are_understood() {
    let text = with(
        "      host: ${ DB_HOST }\n      user: {$env: DB_USER}\n      password: {$file: secrets/pg}\n      port: ${DB_PORT}\n      application_name: \"$${literal}\"\n",
    );

    let yaml = yaml(&imported(&[("conf/app-config.yaml", &text)]));

    let url = line(&yaml, "url:");
    for part in [
        "host='${DB_HOST}'",
        "user='${DB_USER}'",
        "port='${DB_PORT:-5432}'",
        "application_name='$${literal}'",
        "sslmode=disable",
    ] {
        assert!(url.contains(part), "{part} in {url}");
    }
    assert_eq!(
        line(&yaml, "password:"),
        "password: \"file:./conf/secrets/pg\""
    );
}

#[test]
fn an_include_is_a_part_of_another_file_and_starts_from_there() {
    let text = with("      $include: parts/db.yaml#pg.main\n");
    let include = |path: &Path| match path.to_str() {
        Some("./parts/db.yaml") => {
            Ok("pg: {main: {host: h, user: u, password: {$file: pw}}}\n".to_owned())
        }
        other => Err(format!("no file {other:?}")),
    };

    let imported = import(&[input("app-config.yaml", &text)], None, &[], &include);

    let yaml = yaml(&imported);
    assert!(line(&yaml, "url:").contains("u@h"), "{yaml}");
    assert_eq!(line(&yaml, "password:"), "password: \"file:./parts/pw\"");
}

#[test]
fn includes_in_a_circle_end() {
    let text = with("      $include: a.yaml\n");
    let include = |_: &Path| Ok("$include: a.yaml\n".to_owned());

    let imported = import(&[input("app-config.yaml", &text)], None, &[], &include);

    assert!(
        said(&imported).contains("includes are nested too deep"),
        "{}",
        said(&imported)
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (connection, start) in [
        (
            "      host: ${DB_HOST:-localhost}\n",
            "wrong: a.yaml:5: what is between ${ and } is no name of a variable",
        ),
        (
            "      host: {$env: A, other: b}\n",
            "refused: a.yaml:5: \"$env\" has other keys beside it",
        ),
        (
            "      host: {$include: \"gone.yaml#x\"}\n",
            "refused: a.yaml:5: cannot include \"./gone.yaml\": it cannot be read; no file ./gone.yaml",
        ),
        (
            "      password: {$file: \"${DIR}/pw\"}\n",
            "not carried: a.yaml:5: \"$file\" with a variable in it",
        ),
        (
            "      type: oracle\n      host: h\n",
            "refused: a.yaml:5: the type of the connection is none that there is",
        ),
        (
            "      type: rds\n      host: h\n      port: 5432\n      ssl: true\n",
            "wrong: a.yaml:5: \"connection.user\" is missing",
        ),
        (
            "      type: rds\n      host: h\n      port: pg\n      user: u\n      region: r\n      ssl: true\n",
            "wrong: a.yaml:7: \"connection.port\" is no number",
        ),
        (
            "      type: rds\n      host: h\n      port: 5432\n      user: u\n      password: geheim\n      ssl: true\n",
            "wrong: a.yaml:9: the password is replaced by a token",
        ),
        (
            "      type: cloudsql\n      user: u\n",
            "refused: a.yaml:5: \"connection.instance\" is missing",
        ),
        (
            "      type: cloudsql\n      instance: p:r:i\n      ipAddressType: LOCAL\n",
            "refused: a.yaml:7: \"connection.ipAddressType\" is none that there is",
        ),
        (
            "      type: azure\n      host: h\n      ssl: true\n      tokenCredential: {clientSecret: geheim}\n",
            "wrong: a.yaml:8: \"tokenCredential\" has no clientId, and what it has is ignored",
        ),
        (
            "      type: azure\n      host: h\n      ssl: true\n      tokenCredential: {clientId: c, tenantId: t}\n",
            "wrong: a.yaml:8: \"tokenCredential\" is taken as a managed identity",
        ),
        (
            "      type: azure\n      host: h\n      ssl: true\n      tokenCredential: {tokenRenewableOffsetTime: 5}\n",
            "wrong: a.yaml:8: invalid value \"5\" for \"tokenRenewableOffsetTime\"",
        ),
        (
            "      type: azure\n      host: h\n      ssl: true\n      tokenCredential: {tokenRenewalOffsetTime: 5m}\n",
            "wrong: a.yaml:8: Backstage does not read \"tokenRenewalOffsetTime\"",
        ),
        (
            "      host: h\n      ssl: {rejectUnauthorized: false}\n",
            "wrong: a.yaml:6: the server's certificate is not verified",
        ),
        (
            "      host: h\n      ssl: {ca: \"-----BEGIN\"}\n",
            "not carried: a.yaml:6: the text of \"ssl.ca\"",
        ),
        (
            "      host: h\n      password: geheim\n",
            "not carried: a.yaml:6: a password stands here in the clear",
        ),
        (
            "      host: h\n      keepAlive: true\n",
            "not carried: a.yaml:6: \"connection.keepAlive\"",
        ),
    ] {
        assert_said(&imported(&[("a.yaml", &with(connection))]), start);
    }
}

#[test]
fn a_database_that_is_no_postgresql_is_refused_with_what_to_do() {
    let sqlite = "backend:\n  database:\n    client: better-sqlite3\n    connection: ':memory:'\n";

    let imported = imported(&[("a.yaml", sqlite)]);

    assert_said(
        &imported,
        "refused: a.yaml:3: the database is SQLite, which is no PostgreSQL",
    );
    assert!(said(&imported).contains("pgmoor up"));
    assert_eq!(imported.meaning, None);
}

#[test]
fn each_inference_of_an_azure_credential_is_the_applications_own() {
    let azure = |credential: &str| {
        let connection = format!(
            "      type: azure\n      host: h\n      ssl: true\n      tokenCredential: {credential}\n"
        );
        yaml(&imported(&[("a.yaml", &with(&connection))]))
    };

    let secret = azure("{tenantId: t, clientId: c, clientSecret: \"${S}\"}");
    assert_eq!(line(&secret, "source:"), "source: client_secret");
    assert_eq!(line(&secret, "client_secret:"), "client_secret: \"${S}\"");
    let managed = azure("{clientId: c}");
    assert_eq!(line(&managed, "source:"), "source: managed_identity");
    let default = azure("{}");
    assert!(!default.contains("source:"), "{default}");
}

#[test]
fn offsets_are_read_as_words_as_iso_and_as_a_map() {
    for (written, ours) in [
        ("5 minutes", "5m"),
        ("PT90S", "90s"),
        ("{minutes: 3, seconds: 30}", "210s"),
        ("1d", "1d"),
    ] {
        let connection = format!(
            "      type: azure\n      host: h\n      ssl: true\n      tokenCredential: {{tokenRenewableOffsetTime: {written}}}\n"
        );

        let yaml = yaml(&imported(&[("a.yaml", &with(&connection))]));

        assert_eq!(
            line(&yaml, "renewal_offset:"),
            format!("renewal_offset: {ours}")
        );
    }
}

#[test]
fn an_address_is_read_as_its_driver_reads_it() {
    for (url, tls) in [
        (
            "postgres://u@h/d?sslmode=require",
            "sslmode=verify-full&sslrootcert=system",
        ),
        ("postgres://u@h/d?sslmode=no-verify", "sslmode=no-verify"),
        ("postgres://u@h/d", "sslmode=disable"),
        (
            "postgres://u@h/d?sslmode=require&uselibpqcompat=true",
            "sslmode=no-verify",
        ),
        (
            "postgres://u@h/d?sslmode=verify-full&sslrootcert=/ca",
            "sslmode=verify-full&sslrootcert=/ca",
        ),
    ] {
        let text = format!(
            "backend: {{database: {{client: pg, pluginDivisionMode: schema, connection: \"{url}\"}}}}\n"
        );

        let yaml = yaml(&imported(&[("a.yaml", &text)]));

        assert_eq!(
            line(&yaml, "url:"),
            format!("url: \"postgres://u@h/d?{tls}\"")
        );
    }
}

#[test]
fn two_plugins_with_one_name_of_a_database_at_two_servers_are_told_apart() {
    let text = with("      host: one\n")
        + "    plugin:\n      a: {connection: {database: x}}\n      b: {connection: {database: x, host: two}}\n      c: {connection: {database: x}}\n";

    let imported = imported(&[("a.yaml", &text)]);

    assert_said(
        &imported,
        "note: a.yaml:8: the database \"x\" is called \"backstage_plugin_b\"",
    );
    let yaml = yaml(&imported);
    assert_eq!(yaml.matches("dbname: x").count(), 1, "{yaml}");
    assert!(
        yaml.contains("@two/x") || yaml.contains("//two/x"),
        "{yaml}"
    );
}

#[test]
fn the_division_the_pool_and_the_role_are_carried() {
    let text = "backend:\n  database:\n    client: pg\n    pluginDivisionMode: schema\n    role: owner\n    knexConfig: {pool: {max: 7}}\n    connection: {host: h, user: u, database: shared}\n";

    let yaml = yaml(&imported(&[("a.yaml", text)]));

    assert!(
        line(&yaml, "url:").contains("/shared?sslmode=disable&role=owner"),
        "{yaml}"
    );
    assert_eq!(line(&yaml, "pool:"), "pool: { size: 7 }");
    assert_eq!(
        line(&yaml, "rights:"),
        "rights: [create_table, create_schema]"
    );
}
