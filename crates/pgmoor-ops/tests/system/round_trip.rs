//! What is written for an application, read again, says the same.

use std::path::Path;
use std::time::Duration;

use pgmoor::settings::Origin;
use pgmoor_ops::system::{
    Address, Application, Cloud, Database, Instance, Login, Meaning, Origins, Parameters,
    Reference, SECRETS, Target, Through, Told, import, lines, render, write,
};
use pgmoor_ops::yaml;
use proptest::prelude::*;

use super::site::input;

fn told<T>(value: T) -> Told<T> {
    Told::new(value, &Origin::Default)
}

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_]{0,8}[a-z0-9]"
}

/// Names with all that has to be encoded in an address.
fn odd() -> impl Strategy<Value = String> {
    "[a-zA-Z][a-zA-Z0-9 @:/?#%&=+'\"_.-]{0,10}[a-z]"
}

fn host() -> impl Strategy<Value = String> {
    "[a-z]{1,6}\\.[a-z]{2,5}\\.example"
}

fn secret() -> impl Strategy<Value = Reference> {
    ("[a-z][a-z0-9-]{0,8}", "[a-z][a-z0-9._-]{0,8}")
        .prop_map(|(name, key)| Reference::secret(&name, &key))
}

/// An address with TLS as every application understands it.
fn server(user: impl Strategy<Value = String>) -> impl Strategy<Value = Parameters> {
    (host(), 1..=u16::MAX, user, odd(), 0..3_u8).prop_map(|(host, port, user, dbname, tls)| {
        let mut parameters = Parameters::default();
        let set = [
            ("host", host),
            ("port", port.to_string()),
            ("user", user),
            ("dbname", dbname),
        ];
        for (name, value) in set {
            parameters.set(name, value, &Origin::Default);
        }
        match tls {
            0 => parameters.set("sslmode", "disable", &Origin::Default),
            1 => {
                parameters.set("sslmode", "verify-full", &Origin::Default);
                parameters.set("sslrootcert", "system", &Origin::Default);
            }
            _ => {
                parameters.set("sslmode", "verify-full", &Origin::Default);
                parameters.set(
                    "sslrootcert",
                    "/run/secrets/authority/ca.crt",
                    &Origin::Default,
                );
            }
        }
        parameters
    })
}

fn database(name: &str, address: Address, login: Login) -> Database {
    Database {
        name: told(name.to_owned()),
        address,
        login,
        pool: None,
        rights: Vec::new(),
    }
}

/// With TLS that a token may be sent over.
fn verified(mut parameters: Parameters) -> Parameters {
    if parameters.get("sslmode") == Some("disable") {
        parameters.set("sslmode", "verify-full", &Origin::Default);
        parameters.set("sslrootcert", "system", &Origin::Default);
    }
    parameters
}

fn by_token(parameters: Parameters, cloud: Option<Cloud>) -> (Address, Login) {
    match cloud {
        Some(cloud) => (
            Address::Server(verified(parameters)),
            Login::Token(told(cloud)),
        ),
        None => (Address::Server(parameters), Login::Address),
    }
}

fn aws() -> impl Strategy<Value = Cloud> {
    proptest::option::of("[a-z]{2}-[a-z]{4,8}-[1-9]").prop_map(|region| Cloud::Aws { region })
}

fn langsmith() -> impl Strategy<Value = Meaning> {
    let cloud = prop_oneof![
        Just(None),
        aws().prop_map(Some),
        Just(Some(Cloud::Google)),
        Just(Some(Cloud::azure())),
    ];
    let known = (
        server(odd()),
        cloud,
        proptest::option::of(word()),
        any::<bool>(),
    )
        .prop_map(|(mut parameters, cloud, schema, certificate)| {
            if let Some(schema) = schema {
                parameters.set("search_path", schema, &Origin::Default);
            }
            if certificate {
                parameters = verified(parameters);
                parameters.set("sslcert", "/run/secrets/client/tls.crt", &Origin::Default);
                parameters.set("sslkey", "/run/secrets/client/k", &Origin::Default);
            }
            by_token(parameters, cloud)
        });
    let whole = secret().prop_map(|secret| (Address::Whole(told(secret)), Login::Address));
    let bundled = Just((Address::Bundled, Login::Address));
    let feature = "[a-z][a-z0-9-]{0,8}".prop_map(|name| {
        let secret = Reference::secret(&name, "postgres_connection_url");
        database("fleet", Address::Whole(told(secret)), Login::Address)
    });
    (
        prop_oneof![known, whole, bundled],
        proptest::option::of(feature),
    )
        .prop_map(|((address, login), feature)| {
            let token = matches!(login, Login::Token(_));
            let mut databases = vec![database("langsmith", address, login)];
            databases.extend(feature);
            Meaning {
                system: Some("langsmith"),
                databases,
                identity: token.then(|| told("arn:aws:iam::1:role/ls".to_owned())),
            }
        })
}

