//! Tokens that live for seconds, under load, with an issuer that fails: nobody notices.

use std::time::{Duration, Instant, SystemTime};

use pgmoor_testkit::identity::{Fault, Reply, unix};
use pgmoor_testkit::{Pgbench, Pgmoor, Signal, wait_for, write_private};

use crate::site::{Cloud, ROLE, STUCK, Variables, client, refused, who};

/// How long load lasts; CI has time for more than one renewal, a variable may ask for more.
fn seconds() -> u32 {
    let asked = std::env::var("PGMOOR_TEST_RENEWAL_SECONDS").ok();
    asked.map_or(20, |text| text.parse().expect("a number"))
}

fn irsa(cloud: &Cloud) -> Variables {
    let file = cloud.file("web-token", &cloud.aws.web_identity_token());
    vec![
        ("AWS_ROLE_ARN", ROLE.to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.display().to_string()),
    ]
}

#[tokio::test]
async fn credentials_of_ten_seconds_are_renewed_under_load_while_a_third_of_the_answers_fail() {
    let cloud = Cloud::new().await;
    cloud.aws.set_life(Duration::from_secs(10));
    let pgmoor = cloud
        .gateway("{ provider: aws }", &irsa(&cloud))
        .config("log: { level: trace }")
        .start()
        .await;
    cloud
        .aws
        .fail_every(3, Fault::Instead(Reply::text(503, "injected")));

    let load = Pgbench::at("127.0.0.1", pgmoor.port(), "app", "unused", "app")
        .script("select session_user;\n")
        .connect_each()
        .clients(4)
        .seconds(seconds())
        .start();
    let report = load
        .finish_within(Duration::from_secs(u64::from(seconds())) + STUCK)
        .await;

    assert!(report.is_clean(), "{report:?}\n{}", pgmoor.log());
    assert!(
        cloud.aws.issued().len() >= 3,
        "{} issued",
        cloud.aws.issued().len()
    );
    assert_eq!(cloud.aws.most_at_once(), 1, "renewals at the same time");
    let refused: Vec<_> = cloud
        .judge
        .verdicts()
        .into_iter()
        .filter(|v| v.outcome.is_err())
        .collect();
    assert!(refused.is_empty(), "{refused:?}");

    println!(
        "{} s of load: {} transactions, each on a connection of its own, none failed; {} logins at the server, none \
         refused; {} requests at the issuer, at most {} at once, every third failed, {} renewals",
        seconds(),
        report.transactions,
        cloud.judge.verdicts().len(),
        cloud.aws.count(),
        cloud.aws.most_at_once(),
        cloud.aws.issued().len(),
    );

    let (log, arguments) = (
        pgmoor.log(),
        std::fs::read(format!("/proc/{}/cmdline", pgmoor.pid())),
    );
    let environment = std::fs::read(format!("/proc/{}/environ", pgmoor.pid())).expect("environ");
    let places = [log, text(arguments.expect("cmdline")), text(environment)];
    let tells = places[0].contains("credential is asked for again");
    assert!(tells, "the log has more than what matters:\n{}", places[0]);
    for keys in cloud.aws.issued() {
        let session = keys.session_token.expect("they have one");
        // The parts that look the same however they are encoded.
        let core = |secret: &str| secret.split('/').next().unwrap_or_default().to_owned();
        let (session, secret_key) = (core(&session), core(&keys.secret_access_key));
        assert!(session.len() > 100 && secret_key.len() > 10);
        for secret in [session, secret_key, "X-Amz-Signature=".to_owned()] {
            assert!(
                places.iter().all(|place| !place.contains(&secret)),
                "a secret is shown"
            );
        }
    }
    let web = cloud.aws.web_identity_token();
    assert!(
        places.iter().all(|place| !place.contains(&web)),
        "the file's token is shown"
    );
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn issuer_that_is_down_is_not_noticed_while_credentials_live_and_told_when_they_have_ended() {
    let cloud = Cloud::new().await;
    cloud.aws.set_life(Duration::from_secs(8));
    let pgmoor = cloud
        .gateway("{ provider: aws }", &irsa(&cloud))
        .start()
        .await;
    let held = client(&pgmoor).await.expect("a client");
    held.batch_execute("begin; set application_name = 'held'")
        .await
        .expect("a transaction");
    cloud.aws.fail(Fault::Instead(Reply::text(503, "injected")));
    let end = || {
        cloud
            .aws
            .issued()
            .last()
            .and_then(|keys| keys.expires_at)
            .expect("an end")
    };

    wait_for("the credentials to end", STUCK, async || {
        match who(&pgmoor).await {
            Ok(user) => {
                assert_eq!(user, "iam");
                false
            }
            Err(told) => {
                assert!(
                    unix(SystemTime::now()) >= end(),
                    "too early: {told}\n{}",
                    pgmoor.log()
                );
                true
            }
        }
    })
    .await;

    assert!(
        cloud.aws.count() > 3,
        "renewal was tried: {}",
        cloud.aws.count()
    );
    let told = refused(&pgmoor).await;
    assert!(
        told.contains("it answered 503 Service Unavailable"),
        "{told}"
    );
    wait_for("readiness to be denied", STUCK, async || {
        pgmoor
            .http("/readiness")
            .await
            .is_some_and(|answer| answer.status == 503)
    })
    .await;
    assert_all_tell_of_the_failure(&pgmoor).await;
    // Who is in, stays in.
    let row = held
        .query_one("select current_setting('application_name')", &[])
        .await;
    assert_eq!(row.expect("an answer").get::<_, &str>(0), "held");

    cloud.aws.heal();
    let healed = Instant::now();
    wait_for("logins to work again", STUCK, async || {
        who(&pgmoor).await.is_ok()
    })
    .await;
    assert!(
        healed.elapsed() < Duration::from_secs(20),
        "{:?}",
        healed.elapsed()
    );
    let figures = Figures::of(&pgmoor).await;
    assert_eq!(figures.one("pgmoor_credential_valid"), 1.0);
    assert!(figures.one("pgmoor_credential_time_left_seconds") > 0.0);
    assert!(figures.one("pgmoor_credential_renewals_total") >= 2.0);
    wait_for("readiness", STUCK, async || {
        let answer = pgmoor.http("/readiness").await;
        answer.is_some_and(|answer| answer.status == 200)
    })
    .await;
}

async fn assert_all_tell_of_the_failure(pgmoor: &Pgmoor) {
    let figures = Figures::of(pgmoor).await;
    assert_eq!(figures.one("pgmoor_credential_valid"), 0.0);
    assert_eq!(figures.one("pgmoor_credential_time_left_seconds"), 0.0);
    assert!(figures.failures("unavailable") >= 3.0, "{figures:?}");
    let status = pgmoor.http("/status").await.expect("status").body;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let credential = &status["endpoints"][0]["credential"];
    assert_eq!(
        (&credential["source"], &credential["valid"]),
        (&"AWS".into(), &false.into())
    );
    let why = credential["last_error"]["message"].as_str();
    assert!(why.is_some_and(|why| why.contains("503")), "{credential}");
}

/// The figures of the endpoint.
#[derive(Debug)]
struct Figures(String);

impl Figures {
    async fn of(pgmoor: &Pgmoor) -> Self {
        let page = pgmoor.http("/metrics").await.expect("metrics").body;
        let lines = page
            .lines()
            .filter(|line| line.starts_with("pgmoor_credential"));
        Self(lines.collect::<Vec<_>>().join("\n"))
    }

    fn value(&self, sample: &str) -> f64 {
        let mut lines = self.0.lines();
        let value = lines.find_map(|line| line.strip_prefix(sample)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {sample} in\n{}", self.0))
    }

    fn one(&self, name: &str) -> f64 {
        self.value(&format!("{name}{{endpoint=\"cloud\"}}"))
    }

    fn failures(&self, cause: &str) -> f64 {
        self.value(&format!(
            "pgmoor_credential_failures_total{{endpoint=\"cloud\",cause=\"{cause}\"}}"
        ))
    }
}

#[tokio::test]
async fn credentials_outlive_a_reload_while_the_issuer_is_down() {
    let cloud = Cloud::new().await;
    let pgmoor = cloud
        .gateway("{ provider: aws }", &irsa(&cloud))
        .start()
        .await;
    assert_eq!(who(&pgmoor).await.as_deref(), Ok("iam"));
    cloud.aws.fail(Fault::Instead(Reply::text(503, "injected")));

    let before = pgmoor.reloads("success").await;
    // An endpoint whose settings are the same would be left as it is.
    let config = std::fs::read_to_string(pgmoor.config_path()).expect("read the configuration");
    let other = config.replace("credential: {", "max_connections: 50, credential: {");
    assert_ne!(config, other);
    write_private(pgmoor.config_path(), other);
    pgmoor.signal(Signal::HUP);
    wait_for("the reload", STUCK, async || {
        pgmoor.reloads("success").await > before
    })
    .await;

    // Long enough that no server connection of before is left.
    let logins = cloud.judge.verdicts().len();
    wait_for("another login", STUCK, async || {
        assert_eq!(who(&pgmoor).await.as_deref(), Ok("iam"));
        cloud.judge.verdicts().len() > logins
    })
    .await;
    assert_eq!(cloud.aws.issued().len(), 1);
}

#[tokio::test]
async fn endpoints_that_are_the_same_identity_share_what_it_got() {
    let cloud = Cloud::new().await;
    let gateway = cloud.gateway("{ provider: aws }", &irsa(&cloud));
    let pgmoor = gateway.start().await;
    assert_eq!(who(&pgmoor).await.as_deref(), Ok("iam"));

    let before = pgmoor.reloads("success").await;
    let config = std::fs::read_to_string(pgmoor.config_path()).expect("read the configuration");
    let again = format!(
        "endpoints: {{ again: {{ url: \"{}\", credential: {{ provider: aws }} }},",
        cloud.url(crate::site::HOST)
    );
    let config = config.replace("endpoints: {", &again).replace(
        "databases: {",
        "databases: { second: { endpoint: again, dbname: app },",
    );
    std::fs::write(pgmoor.config_path(), config).expect("write the configuration");
    wait_for("the reload", STUCK, async || {
        pgmoor.reloads("success").await > before
    })
    .await;

    let url = pgmoor.url_of("app", "unused", "second");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .expect("the second endpoint");
    tokio::spawn(connection);
    let user = client.query_one("select session_user::text", &[]).await;
    assert_eq!(user.expect("answer").get::<_, String>(0), "iam");
    assert_eq!(cloud.aws.issued().len(), 1);
}
