//! The configuration is read again and again, every other time with something wrong in it.

use std::time::Instant;

use std::fs;
use std::time::Duration;

use super::super::site::Site;
use super::super::trouble::Excuses;
use super::super::witness::Witness;
use super::{Blow, Fault};
use crate::host::write_private;
use crate::pgmoor::Pgmoor;
use crate::process::Signal;
use crate::wait::wait_for;

/// How long one reload may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// What no configuration has.
const WRONG: &str = "lgo: {}\n";

struct Reload {
    pause: Duration,
    /// What the gateway was started with.
    good: Option<String>,
    blows: u64,
}

pub(super) fn make(pause: Duration) -> Box<dyn Fault> {
    Box::new(Reload {
        pause,
        good: None,
        blows: 0,
    })
}

impl Fault for Reload {
    fn pause(&self) -> Duration {
        self.pause
    }

    fn excuses(&self) -> Excuses {
        // Nobody may notice any of it.
        &[]
    }

    fn strike<'a>(&'a mut self, site: &'a mut Site, witness: &'a Witness) -> Blow<'a> {
        Box::pin(async move {
            let pgmoor = &site.pgmoor;
            let read = || fs::read_to_string(pgmoor.config_path()).expect("read it");
            let good = self.good.get_or_insert_with(read);
            self.blows += 1;
            // Settings of a pool that matter to nobody's answers.
            let changed = format!("reset_timeout: {}s", 5 + self.blows % 2);
            let valid = good.replace(
                "prepared_statements: 5",
                &format!("prepared_statements: 5, {changed}"),
            );
            reload(pgmoor, &valid, "success").await;
            reload(pgmoor, &format!("{good}{WRONG}"), "failure").await;
            let place = format!("pgmoor.yaml:{}:", good.lines().count() + 1);
            if !pgmoor.log().contains(&place) {
                return Err(format!("no {place} for a reload that was refused"));
            }
            let recovered = witness.recovers(Instant::now()).await;
            recovered.map_err(|error| format!("{error} a reload"))
        })
    }
}

/// Has the gateway read this, and waits until it has.
async fn reload(pgmoor: &Pgmoor, text: &str, result: &str) {
    let before = pgmoor.reloads(result).await;
    write_private(pgmoor.config_path(), text);
    pgmoor.signal(Signal::HUP);
    wait_for("a reload to end", DEADLINE, async || {
        pgmoor.reloads(result).await > before
    })
    .await;
}
