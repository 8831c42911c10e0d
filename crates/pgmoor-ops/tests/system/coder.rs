//! Coder: what its values and variables come to, and what is wrong in them.

use super::site::{assert_said, imported, line, said, yaml};

#[test]
fn bundled_database_that_was_not_switched_off_makes_the_chart_ignore_the_rest() {
    for (values, start) in [
        (
            "postgres:\n  default: {enable: true}\n  host: db\n  passwordSecret: s\n",
            "wrong: v.yaml:2: the chart ignores host, passwordSecret of \"postgres\"",
        ),
        (
            "postgres:\n  host: db\n  passwordSecret: s\n",
            "wrong: v.yaml:2: the chart ignores host, passwordSecret of \"postgres\"",
        ),
    ] {
        let imported = imported(&[("v.yaml", values)]);

        assert_said(&imported, start);
        assert!(yaml(&imported).contains("bundled: {}"));
    }
    let nothing = imported(&[("v.yaml", "coderd: {replicas: 1}\n")]);
    assert_eq!(said(&nothing), "");
}

#[test]
fn what_is_wrong_in_values_of_version_one_is_told_with_its_place() {
    let off = "postgres:\n  default: {enable: false}\n  host: db\n";
    for (more, start) in [
        (
            "  connector: awsiamrds\n  passwordSecret: s\n",
            "wrong: v.yaml:5: \"postgres.passwordSecret\" has no effect",
        ),
        (
            "  connector: gcp\n",
            "wrong: v.yaml:4: \"postgres.connector\" is none that there is",
        ),
        (
            "  password: geheim\n",
            "wrong: v.yaml:4: \"postgres.password\" is no key of the chart",
        ),
        (
            "  sslmode: disable\n",
            "wrong: v.yaml:4: \"postgres.sslmode\" is no key of the chart; did you mean \"sslMode\"?",
        ),
        (
            "  ssl: {rootCertSecret: {name: ca}}\n",
            "wrong: v.yaml:4: \"postgres.ssl.rootCertSecret.key\" is not set",
        ),
        (
            "coderd: {extraEnvs: [{name: CODER_MAX_DB_CONNECTIONS, value: many}]}\n",
            "wrong: v.yaml:4: \"CODER_MAX_DB_CONNECTIONS\" is no number of connections",
        ),
        (
            "  port: pg\n",
            "refused: v.yaml:4: \"postgres.port\" is no port",
        ),
    ] {
        assert_said(&imported(&[("v.yaml", &format!("{off}{more}"))]), start);
    }
    let nowhere = imported(&[("v.yaml", "postgres:\n  default: {enable: false}\n")]);
    assert_said(
        &nowhere,
        "refused: v.yaml:2: \"postgres\" does not say where the database is",
    );
}

#[test]
fn what_is_wrong_in_version_two_is_told_with_its_place() {
    for (text, start) in [
        (
            "CODER_PG_CONNECTION_URL=postgres://u@h/d\nCODER_PG_AUTH=awsiamrds\n",
            "wrong: c.env:1: the address has no port",
        ),
        (
            "CODER_PG_CONNECTION_URL=postgres://u@h/d\nCODER_PG_AUTH=gcp\n",
            "wrong: c.env:2: \"CODER_PG_AUTH\" is none that there is",
        ),
        (
            "CODER_PG_CONNECTION_URL=postgres://u@h/d\nCODER_PG_CONNECTION_URL_FILE=/f\n",
            "wrong: c.env:2: \"CODER_PG_CONNECTION_URL_FILE\" is set beside",
        ),
        (
            "CODER_PG_CONNECTION_URL=postgres://u@h/d\nCODER_PG_CONN_MAX_OPEN=none\n",
            "wrong: c.env:2: \"CODER_PG_CONN_MAX_OPEN\" is no number of connections",
        ),
        (
            "CODER_PG_CONNECTION_URL=postgres://u@h/d\nCODER_PG_CONN_MAX_OPEN=5\nCODER_PG_CONN_MAX_IDLE=9\n",
            "wrong: c.env:3: \"CODER_PG_CONN_MAX_IDLE\" is no number up to",
        ),
        (
            "CODER_PG_CONNECTION_URL=postgres://u@h/d\nCODER_PG_CONN_MAX_IDLE=3\n",
            "not carried: c.env:2: \"CODER_PG_CONN_MAX_IDLE\"",
        ),
        (
            "CODER_PG_CONNECTION_URL=postgres://u@h/d\n",
            "note: c.env:1: the address has no sslmode; Coder's driver takes it as require",
        ),
    ] {
        assert_said(&imported(&[("c.env", text)]), start);
    }
}

#[test]
fn an_address_comes_from_a_variable_a_file_a_secret_or_a_flag() {
    for (name, text, url) in [
        (
            "c.env",
            "CODER_PG_CONNECTION_URL=postgres://u:geheim@h/d\n",
            "${CODER_PG_CONNECTION_URL}",
        ),
        (
            "c.env",
            "CODER_PG_CONNECTION_URL_FILE=/etc/coder/url\n",
            "file:/etc/coder/url",
        ),
        (
            "v.yaml",
            "coder: {env: [{name: CODER_PG_CONNECTION_URL, valueFrom: {secretKeyRef: {name: s, key: u}}}]}\n",
            "file:/run/secrets/s/u",
        ),
        (
            "v.yaml",
            "coder: {commandArgs: [server, --postgres-url, \"postgres://u@h/d?sslmode=disable\"]}\n",
            "postgres://u@h/d?sslmode=disable",
        ),
        (
            "v.yaml",
            "coder: {commandArgs: [\"--postgres-url=postgres://u@h/d?sslmode=disable\"]}\n",
            "postgres://u@h/d?sslmode=disable",
        ),
    ] {
        let yaml = yaml(&imported(&[(name, text)]));

        assert_eq!(line(&yaml, "url:"), format!("url: \"{url}\""));
    }
}

#[test]
fn no_address_means_the_database_that_comes_with_it() {
    let imported = imported(&[(
        "v.yaml",
        "coder: {env: [{name: CODER_ACCESS_URL, value: x}]}\n",
    )]);

    assert!(yaml(&imported).contains("bundled: {}"));
}
