//! Prisme.ai: its three storages, and what is wrong in them.

use super::site::{assert_said, imported, line, yaml};

fn values(permissions: &str, users: &str, collections: &str) -> String {
    format!(
        "global: {{storage: {{permissions: {{{permissions}}}}}}}\nprismeai-api-gateway: {{storage: {{users: {{{users}}}}}}}\nprismeai-runtime: {{storage: {{collections: {{{collections}}}}}}}\n"
    )
}

const PG: &str = "driver: postgresql, url: \"postgres://u@h/d\"";

#[test]
fn mix_of_engines_and_mongodb_are_refused_with_the_reason() {
    let mixed = imported(&[("v.yaml", &values(PG, "driver: mongodb, url: x", PG))]);
    let unsaid = imported(&[("v.yaml", &values(PG, PG, "url: x"))]);
    let mongo = imported(&[("v.yaml", &values("url: a", "url: b", "url: c"))]);

    assert_said(
        &mixed,
        "refused: v.yaml:2: the storage \"users\" is on MongoDB, and permissions and collections on PostgreSQL; a deployment has one engine for all three storages",
    );
    assert_said(
        &unsaid,
        "refused: v.yaml:3: the storage \"collections\" is on MongoDB",
    );
    assert_said(
        &mongo,
        "refused: v.yaml:1: the storages are on MongoDB, which is no PostgreSQL",
    );
    for imported in [mixed, unsaid, mongo] {
        assert_eq!(imported.meaning, None);
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (store, start) in [
        (
            "driver: postgresql, existingSecret: s, url: \"postgres://u@h/d\", password: p",
            "wrong: v.yaml:1: \"global.storage.permissions.url\" is ignored: \"existingSecret\" is set; the chart takes the Secret and says nothing",
        ),
        (
            "driver: postgresql, existingSecret: s, password: p",
            "wrong: v.yaml:1: \"global.storage.permissions.password\" is ignored",
        ),
        (
            "driver: postgresql",
            "refused: v.yaml:1: \"global.storage.permissions\" does not say where the database is",
        ),
        (
            "driver: postgresql, url: \"postgres://u@h/d\", exitingSecret: s",
            "wrong: v.yaml:1: \"global.storage.permissions.exitingSecret\" is no key of the chart; did you mean \"existingSecret\"?",
        ),
        (
            "driver: postgresql, url: \"postgres://h/d?sslmode=verify-full\", user: u, password: p, azureManagedIdentityClientId: c",
            "wrong: v.yaml:1: \"password\" has no effect beside an identity of Azure",
        ),
        (
            "driver: postgresql, url: \"postgres://h/d\", azureManagedIdentityClientId: c, azureSystemIdentity: true",
            "wrong: v.yaml:1: \"azureManagedIdentityClientId\" and \"azureSystemIdentity\" are both set",
        ),
    ] {
        assert_said(&imported(&[("v.yaml", &values(store, PG, PG))]), start);
    }
}

#[test]
fn one_server_is_one_endpoint_and_two_are_two() {
    let one = yaml(&imported(&[(
        "v.yaml",
        &values(
            "driver: postgresql, url: \"postgres://u@h/p\"",
            "driver: postgresql, url: \"postgres://u@h/u\"",
            "driver: postgresql, url: \"postgres://u@h/c\"",
        ),
    )]));
    let two = imported(&[(
        "v.yaml",
        &values(
            "driver: postgresql, url: \"postgres://u@h/p\"",
            "driver: postgresql, url: \"postgres://u@h/u\"",
            "driver: postgresql, url: \"postgres://u@other/c\"",
        ),
    )]);

    assert_eq!(one.matches("url:").count(), 1, "{one}");
    assert_said(&two, "note: v.yaml:1: the three storages are on 2 servers");
    assert_eq!(yaml(&two).matches("url:").count(), 2);
}

#[test]
fn bundle_of_authorities_is_the_key_of_its_secret() {
    let store = "driver: postgresql, url: \"postgres://u@h/d?sslmode=require\", tlsCaFile: /etc/ssl/extra/ca.pem";
    let bundle = "global: {extraCABundle: {existingSecret: bundle, key: ca.pem, mountPath: /etc/ssl/extra}}\n";

    let with = yaml(&imported(&[
        ("v.yaml", &values(store, store, store)),
        ("b.yaml", bundle),
    ]));
    let without = yaml(&imported(&[("v.yaml", &values(store, store, store))]));

    assert!(
        line(&with, "url:").contains("sslrootcert=/run/secrets/bundle/ca.pem"),
        "{with}"
    );
    assert!(
        line(&without, "url:").contains("sslrootcert=/etc/ssl/extra/ca.pem"),
        "{without}"
    );
}

#[test]
fn its_variables_are_read_too() {
    let text = "PERMISSIONS_STORAGE_DRIVER=postgresql\nPERMISSIONS_STORAGE_HOST=postgres://u@h/p\n\
        USERS_STORAGE_DRIVER=postgresql\nUSERS_STORAGE_HOST=postgres://u@h/u\nUSERS_STORAGE_PASSWORD=geheim\n\
        COLLECTIONS_STORAGE_DRIVER=postgresql\nCOLLECTIONS_STORAGE_HOST=postgres://u@h/c\nCOLLECTIONS_STORAGE_TLS_SELF_SIGNED=true\nCOLLECTIONS_STORAGE_POOL_MAX=10\n";

    let imported = imported(&[("p.env", text)]);

    let yaml = yaml(&imported);
    assert!(
        yaml.contains("password: \"${USERS_STORAGE_PASSWORD}\""),
        "{yaml}"
    );
    assert!(yaml.contains("pool: { size: 10 }"), "{yaml}");
    assert!(yaml.contains("sslmode=no-verify"), "{yaml}");
    assert_said(
        &imported,
        "wrong: p.env:8: the server's certificate is not verified",
    );
}
