//! `pgmoor status`: what a running gateway does.

mod page;

use serde_json::Value;

use crate::admin;
use crate::args::Global;
use crate::exit::Exit;
use crate::output::{Failure, Format, Output};

/// Prints it.
pub(super) fn run(global: &Global, output: Output) -> Result<Exit, Failure> {
    let loaded = super::configuration(global)?;
    let body = super::runtime().block_on(admin::get(&loaded.settings.gateway, "/status"))?;
    let no_status = |error: &serde_json::Error| {
        Failure::new(Exit::Unreachable, "the answer of the gateway is no status").because(error)
    };
    match output.format {
        Format::Json => {
            let status: Value = serde_json::from_slice(&body).map_err(|error| no_status(&error))?;
            output.json(&status);
        }
        Format::Text => {
            let status = serde_json::from_slice(&body).map_err(|error| no_status(&error))?;
            output.data(&page::write(&status));
        }
    }
    Ok(Exit::Ok)
}
