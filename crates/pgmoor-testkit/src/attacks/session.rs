//! Attacks of those who are logged in, or who only connect.

use super::Target;
use crate::frontend as f;
use crate::raw_client::RawClient;

/// Sockets that say nothing.
const SILENT: usize = 100;
/// Logins at once.
const STORM: usize = 200;

pub(super) async fn impossible_lengths_after_login(target: &Target) {
    let lengths = [0_u32, 3, 0x4000_0001, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    let any = lengths.iter().map(|length| (b'Q', *length));
    // The text of a query may be as long as that, and is passed on; these say nothing at all.
    let empty = [(b'S', 200_000_000), (b'H', 200_000_000)];
    for (tag, length) in any.chain(empty) {
        let mut client = target.client().await;
        let head = [&[tag], &length.to_be_bytes()[..]].concat();

        client.send(&[&head, &b"x\0"[..]].concat()).await;

        let error = client.expect(b'E').await;
        assert_eq!(error.sqlstate(), "08P01", "{length} {error:?}");
        client.expect_closed().await;
    }
}

pub(super) async fn guessed_and_stale_cancel_keys(target: &Target) {
    let mut gone = target.client().await;
    let (stale, stale_key) = gone.key.clone().expect("a key");
    gone.query("select 1").await;
    gone.terminate().await;
    let mut busy = target.client().await;
    let (pid, key) = busy.key.clone().expect("a key");
    busy.send(&f::query("select pg_sleep(0.3), 'done'")).await;

    let wrong: Vec<u8> = key.iter().map(|byte| !byte).collect();
    let mut guesses = vec![
        (stale, stale_key),
        (pid, wrong),
        (pid, [&key[..], &[0; 4]].concat()),
        (pid, vec![0; 4]),
        (pid, vec![0; 256]),
        (0, key.clone()),
        (-1, key.clone()),
    ];
    guesses.extend((1..20).map(|step| (pid.wrapping_add(step), key.clone())));
    for (pid, key) in guesses {
        RawClient::cancel_at(target.address.clone(), pid, &key).await;
    }

    let answer = busy.read_until_ready().await;
    assert!(answer.iter().all(|m| m.tag != b'E'), "{answer:?}");
    busy.terminate().await;
}

pub(super) async fn gone_in_a_transaction(target: &Target) {
    let mark = format!("attack_{}", std::process::id());
    for reset in [true, false] {
        let mut client = target.client().await;
        client.query("begin").await;
        client.query(&format!("create table {mark} (a int)")).await;
        if reset {
            client.reset()
        } else {
            drop(client)
        }

        // Rolled back: the name is free for whoever comes next.
        let mut next = target.client().await;
        next.query("begin").await;
        let made = next.query(&format!("create table {mark} (a int)")).await;
        assert!(made.iter().all(|m| m.tag != b'E'), "{made:?}");
        next.query("rollback").await;
        next.terminate().await;
    }
}

pub(super) async fn gone_in_copy(target: &Target) {
    let table = format!("attack_copy_{}", std::process::id());
    let mut client = target.client().await;
    client
        .query(&format!("create table if not exists {table} (a text)"))
        .await;
    let mut copying = target.client().await;
    copying
        .send(&f::query(&format!("copy {table} from stdin")))
        .await;
    copying.read_until(b'G').await;
    copying.send(&f::copy_data(b"never\n")).await;
    copying.reset();
    let mut reading = target.client().await;
    reading
        .send(&f::query(
            "copy (select generate_series(1, 1000000)) to stdout",
        ))
        .await;
    reading.read_until(b'd').await;
    reading.reset();

    // Waits for the lock that the first one holds until it is undone.
    let dropped = client
        .query(&format!(
            "lock table {table}; select count(*) from {table}; drop table {table}"
        ))
        .await;
    assert!(dropped.iter().all(|m| m.tag != b'E'), "{dropped:?}");
    let rows = dropped.iter().filter(|m| m.tag == b'D');
    let counts: Vec<_> = rows.map(crate::Message::values).collect();
    assert_eq!(counts, [[Some("0".to_owned())]]);
    client.terminate().await;
}

pub(super) async fn gone_in_a_result(target: &Target) {
    for _ in 0..3 {
        let mut client = target.client().await;
        client
            .send(&f::query(
                "select repeat('x', 1000) from generate_series(1, 100000)",
            ))
            .await;
        client.read_until(b'D').await;
        client.reset();
    }
}

pub(super) async fn slow_reader(target: &Target) {
    let mut slow = target.client().await;
    slow.send(&f::query(
        "select repeat('x', 1000) from generate_series(1, 50000)",
    ))
    .await;
    slow.read_until(b'D').await;

    target.is_unharmed().await;

    let rest = slow.read_until_ready().await;
    assert_eq!(rest.iter().filter(|m| m.tag == b'D').count(), 49_999);
    slow.terminate().await;
}

pub(super) async fn silent_sockets(target: &Target) {
    let mut silent = Vec::new();
    for number in 0..SILENT {
        let mut client = target.stranger().await;
        // Half of them begin to say something.
        if number % 2 == 0 {
            client.send(&[0, 0]).await;
        }
        silent.push(client);
    }
    target.is_unharmed().await;
}

pub(super) async fn half_closed(target: &Target) {
    let mut before = target.stranger().await;
    before.shutdown_write().await;
    before.expect_closed().await;
    let mut idle = target.client().await;
    idle.shutdown_write().await;
    idle.expect_closed().await;
    let mut busy = target.client().await;
    busy.send(&f::query("begin; select pg_sleep(60)")).await;
    busy.shutdown_write().await;
    // Whether it is still told does not matter; that it ends does.
    busy.read_to_end().await;
}

pub(super) async fn storm_of_logins(target: &Target) {
    let mut storm = Vec::new();
    for number in 0..STORM {
        let target = target.clone();
        storm.push(tokio::spawn(async move {
            let mut client = target.stranger().await;
            // Most only ask to be asked: hashing passwords is the work of the one who storms.
            client.startup(&target.parameters()).await;
            client.expect(b'R').await;
            if number % 10 == 0 {
                let first = b"n,,n=,r=abcdefghijklmnopqrstuvwx";
                client.send(&f::sasl_initial("SCRAM-SHA-256", first)).await;
                client.expect(b'R').await;
            }
            client.reset();
        }));
    }
    for login in storm {
        if let Err(broken) = login.await {
            std::panic::resume_unwind(broken.into_panic());
        }
    }
}
