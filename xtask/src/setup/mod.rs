//! Installs what is missing on this machine, through the system's package manager. Starts no
//! service and takes no port: the tests and `pgmoor up` start servers of their own.

mod needs;
mod packages;

use std::process::Command;

use needs::{NEEDS, Need};
use packages::{Machine, Manager};
use xtask::failure::Failure;
use xtask::{host, shell};

pub(crate) use needs::Purpose;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What the machine shall be able to do
    #[arg(value_enum, default_value_t = Purpose::Bench)]
    purpose: Purpose,
    /// Show what is missing and what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let missing: Vec<&Need> = NEEDS
        .iter()
        .filter(|need| need.purpose <= options.purpose && !(need.is_met)())
        .collect();
    if missing.is_empty() {
        anstream::eprintln!("setup: nothing is missing");
        return Ok(());
    }
    for need in &missing {
        anstream::eprintln!("setup: {} is missing: {}", need.name, need.why);
    }

    let manager = Manager::of_this_machine().ok_or_else(|| unknown_manager(&missing))?;
    let prefix = rights(manager)?;
    for step in packages::plan(manager, &Machine::look(), &missing) {
        let words: Vec<&str> = prefix.iter().copied().chain(step.words()).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        if options.dry_run {
            anstream::println!("{}", shell::display(&command));
        } else {
            shell::run(&mut command)?;
        }
    }
    if options.dry_run {
        return Ok(());
    }
    verify(&missing)
}

/// What stands before each command: nothing for root and for Homebrew, else sudo.
fn rights(manager: Manager) -> Result<&'static [&'static str], Failure> {
    match manager {
        Manager::Brew => Ok(&[]),
        Manager::Apt if host::is_root() => Ok(&[]),
        Manager::Apt if host::has("sudo") => Ok(&["sudo"]),
        Manager::Apt => Err(Failure::new("cannot install packages")
            .because("this user is not root, and there is no sudo")
            .hint(
                "as root: cargo x setup; or --dry-run, to see the commands for an administrator",
            )),
    }
}

fn unknown_manager(missing: &[&Need]) -> Failure {
    let names: Vec<&str> = missing.iter().map(|need| need.name).collect();
    Failure::new(format!("cannot install {}", names.join(", ")))
        .because("there is neither apt-get nor brew on the search path")
        .hint("install them by hand; PGMOOR_PG_BIN may name the directory of PostgreSQL's programs")
}

fn verify(installed: &[&Need]) -> Result<(), Failure> {
    let still: Vec<&str> = installed
        .iter()
        .filter(|need| !(need.is_met)())
        .map(|need| need.name)
        .collect();
    if still.is_empty() {
        return Ok(());
    }
    Err(
        Failure::new(format!("{} cannot be found", still.join(", ")))
            .because(
                "the package manager ended well, but the programs are in none of the usual places",
            )
            .hint("put them on the search path, or set PGMOOR_PG_BIN for PostgreSQL"),
    )
}
