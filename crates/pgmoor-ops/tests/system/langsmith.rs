//! LangSmith: what its values come to, and what is wrong in them.

use super::site::{assert_said, imported, line, said, yaml};

const ROLE: &str = "arn:aws:iam::123456789012:role/langsmith";

fn annotated(services: &[&str]) -> String {
    services
        .iter()
        .map(|service| {
            format!(
                "{service}:\n  serviceAccount:\n    annotations:\n      eks.amazonaws.com/role-arn: {ROLE}\n"
            )
        })
        .collect()
}

#[test]
fn the_one_deployment_whose_annotation_was_forgotten_is_named() {
    let url =
        "ls@db.c0ffee.eu-west-1.rds.amazonaws.com:5432/ls?sslmode=verify-full&sslrootcert=system";
    let values = format!(
        "postgres:\n  external:\n    enabled: true\n    iamAuthProvider: aws\n    connectionUrl: \"{url}\"\n{}",
        annotated(&["backend", "queue", "platformBackend", "ingestQueue"])
    );

    let imported = imported(&[("values.yaml", &values)]);

    let wrong: Vec<String> = said(&imported)
        .lines()
        .filter(|line| line.starts_with("wrong"))
        .map(str::to_owned)
        .collect();
    let [only] = wrong.as_slice() else {
        panic!("{wrong:?}")
    };
    assert!(
        only.starts_with("wrong: values.yaml:4:22: \"hostBackend\" has no annotation \"eks.amazonaws.com/role-arn\""),
        "{only}"
    );
    let yaml = yaml(&imported);
    assert!(line(&yaml, "provider:").ends_with("aws"));
    assert!(yaml.contains(ROLE), "{yaml}");
}

#[test]
fn the_backends_annotation_counts_for_its_jobs_and_a_service_that_is_off_needs_none() {
    let values = format!(
        "postgres: {{external: {{enabled: true, iamAuthProvider: aws, connectionUrl: \"u@h:5432/d?sslmode=verify-full\"}}}}\n\
         hostBackend: {{enabled: false}}\n{}",
        annotated(&["queue", "platformBackend", "ingestQueue"])
    );

    let imported = imported(&[("values.yaml", &values)]);

    assert_said(
        &imported,
        "wrong: values.yaml:1: \"backend\" has no annotation \"eks.amazonaws.com/role-arn\", nor do the jobs migrations, authBootstrap, feedbackConfigMigration, feedbackDataMigration",
    );
    assert!(!said(&imported).contains("hostBackend"));
}

#[test]
fn another_identity_than_the_others_is_told_with_both_places() {
    let mut values = format!(
        "postgres: {{external: {{enabled: true, iamAuthProvider: aws, connectionUrl: \"u@h:5432/d?sslmode=verify-full\"}}}}\n{}",
        annotated(&["backend", "platformBackend", "hostBackend", "ingestQueue"])
    );
    values.push_str(
        "queue: {serviceAccount: {annotations: {eks.amazonaws.com/role-arn: \"arn:other\"}}}\n",
    );

    let imported = imported(&[("values.yaml", &values)]);

    assert_said(
        &imported,
        "wrong: values.yaml:18: \"queue\" has another identity than the others; it is arn:other",
    );
}

#[test]
fn pods_without_the_label_get_no_token_from_azure() {
    let services = [
        "backend",
        "queue",
        "platformBackend",
        "hostBackend",
        "ingestQueue",
    ];
    let accounts: String = services
        .iter()
        .map(|service| {
            format!(
                "{service}:\n  serviceAccount: {{annotations: {{azure.workload.identity/client-id: 1-2}}}}\n  deployment: {{labels: {{azure.workload.identity/use: \"true\"}}}}\n"
            )
        })
        .collect();
    let values = format!(
        "postgres: {{external: {{enabled: true, iamAuthProvider: azure, connectionUrl: \"u@p.postgres.database.azure.com/d?sslmode=require\"}}}}\n{accounts}"
    );

    let without = imported(&[("v.yaml", &values)]);
    let with = imported(&[(
        "v.yaml",
        &format!("{values}commonLabels: {{azure.workload.identity/use: \"true\"}}\n"),
    )]);

    for job in [
        "migrations",
        "authBootstrap",
        "feedbackConfigMigration",
        "feedbackDataMigration",
    ] {
        let start = format!("wrong: v.yaml:1: the pods of \"backend.{job}\" have no label");
        assert_said(&without, &start);
    }
    assert!(!said(&without).contains("queue.deployment"));
    assert!(!said(&with).contains("label"), "{}", said(&with));
    let url = line(&yaml(&with), "url:");
    assert!(
        url.contains("sslmode=verify-full&sslrootcert=system"),
        "{url}"
    );
}

