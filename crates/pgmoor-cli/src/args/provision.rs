//! Arguments of `pgmoor provision`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::TEMPLATE;

/// What to do with what a database's application needs.
#[derive(Debug, Subcommand)]
pub(crate) enum Provision {
    /// Show what is there, what will be made, and what takes it back; change nothing
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor provision plan --by admin\n  pgmoor provision plan --by admin --detailed-exitcode -o json\n")]
    Plan {
        /// What is provisioned.
        #[command(flatten)]
        what: Provisioned,
        /// End with 2 where there is something to do
        #[arg(long)]
        detailed_exitcode: bool,
    },
    /// Make what is missing, as the plan says
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor provision apply --by admin --password-file app.password\n  pgmoor provision apply --by admin --plan 1f00d5c0ffee0001 --yes\n")]
    Apply {
        /// What is provisioned.
        #[command(flatten)]
        what: Provisioned,
        /// The plan that was agreed on, by its name; another one is refused
        #[arg(long, value_name = "PLAN")]
        plan: Option<String>,
        /// Where a password that is made up is written to; the file must not exist
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// The same as the manifest of a Kubernetes Secret
        #[arg(long, value_name = "FILE", conflicts_with = "password_file")]
        secret_manifest: Option<PathBuf>,
        /// The same for the login that runs the migrations (schema.endpoint)
        #[arg(long, value_name = "FILE")]
        migrations_password_file: Option<PathBuf>,
        /// The same for the login that runs the migrations (schema.endpoint)
        #[arg(long, value_name = "FILE", conflicts_with = "migrations_password_file")]
        migrations_secret_manifest: Option<PathBuf>,
        /// Where the journal is kept [default: provision-TIME.jsonl in gateway.state_dir]
        #[arg(long, value_name = "FILE")]
        journal: Option<PathBuf>,
        /// Do it without being asked
        #[arg(long)]
        yes: bool,
    },
    /// Print a script for psql with the same meaning, for somebody else to read and run
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor provision sql --by admin > provision.sql\n")]
    Sql {
        /// What is provisioned.
        #[command(flatten)]
        what: Provisioned,
    },
}

/// What is provisioned, and by which login.
#[derive(Debug, Args)]
pub(crate) struct Provisioned {
    /// The database [default: app, else the only one]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// The endpoint whose login makes it, by its name in the configuration
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) by: String,
    /// How many connections the role may have [default: as it is]
    #[arg(long, value_name = "COUNT")]
    pub(crate) connection_limit: Option<u32>,
    /// Make what belongs to this role in these databases the owner's; may be repeated
    #[arg(long, value_name = "ROLE")]
    pub(crate) take_over: Vec<String>,
    /// Give the application's role a new password, although it is there and has one
    #[arg(long)]
    pub(crate) reset_password: bool,
    /// The Entra object that the application's role is for, by its id [default: the one of the role's name]
    #[arg(long, value_name = "ID")]
    pub(crate) entra_object: Option<String>,
    /// What that object is: user, group, or service, which managed identities are too
    #[arg(long, value_name = "KIND", default_value = "service", value_parser = ["user", "group", "service"], requires = "entra_object", hide_possible_values = true)]
    pub(crate) entra_kind: String,
}
