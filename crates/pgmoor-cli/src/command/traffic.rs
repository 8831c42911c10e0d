//! `pgmoor pause`, `resume`, `switch` and `reload`: direct a running gateway.

use std::time::Instant;

use pgmoor_ops::traffic::{TrafficControl, TrafficError};
use serde_json::json;

use crate::args::{Global, Pause, Resume, Switch};
use crate::config::settings::Settings;
use crate::exit::Exit;
use crate::output::{Failure, Format, Output, SCHEMA};
use crate::traffic::AdminClient;

/// Pauses databases and waits until their transactions have ended.
pub(super) fn pause(global: &Global, arguments: &Pause, output: Output) -> Result<Exit, Failure> {
    let settings = super::configuration(global)?.settings;
    let client = AdminClient::new(&settings.gateway)?;
    let names = named(&settings, arguments.database.as_deref());
    super::runtime().block_on(async {
        let start = Instant::now();
        for name in &names {
            client.pause(name).await.map_err(|error| failed(&error))?;
        }
        let (mut remaining, mut unproven) = (0, 0);
        for name in &names {
            let left = arguments.timeout.saturating_sub(start.elapsed());
            let drained = client.drain(name, left).await;
            let drained = drained.map_err(|error| failed(&error))?;
            remaining += drained.remaining;
            unproven += drained.unproven;
        }
        let is_done = remaining == 0 && unproven == 0;
        match output.format {
            Format::Json => output.json(&json!({ "schema": SCHEMA, "ok": is_done, "databases": names, "remaining": remaining, "unproven": unproven })),
            Format::Text if is_done => {
                output.data(&format!("ok: {} paused, clients wait\n", names.join(", ")));
            }
            Format::Text => {}
        }
        if is_done {
            return Ok(Exit::Ok);
        }
        if remaining == 0 {
            return Err(Failure::new(
                Exit::Refused,
                match unproven {
                    1 => "1 server process was not seen to end".to_owned(),
                    more => format!("{more} server processes were not seen to end"),
                },
            )
            .cause("their clients have gone, and the server did not cancel in time: they may still be at work")
            .hint("new transactions wait; pgmoor's log names the processes: look for them in pg_stat_activity of the server, then let all go on with pgmoor resume, which forgets them"));
        }
        Err(Failure::new(
            Exit::Refused,
            match remaining {
                1 => "1 server connection is still in use".to_owned(),
                more => format!("{more} server connections are still in use"),
            },
        )
        .cause("their clients have not ended their transactions, or are in session mode")
        .hint("new transactions wait; look at SHOW SERVERS in psql -d pgmoor, or let all go on with pgmoor resume"))
    })
}

/// Lets clients go on.
pub(super) fn resume(global: &Global, arguments: &Resume, output: Output) -> Result<Exit, Failure> {
    let settings = super::configuration(global)?.settings;
    let client = AdminClient::new(&settings.gateway)?;
    let names = named(&settings, arguments.database.as_deref());
    super::runtime().block_on(async {
        for name in &names {
            client.resume(name).await.map_err(|error| failed(&error))?;
        }
        done(output, &format!("{} resumed", names.join(", ")));
        Ok(Exit::Ok)
    })
}

/// Has another endpoint serve a paused database.
pub(super) fn switch(global: &Global, arguments: &Switch, output: Output) -> Result<Exit, Failure> {
    let settings = super::configuration(global)?.settings;
    let client = AdminClient::new(&settings.gateway)?;
    let (database, endpoint) = (&arguments.database, &arguments.endpoint);
    let switching = client.switch(database, endpoint);
    super::runtime()
        .block_on(switching)
        .map_err(|error| failed(&error))?;
    done(
        output,
        &format!(
            "{database} is served by {endpoint} until the next start; pgmoor resume lets clients go on"
        ),
    );
    Ok(Exit::Ok)
}

/// Has the gateway read its configuration again.
pub(super) fn reload(global: &Global, output: Output) -> Result<Exit, Failure> {
    let settings = super::configuration(global)?.settings;
    let client = AdminClient::new(&settings.gateway)?;
    super::runtime()
        .block_on(client.reload())
        .map_err(|error| failed(&error))?;
    done(output, "configuration reloaded");
    Ok(Exit::Ok)
}

/// The database that is named, or all.
fn named(settings: &Settings, name: Option<&str>) -> Vec<String> {
    match name {
        Some(name) => vec![name.to_owned()],
        None => settings.databases.keys().cloned().collect(),
    }
}

fn done(output: Output, text: &str) {
    match output.format {
        Format::Json => output.json(&json!({ "schema": SCHEMA, "ok": true })),
        Format::Text => output.data(&format!("ok: {text}\n")),
    }
}

fn failed(error: &TrafficError) -> Failure {
    let exit = if error.is_retryable() {
        Exit::Unreachable
    } else {
        Exit::Refused
    };
    let failure = Failure::new(exit, error.to_string());
    let failure = match std::error::Error::source(error) {
        Some(source) => failure.cause(crate::output::chain(source)),
        None => failure,
    };
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
