//! Every sslmode, with and without TLS at the server, right and wrong authority, right and wrong name.

use pgmoor::connector::ConnectError;
use pgmoor::error::ErrorKind;
use pgmoor_testkit::{Ca, Postgres, ScriptedServer, client_program, server_config};

use crate::common::{ask, connect, local, named, refused, told};

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Plain,
    Tls,
    Refused(&'static str),
}

async fn get(text: &str) -> Got {
    match connect(text).await {
        Ok(connection) if connection.stream.tls().is_some() => Got::Tls,
        Ok(_) => Got::Plain,
        Err(ConnectError::TlsRefused { .. }) => Got::Refused("no TLS"),
        Err(ConnectError::TlsSetup { .. }) => Got::Refused("setup"),
        Err(error) => {
            let text = told(&error);
            if text.contains("UnknownIssuer") {
                Got::Refused("issuer")
            } else if text.contains("not valid for name") {
                Got::Refused("name")
            } else {
                panic!("{text}")
            }
        }
    }
}

#[tokio::test]
async fn server_without_tls_serves_the_modes_that_do_not_demand_it() {
    let postgres = Postgres::start().await;
    let root = Ca::default();
    let root = format!("sslrootcert={}", root.root_path().display());
    for (mode, expected) in [
        ("sslmode=disable", Got::Plain),
        ("sslmode=allow", Got::Plain),
        ("sslmode=prefer", Got::Plain),
        ("", Got::Plain),
        ("sslmode=require", Got::Refused("no TLS")),
        (&format!("sslmode=verify-ca {root}"), Got::Refused("no TLS")),
        (
            &format!("sslmode=verify-full {root}"),
            Got::Refused("no TLS"),
        ),
    ] {
        assert_eq!(get(&local(&postgres, mode)).await, expected, "{mode}");
    }
}

#[tokio::test]
async fn each_mode_checks_exactly_what_libpq_checks() {
    let (ca, other) = (Ca::default(), Ca::new("somebody else"));
    let postgres = Postgres::builder().tls(&ca).start().await;
    let right = format!("sslrootcert={}", ca.root_path().display());
    let wrong = format!("sslrootcert={}", other.root_path().display());
    let missing = "sslrootcert=/no/such/root.crt".to_owned();
    let none = String::new();
    for (mode, root, name, expected) in [
        ("disable", &right, "localhost", Got::Plain),
        ("disable", &wrong, "db.example", Got::Plain),
        ("allow", &right, "localhost", Got::Plain),
        // TLS first; a chain that is not trusted means plain, as in libpq.
        ("prefer", &none, "db.example", Got::Tls),
        ("prefer", &right, "db.example", Got::Tls),
        ("prefer", &wrong, "localhost", Got::Plain),
        ("require", &none, "db.example", Got::Tls),
        ("require", &missing, "db.example", Got::Tls),
        ("require", &right, "db.example", Got::Tls),
        ("require", &wrong, "localhost", Got::Refused("issuer")),
        ("verify-ca", &right, "localhost", Got::Tls),
        ("verify-ca", &right, "db.example", Got::Tls),
        ("verify-ca", &wrong, "localhost", Got::Refused("issuer")),
        ("verify-ca", &none, "localhost", Got::Refused("setup")),
        ("verify-ca", &missing, "localhost", Got::Refused("setup")),
        ("verify-full", &right, "localhost", Got::Tls),
        ("verify-full", &right, "127.0.0.1", Got::Tls),
        ("verify-full", &right, "db.example", Got::Refused("name")),
        ("verify-full", &right, "127.0.0.2", Got::Refused("name")),
        ("verify-full", &wrong, "localhost", Got::Refused("issuer")),
        ("verify-full", &none, "localhost", Got::Refused("setup")),
    ] {
        let text = named(name, &postgres, &format!("sslmode={mode} {root}"));
        assert_eq!(get(&text).await, expected, "{mode} {root} {name}");
    }
}

#[tokio::test]
async fn system_authorities_do_not_trust_ours() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    let error = refused(&local(&postgres, "sslrootcert=system")).await;
    // A machine without any authority says so instead.
    assert!(
        matches!(error.kind(), ErrorKind::Tls | ErrorKind::Configuration),
        "{error}"
    );
}

