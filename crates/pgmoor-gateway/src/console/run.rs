//! Carries out the commands of the admin database.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use pgmoor_wire::backend::ErrorFields;
use pgmoor_wire::sqlstate;
use tokio::time::{Instant, sleep};
use tracing::info;

use super::Console;
use super::command::{Command, Problem};
use super::show::{self, Figures, Show};
use super::{config, sockets};
use crate::clients::{Client, Order};
use crate::hooks::Shutdown;
use crate::pool::Unproven;
use crate::process;
use crate::snapshot::{detail, overview};
use crate::table::Table;
use crate::traffic::{Traffic, TrafficError};
use crate::worker::{Shared, worker_of};

/// How long workers have to tell what they do.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the end of something is looked for.
const GLANCE: Duration = Duration::from_millis(20);
/// How often one who waits is told for what.
const PROGRESS: Duration = Duration::from_secs(5);
/// How long PAUSE and WAIT_CLOSE wait at most.
const WAIT_LIMIT: Duration = Duration::from_secs(600);

/// What a command gives.
#[derive(Debug)]
pub(super) enum Reply {
    Table(Table),
    /// It is done; what is said about it.
    Done(&'static str),
    Empty,
}

/// Why a command gives nothing.
#[derive(Debug)]
pub(super) enum Failed {
    /// The administrator is told and goes on.
    Problem(Problem),
    /// The administrator has gone, or is sent away.
    Over(Option<Order>),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<TrafficError> for Failed {
    fn from(error: TrafficError) -> Self {
        let (state, hint) = match &error {
            TrafficError::NoDatabase { .. } => {
                (sqlstate::INVALID_CATALOG_NAME, "SHOW DATABASES lists them")
            }
            TrafficError::NoEndpoint { .. } => (
                sqlstate::UNDEFINED_OBJECT,
                "endpoints are named in the configuration",
            ),
            TrafficError::NotPaused { .. } => {
                (sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, "PAUSE it first")
            }
            TrafficError::HandingOver | TrafficError::Predecessor { .. } => (
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                error.takeover_hint().unwrap_or_default(),
            ),
        };
        Self::Problem(Problem::new(state, error.to_string()).hint(hint))
    }
}

/// Waits for `future` unless the administrator is sent away before.
pub(super) async fn unless_ordered<T>(
    client: &Client,
    future: impl Future<Output = T>,
) -> Result<T, Order> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        client.listen(cx.waker());
        match client.order() {
            Some(order) => Poll::Ready(Err(order)),
            None => future.as_mut().poll(cx).map(Ok),
        }
    })
    .await
}

impl Console {
    fn shared(&self) -> &Arc<Shared> {
        &self.worker.gateway
    }

    fn traffic(&self) -> Traffic {
        Traffic::new(self.worker.gateway.clone())
    }

    /// Carries out one command.
    pub(super) async fn run(&mut self, command: &Command) -> Result<Reply, Failed> {
        if !self.admin && !command.only_looks() {
            return Err(
                Problem::new(sqlstate::INSUFFICIENT_PRIVILEGE, "admin access needed")
                    .hint("name the user in gateway.auth.admin_users; stats_users may only SHOW")
                    .into(),
            );
        }
        if !command.only_looks() {
            info!(client_id = self.client.id, user = %self.client.user, ?command, "admin command");
        }
        match command {
            Command::Empty => Ok(Reply::Empty),
            Command::Show(what) => self.show(*what).await,
            Command::ShowParameter(name, value) => Ok(Reply::Table(parameter(name, value))),
            Command::SelectOne => {
                let mut table = Table::new(super::ONE);
                table.push([1.into()]);
                Ok(Reply::Table(table))
            }
            Command::Nothing(tag) => Ok(Reply::Done(tag)),
            Command::Transaction { tag, open } => {
                self.in_transaction = *open;
                Ok(Reply::Done(tag))
            }
            Command::Pause(name) => self.pause(name.as_deref()).await,
            Command::Resume(name) => self.resume(name.as_deref()),
            Command::Reconnect(name) => {
                for name in self.named(name.as_deref())? {
                    self.traffic().reconnect(&name)?;
                }
                Ok(Reply::Done("RECONNECT"))
            }
            Command::Kill(name) => {
                for name in self.named(name.as_deref())? {
                    self.traffic().kill(&name)?;
                }
                Ok(Reply::Done("KILL"))
            }
            Command::KillClient(id) => self.kill_client(*id).await,
            Command::Disable(name) => {
                self.traffic().disable(name, true)?;
                Ok(Reply::Done("DISABLE"))
            }
            Command::Enable(name) => {
                self.traffic().disable(name, false)?;
                Ok(Reply::Done("ENABLE"))
            }
            Command::WaitClose(name) => self.wait_close(name.as_deref()).await,
            Command::Reload => self.reload().await,
            Command::Shutdown(how) => self.shutdown(*how),
        }
    }

