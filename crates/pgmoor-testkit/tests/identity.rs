//! The judge and its responder, with a real PostgreSQL between them.

use std::time::{Duration, SystemTime};

use pgmoor_testkit::identity::{AwsDatabase, AwsKeys, Judge, LdapResponder};
use pgmoor_testkit::{Ca, Postgres};

async fn log_in(postgres: &Postgres, ca: &Ca, user: &str, token: &str) -> Result<(), String> {
    let uri = format!(
        "host=localhost port={} user={user} dbname=app sslmode=verify-full sslrootcert={}",
        postgres.port(),
        ca.root_path().display()
    );
    let mut psql = tokio::process::Command::new(pgmoor_testkit::client_program("psql"));
    psql.arg(uri)
        .args(["-X", "-A", "-t", "-c", "select 1"])
        .env("PGPASSWORD", token);
    let output = psql.output().await.expect("psql");
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[tokio::test]
async fn postgresql_lets_in_whom_the_judge_lets_in_with_tokens_of_any_length() {
    let (ca, judge) = (Ca::default(), Judge::new());
    let ldap = LdapResponder::start(&judge).await;
    let postgres = Postgres::builder()
        .tls(&ca)
        .hba(&ldap.hba("iam"))
        .start()
        .await;
    postgres
        .psql("create role iam login; grant all on database app to iam")
        .await;
    let hour = Duration::from_secs(3_600);
    let (long, short) = ("x".repeat(60_000), "short");
    judge.issued(&long, "iam", hour);
    judge.issued(short, "app", hour);
    judge.issued("old", "iam", Duration::ZERO);

    assert_eq!(log_in(&postgres, &ca, "iam", &long).await, Ok(()));

    for (token, why) in [
        (short, "the token is for \"app\", not \"iam\""),
        ("nobody's", "nobody issued this token"),
        ("old", "the token expired at"),
    ] {
        let told = log_in(&postgres, &ca, "iam", token).await.expect_err(token);
        assert!(told.contains("LDAP authentication failed"), "{told}");
        let refusal = judge.last_refusal().expect("refused");
        assert!(refusal.starts_with(why), "{refusal}");
    }
    judge.revoke(&long);
    assert!(log_in(&postgres, &ca, "iam", &long).await.is_err());
}

/// A token that botocore made in November 2025.
const BOTOCORE: &str = "MyDb.C0ffee.CA-Central-1.RDS.amazonaws.com:5439/?Action=connect&DBUser=svc%20role&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIDEXAMPLE%2F20251130%2Fca-central-1%2Frds-db%2Faws4_request&X-Amz-Date=20251130T123456Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=Fwo%2B%2F%3D%3D&X-Amz-Signature=d57fc369e201f720874dacdd850e149749d60803d8c216884c659c599b74c600";

#[test]
fn judge_agrees_with_botocore_and_with_nothing_that_differs() {
    let signed_at = 1_764_506_096_i64;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    let now = i64::try_from(now.as_secs()).expect("soon");
    let judge = Judge::new();
    let host = "mydb.c0ffee.ca-central-1.rds.amazonaws.com";
    let keys = AwsKeys {
        access_key_id: "ASIDEXAMPLE".to_owned(),
        secret_access_key: "sessionsecret/+=sessionsecret/+=session0".to_owned(),
        session_token: Some("Fwo+/==".to_owned()),
        expires_at: None,
    };
    judge.know(&keys);
    judge.guard(AwsDatabase::rds(host, 5439, "ca-central-1"));
    judge.set_clock_ahead(signed_at - now);

    assert_eq!(judge.judge("svc role", BOTOCORE), Ok(()));

    let refused = |user: &str, token: &str| judge.judge(user, token).expect_err("refused");
    assert!(refused("svc", BOTOCORE).starts_with("DBUser is"));
    let other = BOTOCORE.replace("svc%20role", "svc%20rule");
    assert_eq!(refused("svc rule", &other), "the signature does not match");
    let later = BOTOCORE.replace("Expires=900", "Expires=901");
    assert!(refused("svc role", &later).contains("does not match"));
    let twice = BOTOCORE.replace("&DBUser", "&DBUser=x&DBUser");
    assert_eq!(refused("svc role", &twice), "DBUser stands twice");
    judge.set_clock_ahead(signed_at - now - 1_000);
    assert!(refused("svc role", BOTOCORE).contains("ahead"));
    judge.set_clock_ahead(signed_at - now + 1_000);
    assert!(refused("svc role", BOTOCORE).contains("expired"));
    judge.guard(AwsDatabase::rds(host, 5432, "ca-central-1"));
    assert!(refused("svc role", BOTOCORE).starts_with("the token is for"));
    judge.forget("ASIDEXAMPLE");
    judge.guard(AwsDatabase::rds(host, 5439, "ca-central-1"));
    assert!(refused("svc role", BOTOCORE).contains("unknown"));
}