fn coder() -> impl Strategy<Value = Meaning> {
    let known = (server(odd()), proptest::option::of(aws()))
        .prop_map(|(parameters, cloud)| by_token(parameters, cloud));
    let whole = secret().prop_map(|secret| (Address::Whole(told(secret)), Login::Address));
    let file = Just((
        Address::Whole(told(Reference::File("/etc/coder/url".to_owned()))),
        Login::Address,
    ));
    let pool = proptest::option::of(1..1000_u32);
    (prop_oneof![known, whole, file], pool).prop_map(|((address, login), pool)| {
        let token = matches!(login, Login::Token(_));
        let mut only = database("coder", address, login);
        only.pool = pool.map(told);
        Meaning {
            system: Some("coder"),
            databases: vec![only],
            identity: token.then(|| told("arn:aws:iam::1:role/coder".to_owned())),
        }
    })
}

fn prisme() -> impl Strategy<Value = Meaning> {
    let azure = prop_oneof![
        Just(None),
        proptest::option::of("[0-9a-f]{8}").prop_map(|client_id| Some(Cloud::Azure {
            tenant_id: None,
            client_id,
            client_secret: None,
            managed: true,
            renewal: None,
        })),
    ];
    let known = (server(odd()), azure).prop_map(|(parameters, cloud)| by_token(parameters, cloud));
    let whole = secret().prop_map(|secret| (Address::Whole(told(secret)), Login::Address));
    let store = prop_oneof![known, whole];
    proptest::collection::vec(store, 3).prop_map(|stores| {
        let names = ["permissions", "users", "collections"];
        let databases = names
            .into_iter()
            .zip(stores)
            .map(|(name, (address, login))| database(name, address, login));
        Meaning {
            system: Some("prisme"),
            databases: databases.collect(),
            identity: None,
        }
    })
}

/// Where, and how to log in, in all of Backstage's ways.
fn backstage_place() -> impl Strategy<Value = (Address, Login)> {
    let reference = prop_oneof![
        "[A-Z]{1,8}".prop_map(Reference::Variable),
        secret(),
        Just(Reference::File("/etc/backstage/password".to_owned())),
    ];
    let password = (server(odd()), reference.clone()).prop_map(|(parameters, reference)| {
        (
            Address::Server(parameters),
            Login::Password(told(reference)),
        )
    });
    let azure = prop_oneof![
        Just(Cloud::azure()),
        "[0-9a-f]{8}".prop_map(|client| Cloud::Azure {
            tenant_id: None,
            client_id: Some(client),
            client_secret: None,
            managed: true,
            renewal: None,
        }),
        (reference, 1..100_000_u64).prop_map(|(secret, renewal)| Cloud::Azure {
            tenant_id: Some("tenant".to_owned()),
            client_id: Some("client".to_owned()),
            client_secret: Some(secret),
            managed: false,
            renewal: Some(Duration::from_millis(renewal)),
        }),
    ];
    let token = (server(odd()), prop_oneof![azure, aws()])
        .prop_map(|(parameters, cloud)| by_token(parameters, Some(cloud)));
    let instance = (word(), odd()).prop_map(|(instance, user)| {
        let instance = Instance {
            instance: told(format!("p:r:{instance}")),
            user: Some(told(user)),
            dbname: None,
            ip_type: Some(told("PRIVATE".to_owned())),
        };
        (Address::CloudSql(instance), Login::Address)
    });
    prop_oneof![password, token, instance]
}

fn named(address: &Address, name: &str) -> Address {
    let mut address = address.clone();
    match &mut address {
        Address::Server(parameters) => parameters.set("dbname", name, &Origin::Default),
        Address::CloudSql(instance) => instance.dbname = Some(told(name.to_owned())),
        Address::Bundled | Address::Whole(_) => {}
    }
    address
}