    async fn show(&mut self, what: Show) -> Result<Reply, Failed> {
        let shared = self.shared().clone();
        let all = overview(&shared);
        let detail = match what {
            Show::Clients | Show::Servers | Show::Users | Show::Lists => {
                let detail = detail(&shared, PATIENCE).await;
                if !detail.silent.is_empty() {
                    let text = format!("worker {:?} did not answer in time", detail.silent);
                    self.notice(
                        &text,
                        "its clients and server connections are missing below",
                    )
                    .await?;
                }
                detail
            }
            _ => crate::snapshot::Detail::default(),
        };
        Ok(Reply::Table(match what {
            Show::Clients => sockets::clients(&all, &detail),
            Show::Servers => sockets::servers(&all, &detail),
            Show::Users => show::users(&all, &detail),
            Show::Lists => show::lists(&all, &detail),
            Show::Config => config::config(&shared.state.load_full()),
            Show::Credentials => show::credentials(&all),
            Show::Databases => show::databases(&all),
            Show::Mem => show::mem(&all, process::read().map(|own| own.resident)),
            Show::Pools => show::pools(&all),
            Show::State => show::state(&all),
            Show::Stats => show::stats(&all, Figures::Both),
            Show::StatsAverages => show::stats(&all, Figures::Averages),
            Show::StatsTotals => show::stats(&all, Figures::Totals),
            Show::Totals => show::totals(&all),
            Show::Version => show::version(),
            Show::Help => {
                self.notice("Console usage", HELP).await?;
                return Ok(Reply::Done("SHOW"));
            }
        }))
    }

    /// The database of this name, or all.
    fn named(&self, name: Option<&str>) -> Result<Vec<String>, Failed> {
        let traffic = self.traffic();
        match name {
            Some(name) => {
                traffic.is_paused(name)?;
                Ok(vec![name.to_owned()])
            }
            None => Ok(traffic.databases()),
        }
    }

