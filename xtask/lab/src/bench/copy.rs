//! COPY to the client, which pgbench cannot do: own clients, a thread each.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use xtask::failure::Failure;

use super::pgbench::Run;
use crate::address::Address;
use crate::session::Session;
use crate::world::{SCALE, World};

/// Copies `rows` rows again and again.
pub(crate) fn run(
    world: &World,
    address: &Address,
    clients: u32,
    rows: u32,
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
                    copy_until(session?, number, rows, duration)
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

fn copy_until(
    mut session: Session,
    number: u32,
    rows: u32,
    duration: Duration,
) -> Result<(Vec<u64>, Duration), Failure> {
    let mut times = Vec::new();
    let mut first = 1 + number * rows;
    let start = Instant::now();
    while start.elapsed() < duration {
        let last = first + rows - 1;
        let asked = Instant::now();
        session.query(&format!(
            "copy (select * from pgbench_accounts where aid between {first} and {last}) to stdout"
        ))?;
        times.push(asked.elapsed().as_micros() as u64);
        first = if last + rows > 100_000 * SCALE {
            1
        } else {
            last + 1
        };
    }
    Ok((times, start.elapsed()))
}