#[tokio::test]
async fn bare_address_has_no_name_to_verify() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    let root = ca.root_path().display();
    let with = |mode: &str| {
        format!(
            "hostaddr=127.0.0.1 port={} user=app dbname=app password={} sslmode={mode} sslrootcert={root}",
            postgres.port(),
            postgres.app_password(),
        )
    };
    assert_eq!(get(&with("verify-ca")).await, Got::Tls);
    assert_eq!(get(&with("verify-full")).await, Got::Refused("setup"));
}

#[tokio::test]
async fn allow_and_prefer_try_the_other_way_when_pg_hba_demands_it() {
    let ca = Ca::default();
    let only_tls = Postgres::builder()
        .tls(&ca)
        .hba("hostnossl all all all reject")
        .start()
        .await;
    assert_eq!(get(&local(&only_tls, "sslmode=allow")).await, Got::Tls);
    assert_eq!(get(&local(&only_tls, "sslmode=prefer")).await, Got::Tls);
    let error = refused(&local(&only_tls, "sslmode=disable")).await;
    assert_eq!(error.sqlstate().as_str(), "28000");

    let only_plain = Postgres::builder()
        .tls(&ca)
        .hba("hostssl all all all reject")
        .start()
        .await;
    assert_eq!(get(&local(&only_plain, "sslmode=prefer")).await, Got::Plain);
    assert_eq!(get(&local(&only_plain, "sslmode=allow")).await, Got::Plain);
    let error = refused(&local(&only_plain, "sslmode=require")).await;
    assert_eq!(error.sqlstate().as_str(), "28000");
}

#[tokio::test]
async fn wrong_password_is_not_tried_again_without_tls() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    let text = format!(
        "host=localhost hostaddr=127.0.0.1 port={} user=app dbname=app password=falsch sslmode=prefer",
        postgres.port()
    );
    let error = refused(&text).await;
    assert!(matches!(error, ConnectError::Server { .. }), "{error}");
    assert_eq!(error.sqlstate().as_str(), "28P01");
}

#[tokio::test]
async fn version_bounds_are_kept() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    for (bound, version) in [
        ("", "TLSv1.3"),
        ("ssl_max_protocol_version=TLSv1.2", "TLSv1.2"),
        ("ssl_min_protocol_version=TLSv1.3", "TLSv1.3"),
    ] {
        let text = local(&postgres, &format!("sslmode=require {bound}"));
        let mut connection = connect(&text).await.expect("connection");
        assert_eq!(connection.stream.tls().expect("tls").version, version);
        let query = "select version from pg_stat_ssl where pid = pg_backend_pid()";
        assert_eq!(
            ask(&mut connection.stream, query).await.expect("answer"),
            version
        );
    }
}

/// Connects by direct TLS to a server that does or does not know ALPN.
async fn direct(knows_alpn: bool) -> Result<Option<Vec<u8>>, ConnectError> {
    let ca = Ca::default();
    let fake = ScriptedServer::tcp().await;
    let mut config = (*server_config(&ca.server(), None)).clone();
    if !knows_alpn {
        config.alpn_protocols.clear();
    }
    let config = std::sync::Arc::new(config);
    let text = format!(
        "host=localhost hostaddr=127.0.0.1 port={} user=app dbname=app sslmode=verify-full \
         sslrootcert={} sslnegotiation=direct",
        fake.port(),
        ca.root_path().display(),
    );
    let _serving = fake.serve(move |mut connection| {
        let config = config.clone();
        async move {
            connection.accept_tls(config).await;
            if knows_alpn {
                connection.welcome().await;
            }
            let _ = connection.try_next().await;
        }
    });
    let connection = connect(&text).await?;
    Ok(connection.stream.tls().expect("tls").alpn.clone())
}

#[tokio::test]
async fn direct_tls_begins_at_once_and_needs_the_protocols_name() {
    let agreed = direct(true).await.expect("connection");
    assert_eq!(agreed.as_deref(), Some(&b"postgresql"[..]));
    let error = direct(false).await.expect_err("no name");
    assert!(matches!(error, ConnectError::NoAlpn { .. }), "{error}");
}

