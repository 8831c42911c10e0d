//! A network that is slow, stalls and breaks, on one side of the gateway.

use std::time::{Duration, Instant};

use super::super::site::{Lines, Site};
use super::super::trouble::Excuses;
use super::super::witness::Witness;
use super::{Blow, Fault};
use crate::fault::{Direction, FaultProxy};

const BOTH: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

/// What can be wrong with a line.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Delay,
    OneByteSegments,
    Reset,
    Stall,
    CutToServer,
    HalfCloseToServer,
    Close,
    CutToClient,
    HalfCloseToClient,
}

const KINDS: [Kind; 9] = [
    Kind::Delay,
    Kind::OneByteSegments,
    Kind::Reset,
    Kind::Stall,
    Kind::CutToServer,
    Kind::HalfCloseToServer,
    Kind::Close,
    Kind::CutToClient,
    Kind::HalfCloseToClient,
];

struct Network {
    pause: Duration,
    blows: usize,
    lines: Lines,
}

pub(super) fn between_client_and_gateway(pause: Duration) -> Box<dyn Fault> {
    let lines = Lines {
        clients: true,
        ..Lines::default()
    };
    Box::new(Network {
        pause,
        blows: 0,
        lines,
    })
}

pub(super) fn between_gateway_and_server(pause: Duration) -> Box<dyn Fault> {
    let lines = Lines {
        server: true,
        ..Lines::default()
    };
    Box::new(Network {
        pause,
        blows: 0,
        lines,
    })
}

impl Fault for Network {
    fn pause(&self) -> Duration {
        self.pause
    }

    fn excuses(&self) -> Excuses {
        match self.lines.clients {
            // Whatever was said may not have come through.
            true => &["closed", "reset", "cut"],
            // 08P01 is PostgreSQL's word for a line that ends in the middle of a message of a COPY.
            false => &["0800", "08P01", "cut"],
        }
    }

    fn lines(&self) -> Lines {
        self.lines
    }

    fn strike<'a>(&'a mut self, site: &'a mut Site, witness: &'a Witness) -> Blow<'a> {
        let kind = KINDS[self.blows % KINDS.len()];
        self.blows += 1;
        let lasts = self.pause;
        Box::pin(async move {
            let line = site.client_line.as_ref().or(site.server_line.as_ref());
            let line = line.expect("a line was asked for");
            let broken = Instant::now();
            befall(line, kind, lasts, self.blows as u64).await;
            let recovered = witness.recovers(broken).await;
            recovered.map_err(|error| format!("{error} {kind:?}"))
        })
    }
}

/// Breaks the line, for a time where it does not break for good, and takes it back.
async fn befall(line: &FaultProxy, kind: Kind, lasts: Duration, blow: u64) {
    match kind {
        Kind::Delay => {
            BOTH.into_iter()
                .for_each(|way| line.delay(way, Duration::from_millis(20)));
            last(lasts).await;
            BOTH.into_iter()
                .for_each(|way| line.delay(way, Duration::ZERO));
        }
        Kind::OneByteSegments => {
            BOTH.into_iter().for_each(|way| line.bytewise(way, true));
            last(lasts).await;
            BOTH.into_iter().for_each(|way| line.bytewise(way, false));
        }
        Kind::Stall => {
            BOTH.into_iter().for_each(|way| line.stall(way));
            last(lasts).await;
            BOTH.into_iter().for_each(|way| line.resume(way));
        }
        Kind::CutToServer => cut(line, Direction::ToServer, blow, lasts).await,
        Kind::CutToClient => cut(line, Direction::ToClient, blow, lasts).await,
        Kind::Reset => line.reset_all(),
        Kind::Close => line.close_all(),
        Kind::HalfCloseToServer => line.half_close(Direction::ToServer),
        Kind::HalfCloseToClient => line.half_close(Direction::ToClient),
    }
}

/// Ends connections when some more bytes have passed: in the middle of a message, mostly.
async fn cut(line: &FaultProxy, way: Direction, blow: u64, lasts: Duration) {
    line.cut_after(way, 1 + blow * 131 % 3000);
    last(lasts.min(Duration::from_millis(500))).await;
    line.cut_no_more(way);
}

async fn last(time: Duration) {
    tokio::time::sleep_until((Instant::now() + time).into()).await;
}
