//! Whether round trips take equally long.

use std::time::Duration;

use crate::check::verdict::{pass, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};

/// Slower ones than this are felt, and so many times the median stand out.
const FELT: Duration = Duration::from_millis(20);
const TIMES: u32 = 8;

pub(super) const CHECK: Check = Check {
    id: "PGM-LAT-002",
    layer: Layer::Latency,
    title: "round trips take equally long",
    why: "A few slow round trips among many quick ones are packets that are lost and sent again, or a machine that is not given its share of a processor.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let latency = on.latency()?;
    let (median, slow) = (latency.quantile(0.5), latency.quantile(0.99));
    let seen = format!("the median is {}, the slowest of 100 {}", duration(median), duration(slow));
    if slow > FELT && slow > median * TIMES {
        return Ok(warn(seen).hint_text(
            "look for lost packets (nstat -az TcpRetransSegs, mtr HOST) and for stolen processor time (vmstat 1, column st) on both sides",
        ));
    }
    Ok(pass(seen))
}
