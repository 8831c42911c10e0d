//! Arguments of `pgmoor schema`.

use std::num::NonZeroU32;

use clap::{Args, Subcommand};

use super::TEMPLATE;

/// What to do with migrations.
#[derive(Debug, Subcommand)]
pub(crate) enum Schema {
    /// Apply the migrations that are pending
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor schema up\n  pgmoor schema up --to 7\n  pgmoor schema up --dry-run > pending.sql\n")]
    Up(SchemaUp),
    /// Undo the last migrations
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor schema down\n  pgmoor schema down --to 7 --yes\n")]
    Down(SchemaDown),
    /// Show which migrations are applied and which are pending
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor schema status\n  pgmoor schema status --strict -o json\n")]
    Status {
        /// The database [default: the only one with migrations, else app]
        #[arg(long, short, value_name = "NAME")]
        database: Option<String>,
        /// End with 1 also when migrations are pending
        #[arg(long)]
        strict: bool,
    },
    /// Make the files of a new migration
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor schema new create_users\n")]
    New {
        /// What the migration does, in a word or two
        name: String,
        /// The database [default: the only one with migrations, else app]
        #[arg(long, short, value_name = "NAME")]
        database: Option<String>,
    },
    /// Say that a migration is applied, or is not, without running it
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor schema resolve 7 --as applied\n")]
    Resolve(Resolve),
}

/// Arguments of `schema up`.
#[derive(Debug, Args)]
pub(crate) struct SchemaUp {
    /// The database [default: the only one with migrations, else app]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// The last version to apply [default: all]
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<i64>,
    /// Print the statements and run nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `schema down`.
#[derive(Debug, Args)]
pub(crate) struct SchemaDown {
    /// The database [default: the only one with migrations, else app]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// The version that stays the last one; 0 undoes all
    #[arg(long, value_name = "VERSION", conflicts_with = "steps")]
    pub(crate) to: Option<i64>,
    /// How many to undo
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub(crate) steps: NonZeroU32,
    /// Do it without being asked
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Arguments of `schema resolve`.
#[derive(Debug, Args)]
pub(crate) struct Resolve {
    /// The version
    pub(crate) version: i64,
    /// What it counts as from now on: applied or pending
    #[arg(long = "as", value_name = "STATE", value_enum)]
    pub(crate) resolution: Resolution,
    /// The database [default: the only one with migrations, else app]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Do it without being asked
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What a migration counts as.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Resolution {
    /// What it does is there
    Applied,
    /// Nothing of it is there
    Pending,
}

impl Resolution {
    /// As it is typed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
        }
    }
}
