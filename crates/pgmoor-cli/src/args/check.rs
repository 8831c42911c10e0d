//! The arguments of `pgmoor check`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use pgmoor_ops::check::{Layer, registry};

use super::duration;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Look at this address, without any configuration: a connection string, file:PATH or env:NAME to
    /// keep its password out of the arguments, or - for standard input
    #[arg(long, value_name = "URL", conflicts_with = "databases")]
    pub(crate) url: Option<String>,
    /// The application it is for: backstage, coder, langsmith, prisme, generic, or one of "systems"
    #[arg(long, value_name = "NAME")]
    pub(crate) system: Option<String>,
    /// Only this database of the configuration; may be repeated
    #[arg(long = "database", short, value_name = "NAME")]
    pub(crate) databases: Vec<String>,
    /// What it is to be fit for besides: move, to have its data moved away while it is used
    #[arg(
        long = "for",
        value_name = "WHAT",
        value_enum,
        hide_possible_values = true
    )]
    pub(crate) purpose: Option<Purpose>,
    /// Where its data would be moved to: an endpoint of the configuration, or with --url an address in the same
    /// forms; --for move
    #[arg(long, value_name = "ENDPOINT", requires = "purpose")]
    pub(crate) to: Option<String>,
    /// How many processes of the application there will be [default: as the system has it]
    #[arg(long, value_name = "N")]
    pub(crate) replicas: Option<u32>,
    /// How many connections each of them opens at most [default: as the system has it]
    #[arg(long, value_name = "N")]
    pub(crate) connections: Option<u32>,
    /// Only these checks, by their ids
    #[arg(long, value_name = "ID,…", value_delimiter = ',', value_parser = check_id)]
    pub(crate) only: Vec<&'static str>,
    /// Not these checks
    #[arg(long, value_name = "ID,…", value_delimiter = ',', value_parser = check_id)]
    pub(crate) skip: Vec<&'static str>,
    /// Only checks of these layers: configuration, network, tls, login, latency, server, rights,
    /// extensions, capacity, application, move
    #[arg(long = "category", value_name = "LAYER,…", value_delimiter = ',', value_parser = layer)]
    pub(crate) layers: Vec<Layer>,
    /// End with code 1 also for warnings
    #[arg(long)]
    pub(crate) strict: bool,
    /// How long one step over the network may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Look again until every database lets us in, at most so long
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) wait: Option<Duration>,
    /// Look every so often, and show what changes, until interrupted
    #[arg(long, value_name = "EVERY", num_args = 0..=1, require_equals = true, default_missing_value = "5s", value_parser = duration)]
    pub(crate) watch: Option<Duration>,
    /// Write the report to a file too, for whoever helps: .html, .json, else text; there is no secret in it
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Print every check with its reason, and look at nothing
    #[arg(long)]
    pub(crate) list: bool,
}

/// What a database is to be fit for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// Having its data moved away.
    Move,
}

/// An id of the registry.
pub(crate) fn check_id(text: &str) -> Result<&'static str, String> {
    if let Some(check) = registry::find(text) {
        return Ok(check.id);
    }
    let near = pgmoor::settings::nearest(text, registry::all().map(|check| check.id));
    Err(match near {
        Some(near) => format!("there is no such check; did you mean {near}?"),
        None => "there is no such check; pgmoor check --list prints them".to_owned(),
    })
}

fn layer(text: &str) -> Result<Layer, String> {
    let known = || Layer::ALL.into_iter();
    let found = known().find(|layer| layer.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let names: Vec<&str> = known().map(Layer::as_str).collect();
        format!("there is no such layer; they are {}", names.join(", "))
    })
}
