//! What pgbench cannot do, by clients of our own, a thread each: COPY to the client, and the time of
//! a single answer. (pgbench looks at its clock once for all that it finds ready: an answer that is
//! there at its first look has taken 0 µs.)

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use xtask::failure::Failure;

use super::pgbench::Run;
use super::rows::Statement;
use crate::address::Address;
use crate::session::Session;
use crate::world::{SCALE, World};

/// Runs the statement again and again.
pub(crate) fn run(
    world: &World,
    address: &Address,
    clients: u32,
    statement: Statement,
    duration: Duration,
) -> Result<Run, Failure> {
    let start = Barrier::new(clients as usize);
    let ended: Vec<Result<(Vec<u64>, Duration), Failure>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|number| {
                let start = &start;
                scope.spawn(move || {
                    let session = Session::open(address, &world.tls);
                    // Also when it failed: the others wait for it.
                    start.wait();
                    repeat(session?, number, statement, duration)
                })
            })
            .collect();
        let join =
            |thread: thread::ScopedJoinHandle<'_, _>| thread.join().expect("it cannot panic");
        threads.into_iter().map(join).collect()
    });

    let mut run = Run {
        transactions: 0,
        tps: 0.0,
        times: Vec::new(),
        cpu_ms: None,
    };
    for client in ended {
        let (times, took) = client?;
        run.transactions += times.len() as u64;
        run.tps += times.len() as f64 / took.as_secs_f64();
        run.times.extend(times);
    }
    Ok(run)
}

fn repeat(
    mut session: Session,
    number: u32,
    statement: Statement,
    duration: Duration,
) -> Result<(Vec<u64>, Duration), Failure> {
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < duration {
        let sql = text(statement, number + times.len() as u32);
        let asked = Instant::now();
        session.query(&sql)?;
        times.push(asked.elapsed().as_micros() as u64);
    }
    Ok((times, start.elapsed()))
}

/// The statement for the `count`th time: each time with other rows, until all have had their turn.
fn text(statement: Statement, count: u32) -> String {
    match statement {
        Statement::SelectOne => "select 1".into(),
        Statement::CopyOut { rows } => {
            let first = 1 + count % (100_000 * SCALE / rows) * rows;
            let last = first + rows - 1;
            format!(
                "copy (select * from pgbench_accounts where aid between {first} and {last}) to stdout"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_copy_is_of_other_rows_that_exist() {
        let rows = 10_000;
        let statement = Statement::CopyOut { rows };
        let turns = 100_000 * SCALE / rows;

        assert!(text(statement, 0).contains("between 1 and 10000)"));
        assert!(text(statement, turns - 1).contains(&format!("and {})", 100_000 * SCALE)));
        assert_eq!(text(statement, turns), text(statement, 0));
    }
}
