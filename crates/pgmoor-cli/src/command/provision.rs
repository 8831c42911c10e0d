//! `pgmoor provision`: role, database, schema and extensions of an application, planned and made.

mod journal;
mod password;

use std::path::PathBuf;

use pgmoor::connector::Connector;
use pgmoor::settings::{CredentialProvider, EndpointSettings, Origin, Problem};
use pgmoor_gateway::endpoint_name;
use pgmoor_ops::plan::Plan;
use pgmoor_ops::provision::{Applied, Identity, ProvisionError, Server, Stage, Wanted, script};
use pgmoor_ops::requirement::GENERIC;
use serde_json::{Value, json};

use crate::args::{Global, Provision, Provisioned};
use crate::config::load::Loaded;
use crate::config::settings::APP;
use crate::config::surroundings::Surroundings;
use crate::config::systems::requirement;
use crate::confirm::confirm;
use crate::endpoints::Bundles;
use crate::exit::Exit;
use crate::output::{Failure, Format, Output, SCHEMA, chain, say};
use journal::Journal;
use password::{Destination, Made};

/// Does what is asked.
pub(super) fn run(global: &Global, command: &Provision, output: Output) -> Result<Exit, Failure> {
    let loaded = super::configuration(global)?;
    let what = match command {
        Provision::Plan { what, .. } | Provision::Apply { what, .. } | Provision::Sql { what } => {
            what
        }
    };
    super::runtime().block_on(async {
        let mut bundles = Bundles::default();
        let outcome = match Subject::of(what, &loaded, &mut bundles).await {
            Ok(subject) => subject.act(command, &loaded, output).await,
            Err(failure) => Err(failure),
        };
        bundles.stop().await;
        outcome
    })
}

/// What is provisioned where.
struct Subject {
    wanted: Wanted,
    connector: Connector,
    by: String,
    /// Host and port, for a Secret.
    place: (String, u16),
}

impl Subject {
    async fn of(
        what: &Provisioned,
        loaded: &Loaded,
        bundles: &mut Bundles,
    ) -> Result<Self, Failure> {
        let settings = &loaded.settings;
        let usage = |what: String| Failure::new(Exit::Usage, what);
        let mut names = settings.databases.keys();
        let name = match (&what.database, names.next(), names.next()) {
            (Some(name), _, _) => name.clone(),
            (None, Some(only), None) => only.clone(),
            (None, _, _) => APP.to_owned(),
        };
        let database = settings.databases.get(&name).ok_or_else(|| {
            usage(format!(
                "there is no database \"{name}\" in the configuration"
            ))
            .hint("name one with --database")
        })?;
        let surroundings = Surroundings::of_process();
        let mut connectors = Vec::new();
        for endpoint in [&endpoint_name(&name, database), &what.by] {
            let known = settings.endpoints.get(endpoint).ok_or_else(|| {
                let known: Vec<&str> = settings.endpoints.keys().map(String::as_str).collect();
                usage(format!("there is no endpoint \"{endpoint}\""))
                    .hint(format!("there are: {}", known.join(", ")))
            })?;
            let connector = bundles.connector(endpoint, known, settings, &surroundings);
            connectors.push((known, connector.await?));
        }
        let [(runtime, app), (_, admin)] = &connectors[..] else {
            unreachable!("two were pushed")
        };
        let role = app.user();
        if role == admin.user() {
            return Err(usage(format!(
                "the endpoint \"{}\" logs in as \"{role}\", as the application does",
                what.by
            ))
            .cause("whoever provisions is another than the role that is made")
            .hint("name the endpoint of an administrator with --by"));
        }
        let dbname = database.dbname.clone();
        let dbname = dbname
            .or_else(|| app.endpoint().dbname.clone())
            .unwrap_or(name);
        let system = database.system.as_deref().unwrap_or(GENERIC);
        let system = requirement(system, &loaded.tree)?;
        let wanted = Wanted::new(&system, role, identity(runtime), &dbname);
        let mut wanted = wanted.map_err(|(name, why)| {
            usage(format!(
                "\"{}\" cannot be the name of anything",
                name.escape_debug()
            ))
            .cause(why)
        })?;
        wanted.connection_limit = what.connection_limit;
        let host = app.endpoint().hosts.first();
        let place = host.map_or_else(Default::default, |host| {
            (host.name().unwrap_or_default().to_owned(), host.port)
        });
        Ok(Self {
            wanted,
            connector: admin.clone(),
            by: what.by.clone(),
            place,
        })
    }

