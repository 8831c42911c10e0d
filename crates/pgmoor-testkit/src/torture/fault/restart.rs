//! The server is restarted in each of the ways that servers go.

use std::time::{Duration, Instant};

use super::super::site::Site;
use super::super::trouble::Excuses;
use super::super::witness::Witness;
use super::{Blow, Fault};
use crate::postgres::Stop;

const WAYS: [Stop; 3] = [Stop::Fast, Stop::Immediate, Stop::Kill9];

struct Restart {
    pause: Duration,
    blows: usize,
}

pub(super) fn make(pause: Duration) -> Box<dyn Fault> {
    Box::new(Restart { pause, blows: 0 })
}

impl Fault for Restart {
    fn pause(&self) -> Duration {
        self.pause
    }

    fn excuses(&self) -> Excuses {
        // What PostgreSQL says when it goes and comes, what a gateway says when it has lost it, and
        // an end in the middle of a message, behind which no word can be said.
        &["57P01", "57P02", "57P03", "0800", "cut"]
    }

    fn recovery_limit(&self) -> Option<Duration> {
        // From the moment when the server accepts connections again.
        Some(Duration::from_secs(1))
    }

    fn strike<'a>(&'a mut self, site: &'a mut Site, witness: &'a Witness) -> Blow<'a> {
        let how = WAYS[self.blows % WAYS.len()];
        self.blows += 1;
        Box::pin(async move {
            site.postgres.stop(how).await;
            let broken = Instant::now();
            site.postgres.start_again().await;
            let recovered = witness.recovers(broken).await;
            recovered.map_err(|error| format!("{error} a restart ({how:?})"))
        })
    }
}
