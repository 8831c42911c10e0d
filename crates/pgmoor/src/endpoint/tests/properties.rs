//! What holds for every text.

use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use crate::endpoint::{ConnectionString, Endpoint};

/// Text made of what addresses are made of, in any order.
fn fragments() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        proptest::sample::select(vec![
            "postgres://",
            "postgresql+x://",
            "jdbc:postgresql://",
            "host=",
            "Host=",
            ";",
            "@",
            ":",
            "/",
            "?",
            "&",
            "=",
            ",",
            "[",
            "]",
            "%",
            "%41",
            "%00",
            "'",
            "\"",
            "\\",
            " ",
            "\n",
            "5432",
            "sslmode",
            "require",
            "options",
            "ß",
            "service",
            "ssl",
            "password",
            "port=",
            "hostaddr=::1",
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,3}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(token, 0..14).prop_map(|tokens| tokens.concat())
}

/// A valid value of some parameter, next to its name.
fn parameter() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        (
            proptest::sample::select(vec![
                "user",
                "password",
                "options",
                "application_name",
                "sslpassword",
                "passfile",
                "sslcert"
            ]),
            "\\PC{1,12}"
        ),
        (Just("dbname"), "[a-zß /@?%&=+.-]{1,12}"),
        (
            Just("sslmode"),
            "disable|allow|prefer|require|verify-ca|verify-full|no-verify"
        ),
        (
            Just("target_session_attrs"),
            "any|read-write|read-only|primary|standby|prefer-standby"
        ),
        (
            proptest::sample::select(vec![
                "connect_timeout",
                "keepalives_idle",
                "tcp_user_timeout"
            ]),
            "[1-9][0-9]{0,4}"
        ),
        (Just("require_auth"), "md5,scram-sha-256|!password|none"),
        (Just("search_path"), "[a-z, \\\\\"]{1,12}"),
    ]
}

proptest! {
    #[test]
    fn reading_never_panics(text in fragments(), any_text in ".{0,40}") {
        let _ = Endpoint::parse(&text);
        let _ = Endpoint::parse(&any_text);
    }

    #[test]
    fn a_printed_uri_reads_back_as_the_same_endpoint(
        hosts in proptest::collection::vec("[a-z][a-z0-9.-]{0,8}|/[a-z/]{1,6}|::1|fe80::1%eth0", 1..4),
        port in 1_u16..,
        parameters in proptest::collection::vec(parameter(), 0..6),
    ) {
        let given = [("host", hosts.join(",")), ("port", port.to_string())].into_iter().chain(parameters);
        let endpoint = Endpoint::from_parts(given).expect("every value is right");

        let uri = endpoint.to_uri_with_password();
        let again = Endpoint::parse(uri.expose()).expect("our own URI is right");

        let uri_again = again.to_uri_with_password();
        prop_assert_eq!(uri_again.expose(), uri.expose());
        prop_assert_eq!(&again.hosts, &endpoint.hosts);
        prop_assert_eq!(&again.user, &endpoint.user);
        prop_assert_eq!(&again.dbname, &endpoint.dbname);
        prop_assert_eq!(again.password.map(|secret| secret.expose().clone()), endpoint.password.map(|secret| secret.expose().clone()));
        prop_assert_eq!(again.tls.mode, endpoint.tls.mode);
    }

    #[test]
    fn quoting_a_value_by_the_rules_gives_it_back(value in "\\PC{1,20}") {
        let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");

        let given = ConnectionString::parse(&format!("user = '{quoted}' host=h")).expect("it is quoted right");

        prop_assert_eq!(given.get("user").expect("it is set").expose(), &value);
    }
}
