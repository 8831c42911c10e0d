//! `cargo x torture`: many clients on few server connections, each of which knows what it must be
//! told, while server and network misbehave. What clients do is in `pgmoor_testkit::torture`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use pgmoor_testkit::Postgres;
use pgmoor_testkit::torture::{
    Door, FAULTS, PoolMode, Report, Site, SitePlan, Torture, Witness, fault, superuser, torture,
};
use serde_json::json;
use xtask::failure::{Context, Failure};
use xtask::{host, repository};

use crate::process::{Process, give_to_server, write_for_server};

/// How long a client waits for any answer.
const PATIENCE: Duration = Duration::from_secs(45);

#[derive(Args)]
pub(crate) struct Options {
    /// What makes the choices of the clients: seeds from this one on
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How long each run takes
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What befalls them: names of --faults, or all
    #[arg(long, value_delimiter = ',', default_value = "none")]
    fault: Vec<String>,
    /// Print the names of all faults, and torture nobody
    #[arg(long)]
    faults: bool,
    /// Seconds from the end of one blow to the next
    #[arg(long, default_value_t = 5.0)]
    pause: f64,
    /// The modes of the pool
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Mode::Session, Mode::Transaction])]
    modes: Vec<Mode>,
    /// How many clients
    #[arg(long, default_value_t = 60)]
    clients: u32,
    /// How many server connections
    #[arg(long, default_value_t = 10)]
    pool: u32,
    /// Who stands between the clients and the server; faults need pgmoor
    #[arg(long, value_enum, default_value_t = Through::Pgmoor)]
    through: Through,
    /// The program to torture, in place of the one that was built now
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Session,
    Transaction,
}

