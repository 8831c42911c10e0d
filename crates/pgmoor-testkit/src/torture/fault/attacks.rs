//! Hostile clients play their acts beside those who mean well, who must not notice.

use std::time::{Duration, Instant};

use super::super::site::{ATTACKED, Site};
use super::super::trouble::Excuses;
use super::super::witness::Witness;
use super::{Blow, Fault};
use crate::attacks::{ACTS, Target};
use crate::pgmoor::Pgmoor;

/// Memory may grow by a quarter and this much from the first round to any later one, in KiB: what
/// clients and allocator do makes it breathe.
const BREATH: u64 = 16 << 10;
/// So many more open files than after the first round may be those of clients that come and go.
const VISITORS: usize = 100;
/// How long sockets of an act that is over may take to be closed.
const CLOSING: Duration = Duration::from_secs(20);

struct Attacks {
    pause: Duration,
    blows: usize,
    /// Memory in KiB, and open files, after the first round.
    first: Option<(u64, usize)>,
}

pub(super) fn make(pause: Duration) -> Box<dyn Fault> {
    Box::new(Attacks {
        pause,
        blows: 0,
        first: None,
    })
}

impl Fault for Attacks {
    fn pause(&self) -> Duration {
        self.pause
    }

    fn excuses(&self) -> Excuses {
        // Attacks on others are no excuse.
        &[]
    }

    fn strike<'a>(&'a mut self, site: &'a mut Site, _: &'a Witness) -> Blow<'a> {
        let act = ACTS[self.blows % ACTS.len()];
        self.blows += 1;
        let is_round = self.blows.is_multiple_of(ACTS.len());
        let gate = site.gate();
        let target = Target {
            address: gate.address,
            user: gate.user,
            password: gate.password,
            database: ATTACKED.into(),
        };
        Box::pin(async move {
            let played = tokio::spawn(async move { act.play(&target).await }).await;
            if let Err(panic) = played {
                return Err(format!("attack {} {}: {panic}", act.item, act.name));
            }
            match is_round {
                true => self.is_flat(&site.pgmoor).await,
                false => Ok(()),
            }
        })
    }
}

impl Attacks {
    /// Neither memory nor open files are more than after the first round.
    async fn is_flat(&mut self, pgmoor: &Pgmoor) -> Result<(), String> {
        let (memory, files) = *self
            .first
            .get_or_insert_with(|| (pgmoor.memory_kib(), pgmoor.open_files()));
        let most = memory + memory / 4 + BREATH;
        let now = pgmoor.memory_kib();
        if now > most {
            return Err(format!("memory has grown from {memory} KiB to {now} KiB"));
        }
        let end = Instant::now() + CLOSING;
        loop {
            let now = pgmoor.open_files();
            if now <= files + VISITORS {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("open files have grown from {files} to {now}"));
            }
            let next = Instant::now() + Duration::from_millis(50);
            tokio::time::sleep_until(next.into()).await;
        }
    }
}
