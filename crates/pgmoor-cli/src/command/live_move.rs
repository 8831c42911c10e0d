//! `pgmoor move`: a live database to another server, and back.

mod report;
mod subject;

use std::sync::Arc;

use pgmoor_ops::live_move::journal::{Direction, Phase};
use pgmoor_ops::live_move::{Hold, Move, MoveError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::args::{Copying, Global, Move as Command};
use crate::confirm::confirm;
use crate::endpoints::Bundles;
use crate::exit::Exit;
use crate::output::{Failure, Output, say};
use crate::traffic::AdminClient;
use report::Teller;
use subject::Subject;

/// Does what is asked.
pub(super) fn run(global: &Global, command: &Command, output: Output) -> Result<Exit, Failure> {
    let mut loaded = super::load_configuration(global)?;
    if loaded.tree.at(&["log", "level"]).is_none() {
        // What happens is said by the command itself.
        loaded.settings.log.level = crate::config::settings::LogLevel::Warn;
    }
    super::start_log(&loaded)?;
    super::runtime().block_on(async {
        let mut bundles = Bundles::default();
        let teller = Arc::new(Teller::default());
        let subject = Subject::of(command, &loaded, &mut bundles, teller.clone()).await;
        let outcome = match subject {
            Ok(subject) => {
                let work = Work {
                    it: subject.it,
                    gateway: AdminClient::new(&loaded.settings.gateway),
                    teller,
                    output,
                };
                work.act(command).await
            }
            Err(failure) => Err(failure),
        };
        bundles.stop().await;
        outcome
    })
}

struct Work {
    it: Move,
    gateway: Result<AdminClient, Failure>,
    teller: Arc<Teller>,
    output: Output,
}

impl Work {
    async fn act(self, command: &Command) -> Result<Exit, Failure> {
        let stop = stop_at_a_signal()?;
        match command {
            Command::Status { .. } => self.status().await,
            Command::Start {
                copy,
                until_caught_up,
                ..
            } => {
                self.copy(copy).await?;
                self.follow(stop, *until_caught_up).await
            }
            Command::Follow {
                until_caught_up, ..
            } => self.follow(stop, *until_caught_up).await,
            Command::Run { copy, yes, .. } => {
                self.copy(copy).await?;
                self.cross(Direction::Forward, stop, *yes).await
            }
            Command::Cutover { yes, .. } => self.cross(Direction::Forward, stop, *yes).await,
            Command::Rollback { yes, .. } => self.cross(Direction::Back, stop, *yes).await,
            Command::Finish { yes, .. } => self.finish(*yes).await,
            Command::Abort { yes, .. } => self.abort(*yes).await,
        }
    }

    fn gateway(&self) -> Result<&AdminClient, Failure> {
        self.gateway.as_ref().map_err(|failure| Failure {
            exit: failure.exit,
            problems: failure.problems.clone(),
        })
    }

    /// The initial copy, unless it is done.
    async fn copy(&self, _how: &Copying) -> Result<(), Failure> {
        let entry = self.it.entry().await.map_err(failure)?;
        if entry.is_some_and(|entry| entry.phase != Phase::Copying) {
            return Ok(());
        }
        let slot = self.it.prepare().await.map_err(failure)?;
        slot.session.close().await;
        self.it.copied().await.map_err(failure)
    }

    async fn take(&self) -> Result<Hold, Failure> {
        let gateway = self.gateway.as_ref().ok();
        let gateway = gateway.map(|gateway| gateway as &dyn pgmoor_ops::traffic::TrafficControl);
        self.it.take(gateway).await.map_err(failure)
    }

    async fn follow(
        &self,
        stop: watch::Receiver<bool>,
        until_caught_up: bool,
    ) -> Result<Exit, Failure> {
        let mut hold = self.take().await?;
        let done = hold.follow(&self.it, stop, |seen| until_caught_up && seen.lag() == 0);
        let is_caught_up = done.await.map_err(failure)?;
        self.teller.clear();
        let seen = hold.seen();
        let side = match hold.direction() {
            Direction::Forward => "target",
            Direction::Back => "source",
        };
        let text = match is_caught_up {
            true => format!("the {side} has all changes"),
            false => format!(
                "stopped; the {side} is {} behind",
                report::bytes(seen.lag())
            ),
        };
        self.done(&text, Some(hint_after(hold.direction()))).await?;
        Ok(Exit::Ok)
    }

    /// Takes clients to the side that follows in this direction.
    async fn cross(
        &self,
        direction: Direction,
        stop: watch::Receiver<bool>,
        yes: bool,
    ) -> Result<Exit, Failure> {
        let gateway = self.gateway()?;
        let hold = self.take().await?;
        let (to, verb) = match direction {
            Direction::Forward => (&self.it.target.endpoint, "cutover"),
            Direction::Back => (&self.it.source.endpoint, "rollback"),
        };
        if hold.direction() != direction {
            // It was decided before, and perhaps not brought to its end.
            hold.complete(&self.it, gateway).await.map_err(failure)?;
            self.done(
                &format!("clients are at {to}"),
                Some(hint_after(hold.direction())),
            )
            .await?;
            return Ok(Exit::Ok);
        }
        self.teller.clear();
        confirm(yes, &self.it.database, &format!("take clients to {to}"))?;
        let crossing = hold.cross(&self.it, gateway, stop);
        let (hold, crossed) = crossing.await.map_err(failure)?;
        self.teller.clear();
        let text = format!(
            "{verb} done: {} is served from {to}; clients waited for {} ms at most",
            self.it.database,
            crossed.pause.as_millis()
        );
        self.done(&text, Some(hint_after(hold.direction()))).await?;
        Ok(Exit::Ok)
    }

    async fn finish(&self, yes: bool) -> Result<Exit, Failure> {
        confirm(yes, &self.it.database, "close the way back")?;
        let left = self.it.finish().await.map_err(failure)?;
        self.teller.clear();
        for what in &left {
            say(&format!("warning: not taken away {what}"));
        }
        let hint = format!(
            "have {} served from endpoint \"{}\" in the configuration",
            self.it.database, self.it.target.endpoint
        );
        self.done("the move is finished", Some(&hint)).await?;
        Ok(Exit::Ok)
    }

    async fn abort(&self, yes: bool) -> Result<Exit, Failure> {
        confirm(yes, &self.it.database, "give the move up")?;
        let gateway = self.gateway.as_ref().ok();
        let gateway = gateway.map(|gateway| gateway as &dyn pgmoor_ops::traffic::TrafficControl);
        self.it.abort(gateway).await.map_err(failure)?;
        self.teller.clear();
        let text =
            "the move is given up; the source is as it was, what was copied is still at the target";
        self.done(text, None).await?;
        Ok(Exit::Ok)
    }

    async fn status(&self) -> Result<Exit, Failure> {
        let status = self.it.status().await.map_err(failure)?;
        report::status(&self.it, &status, self.output);
        Ok(Exit::Ok)
    }

    async fn done(&self, text: &str, hint: Option<&str>) -> Result<(), Failure> {
        let status = self.it.status().await.ok();
        report::done(&self.it, status.as_ref(), text, hint, self.output);
        Ok(())
    }
}

fn hint_after(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "pgmoor move cutover takes clients across",
        Direction::Back => {
            "pgmoor move follow keeps the way back short, pgmoor move rollback goes it, pgmoor move finish closes it"
        }
    }
}

/// An error as it is told to people.
fn failure(error: MoveError) -> Failure {
    let exit = match &error {
        MoveError::Server(pgmoor_ops::Error::Connect { .. }) => Exit::Unreachable,
        MoveError::Traffic(error) if error.is_retryable() => Exit::Unreachable,
        MoveError::Interrupted | MoveError::TakenOver => Exit::Interrupted,
        MoveError::Different { .. } | MoveError::Diverged { .. } => Exit::Mismatch,
        _ => Exit::Refused,
    };
    let mut failure = Failure::new(exit, error.to_string());
    if let Some(cause) = std::error::Error::source(&error) {
        failure = failure.because(cause);
    }
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn stop_at_a_signal() -> Result<watch::Receiver<bool>, Failure> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Failure::new(Exit::Bug, "cannot listen to signals").because(&error))
    };
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let (stopper, stop) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        say("stopping; the same command goes on later");
        let _ = stopper.send(true);
        // Who says it twice does not want to wait: what was begun is gone on with or undone later.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    Ok(stop)
}
