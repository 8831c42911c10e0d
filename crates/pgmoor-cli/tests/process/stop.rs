//! How `up` ends when it is told to.

use std::time::Duration;

use pgmoor_testkit::{Address, Pgmoor, Postgres, RawClient, Signal, wait_for};

use crate::clients::STUCK;
use crate::processes::nothing_runs_in;
use crate::site::{Site, pgmoor_before};

async fn app(pgmoor: &Pgmoor) -> RawClient {
    let password = pgmoor.generated_password();
    RawClient::login_to(pgmoor.address(), "app", &password, "app").await
}

/// Waits until nobody new is let in over any of its addresses.
async fn is_closed(pgmoor: &Pgmoor) {
    for address in [pgmoor.address(), pgmoor.socket()] {
        wait_for("new clients to be refused", STUCK, async || {
            is_refused(&address).await
        })
        .await;
    }
}

async fn is_refused(address: &Address) -> bool {
    let Ok(mut client) = RawClient::try_connect(address.clone()).await else {
        return true;
    };
    client
        .startup(&[("user", "app"), ("database", "app")])
        .await;
    // One that waited in the kernel when the socket was closed is reset.
    !matches!(client.try_next().await, Ok(Some(message)) if message.tag != b'E')
}

#[tokio::test]
async fn term_lets_a_transaction_finish_and_nobody_else_in() {
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor_before(&postgres).start().await;
    let mut idle = app(&pgmoor).await;
    let mut busy = app(&pgmoor).await;
    busy.query("create table kept (a int)").await;
    busy.query("begin").await;
    busy.query("insert into kept values (1)").await;

    pgmoor.signal(Signal::TERM);
    idle.expect_error("57P01").await;
    idle.expect_closed().await;
    is_closed(&pgmoor).await;
    assert!(pgmoor.has_exited().is_none(), "a client is at work");
    busy.query("insert into kept values (2)").await;
    let committed = busy.query("commit").await;

    assert!(
        committed.iter().all(|message| message.tag != b'E'),
        "{committed:?}"
    );
    busy.expect_error("57P01").await;
    busy.expect_closed().await;
    assert_eq!(pgmoor.exited().await.code(), Some(0), "{}", pgmoor.log());
    assert_eq!(postgres.psql("select count(*) from kept").await, "2");
    nothing_runs_in(pgmoor.dir()).await;
    assert!(!pgmoor.state_dir().join("handover.sock").exists());
}

#[tokio::test]
async fn a_second_term_ends_at_once_whatever_clients_do() {
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor_before(&postgres).start().await;
    let mut busy = app(&pgmoor).await;
    busy.query("create table kept (a int)").await;
    busy.query("begin").await;
    busy.query("insert into kept values (1)").await;

    pgmoor.signal(Signal::TERM);
    is_closed(&pgmoor).await;
    assert!(pgmoor.has_exited().is_none(), "a client is at work");
    pgmoor.signal(Signal::TERM);
    let ended = tokio::time::timeout(Duration::from_secs(5), pgmoor.exited()).await;

    let status = ended.expect("the second signal means now");
    assert_eq!(status.code(), Some(0), "{}", pgmoor.log());
    busy.expect_closed().await;
    wait_for("the transaction to be undone", STUCK, async || {
        postgres
            .psql("select count(*) from pg_stat_activity where state = 'idle in transaction'")
            .await
            == "0"
    })
    .await;
    assert_eq!(postgres.psql("select count(*) from kept").await, "0");
}

#[tokio::test]
async fn a_transaction_that_does_not_finish_is_ended_when_the_time_is_over() {
    let postgres = Postgres::start().await;
    let pgmoor = pgmoor_before(&postgres)
        .gateway("shutdown_timeout: 100ms")
        .start()
        .await;
    let mut busy = app(&pgmoor).await;
    busy.query("begin").await;

    pgmoor.signal(Signal::TERM);

    busy.expect_error("57P01").await;
    busy.expect_closed().await;
    assert_eq!(pgmoor.exited().await.code(), Some(0), "{}", pgmoor.log());
}

#[tokio::test]
async fn a_bundled_server_stops_with_its_gateway_at_the_first_signal_and_at_the_second() {
    let site = Site::bundled().await;
    let data = site.data_dir();
    let home = data.parent().expect("it has one");

    assert_eq!(site.pgmoor.terminate().await.code(), Some(0));
    let left = crate::processes::processes_in(home);
    assert!(
        left.is_empty(),
        "a graceful stop has waited for it: {left:?}"
    );

    site.pgmoor.start_again().await;
    let mut busy = app(&site.pgmoor).await;
    busy.query("begin").await;
    site.pgmoor.signal(Signal::TERM);
    is_closed(&site.pgmoor).await;
    site.pgmoor.signal(Signal::TERM);
    assert_eq!(site.pgmoor.exited().await.code(), Some(0));
    nothing_runs_in(home).await;
}