fn backstage() -> impl Strategy<Value = Meaning> {
    let shared = (backstage_place(), word(), proptest::option::of(word())).prop_map(
        |((address, login), name, role)| {
            let mut address = named(&address, &name);
            if let (Address::Server(parameters), Some(role)) = (&mut address, role) {
                parameters.set("role", role, &Origin::Default);
            }
            let mut only = database(&name, address, login);
            only.rights = vec!["create_table", "create_schema"];
            vec![only]
        },
    );
    let each = (
        backstage_place(),
        proptest::option::of(backstage_place()),
        proptest::option::of(1..100_u32),
    )
        .prop_map(|(base, other, pool)| {
            let mut databases = Vec::new();
            for id in ["catalog", "auth"] {
                let place = match (id, &other) {
                    // A plugin's map is laid over the base's: what the base says and it does not, stays.
                    ("auth", Some(other)) if same_keys(&base, other) => other,
                    _ => &base,
                };
                let name = format!("backstage_plugin_{id}");
                let mut one = database(&name, named(&place.0, &name), place.1.clone());
                one.pool = pool.map(told);
                databases.push(one);
            }
            databases
        });
    prop_oneof![shared, each].prop_map(|databases| Meaning {
        system: Some("backstage"),
        databases,
        identity: None,
    })
}

/// Whether a connection over another leaves nothing of it: both log in by passwords and have the same TLS.
fn same_keys(base: &(Address, Login), other: &(Address, Login)) -> bool {
    let (Address::Server(one), Address::Server(two)) = (&base.0, &other.0) else {
        return false;
    };
    let passwords = matches!(
        (&base.1, &other.1),
        (Login::Password(_), Login::Password(_))
    );
    passwords
        && one.get("sslmode") == two.get("sslmode")
        && one.get("sslrootcert") == two.get("sslrootcert")
}

fn env() -> impl Strategy<Value = Meaning> {
    server(odd()).prop_map(|parameters| Meaning {
        system: None,
        databases: vec![database("app", Address::Server(parameters), Login::Address)],
        identity: None,
    })
}

/// pgmoor.yaml of it, the application's values of that, and what these mean.
fn there_and_back(meaning: &Meaning, target: Target, from: Application) -> Meaning {
    let origins = Origins {
        from: "a test",
        findings: &[],
        secrets: SECRETS,
    };
    let ours = write(meaning, &origins);
    let mut problems = Vec::new();
    let node = yaml::parse(&ours, Path::new("pgmoor.yaml"), &mut problems).expect("is YAML");
    assert!(problems.is_empty(), "{problems:?}");
    let through = Through::Direct {
        identity: meaning.identity.as_ref().map(|told| told.value.clone()),
    };
    let rendered = render(&node, target, &through, SECRETS);
    let tree = rendered
        .tree
        .unwrap_or_else(|| panic!("{:?} of\n{ours}", rendered.findings));
    let (name, text) = match target {
        Target::Env => ("x.env", lines(&tree)),
        _ => ("v.yaml", tree.print()),
    };
    let plugins = ["catalog".to_owned(), "auth".to_owned()];
    let include = |path: &Path| Err(format!("no file {}", path.display()));
    let imported = import(&[input(name, &text)], Some(from), &plugins, &include);
    let findings = imported.findings;
    imported
        .meaning
        .unwrap_or_else(|| panic!("{findings:?} of\n{text}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn langsmith_says_what_was_written_for_it(meaning in langsmith()) {
        prop_assert_eq!(there_and_back(&meaning, Target::Langsmith, Application::Langsmith), meaning);
    }

    #[test]
    fn coder_says_what_was_written_for_it(meaning in coder()) {
        prop_assert_eq!(there_and_back(&meaning, Target::Coder, Application::Coder), meaning);
    }

    #[test]
    fn prisme_says_what_was_written_for_it(meaning in prisme()) {
        prop_assert_eq!(there_and_back(&meaning, Target::Prisme, Application::Prisme), meaning);
    }

    #[test]
    fn backstage_says_what_was_written_for_it(meaning in backstage()) {
        prop_assert_eq!(there_and_back(&meaning, Target::Backstage, Application::Backstage), meaning);
    }

    #[test]
    fn variables_say_what_was_written_for_them(meaning in env()) {
        prop_assert_eq!(there_and_back(&meaning, Target::Env, Application::Env), meaning);
    }
}
