//! A clock that somebody sets: by libfaketime, which leaves the steady clock alone as a real jump does.

use std::fs;
use std::time::{Duration, Instant};

use pgmoor_testkit::frontend::query;
use pgmoor_testkit::{
    Pgmoor, Postgres, RawClient, Signal, Stop, faketime, wait_for, wait_for_some,
};
use tempfile::TempDir;

use crate::clients::STUCK;
use crate::site::{pgmoor, skipped};

/// Longer than it takes until every time limit and every connection was looked at.
const LOOKED_AT: Duration = Duration::from_millis(2_500);

/// A gateway whose clock is set by a file.
struct Site {
    postgres: Postgres,
    pgmoor: Pgmoor,
    clock: TempDir,
}

impl Site {
    /// `None` where there is no libfaketime.
    async fn new() -> Option<Site> {
        let Some(library) = faketime() else {
            skipped("clock jumps", "apt-get install faketime");
            return None;
        };
        let clock = tempfile::tempdir().expect("a directory");
        let file = clock.path().join("clock");
        fs::write(&file, "+0").expect("write");
        let postgres = Postgres::start().await;
        let pgmoor = pgmoor()
            .config(&format!(
                "databases: {{ app: {{ url: \"{}\", pool: {{ mode: transaction, size: 4, \
                 lifetime: 30m, idle_timeout: 10m, query_timeout: 10m, \
                 idle_in_transaction_timeout: 10m }} }} }}",
                postgres.url()
            ))
            .gateway("client_idle_timeout: 10m")
            .env("LD_PRELOAD", &library.display().to_string())
            .env("FAKETIME_TIMESTAMP_FILE", &file.display().to_string())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .start()
            .await;
        Some(Site {
            postgres,
            pgmoor,
            clock,
        })
    }

    async fn client(&self) -> RawClient {
        let password = self.pgmoor.generated_password();
        RawClient::login_to(self.pgmoor.address(), "app", &password, "app").await
    }

    /// Sets the clock so many seconds apart from ours, and waits until a reload bears its time.
    async fn jump(&self, seconds: i64) {
        fs::write(self.clock.path().join("clock"), format!("{seconds:+}")).expect("write");
        self.pgmoor.signal(Signal::HUP);
        wait_for("the clock to have jumped", STUCK, async || {
            let page = self.pgmoor.http("/metrics").await.expect("metrics").body;
            let name = "pgmoor_config_last_reload_timestamp_seconds ";
            let line = page.lines().find_map(|line| line.strip_prefix(name));
            let reloaded = line.and_then(|value| value.parse::<f64>().ok());
            let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
            let now = now.expect("after 1970").as_secs_f64() + seconds as f64;
            reloaded.is_some_and(|reloaded| (reloaded - now).abs() < 60.0)
        })
        .await;
    }

    async fn readiness(&self) -> u16 {
        let answer = self.pgmoor.http("/readiness").await;
        answer.expect("it answers").status
    }
}

#[tokio::test]
async fn nothing_expires_and_nothing_lives_longer_when_the_clock_is_set() {
    let Some(site) = Site::new().await else {
        return;
    };
    let (mut idle, mut busy, mut open) = (
        site.client().await,
        site.client().await,
        site.client().await,
    );
    open.query("begin").await;
    let kept = open.value("select pg_backend_pid()").await;
    let pid = busy.value("select pg_backend_pid()").await;

    for hours in [1, -1, 0] {
        site.jump(hours * 3_600).await;
        let began = Instant::now();
        while began.elapsed() < LOOKED_AT {
            assert_eq!(
                busy.value("select pg_backend_pid()").await,
                pid,
                "{hours} h"
            );
        }
        assert_eq!(
            open.value("select pg_backend_pid()").await,
            kept,
            "{hours} h"
        );
    }

    assert_eq!(idle.value("select 1").await, "1");
}

#[tokio::test]
async fn a_server_is_known_to_be_back_whatever_the_clock_says() {
    let Some(site) = Site::new().await else {
        return;
    };
    let mut client = site.client().await;
    assert_eq!(client.value("select 1").await, "1");

    site.jump(3_600).await;
    site.postgres.stop(Stop::Immediate).await;
    // Somebody has to want it.
    client.send(&query("select 1")).await;
    wait_for("the loss to be known", STUCK, async || {
        site.readiness().await == 503
    })
    .await;
    site.jump(-3_600).await;
    site.postgres.start_again().await;
    let mut client = site.client().await;

    assert_eq!(client.value("select 1").await, "1");
    wait_for_some("the return to be known", STUCK, async || {
        (site.readiness().await == 200).then_some(())
    })
    .await;
}