    fn server(&self) -> Server<'_> {
        Server {
            connector: &self.connector,
            name: &self.by,
        }
    }

    async fn act(
        &self,
        command: &Provision,
        loaded: &Loaded,
        output: Output,
    ) -> Result<Exit, Failure> {
        let plan = self.server().plan(&self.wanted).await;
        let plan = plan.map_err(|error| failure(&error))?;
        match command {
            Provision::Sql { .. } => {
                output.data(&script(&plan, &self.wanted.database));
                Ok(Exit::Ok)
            }
            Provision::Plan {
                detailed_exitcode, ..
            } => {
                match output.format {
                    Format::Json => output.json(&self.json(&plan, None)),
                    Format::Text => output.data(&self.text(&plan)),
                }
                // As its option says: 2 is not an error here.
                Ok(match *detailed_exitcode && !plan.is_empty() {
                    true => Exit::Usage,
                    false => Exit::Ok,
                })
            }
            Provision::Apply {
                plan: agreed,
                password_file,
                secret_manifest,
                journal,
                yes,
                ..
            } => {
                if agreed
                    .as_ref()
                    .is_some_and(|agreed| *agreed != plan.fingerprint)
                {
                    return Err(failure(&ProvisionError::Changed));
                }
                say(&self.text(&plan));
                if plan.is_empty() {
                    self.report(&plan, &Applied::default(), output);
                    return Ok(Exit::Ok);
                }
                let destination = match (password_file, secret_manifest) {
                    (Some(path), _) => Some(Destination::File(path.clone())),
                    (None, Some(path)) => Some(Destination::Manifest(path.clone())),
                    (None, None) => None,
                };
                if plan.needs_password() && destination.is_none() {
                    return Err(failure(&ProvisionError::NoPassword));
                }
                let act = format!("provision \"{}\"", self.wanted.database);
                confirm(*yes, &self.wanted.database, &act)?;
                let state_dir = &loaded.settings.gateway.state_dir;
                let mut journal = Journal::open(journal.as_deref(), state_dir, &plan)?;
                let made = match destination.filter(|_| plan.needs_password()) {
                    Some(destination) => Some(Made::new(&destination, &self.wanted, &self.place)?),
                    None => None,
                };
                let verifier = made.as_ref().map(|made| &made.verifier);
                let mut note = |number: usize, stage: Stage| journal.note(&plan, number, stage);
                let server = self.server();
                let applied = server.apply(&self.wanted, &plan, verifier, &mut note).await;
                journal.end(&applied);
                self.report(&plan, &applied, output);
                say(&format!("journal: {}", journal.path.display()));
                if let Some(made) = &made {
                    say(&format!("password: in {}", made.path.display()));
                }
                match &applied.failed {
                    None => Ok(Exit::Ok),
                    // As JSON it is in the report already.
                    Some(error) if output.format == Format::Json => Ok(exit(error)),
                    Some(error) => Err(failure(error)),
                }
            }
        }
    }

    fn text(&self, plan: &Plan) -> String {
        let wanted = &self.wanted;
        let steps = match plan.steps.len() {
            0 => "nothing to do".to_owned(),
            1 => "1 step".to_owned(),
            more => format!("{more} steps"),
        };
        let mut text = format!(
            "plan {}: provision \"{}\" for \"{}\", {steps}\n",
            plan.fingerprint,
            wanted.database.escape_debug(),
            wanted.role.escape_debug()
        );
        for there in &plan.present {
            text.push_str(&format!("  ok  {}\n", printable(there)));
        }
        for (index, step) in plan.steps.iter().enumerate() {
            text.push_str(&format!("  {:>2}  {}\n", index + 1, printable(&step.title)));
            text.push_str(&format!("      {};\n", printable(&step.sql)));
            if let Some(undo) = &step.undo {
                text.push_str(&format!("      undo: {};\n", printable(undo)));
            }
        }
        text
    }

    fn json(&self, plan: &Plan, applied: Option<&Applied>) -> Value {
        let mut value = json!({
            "schema": SCHEMA,
            "ok": applied.is_none_or(|applied| applied.failed.is_none()),
            "database": self.wanted.database,
            "role": self.wanted.role,
            "plan": plan,
        });
        if let Some(applied) = applied {
            value["done"] = json!(applied.done);
            if let Some(error) = &applied.failed {
                let exit = exit(error).code();
                value["exit_code"] = json!(exit);
                value["errors"] = json!([{ "error": error.to_string(), "cause": cause(error), "hint": error.hint() }]);
            }
        }
        value
    }

    fn report(&self, plan: &Plan, applied: &Applied, output: Output) {
        match output.format {
            Format::Json => output.json(&self.json(plan, Some(applied))),
            Format::Text => {
                let word = if applied.failed.is_none() {
                    "ok"
                } else {
                    "FAILED"
                };
                output.data(&format!(
                    "{word}: {} of {} steps done\n",
                    applied.done.len(),
                    plan.steps.len()
                ));
            }
        }
    }
}

/// Names may have anything in them, which a terminal must not get.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// How the application's role logs in, by how its endpoint does.
fn identity(endpoint: &EndpointSettings) -> Identity {
    let provider = endpoint.credential.as_ref().and_then(|one| one.provider);
    match provider {
        Some(CredentialProvider::Aws) => Identity::RdsIam,
        Some(
            CredentialProvider::Google | CredentialProvider::Azure | CredentialProvider::Vault,
        ) => Identity::Elsewhere,
        _ if endpoint
            .cloud_sql
            .as_ref()
            .is_some_and(|instance| instance.iam) =>
        {
            Identity::Elsewhere
        }
        _ => Identity::Password,
    }
}

fn exit(error: &ProvisionError) -> Exit {
    match error {
        ProvisionError::NoPassword => Exit::Usage,
        error if error.is_connecting() => Exit::Unreachable,
        _ => Exit::Refused,
    }
}

fn cause(error: &ProvisionError) -> Option<String> {
    std::error::Error::source(error).map(chain)
}

fn failure(error: &ProvisionError) -> Failure {
    if let ProvisionError::Impossible(all) = error {
        let problems = all
            .iter()
            .map(|one| Problem::new(&Origin::Default, one.what.clone()).hint(one.hint.clone()));
        return Failure {
            exit: Exit::Refused,
            problems: problems.collect(),
        };
    }
    let mut failure = Failure::new(exit(error), error.to_string());
    if let Some(cause) = cause(error) {
        failure = failure.cause(cause);
    }
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A file that only its owner may read, and that was not there before.
fn private_file(path: &PathBuf) -> Result<std::fs::File, Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    options.open(path).map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot create {}", path.display()))
            .cause(pgmoor::settings::plain(&error))
            .hint("it must not exist yet: what is in it may be in use")
    })
}
