//! `pgmoor up`: serves the configured databases until it is stopped.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::address::{Address, has_generated_login, password_file};
use crate::args::Global;
use crate::config::exposed;
use crate::config::load::{Loaded, Source, Surroundings, load};
use crate::config::settings::{LogFormat, Settings};
use crate::exit::Exit;
use crate::output::{Failure, Format, Output, SCHEMA, say, say_labelled};
use crate::serve::Serving;

/// How often the configuration file is looked at.
const GLANCE: Duration = Duration::from_secs(2);

/// Serves until a signal.
pub(super) fn run(global: &Global, output: Output) -> Result<Exit, Failure> {
    let loaded = super::configuration(global)?;
    if let Some(note) = exposed::note(&loaded) {
        warn!(note, "secrets in the configuration file can be read");
    }
    let Loaded {
        settings, source, ..
    } = loaded;
    super::runtime().block_on(async {
        // Before anything is started, so that no signal finds it half started and unheard.
        let mut signals = Signals::new()?;
        let start = Serving::start(settings, Surroundings::of_process());
        let mut serving = tokio::select! {
            started = start => started?,
            () = signals.stop() => return Ok(Exit::Ok),
        };
        welcome(global, serving.settings(), &source, output);
        serve(global, &source, &mut serving, &mut signals).await;
        say_stopping(serving.settings());
        let stopping = serving.stop();
        tokio::select! {
            () = stopping => Ok(Exit::Ok),
            // The second signal means now; what was served from goes down with this process.
            () = signals.stop() => Ok(Exit::Ok),
        }
    })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(Exit::Bug, "cannot listen to signals").because(&error)
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Cancel safe: a signal that comes later is not lost.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Reloads when told or when the file changes; returns when told to stop.
async fn serve(global: &Global, source: &Source, serving: &mut Serving, signals: &mut Signals) {
    let file = match source {
        Source::File(path) => Some(path.clone()),
        Source::BuiltIn => None,
    };
    let mut seen = file.as_deref().and_then(look);
    let mut glances = interval(GLANCE);
    glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.hangup.recv() => {
                info!("reload asked for by signal");
                seen = file.as_deref().and_then(look);
                reload(global, serving).await;
            }
            _ = glances.tick(), if file.is_some() => {
                let now = file.as_deref().and_then(look);
                // A file that is gone for a moment is being replaced.
                if now.is_some() && now != seen {
                    info!("configuration file changed");
                    seen = now;
                    reload(global, serving).await;
                }
            }
        }
    }
}

/// What tells one content of the file from the next; links are followed, as Kubernetes swaps them.
fn look(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    ))
}

async fn reload(global: &Global, serving: &mut Serving) {
    let outcome = match load(global.config.as_deref(), &Surroundings::of_process()) {
        Ok(loaded) => serving.reload(loaded.settings).await,
        Err(problems) => Err(problems.into()),
    };
    if let Err(failure) = outcome {
        for problem in failure.problems {
            error!(
                cause = %problem.cause.as_deref().unwrap_or_default(),
                hint = %problem.hint.as_deref().unwrap_or_default(),
                problem = %problem.headline(),
                "configuration not reloaded; the one before stays in effect"
            );
        }
    }
}

/// Tells a person what they have now and what to do next; programs read the JSON or the log.
fn welcome(global: &Global, settings: &Settings, source: &Source, output: Output) {
    let address = Address::of(settings, None).ok();
    if output.format == Format::Json {
        let url = address.as_ref().map(|address| address.url(false));
        output.json(&json!({ "schema": SCHEMA, "event": "ready", "url": url, "databases": settings.databases.keys().collect::<Vec<_>>() }));
    }
    if settings.log.format == LogFormat::Json {
        return;
    }
    let command = |name: &str| match source {
        Source::File(_) => match &global.config {
            Some(file) => format!("pgmoor --config {} {name}", file.display()),
            None => format!("pgmoor {name}"),
        },
        Source::BuiltIn => format!("pgmoor {name}"),
    };
    say("");
    for database in settings.databases.keys() {
        match Address::of(settings, Some(database)) {
            Ok(address) => say_labelled("serving ", &address.url(false)),
            // A database that only users of the users file may use is served all the same.
            Err(_) => say_labelled("serving ", database),
        }
    }
    if let Some(from) = served_from(settings) {
        say_labelled("data in ", &from.display().to_string());
    }
    if has_generated_login(&settings.gateway) {
        say_labelled(
            "password",
            &format!(
                "in {} ({} prints the whole address)",
                password_file(&settings.gateway).display(),
                command("url --raw")
            ),
        );
    }
    say_labelled("open it ", &command("psql"));
    say_labelled(
        "use it  ",
        &format!(
            "eval \"$({})\" sets DATABASE_URL for your program",
            command("url --shell")
        ),
    );
    if let Some(admin) = settings.gateway.admin {
        say_labelled(
            "watch it",
            &format!("{}, http://{admin}/metrics", command("status")),
        );
    }
    say_labelled("stop it ", "Ctrl-C");
    say("");
}

/// The data directory of the bundled endpoint, when that is all there is.
fn served_from(settings: &Settings) -> Option<PathBuf> {
    let mut bundled = settings
        .endpoints
        .values()
        .filter_map(|endpoint| endpoint.bundled.as_ref());
    let only = bundled.next()?;
    bundled.next().is_none().then(|| only.data_dir.clone())
}

fn say_stopping(settings: &Settings) {
    if settings.log.format == LogFormat::Text {
        let patience = pgmoor::settings::write_duration(settings.gateway.shutdown_timeout);
        say(&format!(
            "stopping: clients may finish for {patience}; Ctrl-C again stops at once"
        ));
    }
}
