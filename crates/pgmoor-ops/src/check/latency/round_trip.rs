//! How long a query takes there and back.

use std::time::Duration;

use crate::check::verdict::{pass, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};

/// From here on the server is hardly in the same zone, and from there on not in the same region.
const ZONE: Duration = Duration::from_micros(2_500);
const REGION: Duration = Duration::from_millis(10);

pub(super) const CHECK: Check = Check {
    id: "PGM-LAT-001",
    layer: Layer::Latency,
    title: "a round trip is short",
    why: "An application waits for a round trip with each query. A page that takes a hundred queries takes a hundred of them, whatever the server's speed.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let latency = on.latency()?;
    let (median, slow) = (latency.quantile(0.5), latency.quantile(0.99));
    let seen = format!(
        "half of {} round trips take up to {}, 99 % up to {}: 1,000 queries one after the other wait {} for the network",
        latency.count(),
        duration(median),
        duration(slow),
        duration(median * 1_000),
    );
    let limit = on.asked.requirement.max_round_trip;
    let place = match median {
        _ if median > REGION => "the server is evidently in another region",
        _ if median > ZONE => "the server is evidently in another zone",
        _ if median > limit => "the server is far for this application",
        _ => return Ok(pass(seen)),
    };
    Ok(warn(format!("{seen}; {place}"))
        .hint_text("run the application, and pgmoor, in the zone of the server's primary"))
}