#[test]
fn client_certificate_without_the_group_that_can_read_its_key_is_told() {
    let values = "postgres:\n  external:\n    enabled: true\n    connectionUrl: \"u@h/d?sslmode=verify-full&sslrootcert=system\"\n    customTls: true\n    clientCert:\n      secretName: pg-client\n";

    let missing = imported(&[("values.yaml", values)]);
    let common = imported(&[
        ("values.yaml", values),
        ("more.yaml", "commonPodSecurityContext: {fsGroup: 1000}\n"),
    ]);

    assert_said(
        &missing,
        "wrong: values.yaml:7: \"fsGroup\" is missing for backend, queue, platformBackend, hostBackend, ingestQueue, backend.migrations",
    );
    assert!(!said(&common).contains("fsGroup"), "{}", said(&common));
    let url = line(&yaml(&common), "url:");
    assert!(
        url.contains(
            "sslcert=/run/secrets/pg-client/tls.crt&sslkey=/run/secrets/pg-client/tls.key"
        ),
        "{url}"
    );
}

#[test]
fn what_the_chart_ignores_is_told() {
    for (values, start) in [
        (
            "postgres:\n  external:\n    enabled: true\n    existingSecretName: s\n    connectionUrl: \"u@h/d\"\n",
            "wrong: v.yaml:5: \"connectionUrl\" is ignored: \"existingSecretName\" is set",
        ),
        (
            "postgres:\n  external:\n    enabled: true\n    host: h\n    connectionUrl: \"u@h/d\"\n",
            "wrong: v.yaml:4: \"host\" is ignored: \"connectionUrl\" is set",
        ),
        (
            "postgres:\n  external:\n    connectionUrl: \"u@h/d\"\n",
            "wrong: v.yaml:3: \"connectionUrl\" is ignored: \"postgres.external.enabled\" is not true",
        ),
        (
            "postgres:\n  external:\n    enabled: true\n    connectionUrl: \"u@h/d\"\n    iamAuthProvder: aws\n",
            "wrong: v.yaml:5: \"postgres.external.iamAuthProvder\" is no key of the chart; did you mean \"iamAuthProvider\"?",
        ),
        (
            "postgres:\n  external:\n    enabled: true\n    connectionUrl: \"u@h/d\"\n    iamProvider: aws\n",
            "wrong: v.yaml:5: \"postgres.external.iamProvider\" has no effect; it is called \"iamAuthProvider\" here",
        ),
        (
            "fleet:\n  postgres:\n    external: {enabled: true, connectionUrl: \"u@h/d\", iamAuthProvider: aws}\n",
            "wrong: v.yaml:3: \"fleet.postgres.external.iamAuthProvider\" has no effect; it is called \"iamProvider\" here",
        ),
        (
            "postgres:\n  external:\n    enabled: true\n    connectionUrl: \"u@h/d\"\n    iamAuthProvider: oracle\n",
            "wrong: v.yaml:5: \"postgres.external.iamAuthProvider\" names no cloud that there is",
        ),
        (
            "postgres:\n  external:\n    enabled: true\n    connectionUrl: \"u:p@h/d?sslmode=verify-full\"\n    iamAuthProvider: aws\n",
            "wrong: v.yaml:5: there is a password although a cloud's token is to log in",
        ),
        (
            "postgres:\n  external:\n    enabled: perhaps\n    connectionUrl: \"u@h/d\"\n",
            "wrong: v.yaml:3: \"postgres.external.enabled\" is neither true nor false",
        ),
        (
            "postgres:\n  external:\n    enabled: true\n    connectionUrl: \"u@h/d?sslmode=require&sslrootcert=system\"\n",
            "wrong: v.yaml:4: sslrootcert=system goes with sslmode=verify-full only",
        ),
        (
            "postgres:\n  external: {enabled: true, customTls: true, connectionUrl: \"u@h/d\"}\n",
            "wrong: v.yaml:2: the address does not say how much TLS there is to be",
        ),
        (
            "postgres:\n  external: {enabled: true, host: h, password: \"a@b\"}\n",
            "wrong: v.yaml:2: the password has characters in it that mean something else in an address",
        ),
        (
            "fleet:\n  postgres:\n    external: {enabled: true, host: h}\n",
            "wrong: v.yaml:3: the connection is not encrypted",
        ),
        (
            "smithdb:\n  config:\n    metastore:\n      host: h\npostgres: {external: {enabled: false}}\n",
            "not carried: v.yaml:4: the metastore of SmithDB",
        ),
        (
            "postgres:\n  external: {enabled: true, existingSecretName: s, schema: a}\n",
            "not carried: v.yaml:2: \"schema\" cannot be added to an address that is in a Secret",
        ),
        (
            "config: {customCa: {secretName: ca}}\npostgres: {external: {enabled: true, existingSecretName: s}}\n",
            "not carried: v.yaml:1: \"config.customCa\" cannot be added to an address that is in a Secret",
        ),
        (
            "postgres:\n  external: {enabled: true, existingSecretName: s}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {url: eA==}\n",
            "wrong: v.yaml:2: the Secret \"s\" has no key \"connection_url\"; its manifest has \"url\"",
        ),
    ] {
        assert_said(&imported(&[("v.yaml", values)]), start);
    }
}