#[tokio::test]
async fn direct_tls_at_an_older_server_fails_with_a_way_out() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    if postgres.major() >= 17 {
        return;
    }
    let error = refused(&local(&postgres, "sslmode=require sslnegotiation=direct")).await;
    assert_eq!(error.kind(), ErrorKind::Tls);
}

#[tokio::test]
async fn a_server_that_speaks_only_old_tls_is_refused() {
    for minor in [0, 1, 2] {
        let fake = ScriptedServer::tcp().await;
        let text = format!(
            "host=localhost hostaddr=127.0.0.1 port={} user=app dbname=app sslmode=require",
            fake.port()
        );
        let _serving = fake.serve(move |mut connection| async move {
            connection.expect_untagged().await;
            connection.send(b"S").await;
            // A ServerHello of SSL 3.0, TLS 1.0 or TLS 1.1, which takes the first cipher of its time.
            let hello = [&[3, minor][..], &[7; 32], &[0, 0xc0, 0x09, 0]].concat();
            let handshake = [&[2, 0, 0, hello.len() as u8][..], &hello].concat();
            let record = [&[0x16, 3, minor, 0, handshake.len() as u8][..], &handshake].concat();
            let _ = connection.try_send(&record).await;
            connection.stall().await;
        });

        let error = refused(&text).await;

        assert_eq!(error.kind(), ErrorKind::Tls, "{minor}: {error}");
    }
}

/// What libpq itself makes of a connection string.
async fn libpq(text: &str) -> Result<Got, String> {
    let home = tempfile::tempdir().unwrap();
    let query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let output = tokio::process::Command::new(client_program("psql"))
        .args(["-X", "-A", "-t", "-d", text, "-c", query])
        .env_clear()
        .env("HOME", home.path())
        .env("PGSSLCERT", "/no/such/file")
        .output()
        .await
        .expect("run psql");
    match String::from_utf8_lossy(&output.stdout).trim() {
        "t" => Ok(Got::Tls),
        "f" => Ok(Got::Plain),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[tokio::test]
async fn every_combination_ends_as_it_does_in_libpq() {
    let (ca, other) = (Ca::default(), Ca::new("somebody else"));
    let plain = Postgres::start().await;
    let tls = Postgres::builder().tls(&ca).start().await;
    let only_tls = Postgres::builder()
        .tls(&ca)
        .hba("hostnossl all all all reject")
        .start()
        .await;
    let only_plain = Postgres::builder()
        .tls(&ca)
        .hba("hostssl all all all reject")
        .start()
        .await;
    let roots = [
        "sslrootcert=/no/such/root.crt".to_owned(),
        format!("sslrootcert={}", ca.root_path().display()),
        format!("sslrootcert={}", other.root_path().display()),
    ];
    for (which, postgres) in [&plain, &tls, &only_tls, &only_plain]
        .into_iter()
        .enumerate()
    {
        for mode in [
            "disable",
            "allow",
            "prefer",
            "require",
            "verify-ca",
            "verify-full",
        ] {
            for root in &roots {
                // Only verify-full looks at the name; psql is not run where it cannot matter.
                let names: &[&str] = match mode {
                    "verify-full" => &["localhost", "db.example", "127.0.0.1"],
                    _ => &["db.example"],
                };
                for name in names {
                    let text = named(name, postgres, &format!("sslmode={mode} {root}"));
                    let ours = match connect(&text).await {
                        Ok(connection) if connection.stream.tls().is_some() => Ok(Got::Tls),
                        Ok(_) => Ok(Got::Plain),
                        Err(error) => Err(told(&error)),
                    };
                    let theirs = libpq(&text).await;
                    let same = match (&ours, &theirs) {
                        (Ok(ours), Ok(theirs)) => ours == theirs,
                        (ours, theirs) => ours.is_err() && theirs.is_err(),
                    };
                    assert!(
                        same,
                        "server {which} {mode} {root} {name}: {ours:?} {theirs:?}"
                    );
                }
            }
        }
    }
}
