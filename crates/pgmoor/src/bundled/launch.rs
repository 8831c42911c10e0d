//! From settings to a lease on a running server: joins the keeper that is there, or starts one.

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};

use super::account::{Account, name_of};
use super::child;
use super::cluster;
use super::conf;
use super::discover::discover;
use super::error::BundledError;
use super::installation::Installation;
use super::layout::{Layout, SOCKET_PORT, open_log};
use super::memory::Memory;
use super::progress::Progress;
use super::protocol::{Hello, Plan, Report, Request, ServerState, Work, receive, send};
use super::roles;
use super::settings::BundledSettings;

const LOCK_POLL: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_hours(24 * 365);

/// A connection to the keeper.
pub(crate) struct Control {
    pub(crate) from: BufReader<OwnedReadHalf>,
    pub(crate) to: OwnedWriteHalf,
}

impl Control {
    fn new(stream: UnixStream) -> Self {
        let (from, to) = stream.into_split();
        Self {
            from: BufReader::new(from),
            to,
        }
    }

    /// Connects to a running keeper; `None` when there is none.
    pub(crate) async fn connect(layout: &Layout, request: &Request) -> Option<Self> {
        let mut control = Self::new(UnixStream::connect(layout.keeper_socket()).await.ok()?);
        send(&mut control.to, request).await.ok()?;
        Some(control)
    }

    /// The keeper's next word; `None` when it has ended.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        receive(&mut self.from).await.ok().flatten()
    }
}

/// A running server, held up by a connection to its keeper.
pub(crate) struct Opened {
    pub(crate) control: Control,
    pub(crate) hello: Hello,
    pub(crate) pid: u32,
}

/// How a keeper received us.
enum Outcome {
    Ready(Hello, u32),
    /// It was already on its way out.
    Leaving,
    Stopped {
        reason: String,
        log: Vec<String>,
    },
    /// It ended without a word.
    Silent,
}

/// Starts or joins the server; its application role and database are there when this returns.
pub(crate) async fn open(
    settings: &BundledSettings,
    progress: &mut impl FnMut(Progress),
) -> Result<Opened, BundledError> {
    let layout = Layout::of(&settings.data_dir)?;
    let account = Account::choose(settings.os_user.as_deref(), &layout.data_dir)?;
    layout.prepare(&settings.state_dir, &account)?;
    // The parent directory may just have been made, and be a link somewhere.
    let layout = Layout::of(&settings.data_dir)?;
    let _lock = lock(&layout, settings.start_timeout, progress).await?;

    let opened = match join(&layout, progress).await? {
        Some(opened) => opened,
        None => launch(settings, &layout, &account, progress).await?,
    };
    progress(Progress::PreparingRoles);
    let password = roles::password(&roles::password_file(&settings.state_dir, &settings.role))?;
    let Hello {
        socket_dir, port, ..
    } = &opened.hello;
    for database in std::iter::once(&settings.database).chain(&settings.other_databases) {
        roles::ensure(socket_dir, *port, &settings.role, database, &password).await?;
    }
    progress(Progress::Ready { pid: opened.pid });
    Ok(opened)
}