impl From<Mode> for PoolMode {
    fn from(mode: Mode) -> PoolMode {
        match mode {
            Mode::Session => PoolMode::Session,
            Mode::Transaction => PoolMode::Transaction,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Through {
    Pgmoor,
    /// To prove that a pooler can fail here
    Pgbouncer,
    /// To prove that a server does not
    Direct,
}

impl Through {
    fn name(self) -> &'static str {
        match self {
            Through::Pgmoor => "pgmoor",
            Through::Pgbouncer => "pgbouncer",
            Through::Direct => "direct",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// One run of the many.
struct Run<'a> {
    options: &'a Options,
    fault: &'a str,
    mode: PoolMode,
    seed: u64,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    if options.faults {
        for (name, what, _) in FAULTS {
            anstream::println!("{name:<16} {what}");
        }
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context(|| "cannot start a runtime".into())?;
    let mut reports = Vec::new();
    for fault in options.chosen_faults()? {
        for mode in &options.modes {
            for seed in options.seed..options.seed + options.seeds {
                let mode = (*mode).into();
                let run = Run {
                    options,
                    fault,
                    mode,
                    seed,
                };
                let report = runtime.block_on(run.start())?;
                anstream::eprint!("{report}");
                if !is_passed(&report) {
                    anstream::eprintln!("torture: to repeat it: {}", run.command());
                }
                reports.push(report);
            }
        }
    }
    conclude(options, &reports)
}

fn is_passed(report: &Report) -> bool {
    report.is_good() && report.is_quick()
}

fn conclude(options: &Options, reports: &[Report]) -> Result<(), Failure> {
    match options.output {
        Output::Text => {
            anstream::println!("{}", Report::header());
            for report in reports {
                anstream::println!("{}", report.line());
            }
        }
        Output::Json => {
            let runs: Vec<_> = reports.iter().map(Report::json).collect();
            anstream::println!("{:#}", json!({ "version": 1, "runs": runs }));
        }
    }
    let failed = reports.iter().filter(|report| !is_passed(report)).count();
    match failed {
        0 => Ok(()),
        _ => Err(
            Failure::new(format!("{failed} of {} runs failed", reports.len()))
                .hint("each run above says how to repeat it"),
        ),
    }
}

impl Options {
    fn chosen_faults(&self) -> Result<Vec<&'static str>, Failure> {
        let known = FAULTS.iter().map(|(name, _, _)| *name);
        if self.fault.iter().any(|name| name == "all") {
            return Ok(known.collect());
        }
        let chosen = self.fault.iter().map(|name| {
            let found = known.clone().find(|known| known == name);
            found.ok_or_else(|| {
                Failure::new(format!("there is no fault \"{name}\""))
                    .hint("cargo x torture --faults lists them")
            })
        });
        let chosen: Vec<_> = chosen.collect::<Result<_, _>>()?;
        match self.through == Through::Pgmoor || chosen == ["none"] {
            true => Ok(chosen),
            false => Err(Failure::new("cannot strike").because("faults need --through pgmoor")),
        }
    }
}

impl Run<'_> {
    /// What repeats it.
    fn command(&self) -> String {
        let options = self.options;
        format!(
            "cargo x torture --through {} --seed {} --seconds {} --fault {} --pause {} --modes {} --clients {} --pool {}",
            self.options.through.name(),
            self.seed,
            options.seconds,
            self.fault,
            options.pause,
            self.mode.name(),
            options.clients,
            options.pool,
        )
    }

    async fn start(&self) -> Result<Report, Failure> {
        match self.options.through {
            Through::Pgmoor => Ok(self.through_pgmoor().await),
            Through::Direct => {
                let postgres = Postgres::start().await;
                let door = Door {
                    user: "app".into(),
                    password: postgres.app_password().into(),
                    ..superuser(&postgres)
                };
                Ok(self.at(vec![door], superuser(&postgres), None).await)
            }
            Through::Pgbouncer => {
                let postgres = Postgres::start().await;
                let dir = pgmoor_testkit::private_dir("torture");
                let (_process, door) = self.start_pgbouncer(&postgres, dir.path())?;
                Ok(self.at(vec![door], superuser(&postgres), None).await)
            }
        }
    }

    async fn through_pgmoor(&self) -> Report {
        let pause = Duration::from_secs_f64(self.options.pause);
        let fault = fault(self.fault, pause).expect("it was looked for before");
        let built = repository::target_dir().join("release/pgmoor");
        let plan = SitePlan {
            binary: self.options.binary.as_deref().unwrap_or(&built),
            mode: self.mode,
            size: self.options.pool,
            lines: fault.lines(),
        };
        let mut site = Site::start(&plan).await;
        let (gates, server) = (site.gates(), site.server());
        self.at(gates, server, Some((&mut site, fault))).await
    }

    /// Tortures, and prints how far it is.
    async fn at(
        &self,
        gates: Vec<Door>,
        server: Door,
        stricken: Option<(&mut Site, Box<dyn pgmoor_testkit::torture::Fault>)>,
    ) -> Report {
        let plan = Torture {
            gates,
            server,
            mode: self.mode,
            clients: self.options.clients,
            seed: self.seed,
            time: Duration::from_secs(self.options.seconds),
            patience: PATIENCE,
            fault: self.fault.to_owned(),
        };
        let witness = Arc::new(Witness::default());
        let begun = Instant::now();
        let progress = async {
            let mut ticks = tokio::time::interval(Duration::from_secs(10));
            ticks.tick().await;
            loop {
                ticks.tick().await;
                let figures = witness.figures();
                anstream::eprintln!(
                    "torture: {} {} seed {}, {} s: {} acts, {} sessions, {} wrong, {} leaked, {} hung, {} ended unexplained",
                    self.fault,
                    self.mode.name(),
                    self.seed,
                    begun.elapsed().as_secs(),
                    figures.acts,
                    figures.sessions,
                    figures.wrong,
                    figures.leaked,
                    figures.hung,
                    figures.unexcused,
                );
            }
        };
        tokio::select! {
            report = torture(&plan, &witness, stricken) => report,
            () = progress => unreachable!("progress is printed until the end"),
        }
    }

    fn start_pgbouncer(&self, postgres: &Postgres, dir: &Path) -> Result<(Process, Door), Failure> {
        let program = self
            .options
            .binary
            .clone()
            .or_else(|| host::find("pgbouncer"));
        let program = program.unwrap_or_else(|| "/usr/sbin/pgbouncer".into());
        let port = pgmoor_testkit::free_port();
        let password = postgres.app_password();
        give_to_server(dir)?;
        write_for_server(&dir.join("users.txt"), &format!("\"app\" \"{password}\"\n"))?;
        let config = dir.join("pgbouncer.ini");
        let (mode, size) = (self.mode.name(), self.options.pool);
        let text = format!(
            "[databases]\n\
             app = host=127.0.0.1 port={} dbname=app\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = scram-sha-256\n\
             auth_file = {}/users.txt\n\
             pool_mode = {mode}\n\
             default_pool_size = {size}\n\
             max_client_conn = 1000\n",
            postgres.port(),
            dir.display(),
        );
        write_for_server(&config, &text)?;
        let mut command = std::process::Command::new(program);
        command.arg("--quiet").arg(&config);
        let mut process = Process::start("PgBouncer", &mut command, &dir.join("log"))?;
        process.wait_until_ready(|| {
            std::net::TcpStream::connect(("127.0.0.1", port))
                .map(drop)
                .context(|| "nobody listens yet".into())
        })?;
        let door = Door {
            address: pgmoor_testkit::Address::local(port),
            tls: None,
            user: "app".into(),
            password: password.into(),
            database: "app".into(),
        };
        Ok((process, door))
    }
}
