//! `pgmoor up`: serves the configured databases until it is stopped.

use std::path::PathBuf;
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::Duration;

use pgmoor::settings::{Problem, Seen};
use pgmoor_gateway::{Hooks, Shutdown};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::address::{Address, has_generated_login, password_file};
use crate::args::{Global, Up};
use crate::config::exposed;
use crate::config::load::{Loaded, Source, load_noting};
use crate::config::settings::{LogFormat, Settings};
use crate::config::surroundings::Surroundings;
use crate::exit::Exit;
use crate::memory;
use crate::notify::{self, News};
use crate::output::{Failure, Format, Output, SCHEMA, say, say_labelled};
use crate::serve::{Ending, Serving, Stand};

/// How often the files of the configuration are looked at.
const GLANCE: Duration = Duration::from_millis(500);
/// How many requests of administrators may wait for the one before.
const REQUESTS: usize = 16;

/// Serves until a signal.
pub(super) fn run(global: &Global, arguments: &Up, output: Output) -> Result<Exit, Failure> {
    memory::forbid_cores();
    let (loaded, files) = super::watched_configuration(global)?;
    if let Some(note) = exposed::note(&loaded) {
        warn!(note, "secrets in the configuration file can be read");
    }
    let Loaded {
        settings, source, ..
    } = loaded;
    super::runtime().block_on(async {
        // Before anything is started, so that no signal finds it half started and unheard.
        let mut signals = Signals::new()?;
        let stand = if arguments.takeover {
            Stand::Takeover
        } else {
            Stand::Alone
        };
        let start = Serving::start(settings, Surroundings::of_process(), stand);
        let mut serving = tokio::select! {
            started = start => started?,
            () = signals.stop() => return Ok(Exit::Ok),
        };
        let (asked, requests) = mpsc::channel(REQUESTS);
        serving.set_hooks(hooks(asked));
        welcome(global, serving.settings(), &source, output);
        notify::tell(News::Ready);
        let ending = serve(global, &mut serving, &mut signals, requests, files).await;
        notify::tell(News::Stopping);
        say_stopping(serving.settings(), &ending);
        if let Ending::Succeeded(succession) = ending {
            tokio::select! {
                () = serving.leave_to(succession) => {}
                () = signals.stop() => {}
            }
        } else if let Ending::Asked(Shutdown::WaitForClients) = ending {
            tokio::select! {
                () = serving.wait_for_clients() => {}
                // Whoever signals does not want to wait for that.
                () = signals.stop() => {}
            }
        }
        let stopping = serving.stop();
        tokio::select! {
            () = stopping => Ok(Exit::Ok),
            // The second signal means now; what was served from goes down with this process.
            () = signals.stop() => Ok(Exit::Ok),
        }
    })
}

/// What clients of the admin database, or of the admin address, ask for.
enum Request {
    /// A reload; how it went is told.
    Reload(std_mpsc::Sender<Result<(), String>>),
    /// The end.
    Shutdown(Shutdown),
}

/// Hands requests of the gateway's threads to this one, which holds what they are about.
fn hooks(asked: mpsc::Sender<Request>) -> Hooks {
    let asked_for_end = asked.clone();
    Hooks {
        reload: Some(Arc::new(move || {
            let (reply, answer) = std_mpsc::channel();
            asked
                .try_send(Request::Reload(reply))
                .map_err(|_| "pgmoor is busy with other requests or stops".to_owned())?;
            answer
                .recv()
                .unwrap_or_else(|_| Err("pgmoor stops".to_owned()))
        })),
        shutdown: Some(Arc::new(move |how| {
            // When the queue is full or closed, the end has been asked for already.
            let _ = asked_for_end.try_send(Request::Shutdown(how));
        })),
    }
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

/// Reloads when told or when the file changes; returns when told to stop, and how.
async fn serve(
    global: &Global,
    serving: &mut Serving,
    signals: &mut Signals,
    mut requests: mpsc::Receiver<Request>,
    mut files: Vec<Seen>,
) -> Ending {
    let mut glances = interval(GLANCE);
    glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return Ending::Asked(Shutdown::Now),
            _ = signals.interrupt.recv() => return Ending::Asked(Shutdown::Now),
            succession = serving.succeeded() => {
                info!("another pgmoor serves clients from now on");
                return Ending::Succeeded(succession);
            }
            Some(request) = requests.recv() => match request {
                Request::Shutdown(how) => {
                    info!(?how, "end asked for by an administrator");
                    return Ending::Asked(how);
                }
                Request::Reload(reply) => {
                    info!("reload asked for by an administrator");
                    // Who asked may have left by now.
                    let _ = reply.send(reload(global, serving, &mut files).await);
                }
            },
            _ = signals.hangup.recv() => {
                info!("reload asked for by signal");
                // It is in the log; nobody waits for an answer.
                let _ = reload(global, serving, &mut files).await;
            }
            _ = glances.tick() => {
                serving.release_unused().await;
                if let Some(file) = files.iter().find(|file| file.has_changed()) {
                    info!(file = %file.path().display(), "configuration changed on disk");
                    let _ = reload(global, serving, &mut files).await;
                }
            }
        }
    }
}

/// Puts the configuration as it is now into effect; what is wrong with it is logged, and returned in
/// one line.
async fn reload(
    global: &Global,
    serving: &mut Serving,
    files: &mut Vec<Seen>,
) -> Result<(), String> {
    files.clear();
    let loaded = load_noting(global.config.as_deref(), &Surroundings::of_process(), files);
    let outcome = match loaded {
        Ok(loaded) => serving.reload(loaded.settings).await,
        Err(problems) => {
            serving.note_failure();
            Err(problems.into())
        }
    };
    let Err(failure) = outcome else { return Ok(()) };
    for problem in &failure.problems {
        error!(
            cause = %problem.cause.as_deref().unwrap_or_default(),
            hint = %problem.hint.as_deref().unwrap_or_default(),
            problem = %problem.headline(),
            "configuration not reloaded; the one before stays in effect"
        );
    }
    let headlines: Vec<String> = failure.problems.iter().map(Problem::headline).collect();
    Err(headlines.join("; "))
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

fn say_stopping(settings: &Settings, ending: &Ending) {
    if let Ending::Succeeded(_) = ending {
        return;
    }
    if settings.log.format == LogFormat::Text {
        let patience = pgmoor::settings::write_duration(settings.gateway.shutdown_timeout);
        say(&format!(
            "stopping: clients may finish for {patience}; Ctrl-C again stops at once"
        ));
    }
}
