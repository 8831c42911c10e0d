//! The tasks that need servers, certificates and a client of their own: `cargo x dev` and
//! `cargo x bench`. They are apart from `xtask`, which must compile in seconds.

mod address;
mod figures;
mod procfs;

mod process;
mod session;
mod world;

mod gates;

mod bench;
mod dev;

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
}

fn main() -> ExitCode {
    let ended = match Cli::parse().task {
        Task::Dev(options) => dev::run(&options),
        Task::Bench(benchmark) => bench::run(&benchmark),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            anstream::eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