#[test]
fn what_says_nothing_or_cannot_be_read_is_refused_with_its_place() {
    for (values, start) in [
        (
            "postgres:\n  external:\n    enabled: true\n",
            "refused: v.yaml:3: \"postgres.external\" does not say where the database is",
        ),
        (
            "postgres:\n  external:\n    enabled: true\n    connectionUrl: \"user:word@host:port/db\"\n",
            "refused: v.yaml:4: the port of the address is no number",
        ),
        (
            "postgres:\n  external:\n    enabled: true\n    connectionUrl: \"mysql://u@h/d\"\n",
            "refused: v.yaml:4: cannot read the address",
        ),
        (
            "postgres: [\n",
            "refused: v.yaml:2: the file is not valid YAML",
        ),
    ] {
        let imported = imported(&[("v.yaml", values)]);

        assert_said(&imported, start);
        assert_eq!(imported.meaning, None);
    }
}

#[test]
fn feature_databases_have_their_own_keys_and_their_own_key_in_the_secret() {
    let values = "postgres: {external: {enabled: true, existingSecretName: main}}\n\
        polly: {enabled: true, postgres: {external: {enabled: true, existingSecretName: p}}}\n\
        engineInsightsAgent: {postgres: {external: {enabled: true, connectionUrl: \"u@h/insights?sslmode=require\"}}}\n\
        fleet: {enabled: false, postgres: {external: {enabled: true, host: nowhere}}}\n";

    let yaml = yaml(&imported(&[("v.yaml", values)]));

    assert!(
        yaml.contains("url: \"file:/run/secrets/main/connection_url\""),
        "{yaml}"
    );
    assert!(
        yaml.contains("url: \"file:/run/secrets/p/postgres_connection_url\""),
        "{yaml}"
    );
    assert!(
        yaml.contains("url: \"postgres://u@h/insights?sslmode=require\""),
        "{yaml}"
    );
    assert!(!yaml.contains("nowhere"), "{yaml}");
}

#[test]
fn later_values_files_go_over_earlier_ones_as_helm_has_it() {
    let first = "postgres: {external: {enabled: true, connectionUrl: \"u@one/d\", schema: s}}\n";
    let second = "postgres: {external: {connectionUrl: \"u@two/d\"}}\n";

    let yaml = yaml(&imported(&[("a.yaml", first), ("b.yaml", second)]));

    assert!(
        line(&yaml, "url:").contains("@two/d?search_path=s"),
        "{yaml}"
    );
}

#[test]
fn the_environment_of_compose_stays_in_its_variable() {
    let with = imported(&[(
        ".env",
        "LANGSMITH_LICENSE_KEY=x\nPOSTGRES_DATABASE_URI=u:geheim@h:5432/d\n",
    )]);
    let without = imported(&[(
        ".env",
        "POSTGRES_DATABASE_URI=u@h:5432/d?sslmode=require\nPOSTGRES_IAM_AUTH_PROVIDER=aws\nPOSTGRES_SCHEMA=tenant\n",
    )]);

    assert_eq!(
        line(&yaml(&with), "url:"),
        "url: \"${POSTGRES_DATABASE_URI}\""
    );
    let yaml = yaml(&without);
    assert!(line(&yaml, "url:").contains("search_path=tenant"), "{yaml}");
    assert_eq!(line(&yaml, "provider:"), "provider: aws");
    assert_eq!(
        line(&yaml, "allow_unverified_tls:"),
        "allow_unverified_tls: true"
    );
}
