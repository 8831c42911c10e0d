//! What libpq's own forms mean.

use std::path::Path;
use std::time::Duration;

use super::assert_table;
use crate::endpoint::{
    AuthMethod, Endpoint, Host, RootCert, SslMode, SslNegotiation, Target, TargetSessionAttrs,
    TlsVersion, Verification,
};

fn parse(address: &str) -> Endpoint {
    Endpoint::parse(address).expect("the address is right")
}

#[test]
fn a_uri_fills_every_field() {
    let endpoint = parse(
        "postgresql://app:pw@a:1,b:2/db?hostaddr=10.0.0.1,10.0.0.2&sslmode=verify-full&sslnegotiation=direct\
         &sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem&sslpassword=kp&sslcrl=/crl&sslcrldir=/crls&sslsni=0\
         &sslcertmode=require&ssl_min_protocol_version=tlsv1.2&ssl_max_protocol_version=TLSv1.3&channel_binding=require\
         &require_auth=scram-sha-256,md5&target_session_attrs=read-write&load_balance_hosts=random&connect_timeout=7\
         &keepalives=0&keepalives_idle=8&keepalives_interval=9&keepalives_count=10&tcp_user_timeout=1100\
         &application_name=shop&fallback_application_name=pgmoor&client_encoding=UTF8&options=-c%20a.b%3D1&passfile=/pp\
         &requirepeer=postgres&min_protocol_version=3.0&max_protocol_version=latest&replication=database",
    );

    let target = |name: &str, address: &str| Target::Name {
        name: name.to_owned(),
        address: Some(address.parse().expect("an address")),
    };
    let hosts = [
        Host {
            target: target("a", "10.0.0.1"),
            port: 1,
        },
        Host {
            target: target("b", "10.0.0.2"),
            port: 2,
        },
    ];
    assert_eq!(endpoint.hosts, hosts);
    assert_eq!(
        endpoint
            .password
            .as_ref()
            .map(|secret| secret.expose().as_str()),
        Some("pw")
    );
    assert_eq!(
        (endpoint.user.as_deref(), endpoint.dbname.as_deref()),
        (Some("app"), Some("db"))
    );
    assert_eq!(endpoint.tls.mode, SslMode::VerifyFull);
    assert_eq!(endpoint.tls.negotiation, SslNegotiation::Direct);
    assert_eq!(endpoint.tls.root_cert, RootCert::File("/ca.pem".into()));
    assert_eq!(
        endpoint.tls.certificate.as_deref(),
        Some(Path::new("/c.pem"))
    );
    assert_eq!(
        endpoint
            .tls
            .key_password
            .as_ref()
            .map(|secret| secret.expose().as_str()),
        Some("kp")
    );
    assert!(!endpoint.tls.sni);
    assert_eq!(endpoint.tls.min_version, Some(TlsVersion::V1_2));
    assert!(
        endpoint.require_auth.allows(AuthMethod::Md5)
            && !endpoint.require_auth.allows(AuthMethod::Password)
    );
    assert_eq!(endpoint.target_session_attrs, TargetSessionAttrs::ReadWrite);
    assert_eq!(endpoint.connect_timeout, Some(Duration::from_secs(7)));
    assert!(!endpoint.keepalives.enabled);
    assert_eq!(endpoint.keepalives.idle, Some(Duration::from_secs(8)));
    assert_eq!(endpoint.tcp_user_timeout, Some(Duration::from_millis(1100)));
    assert_eq!(
        endpoint.startup()[0],
        ("replication".to_owned(), "database".to_owned())
    );
    assert!(
        endpoint
            .startup()
            .contains(&("application_name".to_owned(), "shop".to_owned()))
    );
    assert!(endpoint.notices().is_empty());
}

