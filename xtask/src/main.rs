//! The tasks behind `cargo x`: set-up, checks, tests and documents of this repository.
//!
//! It compiles in seconds, so that it can set up a new machine. What needs certificates, servers
//! and a client of its own (`dev`, `bench`, `torture`) is in the package `lab`, which it calls.

mod stages;

mod docs;
mod drivers;
mod fuzz;
mod lab;
mod setup;
mod tidy;

mod check;
mod suite;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use drivers::{CHART, DRIVERS, SUITES};
use xtask::failure::Failure;

/// The project's own tasks.
#[derive(Parser)]
#[command(name = "cargo x", bin_name = "cargo x")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing on this machine, through the system's package manager
    Setup(setup::Options),
    /// Start a private PostgreSQL behind the gateway, with TLS, and print a psql line
    Dev {
        /// Options of `lab dev`; see `cargo x dev -- --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// Formatting, lints, documentation and tidy: what must hold before each commit
    Check,
    /// The whole suite: check, then every test, then the real drivers
    Test(suite::Options),
    /// The real drivers through the gateway; without a name, all of them
    E2e {
        /// Drivers, and other options of tests/drivers/run
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// Other people's test suites through the gateway, compared with what they give directly
    Suites {
        /// Suites, and other options of tests/suites/run
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// The Helm chart, the image's parts, Compose and systemd, without a cluster
    Chart {
        /// Parts, and other options of tests/chart/run
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// Write the generated reference pages
    Docs {
        /// Change nothing; fail when a page is stale
        #[arg(long)]
        check: bool,
    },
    /// Fuzz each target, or the ones named, for some time
    Fuzz(fuzz::Options),
    /// Benchmarks: `cargo x bench gateway`
    Bench {
        /// Which benchmark, and its options; see `cargo x bench -- --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// Torture the gateway by many clients, while server and network misbehave; judge each answer
    Torture {
        /// Options of `lab torture`; see `cargo x torture -- --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// Report what grows untidy; fail when it is more than the ratchet allows
    Tidy(tidy::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            anstream::eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), Failure> {
    match task {
        Task::Setup(options) => setup::run(&options),
        Task::Dev { options } => lab::run("dev", &options),
        Task::Check => check::run(),
        Task::Test(options) => suite::run(&options),
        Task::E2e { options } => drivers::run(DRIVERS, &options).map(drop),
        Task::Suites { options } => drivers::run(SUITES, &options).map(drop),
        Task::Chart { options } => drivers::run(CHART, &options).map(drop),
        Task::Docs { check } => docs::run(check),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Bench { options } => lab::run("bench", &options),
        Task::Torture { options } => lab::run("torture", &options),
        Task::Tidy(options) => tidy::run(&options),
    }
}
