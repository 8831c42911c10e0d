//! `pgmoor version`.

use serde_json::json;

use crate::exit::Exit;
use crate::output::{Failure, Format, Output, SCHEMA};

/// The PostgreSQL majors that endpoints may have.
const SERVERS: (u32, u32) = (12, 18);

/// Prints it.
pub(super) fn run(output: Output) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let commit = env!("PGMOOR_COMMIT");
    match output.format {
        Format::Json => output.json(&json!({
            "schema": SCHEMA,
            "version": version,
            "commit": commit,
            "target": env!("PGMOOR_TARGET"),
            "servers": { "oldest": SERVERS.0, "newest": SERVERS.1 },
            "protocol": ["3.0", "3.2"],
        })),
        Format::Text => output.data(&format!(
            "pgmoor {version}\ncommit:  {commit}\ntarget:  {}\nservers: PostgreSQL {} to {}\n",
            env!("PGMOOR_TARGET"),
            SERVERS.0,
            SERVERS.1
        )),
    }
    Ok(Exit::Ok)
}
