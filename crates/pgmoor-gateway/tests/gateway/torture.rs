//! Everybody at once, with everything that poolers have given wrong answers to: each client checks
//! that each answer is its own.

use std::num::NonZeroU32;

use std::time::Duration;

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{Message, Pgbench, RawClient, Stop, frontend as f};

use crate::fixture::{Gate, Plan, values};

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn only_own(answer: &[Message], own: &str, what: u64) {
    for value in values(answer) {
        assert!(value == own, "{own} got {value} at {what}: {answer:?}");
    }
}

/// Simple queries, alone and among others; gives what answers `select 'own'`.
async fn ask(client: &mut RawClient, own: &str, what: u64) -> Vec<Message> {
    let sql = format!("select '{own}'");
    match what {
        0 => client.query(&sql).await,
        1 => {
            client.query("begin").await;
            client.query("select broken").await;
            client.query("rollback").await;
            client.query(&sql).await
        }
        2 => {
            client.query("begin").await;
            let answer = client.query(&sql).await;
            client.query("commit").await;
            answer
        }
        3 => {
            client
                .query(&format!("copy (select '{own}') to stdout"))
                .await
        }
        4 => {
            client.query("set work_mem to '5MB'").await;
            client.query(&sql).await
        }
        5 => {
            let all = format!("prepare p as {sql}; execute p; deallocate p");
            client.query(&all).await
        }
        _ => {
            client.send(&f::query(&sql).repeat(3)).await;
            only_own(&client.read_until_ready().await, own, what);
            only_own(&client.read_until_ready().await, own, what);
            client.read_until_ready().await
        }
    }
}

/// Batches of the extended protocol, right ones and wrong ones.
async fn batch(client: &mut RawClient, own: &str, what: u64) -> Vec<Message> {
    let sql = format!("select '{own}'");
    let run = |name: &str| [f::bind("", name, &[]), f::execute("", 0)].concat();
    match what {
        0 => {
            client.pipeline(&[f::parse("", &sql), f::sync()]).await;
            client.pipeline(&[run(""), f::sync()]).await
        }
        1 => {
            let name = format!("s{}", own.len() % 4);
            let (close, parse) = (f::close_statement(&name), f::parse(&name, &sql));
            let all = [close.clone(), parse, run(&name), close, f::sync()];
            client.pipeline(&all).await
        }
        2 => {
            // An error half-way: nothing of what follows may be answered.
            let (wrong, skipped) = (f::parse("", "select 1/0"), f::parse("", "select 'skipped'"));
            let all = [wrong, run(""), skipped, run(""), f::sync()];
            client.pipeline(&all).await
        }
        _ => {
            let all = [f::parse("a", &sql), f::close_statement("a"), f::flush()];
            client.send(&all.concat()).await;
            client.expect(b'1').await;
            client.expect(b'3').await;
            client.pipeline(&[f::sync()]).await
        }
    }
}

/// A cancel that comes when it comes: the query is answered or cancelled.
async fn cancel(client: &mut RawClient, own: &str) {
    let sql = format!("select pg_sleep(0.01); select '{own}'");
    client.send(&f::query(&sql)).await;
    client.cancel().await;
    for value in values(&client.read_until_ready().await) {
        assert!(value.is_empty() || value == own, "{own} got {value}");
    }
}

/// Goes away in the middle of something.
async fn vanish(mut client: RawClient, how: u64) {
    let last = match how {
        0 => [f::query("begin"), f::query("select 'lost'")].concat(),
        1 => [f::parse("", "select 'lost'"), f::flush()].concat(),
        2 => f::query("select 'lost', pg_sleep(0.02)"),
        _ => f::query("copy (select generate_series(1, 50000)) to stdout"),
    };
    client.send(&last).await;
    client.reset();
}

async fn patient(gate: &Gate) -> RawClient {
    let mut client = gate.client().await;
    client.set_patience(Duration::from_secs(40));
    client
}

/// One client that does whatever comes to it, and leaves in one way or another.
async fn misbehave(gate: &Gate, number: u64, rounds: u64) {
    let mut dice = Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut client = patient(gate).await;
    for round in 0..rounds {
        let own = format!("{number}/{round}");
        let what = dice.roll(13);
        let answer = match what {
            0..7 => ask(&mut client, &own, what).await,
            7..11 => batch(&mut client, &own, what - 7).await,
            11 => {
                cancel(&mut client, &own).await;
                continue;
            }
            _ => {
                vanish(client, dice.roll(4)).await;
                client = patient(gate).await;
                continue;
            }
        };
        only_own(&answer, &own, what);
    }
    client.terminate().await;
}

#[tokio::test]
async fn nobody_ever_gets_the_answer_of_somebody_else() {
    let plan = Plan::new(PoolMode::Transaction, 3)
        .pool(|pool| pool.prepared_statements = NonZeroU32::new(3).expect("three"));
    let gate = plan.start().await;

    let clients = (1..=16).map(|number| misbehave(&gate, number, 40));
    all_at_once(clients.collect()).await;

    let mut last = gate.client().await;
    assert_eq!(last.value("select 'clean'").await, "clean");
    assert_eq!(last.value("show work_mem").await, "4MB");
}

/// Drives all of them at once, on this thread.
async fn all_at_once<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut running: Vec<_> = futures.into_iter().map(|one| Some(Box::pin(one))).collect();
    std::future::poll_fn(|cx| {
        for slot in &mut running {
            if let Some(one) = slot
                && one.as_mut().poll(cx).is_ready()
            {
                *slot = None;
            }
        }
        match running.iter().all(Option::is_none) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_crashes_under_load_leaves_no_client_stuck() {
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        let gate = Gate::start(mode, 6).await;
        let pgbench = Pgbench::at(
            "127.0.0.1",
            gate.address.port(),
            "app",
            &gate.password,
            "app",
        );
        pgbench.initialize(1).await;
        let run = pgbench.clients(6).threads(2).seconds(6).start();
        gate.wait_for_server_connections(6).await;

        gate.postgres.restart(Stop::Immediate).await;
        let mut next: RawClient = gate.client().await;
        next.set_patience(Duration::from_secs(20));
        assert_eq!(next.value("select 'back'").await, "back", "{mode:?}");

        // Those that were in a transaction are told so and end; nobody waits for ever.
        let report = run.finish_within(Duration::from_secs(40)).await;
        assert!(report.aborted_clients <= 6, "{}", report.output);
    }
}