#[test]
fn hosts_and_ports_pair_up_as_libpq_pairs_them() {
    assert_table(&[
        ("postgres://h", "postgresql://h:5432"),
        ("postgres://h:/d", "postgresql://h:5432/d"),
        (
            "postgres://h1:1,h2,h3:3/d",
            "postgresql://h1:1,h2:5432,h3:3/d",
        ),
        ("postgres://h1,h2/d?port=7", "postgresql://h1:7,h2:7/d"),
        ("host=h1,h2 port=7", "postgresql://h1:7,h2:7"),
        ("host=h1,h2 port=,8", "postgresql://h1:5432,h2:8"),
        ("host=h1,/run port=1,2", "postgresql://h1:1,%2Frun:2"),
        ("host=h1,,h3 port=1", "postgresql://h1:1,SOCKETS:1,h3:1"),
        ("host=@abstract", "postgresql://%40abstract:5432"),
        (
            "postgres://[2001:db8::1]:7/d",
            "postgresql://[2001:db8::1]:7/d",
        ),
        (
            "postgres://[fe80::1%25eth0]/d",
            "postgresql://[fe80::1%25eth0]:5432/d",
        ),
        ("hostaddr=10.0.0.1", "postgresql://:5432?hostaddr=10.0.0.1"),
        (
            "hostaddr=::1 host=h port=' 7 '",
            "postgresql://h:7?hostaddr=::1",
        ),
        (
            "hostaddr=,10.0.0.2 host=h1,h2",
            "postgresql://h1:5432,h2:5432?hostaddr=,10.0.0.2",
        ),
        ("", "postgresql://SOCKETS:5432"),
        ("postgres:///d", "postgresql://SOCKETS:5432/d"),
        (
            "host=h1,h2 port=1,2,3",
            "error: the list \"host\" has 2 and the list \"port\" has 3 entries",
        ),
        (
            "host=h1 hostaddr=1.1.1.1,2.2.2.2",
            "error: the list \"host\" has 1 and the list \"hostaddr\" has 2 entries",
        ),
    ]);
}

#[test]
fn zero_negative_and_empty_values_mean_the_default() {
    assert_table(&[
        ("host=h connect_timeout=0", "postgresql://h:5432"),
        ("host=h connect_timeout=-1", "postgresql://h:5432"),
        (
            "host=h connect_timeout=1",
            "postgresql://h:5432?connect_timeout=1",
        ),
        (
            "host=h keepalives=2 keepalives_idle=0 keepalives_count=-3 tcp_user_timeout=0",
            "postgresql://h:5432",
        ),
        (
            "host=h sslmode='' port='' user='' password='' options=''",
            "postgresql://h:5432",
        ),
    ]);
}

#[test]
fn tls_words_keep_libpqs_precise_meaning() {
    assert_table(&[
        (
            "host=h sslrootcert=system",
            "postgresql://h:5432?sslmode=verify-full&sslrootcert=system",
        ),
        (
            "host=h sslrootcert=system sslmode=verify-full",
            "postgresql://h:5432?sslmode=verify-full&sslrootcert=system",
        ),
        (
            "host=h sslrootcert=system sslmode=require",
            "error: sslrootcert=system needs sslmode=verify-full, not \"require\"",
        ),
        (
            "host=h sslrootcert=system sslmode=no-verify",
            "error: sslrootcert=system needs sslmode=verify-full, not \"no-verify\"",
        ),
        (
            "host=h sslnegotiation=direct sslmode=require",
            "postgresql://h:5432?sslmode=require&sslnegotiation=direct",
        ),
        (
            "host=h sslnegotiation=direct",
            "error: sslnegotiation=direct needs sslmode=require or stronger, not \"prefer\"",
        ),
        (
            "postgres://h?ssl=true",
            "postgresql://h:5432?sslmode=require",
        ),
        ("host=h requiressl=1", "postgresql://h:5432?sslmode=require"),
        ("host=h requiressl=0", "postgresql://h:5432"),
        ("host=h gssencmode=prefer", "postgresql://h:5432"),
        (
            "host=h gssencmode=require",
            "error: gssencmode=require is not supported",
        ),
    ]);
}

#[test]
fn require_verifies_the_chain_exactly_when_a_root_certificate_file_exists() {
    let tls = |address: &str| parse(address).tls;

    assert_eq!(
        tls("host=h sslmode=require").verification(true),
        Verification::Chain
    );
    assert_eq!(
        tls("host=h sslmode=require").verification(false),
        Verification::None
    );
    assert_eq!(
        tls("host=h sslmode=verify-ca").verification(false),
        Verification::Chain
    );
    assert_eq!(
        tls("host=h sslmode=verify-full").verification(false),
        Verification::ChainAndName
    );
    assert_eq!(
        tls("host=h sslrootcert=system").verification(false),
        Verification::ChainAndName
    );
    assert_eq!(
        tls("host=h sslmode=no-verify").verification(true),
        Verification::None
    );
}

#[test]
fn a_host_knows_its_socket_file_and_its_name_in_a_passfile() {
    let hosts = parse("host=/run/pg,h,").hosts;

    assert_eq!(
        hosts[0].socket_path().as_deref(),
        Some(Path::new("/run/pg/.s.PGSQL.5432"))
    );
    let names: Vec<String> = hosts.iter().map(Host::passfile_name).collect();
    assert_eq!(names, ["/run/pg", "h", "localhost"]);
}

#[test]
fn negated_methods_leave_all_others() {
    let required = parse("host=h require_auth=!password,!md5").require_auth;

    assert!(!required.allows(AuthMethod::Password));
    assert!(required.allows(AuthMethod::ScramSha256));
    assert!(parse("host=h").require_auth.allows(AuthMethod::None));
}
