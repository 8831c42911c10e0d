//! Arguments of `pgmoor move`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::TEMPLATE;

/// What to do with a move.
#[derive(Debug, Subcommand)]
pub(crate) enum Move {
    /// Show what a move would do, and what of it would get lost; change nothing
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor move plan --to primary\n")]
    Plan {
        /// What is moved where.
        #[command(flatten)]
        what: Moved,
        /// How rows are copied.
        #[command(flatten)]
        copy: Copying,
        /// Of a move whose clients wait while all is copied
        #[arg(long)]
        offline: bool,
    },
    /// Copy the database, follow, cut over: all of it, with one question before the cutover
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor move run --database app --to primary\n  pgmoor move run --to primary --yes\n")]
    Run {
        /// What is moved where.
        #[command(flatten)]
        what: Moved,
        /// What it may cost.
        #[command(flatten)]
        limits: MoveLimits,
        /// How rows are copied.
        #[command(flatten)]
        copy: Copying,
        /// Have clients wait while all is copied, and follow nothing; there is no way back
        #[arg(long)]
        offline: bool,
        /// Cut over without being asked
        #[arg(long)]
        yes: bool,
    },
    /// Copy the database and follow its changes, until stopped; or go on with that
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor move start --to primary\n  pgmoor move start --to primary --until-caught-up\n")]
    Start {
        /// What is moved where.
        #[command(flatten)]
        what: Moved,
        /// What it may cost.
        #[command(flatten)]
        limits: MoveLimits,
        /// How rows are copied.
        #[command(flatten)]
        copy: Copying,
        /// End when all changes are done; those that come later wait at the source
        #[arg(long)]
        until_caught_up: bool,
    },
    /// Follow changes, to the target before the cutover and back to the source after it, until stopped
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor move follow\n")]
    Follow {
        /// What is moved where.
        #[command(flatten)]
        what: Moved,
        /// What it may cost.
        #[command(flatten)]
        limits: MoveLimits,
        /// End when all changes are done
        #[arg(long)]
        until_caught_up: bool,
    },
    /// Tell where a move is
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor move status\n  pgmoor move status -o json\n")]
    Status {
        /// What is moved where.
        #[command(flatten)]
        what: Moved,
    },
    /// Take clients to the target; the way back stays open
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor move cutover\n  pgmoor move cutover --max-pause 3s --yes\n")]
    Cutover {
        /// What is moved where.
        #[command(flatten)]
        what: Moved,
        /// What it may cost.
        #[command(flatten)]
        limits: MoveLimits,
        /// Do not compare the rows of both sides before
        #[arg(long)]
        unverified: bool,
        /// Do it without being asked
        #[arg(long)]
        yes: bool,
    },
    /// Take clients back to the source, with all that they wrote
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor move rollback --yes\n")]
    Rollback {
        /// What is moved where.
        #[command(flatten)]
        what: Moved,
        /// What it may cost.
        #[command(flatten)]
        limits: MoveLimits,
        /// Do not compare the rows of both sides before
        #[arg(long)]
        unverified: bool,
        /// Do it without being asked
        #[arg(long)]
        yes: bool,
    },
    /// Close the way back, and take away what the move made; the source stays behind its fence
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor move finish --yes\n")]
    Finish {
        /// What is moved where.
        #[command(flatten)]
        what: Moved,
        /// Do it without being asked
        #[arg(long)]
        yes: bool,
    },
    /// Give a move up before the cutover; the source is left as it was
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor move abort --yes\n")]
    Abort {
        /// What is moved where.
        #[command(flatten)]
        what: Moved,
        /// Do it without being asked
        #[arg(long)]
        yes: bool,
    },
}

/// What is moved where, and by which logins.
#[derive(Debug, Args)]
pub(crate) struct Moved {
    /// The database [default: app, else the only one]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// The endpoint that it goes to; when the move was begun, it is known
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) to: Option<String>,
    /// An endpoint with a login at the source that may do more [default: the one that serves the database]
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) source_by: Option<String>,
    /// An endpoint with a login at the target that may do more [default: the target itself]
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) target_by: Option<String>,
}

/// What a move may cost.
#[derive(Debug, Clone, Args)]
pub(crate) struct MoveLimits {
    /// How long clients may wait at the cutover; then it is undone
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = super::duration)]
    pub(crate) max_pause: Duration,
    /// How much of its log, in GiB, a server may keep for the move
    #[arg(long, value_name = "GIB", default_value_t = 16)]
    pub(crate) wal_limit: u64,
}

/// How rows are copied.
#[derive(Debug, Clone, Args)]
pub(crate) struct Copying {
    /// Streams of rows and index builds at once
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) streams: u16,
    /// A role of the source and what it is called at the target; may be given again
    #[arg(long, value_name = "OLD=NEW")]
    pub(crate) role: Vec<String>,
    /// Something that may get lost or be different, by its name in the plan; may be given again
    #[arg(long, value_name = "NAME")]
    pub(crate) accept: Vec<String>,
}

impl Move {
    /// What is moved where.
    pub(crate) fn what(&self) -> &Moved {
        match self {
            Self::Plan { what, .. }
            | Self::Run { what, .. }
            | Self::Start { what, .. }
            | Self::Follow { what, .. }
            | Self::Status { what }
            | Self::Cutover { what, .. }
            | Self::Rollback { what, .. }
            | Self::Finish { what, .. }
            | Self::Abort { what, .. } => what,
        }
    }

    /// What it may cost, where that counts.
    pub(crate) fn limits(&self) -> Option<&MoveLimits> {
        match self {
            Self::Run { limits, .. }
            | Self::Start { limits, .. }
            | Self::Follow { limits, .. }
            | Self::Cutover { limits, .. }
            | Self::Rollback { limits, .. } => Some(limits),
            Self::Plan { .. } | Self::Status { .. } | Self::Finish { .. } | Self::Abort { .. } => {
                None
            }
        }
    }
}
