//! `pgmoor move`: a live database to another server, and back.

mod report;
mod subject;

use std::collections::BTreeMap;
use std::sync::Arc;

use pgmoor::settings::Problem;
use pgmoor_ops::live_move::copy::{CopyError, Options};
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

/// Tables that are compared at once before a cutover.
const STREAMS: usize = 2;

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
                    roles: subject.roles,
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
    roles: BTreeMap<String, String>,
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
            Command::Plan { copy, offline, .. } => {
                let options = self.options(copy)?;
                let plan = match offline {
                    true => self.it.plan_offline(options).await,
                    false => self.it.plan(options).await,
                };
                let plan = plan.map_err(failure)?;
                report::plan(&self.it, &plan, self.output);
                Ok(match plan.losses.is_empty() {
                    true => Exit::Ok,
                    false => Exit::Refused,
                })
            }
            Command::Run {
                copy,
                offline: true,
                yes,
                ..
            } => self.offline(copy, *yes).await,
            Command::Run { copy, yes, .. } => {
                self.copy(copy).await?;
                self.cross(Direction::Forward, stop, true, *yes).await
            }
            Command::Cutover {
                unverified, yes, ..
            } => {
                self.cross(Direction::Forward, stop, !unverified, *yes)
                    .await
            }
            Command::Rollback {
                unverified, yes, ..
            } => self.cross(Direction::Back, stop, !unverified, *yes).await,
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

    /// How rows are copied, as it was said.
    fn options(&self, how: &Copying) -> Result<Options, Failure> {
        let pair = |text: &String| match text.split_once('=') {
            Some((old, new)) if !old.is_empty() && !new.is_empty() => {
                Ok((old.to_owned(), new.to_owned()))
            }
            _ => Err(
                Failure::new(Exit::Usage, format!("--role {text}: it is not OLD=NEW"))
                    .hint("--role app=app_owner, for one"),
            ),
        };
        let mut roles = self.roles.clone();
        roles.extend(
            how.role
                .iter()
                .map(pair)
                .collect::<Result<BTreeMap<_, _>, _>>()?,
        );
        Ok(Options {
            streams: usize::from(how.streams),
            roles,
            accepted: how.accept.iter().cloned().collect(),
            ..Options::default()
        })
    }

    /// The initial copy, unless it is done.
    async fn copy(&self, how: &Copying) -> Result<(), Failure> {
        let options = self.options(how)?;
        let entry = self.it.entry().await.map_err(failure)?;
        match entry.map(|entry| entry.phase) {
            Some(Phase::Copying) => {}
            Some(_) => return Ok(()),
            None => {
                let plan = self.it.plan(options.clone()).await.map_err(failure)?;
                self.teller.say(&report::plan_text(&self.it, &plan));
            }
        }
        let copied = self.it.copy(options).await.map_err(failure)?;
        self.teller.copied(&copied);
        Ok(())
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
        let is_caught_up = match until_caught_up {
            true => hold.catch_up(&self.it, stop).await,
            false => hold.follow(&self.it, stop, |_| false).await,
        };
        let is_caught_up = is_caught_up.map_err(failure)?;
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
        verified: bool,
        yes: bool,
    ) -> Result<Exit, Failure> {
        let gateway = self.gateway()?;
        let mut hold = self.take().await?;
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
        if verified {
            let all = hold.verify(&self.it, STREAMS).await.map_err(failure)?;
            let tables = all.tables.len();
            self.teller.say(&format!(
                "{tables} tables are the same at both sides, row by row"
            ));
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

    async fn offline(&self, how: &Copying, yes: bool) -> Result<Exit, Failure> {
        let (gateway, options) = (self.gateway()?, self.options(how)?);
        let to = &self.it.target.endpoint;
        let what = format!("have clients wait while it is copied to {to}");
        self.teller.clear();
        confirm(yes, &self.it.database, &what)?;
        let copied = self.it.offline(gateway, options).await.map_err(failure)?;
        if let Some(copied) = &copied {
            self.teller.copied(copied);
        }
        let text = format!("{} is served from {to}", self.it.database);
        let hint = "pgmoor move finish takes away what the move made";
        self.done(&text, Some(hint)).await?;
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
        MoveError::Server(error) if matches!(**error, pgmoor_ops::Error::Connect { .. }) => {
            Exit::Unreachable
        }
        MoveError::Traffic(error) if error.is_retryable() => Exit::Unreachable,
        MoveError::Copy(error) if matches!(**error, CopyError::Different { .. }) => Exit::Mismatch,
        MoveError::Interrupted | MoveError::TakenOver => Exit::Interrupted,
        MoveError::Different { .. } | MoveError::Diverged { .. } => Exit::Mismatch,
        _ => Exit::Refused,
    };
    if let MoveError::Hindered { all } = &error {
        let problems = all.iter().map(|one| {
            Problem::new(&pgmoor::settings::Origin::Default, one.to_string()).hint(&one.hint)
        });
        let problems = problems.collect();
        return Failure { exit, problems };
    }
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
