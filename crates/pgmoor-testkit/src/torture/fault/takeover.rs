//! The gateway is replaced again and again by `up --takeover`: a rolling restart.

use std::time::{Duration, Instant};

use super::super::site::Site;
use super::super::trouble::Excuses;
use super::super::witness::Witness;
use super::{Blow, Fault};

/// How long the process before may take to serve the clients that it has.
const FAREWELL: Duration = Duration::from_secs(240);

struct Takeover {
    pause: Duration,
}

pub(super) fn make(pause: Duration) -> Box<dyn Fault> {
    Box::new(Takeover { pause })
}

impl Fault for Takeover {
    fn pause(&self) -> Duration {
        self.pause
    }

    fn excuses(&self) -> Excuses {
        // Nobody may notice any of it.
        &[]
    }

    fn strike<'a>(&'a mut self, site: &'a mut Site, witness: &'a Witness) -> Blow<'a> {
        Box::pin(async move {
            let before = site.pgmoor.take_over().await?;
            let status = before.exited(FAREWELL).await;
            if !status.success() {
                return Err(format!("the process before has ended with {status}"));
            }
            let recovered = witness.recovers(Instant::now()).await;
            recovered.map_err(|error| format!("{error} a takeover"))
        })
    }
}
