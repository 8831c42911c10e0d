//! The command line: one definition for parsing, help, man pages, completions and the reference.

mod check;
mod live_move;
mod provision;
mod schema;
mod system;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::exit;
use crate::output::{Color, Form};

pub(crate) use check::{Check, Purpose};
pub(crate) use live_move::{Copying, Move};
pub(crate) use provision::{Provision, Provisioned};
pub(crate) use schema::{Resolution, Resolve, Schema, SchemaDown, SchemaUp};
pub(crate) use system::{Import, Render, Way};

const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// Moors an application to its PostgreSQL: bundled or external, secure, pooled and watched.
#[derive(Debug, Parser)]
#[command(
    name = "pgmoor",
    version,
    help_template = TEMPLATE,
    before_help = "Examples:\n  pgmoor up                                serve a database, created on the spot if need be\n  \
        pgmoor psql                              open it\n  \
        pgmoor run -- npm test                   serve it while a command runs\n  \
        pgmoor --config prod.yaml config check   look a configuration over before it is deployed\n",
    after_long_help = exit::help(),
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Configuration file [default: ./pgmoor.yaml if it is there]
    #[arg(
        long,
        global = true,
        env = "PGMOOR_CONFIG",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,
    /// Form of the result on standard output: text or json; html for pgmoor check
    #[arg(
        long,
        short,
        global = true,
        env = "PGMOOR_OUTPUT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_env_values = true
    )]
    pub(crate) output: Form,
    /// When to use colours: auto, always or never; NO_COLOR is honoured
    #[arg(
        long,
        global = true,
        env = "PGMOOR_COLOR",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_env_values = true
    )]
    pub(crate) color: Color,
}