/// One start at a time; the lock goes with its process.
async fn lock(
    layout: &Layout,
    patience: Duration,
    progress: &mut impl FnMut(Progress),
) -> Result<File, BundledError> {
    let dir = File::open(&layout.run_dir).map_err(BundledError::file("open", &layout.run_dir))?;
    let started = Instant::now();
    let mut told = false;
    while let Err(error) = dir.try_lock() {
        if let std::fs::TryLockError::Error(error) = error {
            return Err(BundledError::file("lock", &layout.run_dir)(error));
        }
        if started.elapsed() > patience {
            let what = format!(
                "another start of \"{}\" does not end",
                layout.data_dir.display()
            );
            return Err(BundledError::Timeout {
                what,
                seconds: patience.as_secs(),
            });
        }
        if !std::mem::replace(&mut told, true) {
            progress(Progress::WaitingForOtherStart);
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
    Ok(dir)
}

async fn join(
    layout: &Layout,
    progress: &mut impl FnMut(Progress),
) -> Result<Option<Opened>, BundledError> {
    let Some(mut control) = Control::connect(layout, &Request::Lease).await else {
        return Ok(None);
    };
    progress(Progress::Joining);
    match wait_ready(&mut control, progress).await {
        Outcome::Ready(hello, pid) => Ok(Some(Opened {
            control,
            hello,
            pid,
        })),
        // The new keeper waits for the end of this one.
        Outcome::Leaving | Outcome::Silent | Outcome::Stopped { .. } => Ok(None),
    }
}

async fn launch(
    settings: &BundledSettings,
    layout: &Layout,
    account: &Account,
    progress: &mut impl FnMut(Progress),
) -> Result<Opened, BundledError> {
    let server = find_or_create(settings, layout, account, progress).await?;
    progress(Progress::Starting);
    let (mut child, mut control) = start_keeper(settings, layout, account, &server).await?;
    let failed = |problem| BundledError::Keeper {
        data_dir: layout.data_dir.clone(),
        problem,
    };
    match wait_ready(&mut control, progress).await {
        // The child is reaped by the runtime when it ends.
        Outcome::Ready(hello, pid) => Ok(Opened {
            control,
            hello,
            pid,
        }),
        Outcome::Stopped { reason, log } => Err(BundledError::Server {
            data_dir: layout.data_dir.clone(),
            reason,
            log,
        }),
        Outcome::Leaving => Err(failed("it was asked to end while it started".to_owned())),
        Outcome::Silent => {
            drop(control);
            let status = child
                .wait()
                .await
                .map_or_else(|e| e.to_string(), |s| s.to_string());
            Err(failed(format!("it ended before it answered ({status})")))
        }
    }
}

async fn find_or_create(
    settings: &BundledSettings,
    layout: &Layout,
    account: &Account,
    progress: &mut impl FnMut(Progress),
) -> Result<Installation, BundledError> {
    let data_dir = &layout.data_dir;
    cluster::remove_unfinished(layout);
    let major = cluster::major_version(data_dir)?;
    if major.is_some() {
        cluster::take(data_dir, account)?;
    }
    let found = discover(settings).await?;
    let Some(server) = found.best(major) else {
        let found_major = major.unwrap_or_default();
        let (data_dir, available) = (data_dir.clone(), found.installations);
        return Err(BundledError::OtherMajor {
            data_dir,
            found: found_major,
            available,
        });
    };
    progress(Progress::Found(server.clone()));
    if major.is_none() {
        progress(Progress::Creating);
        cluster::create(layout, account, server, &settings.keeper).await?;
    }
    Ok(server.clone())
}

async fn start_keeper(
    settings: &BundledSettings,
    layout: &Layout,
    account: &Account,
    server: &Installation,
) -> Result<(Child, Control), BundledError> {
    let program = &settings.keeper.program;
    let failed = |source| BundledError::Program {
        program: program.clone(),
        source,
    };
    let log = open_log(&layout.run_dir.join("keeper.log"), account)?;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    let mut command = Command::new(program);
    child::clean(&mut command);
    account.apply(&mut command);
    // What a list of processes shows.
    command.arg0("pgmoor");
    command
        .args(&settings.keeper.args)
        .current_dir("/")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::from(log));
    let child = command.spawn().map_err(failed)?;
    // Until it is dropped, the command holds the other end open in this process.
    drop(command);
    let mut control = Control::new(UnixStream::from_std(ours).map_err(failed)?);
    let work = Work::Keep(Box::new(plan(settings, layout, account, server)));
    // A keeper that ended before it read shows by its silence.
    let _ = send(&mut control.to, &work).await;
    Ok((child, control))
}

fn plan(
    settings: &BundledSettings,
    layout: &Layout,
    account: &Account,
    server: &Installation,
) -> Plan {
    // "No limit" is a limit too, so that nothing overflows.
    let millis = |time: Duration| u64::try_from(time.min(LONG).as_millis()).unwrap_or(u64::MAX);
    let os_user = name_of(account.uid);
    Plan {
        data_dir: layout.data_dir.clone(),
        bin_dir: server.bin_dir.clone(),
        run_dir: layout.run_dir.clone(),
        socket_dir: layout.socket_dir.clone(),
        port: settings.port.unwrap_or(SOCKET_PORT),
        tcp: settings.port.is_some(),
        files: vec![
            (
                conf::CONF.to_owned(),
                conf::conf(settings.max_connections, Memory::of_this_machine()),
            ),
            (conf::HBA.to_owned(), conf::hba()),
            (conf::IDENT.to_owned(), conf::ident(&os_user)),
        ],
        linger_ms: millis(settings.linger),
        stop_timeout_ms: millis(settings.stop_timeout),
        command: settings.keeper.clone(),
    }
}

async fn wait_ready(control: &mut Control, progress: &mut impl FnMut(Progress)) -> Outcome {
    let mut hello = None;
    while let Some(report) = control.next().await {
        match report {
            Report::Hello(word) => hello = Some(word),
            Report::State(ServerState::Ready { pid }) => {
                if let Some(hello) = hello.take() {
                    return Outcome::Ready(hello, pid);
                }
            }
            Report::State(ServerState::Stopped { reason, log }) => {
                return Outcome::Stopped { reason, log };
            }
            Report::State(ServerState::Stopping) => return Outcome::Leaving,
            Report::State(ServerState::Recovering { reason, .. }) => {
                progress(Progress::Recovering { reason });
            }
            Report::State(ServerState::Starting) | Report::Kept { .. } => {}
        }
    }
    Outcome::Silent
}
