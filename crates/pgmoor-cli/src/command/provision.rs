//! `pgmoor provision`: roles, databases, schema, extensions and grants of an application, planned and made.

mod journal;
mod password;
mod subject;

use std::path::PathBuf;

use pgmoor::settings::{Origin, Problem};
use pgmoor_ops::plan::Plan;
use pgmoor_ops::provision::{Applied, ProvisionError, Server, Stage, Verifiers, script};
use serde_json::{Value, json};

use crate::args::{Global, Provision};
use crate::config::load::Loaded;
use crate::confirm::confirm;
use crate::endpoints::Bundles;
use crate::exit::Exit;
use crate::output::{Failure, Format, Output, SCHEMA, chain, say};
use journal::Journal;
use password::{Destination, Made};
use subject::Subject;

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

impl Subject {
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
                output.data(&script(&plan));
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
                migrations_password_file,
                migrations_secret_manifest,
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
                let destinations = self.destinations(
                    Destination::of(password_file.as_deref(), secret_manifest.as_deref()),
                    Destination::of(
                        migrations_password_file.as_deref(),
                        migrations_secret_manifest.as_deref(),
                    ),
                    &plan,
                )?;
                if plan.is_empty() {
                    self.report(&plan, &Applied::default(), output);
                    return Ok(Exit::Ok);
                }
                let act = format!("provision \"{}\"", self.wanted.database);
                confirm(*yes, &self.wanted.database, &act)?;
                let state_dir = &loaded.settings.gateway.state_dir;
                let mut journal = Journal::open(journal.as_deref(), state_dir, &plan)?;
                let (mut verifiers, mut written) = (Verifiers::new(), Vec::new());
                for (role, destination) in &destinations {
                    let made = Made::new(destination, role, &self.wanted.database, &self.place)?;
                    verifiers.insert(role.clone(), made.verifier);
                    written.push(made.path);
                }
                let mut note = |number: usize, stage: Stage| journal.note(&plan, number, stage);
                let server = self.server();
                let applied = server
                    .apply(&self.wanted, &plan, &verifiers, &mut note)
                    .await;
                journal.end(&applied);
                self.report(&plan, &applied, output);
                say(&format!("journal: {}", journal.path.display()));
                for path in &written {
                    say(&format!("password: in {}", path.display()));
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

    /// Where the passwords that the plan makes up are written to, by role.
    fn destinations(
        &self,
        app: Option<Destination>,
        migrations: Option<Destination>,
        plan: &Plan,
    ) -> Result<Vec<(String, Destination)>, Failure> {
        let mut chosen = Vec::new();
        let asked = [
            (Some(&self.wanted.role.name), app),
            (self.migrator.as_ref(), migrations),
        ];
        for (role, destination) in asked {
            let Some(destination) = destination else {
                continue;
            };
            let gets = role.filter(|role| plan.passwords().any(|known| known == role.as_str()));
            match gets {
                Some(role) => chosen.push((role.clone(), destination)),
                // As after an apply before: what is in the file may be in use.
                None if destination.path().exists() => {
                    say(&format!("kept: {}", destination.path().display()));
                }
                None => return Err(no_password(role, &destination)),
            }
        }
        let known = |role: &str| chosen.iter().any(|(known, _)| known == role);
        match plan.passwords().find(|role| !known(role)) {
            None => Ok(chosen),
            Some(role) => Err(failure(&ProvisionError::NoPassword {
                role: role.to_owned(),
            })),
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
            wanted.role.name.escape_debug()
        );
        for there in &plan.present {
            text.push_str(&format!("  ok  {}\n", printable(there)));
        }
        for (index, step) in plan.steps.iter().enumerate() {
            text.push_str(&format!("  {:>2}  {}\n", index + 1, printable(&step.title)));
            text.push_str(&lines("      ", &step.sql));
            if let Some(undo) = &step.undo {
                text.push_str(&lines("      undo: ", undo));
            }
        }
        for note in &plan.notes {
            text.push_str(&format!("  note  {}\n", printable(note)));
        }
        text
    }

    fn json(&self, plan: &Plan, applied: Option<&Applied>) -> Value {
        let mut value = json!({
            "schema": SCHEMA,
            "ok": applied.is_none_or(|applied| applied.failed.is_none()),
            "database": self.wanted.database,
            "role": self.wanted.role.name,
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

/// The statements of a step, the first of them where there are many.
fn lines(indent: &str, sql: &str) -> String {
    const SHOWN: usize = 6;
    let all: Vec<&str> = sql.split(";\n").collect();
    let mut text = String::new();
    for (index, statement) in all.iter().take(SHOWN).enumerate() {
        let indent = match index {
            0 => indent.to_owned(),
            _ => " ".repeat(indent.len()),
        };
        text.push_str(&format!("{indent}{};\n", printable(statement)));
    }
    if all.len() > SHOWN {
        text.push_str(&format!(
            "{}… and {} more; pgmoor provision sql prints them all\n",
            " ".repeat(indent.len()),
            all.len() - SHOWN
        ));
    }
    text
}

/// Somebody waits for a file that nothing would be written to.
fn no_password(role: Option<&String>, destination: &Destination) -> Failure {
    let path = destination.path().display();
    let Some(role) = role else {
        return Failure::new(
            Exit::Usage,
            format!("there would be nothing to write to {path}"),
        )
        .cause("no other login than the application's runs the migrations")
        .hint("leave the option out, or set schema.endpoint");
    };
    Failure::new(
        Exit::Usage,
        format!("there would be no password to write to {path}"),
    )
    .cause(format!(
        "\"{}\" is there already and keeps its password, or logs in without one",
        role.escape_debug()
    ))
    .hint("leave the option out, or have a new one made with --reset-password")
}

/// Names may have anything in them, which a terminal must not get.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

fn exit(error: &ProvisionError) -> Exit {
    match error {
        ProvisionError::NoPassword { .. } => Exit::Usage,
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
