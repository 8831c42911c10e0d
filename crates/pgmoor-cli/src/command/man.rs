//! `pgmoor man`.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use pgmoor::settings::plain;

use crate::args::Cli;
use crate::exit::Exit;
use crate::output::{Failure, Output};

/// Prints the main page, or writes all pages.
pub(super) fn run(directory: Option<&Path>, output: Output) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Usage, "cannot write the man pages").cause(plain(&error))
    };
    match directory {
        Some(directory) => {
            fs::create_dir_all(directory).map_err(failed)?;
            clap_mangen::generate_to(Cli::command(), directory).map_err(failed)?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map_err(failed)?;
            output.data(&String::from_utf8_lossy(&page));
        }
    }
    Ok(Exit::Ok)
}