    async fn pause(&mut self, name: Option<&str>) -> Result<Reply, Failed> {
        let traffic = self.traffic();
        let names = self.named(name)?;
        let mut paused = Vec::new();
        for name in &names {
            if !traffic.is_paused(name)? {
                paused.push(name.clone());
            }
        }
        if name.is_none() && paused.is_empty() && !names.is_empty() {
            return Err(Problem::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "already suspended/paused",
            )
            .hint("RESUME lets clients go on")
            .into());
        }
        for name in &names {
            traffic.pause(name)?;
        }
        let remaining = || names.iter().map(|name| traffic.open(Some(name))).sum();
        match self.wait_for("PAUSE", remaining).await? {
            Waited::Done => match traffic.unproven(&names).as_slice() {
                [] => Ok(Reply::Done("PAUSE")),
                unproven => Err(not_proven(unproven).into()),
            },
            Waited::Cancelled => {
                for name in &paused {
                    traffic.resume(name)?;
                }
                Err(Problem::new(
                    sqlstate::QUERY_CANCELED,
                    "canceling PAUSE due to user request",
                )
                .detail("clients go on")
                .into())
            }
            Waited::TooLong(remaining) => Err(still_open("PAUSE", remaining).into()),
        }
    }

    fn resume(&self, name: Option<&str>) -> Result<Reply, Failed> {
        let traffic = self.traffic();
        let mut resumed = 0;
        for name in self.named(name)? {
            if traffic.is_paused(&name)? {
                traffic.resume(&name)?;
                resumed += 1;
            }
        }
        match (resumed, name) {
            (0, Some(name)) => Err(Problem::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("database {name} is not paused"),
            )
            .into()),
            (0, None) => Err(Problem::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "pooler is not paused/suspended",
            )
            .into()),
            _ => Ok(Reply::Done("RESUME")),
        }
    }

    async fn wait_close(&mut self, name: Option<&str>) -> Result<Reply, Failed> {
        let names = self.named(name)?;
        let shared = self.shared().clone();
        let deadline = Instant::now() + WAIT_LIMIT;
        loop {
            let servers = detail(&shared, PATIENCE).await.servers;
            let old = servers.iter().filter(|server| {
                server.close_needed && names.iter().any(|name| **name == *server.database)
            });
            let remaining = old.count();
            if remaining == 0 {
                return Ok(Reply::Done("WAIT_CLOSE"));
            }
            if Instant::now() >= deadline {
                return Err(still_open("WAIT_CLOSE", remaining).into());
            }
            if self.pass_time(GLANCE * 10).await? {
                return Err(Problem::new(
                    sqlstate::QUERY_CANCELED,
                    "canceling WAIT_CLOSE due to user request",
                )
                .into());
            }
        }
    }

    /// Waits until nothing remains, telling the administrator every few seconds what does.
    async fn wait_for(
        &mut self,
        command: &str,
        remaining: impl Fn() -> usize,
    ) -> Result<Waited, Failed> {
        let start = Instant::now();
        let mut told = start;
        loop {
            let left = remaining();
            let now = Instant::now();
            if left == 0 {
                return Ok(Waited::Done);
            }
            if now - start >= WAIT_LIMIT {
                return Ok(Waited::TooLong(left));
            }
            if now - told >= PROGRESS {
                told = now;
                let what = if left == 1 {
                    "connection"
                } else {
                    "connections"
                };
                let text = format!("{command} waits for {left} server {what}");
                self.notice(&text, "SHOW SERVERS tells who has them; in session mode clients have to disconnect; Ctrl-C gives up")
                    .await?;
            }
            if self.pass_time(GLANCE).await? {
                return Ok(Waited::Cancelled);
            }
        }
    }

    /// Lets time pass; `true` when the administrator cancels. Notices when the administrator goes.
    async fn pass_time(&mut self, time: Duration) -> Result<bool, Failed> {
        let client = self.client.clone();
        let pause = async {
            tokio::select! {
                () = sleep(time) => Ok(()),
                more = self.talk.more(), if self.talk.inbox.len() < super::MAX_MESSAGE => more,
            }
        };
        match unless_ordered(&client, pause).await {
            Ok(Ok(())) => Ok(client.takes_cancel()),
            Ok(Err(_)) => Err(Failed::Over(None)),
            Err(order) => Err(Failed::Over(Some(order))),
        }
    }

    async fn kill_client(&self, id: u32) -> Result<Reply, Failed> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.shared().run_on(worker_of(id), move |worker| {
            let _ = sender.send(worker.clients.kill(id));
        });
        match tokio::time::timeout(PATIENCE, receiver).await {
            Ok(Ok(true)) => Ok(Reply::Done("KILL_CLIENT")),
            _ => Err(Problem::new(sqlstate::UNDEFINED_OBJECT, "client not found")
                .hint("SHOW CLIENTS lists the clients, with their ids in the last column")
                .into()),
        }
    }

    async fn reload(&self) -> Result<Reply, Failed> {
        let hooks = self.shared().hooks.load_full();
        let Some(reload) = hooks.and_then(|hooks| hooks.reload.clone()) else {
            return Err(unsupported("RELOAD").into());
        };
        // It reads files.
        let outcome = tokio::task::spawn_blocking(move || reload()).await;
        match outcome {
            Ok(Ok(())) => Ok(Reply::Done("RELOAD")),
            Ok(Err(reason)) => Err(Problem::new(
                sqlstate::CONFIG_FILE_ERROR,
                "RELOAD failed: the configuration so far stays in effect",
            )
            .detail(reason)
            .into()),
            Err(error) => Err(Problem::new(sqlstate::INTERNAL_ERROR, error.to_string()).into()),
        }
    }

    fn shutdown(&self, how: Shutdown) -> Result<Reply, Failed> {
        let hooks = self.shared().hooks.load_full();
        let Some(shutdown) = hooks.and_then(|hooks| hooks.shutdown.clone()) else {
            return Err(unsupported("SHUTDOWN").into());
        };
        shutdown(how);
        Ok(Reply::Done("SHUTDOWN"))
    }

    /// Says something at once, before the command is done.
    async fn notice(&mut self, message: &str, detail: &str) -> Result<(), Failed> {
        ErrorFields::new(
            pgmoor_wire::backend::Severity::Notice,
            sqlstate::SUCCESSFUL_COMPLETION,
            message,
        )
        .detail(detail)
        .write_notice(&mut self.out);
        self.flush().await
    }

    /// Sends what was written.
    pub(super) async fn flush(&mut self) -> Result<(), Failed> {
        let out = std::mem::take(&mut self.out);
        let client = Rc::clone(&self.client);
        match unless_ordered(&client, self.talk.say(&out)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Failed::Over(None)),
            Err(order) => Err(Failed::Over(Some(order))),
        }
    }
}

