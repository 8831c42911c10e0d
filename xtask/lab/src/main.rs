//! The tasks that need servers, certificates and a client of their own: `cargo x dev`,
//! `cargo x bench` and `cargo x torture`. They are apart from `xtask`, which must compile in seconds.

mod address;
mod figures;
mod procfs;

mod process;
mod session;
mod world;

mod gates;

mod bench;
mod dev;
mod torture;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo x", bin_name = "cargo x")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start a private PostgreSQL behind the gateway, with TLS, and print a psql line
    Dev(dev::Options),
    /// Measure
    #[command(subcommand)]
    Bench(bench::Benchmark),
    /// Torture the gateway by many clients, and judge each answer
    Torture(torture::Options),
}

fn main() -> ExitCode {
    let ended = match Cli::parse().task {
        Task::Dev(options) => dev::run(&options),
        Task::Bench(benchmark) => bench::run(&benchmark),
        Task::Torture(options) => torture::run(&options),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            anstream::eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
