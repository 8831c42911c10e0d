//! Everybody at once, with everything that poolers have given wrong answers to: each client checks
//! that each answer is its own.

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

/// One client that does whatever comes to it, and leaves in one way or another.
async fn misbehave(gate: &Gate, number: u64, rounds: u64) {
    let mut dice = Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut client = gate.client().await;
    client.set_patience(Duration::from_secs(40));
    for round in 0..rounds {
        let own = format!("{number}/{round}");
        let sql = format!("select '{own}'");
        let what = dice.roll(13);
        let run = [f::bind("", "", &[]), f::execute("", 0), f::sync()];
        let answer = match what {
            0 => client.query(&sql).await,
            1 => {
                client.pipeline(&[f::parse("", &sql), f::sync()]).await;
                client.pipeline(&run).await
            }
            2 => {
                let name = format!("s{}", dice.roll(4));
                client
                    .pipeline(&[
                        f::close_statement(&name),
                        f::parse(&name, &sql),
                        f::bind("", &name, &[]),
                        f::execute("", 0),
                        f::close_statement(&name),
                        f::sync(),
                    ])
                    .await
            }
            3 => {
                // An error half-way: nothing of what follows may be answered.
                client
                    .pipeline(&[
                        f::parse("", "select 1/0"),
                        f::bind("", "", &[]),
                        f::execute("", 0),
                        f::parse("", "select 'skipped'"),
                        f::bind("", "", &[]),
                        f::execute("", 0),
                        f::sync(),
                    ])
                    .await
            }
            4 => {
                client.query("begin").await;
                client.query("select broken").await;
                client.query("rollback").await;
                client.query(&sql).await
            }
            5 => {
                client
                    .send(&[f::parse("a", &sql), f::close_statement("a"), f::flush()].concat())
                    .await;
                client.expect(b'1').await;
                client.expect(b'3').await;
                client.pipeline(&[f::sync()]).await
            }
            6 => {
                client.query("begin").await;
                let answer = client.query(&sql).await;
                client.query("commit").await;
                answer
            }
            7 => {
                client
                    .query(&format!("copy (select '{own}') to stdout"))
                    .await
            }
            8 => {
                client
                    .send(&f::query(&format!("select pg_sleep(0.01); {sql}")))
                    .await;
                client.cancel().await;
                let answer = client.read_until_ready().await;
                let rows = answer.iter().filter(|message| message.tag == b'D');
                let last = rows.last().map(|row| row.values().swap_remove(0));
                assert!(
                    last.is_none_or(|value| value.is_none_or(|v| v.is_empty() || v == own)),
                    "{own}: {answer:?}"
                );
                Vec::new()
            }
            9 => {
                // Gone in the middle of something.
                let last: &[Vec<u8>] = match dice.roll(4) {
                    0 => &[f::query("begin"), f::query("select 'lost'")],
                    1 => &[f::parse("", "select 'lost'"), f::flush()],
                    2 => &[f::query("select 'lost', pg_sleep(0.02)")],
                    _ => &[f::query(
                        "copy (select generate_series(1, 50000)) to stdout",
                    )],
                };
                client.send(&last.concat()).await;
                client.reset();
                client = gate.client().await;
                client.set_patience(Duration::from_secs(40));
                client.query(&sql).await
            }
            10 => {
                client.query("set work_mem to '5MB'").await;
                client.query(&sql).await
            }
            11 => {
                client
                    .query(&format!("prepare p as {sql}; execute p; deallocate p"))
                    .await
            }
            _ => {
                client
                    .send(&[f::query(&sql), f::query(&sql), f::query(&sql)].concat())
                    .await;
                only_own(&client.read_until_ready().await, &own, what);
                only_own(&client.read_until_ready().await, &own, what);
                client.read_until_ready().await
            }
        };
        only_own(&answer, &own, what);
    }
    client.terminate().await;
}

#[tokio::test]
async fn nobody_ever_gets_the_answer_of_somebody_else() {
    let plan = Plan::new(PoolMode::Transaction, 3).pool(|pool| pool.prepared_statements = 3);
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