enum Waited {
    Done,
    Cancelled,
    TooLong(usize),
}

fn still_open(command: &str, remaining: usize) -> Problem {
    Problem::new(
        sqlstate::OBJECT_IN_USE,
        format!(
            "{command}: {remaining} server connections are still in use after {} min",
            WAIT_LIMIT.as_secs() / 60
        ),
    )
    .hint("SHOW SERVERS tells who has them; KILL ends them; RESUME lets clients go on")
}

fn not_proven(unproven: &[Unproven]) -> Problem {
    let processes: Vec<String> = unproven
        .iter()
        .map(|one| match one.pid {
            Some(pid) => format!("{pid} at {}", one.endpoint),
            None => format!("one at {}", one.endpoint),
        })
        .collect();
    Problem::new(
        sqlstate::OBJECT_IN_USE,
        "PAUSE: not all server processes of clients that have gone were seen to end",
    )
    .detail(format!("they may still be at work: {}", processes.join(", ")))
    .hint("the database stays paused; look for them in pg_stat_activity, or end them with pg_terminate_backend; RESUME forgets them")
}

fn unsupported(command: &str) -> Problem {
    Problem::new(
        sqlstate::FEATURE_NOT_SUPPORTED,
        format!("{command} is not possible here"),
    )
    .hint("the program that this gateway runs in does not offer it")
}

fn parameter(name: &'static str, value: &'static str) -> Table {
    // Libraries look at the first column, whatever its name.
    let _ = name;
    let mut table = Table::new(super::SETTING);
    table.push([value.into()]);
    table
}

const HELP: &str = "
\tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION
\tSHOW LISTS|MEM|STATE
\tSHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS
\tRELOAD
\tPAUSE [<db>]
\tRESUME [<db>]
\tDISABLE <db>
\tENABLE <db>
\tRECONNECT [<db>]
\tKILL [<db>]
\tKILL_CLIENT <client_id>
\tSHUTDOWN
\tSHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS
\tWAIT_CLOSE [<db>]";