/// What pgmoor can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the configured databases until stopped
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor up                        with ./pgmoor.yaml, or a bundled server without it\n  \
            pgmoor up --config prod.yaml     with this configuration\n  \
            pgmoor up --takeover             in place of the one that runs, without refusing a connection\n",
        after_long_help = "Signals: TERM and INT stop it cleanly, a second one at once; HUP reloads the configuration."
    )]
    Up(Up),
    /// Serve the databases while a command runs, with the address in its environment
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor run -- npm test\n  pgmoor run -- sh -c 'psql \"$DATABASE_URL\" -c \"select 1\"'\n"
    )]
    Run(Run),
    /// Print the address of a database
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor url                     the address, password hidden\n  \
            pgmoor url --raw               with the password, for other programs\n  \
            eval \"$(pgmoor url --shell)\"   sets DATABASE_URL and PG… in this shell\n"
    )]
    Url(Url),
    /// Open psql on a database, without a password on the command line
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor psql\n  pgmoor psql -c 'select version()'\n  pgmoor psql --database other -f schema.sql\n"
    )]
    Psql(Psql),
    /// Wait until a database can be used
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor wait && npm start\n  pgmoor wait --timeout 2m --database app\n"
    )]
    Wait(Wait),
    /// Look into how pgmoor logs in to an endpoint
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor login test primary\n  pgmoor login test primary -o json\n",
        subcommand_required = true,
        arg_required_else_help = true
    )]
    Login {
        /// What to do.
        #[command(subcommand)]
        command: Login,
    },
    /// Look whether a database is fit for its application, and what is to be done if not
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor check                                          every database of the configuration\n  \
            pgmoor check --url postgres://app@db.example.com/app --system langsmith\n  \
            pgmoor check -d app --category network,tls -o json | jq .\n  \
            pgmoor check -o html > check.html                     a page for whoever looks after the database\n  \
            pgmoor check --wait 5m --strict                       in a pipeline, before a deployment\n  \
            pgmoor check --list                                   every check and why it matters\n",
        after_long_help = "A check that fails or warns says why it matters and what to type; pgmoor explain ID says it too.\n\
            Exit codes: 0 nothing failed (with --strict: nor warned); 1 a check failed; 2 the address or the \
            configuration is not in order; 3 no session could be had."
    )]
    Check(Check),
    /// Say what a check is, why it matters and what it needs
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor explain PGM-NET-001\n")]
    Explain {
        /// The check's id
        #[arg(value_name = "ID", value_parser = check::check_id)]
        id: &'static str,
    },
    /// Show what a running gateway does
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor status\n  pgmoor status -o json | jq .\n")]
    Status,
    /// Keep a database's clients waiting, once their transactions have ended
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor pause\n  pgmoor pause app --timeout 5s && restart-the-server; pgmoor resume app\n"
    )]
    Pause(Pause),
    /// Let the clients of a paused database go on
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor resume\n  pgmoor resume app\n")]
    Resume(Resume),
    /// Have another endpoint serve a paused database
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor pause app && pgmoor switch app primary && pgmoor resume app\n"
    )]
    Switch(Switch),
    /// Have the running gateway read its configuration again
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor config check && pgmoor reload\n")]
    Reload,
    /// Make what an application needs on its server: role, database, schema, extensions
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor provision plan --by admin    what is there, what will be made\n  pgmoor provision apply --by admin --password-file app.password\n  pgmoor provision sql --by admin     a script for a DBA\n",
        subcommand_required = true,
        arg_required_else_help = true
    )]
    Provision {
        /// What to do.
        #[command(subcommand)]
        command: Provision,
    },
    /// Move a live database to another server, and back if need be, with its clients connected
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor move run --to primary     all of it, with one question before the cutover\n  pgmoor move status               where it is\n  pgmoor move rollback             back, with all that was written since\n  pgmoor move finish               close the way back\n",
        subcommand_required = true,
        arg_required_else_help = true
    )]
    Move {
        /// What to do.
        #[command(subcommand)]
        command: Move,
    },
    /// Bring a database's schema up to date: migrations, once across all replicas
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor schema new create_users   files for a migration\n  pgmoor schema status             what is applied, what is pending\n  pgmoor schema up                 apply what is pending\n  pgmoor schema down               undo the last one\n",
        subcommand_required = true,
        arg_required_else_help = true
    )]
    Schema {
        /// What to do.
        #[command(subcommand)]
        command: Schema,
    },
    /// Read an application's own configuration, and print a pgmoor.yaml that does the same
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor import values.yaml > pgmoor.yaml                 LangSmith, Coder or Prisme.ai, by their Helm values\n  \
            pgmoor import app-config.yaml app-config.production.yaml --write pgmoor.yaml\n  \
            kubectl get secret coder-db-url -o yaml | pgmoor import values.yaml -\n  \
            pgmoor import .env --from env -o json | jq .findings\n",
        after_long_help = "What could not be carried, and what is wrong in the original, is told with file and line. No secret is \
            copied: the result names variables and files.\n\
            Exit codes: 0 there is a result; 1 something was refused, and there is none; 2 a file could not be read or written."
    )]
    Import(Import),
    /// Print the values of an application whose database pgmoor serves, or that it would need without
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor render langsmith --gateway pgmoor.langsmith.svc:5432 --login pgmoor-app/password\n  \
            pgmoor render coder --through direct --identity arn:aws:iam::123456789012:role/coder\n  \
            pgmoor render backstage --login '${POSTGRES_PASSWORD}' --merge app-config.yaml --write app-config.yaml\n",
        after_long_help = "What the application cannot do itself is refused by name; the gateway can do it. No secret is read or written.\n\
            Exit codes: 0 there are values; 1 something was refused, and there are none; 2 a file could not be read, edited or written."
    )]
    Render(Render),
    /// Look at the configuration: check it, show it, print a sample
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor config check\n  pgmoor config show --origin\n  pgmoor config sample > pgmoor.yaml\n",
        subcommand_required = true,
        arg_required_else_help = true
    )]
    Config {
        /// What to do.
        #[command(subcommand)]
        command: Config,
    },
    /// Show the version and what is built in
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor version -o json\n")]
    Version,
    /// Print a shell's completions
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor completions bash > /etc/bash_completion.d/pgmoor\n  pgmoor completions fish > ~/.config/fish/completions/pgmoor.fish\n"
    )]
    Completions {
        /// The shell
        shell: CompletionShell,
    },
    /// Print the man page, or write all of them into a directory
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor man | man -l -\n  pgmoor man /usr/local/share/man/man1\n")]
    Man {
        /// Directory for the pages of all commands
        directory: Option<PathBuf>,
    },
    /// Write the generated reference pages into a directory
    #[command(hide = true)]
    Docs {
        /// The directory
        directory: PathBuf,
        /// Write nothing; fail when a page is not as it would be written
        #[arg(long)]
        check: bool,
    },
    /// Watch over a bundled server's process; started by pgmoor itself
    #[command(hide = true)]
    Keeper {
        /// What the keeper was told by its starter
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Arguments of `up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Take over from the pgmoor that runs on the same state directory: no connection is refused,
    /// its clients finish there
    #[arg(long)]
    pub(crate) takeover: bool,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The database whose address the command gets
    #[arg(long, short, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Arguments of `url`.
#[derive(Debug, Args)]
pub(crate) struct Url {
    /// The database [default: app, else the only one]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Print the password too
    #[arg(long)]
    pub(crate) raw: bool,
    /// Print assignments for a shell, with the password
    #[arg(long, conflicts_with = "raw")]
    pub(crate) shell: bool,
}

/// Arguments of `psql`.
#[derive(Debug, Args)]
pub(crate) struct Psql {
    /// The database [default: app, else the only one]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Arguments for psql
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENT"
    )]
    pub(crate) arguments: Vec<OsString>,
}

/// Arguments of `wait`.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The database [default: app, else the only one]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// What to do about logins.
#[derive(Debug, Subcommand)]
pub(crate) enum Login {
    /// Log in to an endpoint as the gateway does, and say by which identity, as whom, and over what
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  pgmoor login test                  the only endpoint that there is\n  \
            pgmoor login test primary\n  pgmoor login test primary --database app -o json\n"
    )]
    Test(LoginTest),
}

/// Arguments of `login test`.
#[derive(Debug, Args)]
pub(crate) struct LoginTest {
    /// The endpoint, by its name in the configuration [default: the only one]
    pub(crate) endpoint: Option<String>,
    /// The database, by the name that clients ask for [default: the first that the endpoint serves]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// How long it may take
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// Arguments of `pause`.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The database [default: all]
    pub(crate) database: Option<String>,
    /// How long open transactions may take to end
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The database [default: all]
    pub(crate) database: Option<String>,
}

/// Arguments of `switch`.
#[derive(Debug, Args)]
pub(crate) struct Switch {
    /// The database
    pub(crate) database: String,
    /// The endpoint, by its name in the configuration
    pub(crate) endpoint: String,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Say whether the configuration is in order, and what is not
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor config check\n  pgmoor --config prod.yaml config check -o json\n")]
    Check,
    /// Print the configuration in effect, secrets hidden
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor config show --origin\n")]
    Show {
        /// Also print where each value was set
        #[arg(long)]
        origin: bool,
    },
    /// Print a configuration file with every key, its documentation and default
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor config sample > pgmoor.yaml\n")]
    Sample,
    /// Print the JSON Schema, for editors
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor config schema > pgmoor.schema.json\n")]
    Schema,
    /// Print the reference page in Markdown
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  pgmoor config reference | less\n")]
    Reference,
}

/// The shells that completions are made for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum CompletionShell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
    /// Nushell
    Nushell,
}

impl CompletionShell {
    /// The shell as clap knows it; Nushell has a generator of its own.
    pub(crate) fn known_to_clap(self) -> Option<Shell> {
        match self {
            Self::Bash => Some(Shell::Bash),
            Self::Zsh => Some(Shell::Zsh),
            Self::Fish => Some(Shell::Fish),
            Self::Powershell => Some(Shell::PowerShell),
            Self::Nushell => None,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    use pgmoor::settings::{Loader, Origin, Scalar};
    Duration::read(text, &Origin::Default, &Loader::for_defaults())
}
