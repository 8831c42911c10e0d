//! Copies a database to another server, verifies it, and tells how long each took and how much memory was used at most.
//!
//! ```console
//! $ PGMOOR_SOURCE=postgres://old/app PGMOOR_TARGET=postgres://new/app cargo run --release -p pgmoor-ops --example copy
//! ```

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint::Endpoint;
use pgmoor_ops::live_move::Side;
use pgmoor_ops::live_move::copy::{Copy, Event, Options, Progress};
use pgmoor_ops::live_move::verify::Verification;

/// Tells what happened after how many seconds.
struct Told(Instant);

impl Progress for Told {
    fn event(&self, event: Event<'_>) {
        if !matches!(event, Event::Rows { .. } | Event::Table { .. }) {
            println!("{:7.2} s  {event:?}", self.0.elapsed().as_secs_f64());
        }
    }
}

fn side(variable: &str) -> Result<Side, Box<dyn Error>> {
    let endpoint = Endpoint::parse(&env::var(variable)?)?;
    let dbname = endpoint.database().unwrap_or_default().to_owned();
    Ok(Side {
        endpoint: variable.to_owned(),
        connector: Connector::new(endpoint, Arc::new(NoCredential))?,
        dbname,
    })
}

/// The most memory that this process had, in MiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kb: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kb / 1024)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let copy = Copy {
        source: side("PGMOOR_SOURCE")?,
        target: side("PGMOOR_TARGET")?,
        snapshot: None,
        mark: "now".to_owned(),
        options: Options::default(),
    };
    let begin = Instant::now();
    let copied = copy.run(&Told(begin)).await?;
    let rows: u64 = copied.tables.iter().map(|table| table.digest.rows).sum();
    println!(
        "{:7.2} s  copied {rows} rows",
        begin.elapsed().as_secs_f64()
    );

    let verification = Verification {
        source: copy.source,
        target: copy.target,
        source_snapshot: None,
        target_snapshot: None,
        streams: 2,
        followed_only: false,
    };
    let begin = Instant::now();
    let verified = verification
        .run_against(&copied.tables, &Told(begin))
        .await?;
    println!(
        "{:7.2} s  verified, {} differences; at most {} MiB",
        begin.elapsed().as_secs_f64(),
        verified.differences.len(),
        peak().unwrap_or_default()
    );
    Ok(())
}
