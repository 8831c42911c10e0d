//! How much memory a gate holds for each client that has logged in, asked once, and waits.

use std::thread;
use std::time::{Duration, Instant};

use xtask::failure::Failure;

use crate::address::Address;
use crate::gates::Gate;
use crate::procfs;
use crate::session::Session;
use crate::world::World;

/// Clients that come and go before the first look, so that what a gate makes once is not counted.
const WARM_UP: u32 = 100;

/// Threads that open connections.
const OPENERS: u32 = 8;

/// Memory, in KiB, that each of `clients` idle clients adds to a gate that was just started.
pub(crate) fn kib_per_client(
    world: &World,
    gate: &Gate,
    clients: u32,
    tls: bool,
) -> Result<f64, Failure> {
    let address = gate.address(tls);
    drop(open(world, &address, WARM_UP)?);
    let before = settled_kib(gate.pid())?;
    let sessions = open(world, &address, clients)?;
    let after = settled_kib(gate.pid())?;
    drop(sessions);
    Ok(after.saturating_sub(before) as f64 / f64::from(clients))
}

fn open(world: &World, address: &Address, clients: u32) -> Result<Vec<Session>, Failure> {
    let open_some = |count: u32| -> Result<Vec<Session>, Failure> {
        (0..count)
            .map(|_| {
                let mut session = Session::open(address, &world.tls)?;
                session.query("select 1")?;
                Ok(session)
            })
            .collect()
    };
    thread::scope(|scope| {
        let openers: Vec<_> = (0..OPENERS)
            .map(|number| {
                let share = clients / OPENERS + u32::from(number < clients % OPENERS);
                scope.spawn(move || open_some(share))
            })
            .collect();
        let mut sessions = Vec::new();
        for opener in openers {
            sessions.extend(opener.join().expect("it cannot panic")?);
        }
        Ok(sessions)
    })
}

/// Resident memory once it has not changed for a while.
fn settled_kib(pid: u32) -> Result<u64, Failure> {
    const LOOK_EVERY: Duration = Duration::from_millis(100);
    const SAME_LOOKS: u32 = 5;
    let end = Instant::now() + Duration::from_secs(10);
    let mut last = procfs::resident_kib(pid)?;
    let mut same = 0;
    while same < SAME_LOOKS && Instant::now() < end {
        thread::sleep(LOOK_EVERY);
        let now = procfs::resident_kib(pid)?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}
