//! The same at every major version that this machine has (`tests/fetch-postgres` gets others).

use pgmoor_testkit::{Ca, Postgres, majors};

use crate::cancel::cancels;
use crate::common::{ask, connect, local};

#[tokio::test]
async fn every_major_version_is_served_alike() {
    let ca = Ca::default();
    for major in majors() {
        let postgres = Postgres::builder().major(major).tls(&ca).start().await;
        let verify = format!(
            "sslmode=verify-full sslrootcert={} channel_binding=require require_auth=scram-sha-256",
            ca.root_path().display()
        );
        for more in [
            "",
            "target_session_attrs=primary",
            "target_session_attrs=read-write",
        ] {
            let text = local(&postgres, &format!("{verify} {more}"));
            let mut connection = connect(&text).await.expect("login");
            assert_eq!(connection.server_version / 10_000, u32::from(major));
            let number = ask(&mut connection.stream, "show server_version_num").await;
            assert_eq!(
                number.expect("number"),
                connection.server_version.to_string()
            );
        }

        // What is newer is offered and, where it is known, used: 18 has longer cancel keys.
        let text = local(&postgres, &format!("{verify} max_protocol_version=3.2"));
        let connection = connect(&text).await.expect("login");
        let (minor, key) = if major >= 18 { (2, 32) } else { (0, 4) };
        assert_eq!(connection.protocol_minor, minor);
        assert_eq!(connection.key.as_ref().expect("key").1.len(), key);
        cancels(&postgres, connection).await;

        let text = local(&postgres, &format!("{verify} sslnegotiation=direct"));
        match connect(&text).await {
            Ok(connection) if major >= 17 => cancels(&postgres, connection).await,
            Ok(_) => panic!("{major} does not know direct TLS"),
            Err(error) => assert!(major < 17, "{error}"),
        }
    }
}

#[tokio::test]
async fn large_result_arrives_whole_with_and_without_tls() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    for mode in ["disable", "require"] {
        let text = local(&postgres, &format!("sslmode={mode}"));
        let mut connection = connect(&text).await.expect("login");
        let query =
            "select string_agg(to_char(i, 'FM000000'), '') from generate_series(1, 999999) i";
        let answer = ask(&mut connection.stream, query).await.expect("answer");
        assert_eq!(answer.len(), 6 * 999_999);
        assert!(answer.ends_with("999998999999"));
    }
}
