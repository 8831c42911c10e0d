//! No secret of an original is ever in what comes of it.

use super::site::{imported, said, yaml};

/// It has a bit of everything that addresses trip over.
const CANARIES: [&str; 4] = ["canary77", "can@ary77", "can:ary/77?x=1", "canary77 #&%"];

/// Files with a secret in every place that can have one.
const PLACES: [(&str, &str); 28] = [
    (
        "v.yaml",
        "postgres: {external: {enabled: true, connectionUrl: \"u:CANARY@h:5432/d\"}}",
    ),
    (
        "v.yaml",
        "postgres: {external: {enabled: true, connectionUrl: \"postgres://u:CANARY@h:port/d\"}}",
    ),
    (
        "v.yaml",
        "postgres: {external: {enabled: true, connectionUrl: \"u:CANARY@\"}}",
    ),
    (
        "v.yaml",
        "postgres: {external: {enabled: true, host: h, password: \"CANARY\"}}",
    ),
    (
        "v.yaml",
        "postgres: {external: {enabled: true, existingSecretName: s, password: \"CANARY\"}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {connection_url: \"u:CANARY@h/d\"}",
    ),
    (
        "v.yaml",
        "postgres: {external: {enabled: true, existingSecretName: s}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {connection_url: \"u:CANARY@\"}",
    ),
    (
        "v.yaml",
        "fleet: {postgres: {external: {enabled: true, host: h, password: \"CANARY\"}}}",
    ),
    (
        "v.yaml",
        "postgres: {default: {enable: false}, host: h, password: \"CANARY\"}",
    ),
    (
        "v.yaml",
        "postgres: {password: \"CANARY\", passwordSecret: x}",
    ),
    (
        "v.yaml",
        "coder: {env: [{name: CODER_PG_CONNECTION_URL, value: \"postgres://u:CANARY@h/d\"}]}",
    ),
    (
        "v.yaml",
        "coder: {commandArgs: [--postgres-url, \"postgres://u:CANARY@h:x/d\"]}",
    ),
    ("c.env", "CODER_PG_CONNECTION_URL=postgres://u:CANARY@h/d"),
    ("c.env", "POSTGRES_DATABASE_URI=u:CANARY@h/d"),
    ("c.env", "DATABASE_URL=postgres://u:CANARY@h:1/d"),
    ("c.env", "PGHOST=h\nPGPASSWORD=CANARY"),
    ("c.env", "DATABASE_URL=x\nCANARY"),
    ("-", "postgres://u:CANARY@h/d"),
    (
        "a.yaml",
        "backend: {database: {client: pg, connection: \"postgres://u:CANARY@h/d\"}}",
    ),
    (
        "a.yaml",
        "backend: {database: {client: pg, connection: {host: h, password: \"CANARY\"}}}",
    ),
    (
        "a.yaml",
        "backend: {database: {client: pg, connection: {type: rds, host: h, user: u, port: 1, password: \"CANARY\"}}}",
    ),
    (
        "a.yaml",
        "backend: {database: {client: pg, connection: {type: azure, host: h, tokenCredential: {tenantId: a, clientId: b, clientSecret: \"CANARY\"}}}}",
    ),
    (
        "a.yaml",
        "backend: {database: {client: pg, connection: {host: h, ssl: {key: \"CANARY\"}}}}",
    ),
    (
        "a.yaml",
        "backend: {database: {client: pg, connection: {host: h, password: \"x${CANARY:-CANARY}\"}}}",
    ),
    (
        "v.yaml",
        "global: {storage: {permissions: &p {driver: postgresql, url: \"postgres://u:CANARY@h/d\", password: \"CANARY\"}}}\nprismeai-api-gateway: {storage: {users: *p}}\nprismeai-runtime: {storage: {collections: *p}}",
    ),
    (
        "v.yaml",
        "global: {storage: {permissions: {url: \"mongodb://u:CANARY@h/d\"}}}",
    ),
    (
        "v.yaml",
        "postgres: {external: {enabled: true, connectionUrl: \"u:CANARY@h/d}}",
    ),
    ("v.yaml", "postgres: [CANARY: \"CANARY\" CANARY"),
    (
        "p.env",
        "USERS_STORAGE_DRIVER=postgresql\nUSERS_STORAGE_HOST=postgres://u:CANARY@h/d\nPERMISSIONS_STORAGE_DRIVER=postgresql\nPERMISSIONS_STORAGE_HOST=postgres://u:CANARY@h/d\nCOLLECTIONS_STORAGE_DRIVER=postgresql\nCOLLECTIONS_STORAGE_HOST=postgres://u:CANARY@h/d",
    ),
];

#[test]
fn no_secret_of_an_original_is_in_its_result_or_in_a_finding() {
    let mut results = 0;
    for canary in CANARIES {
        for (name, text) in PLACES {
            let imported = imported(&[(name, &text.replace("CANARY", canary))]);

            let mut shown = said(&imported) + &format!("{imported:?}");
            if imported.meaning.is_some() {
                results += 1;
                shown.push_str(&yaml(&imported));
            }
            for part in ["canary", "ary77", "ary/77"] {
                let at = shown.find(part).map(|at| &shown[at.saturating_sub(60)..]);
                assert_eq!(at, None, "{name}: {text} with {canary}");
            }
        }
    }
    assert!(results > 60, "{results} gave a result");
}
