//! `pgmoor schema`: migrations up and down, where they stand, and new ones.

mod new;
mod report;

use pgmoor_ops::Session;
use pgmoor_ops::schema::{self, Files, Resolution, SchemaError, Stop, plan_down};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Global, Resolve, Schema, SchemaDown, SchemaUp};
use crate::config::settings::{APP, Settings};
use crate::config::surroundings::Surroundings;
use crate::confirm::confirm;
use crate::endpoints::Bundles;
use crate::exit::Exit;
use crate::migrations::Job;
use crate::output::{Failure, Format, Output, SCHEMA, say};

/// Does what is asked.
pub(super) fn run(global: &Global, command: &Schema, output: Output) -> Result<Exit, Failure> {
    let mut loaded = super::load_configuration(global)?;
    if loaded.tree.at(&["log", "level"]).is_none() {
        // What happens is said by the command itself.
        loaded.settings.log.level = crate::config::settings::LogLevel::Warn;
    }
    super::start_log(&loaded)?;
    let settings = &loaded.settings;
    let named = match command {
        Schema::Up(up) => &up.database,
        Schema::Down(down) => &down.database,
        Schema::Status { database, .. } | Schema::New { database, .. } => database,
        Schema::Resolve(resolve) => &resolve.database,
    };
    let database = database(settings, named.as_deref())?;
    if let Schema::New { name, .. } = command {
        let schema = &settings.databases[&database].schema;
        return new::run(&schema.clone().unwrap_or_default().dir, name, output);
    }
    super::runtime().block_on(async {
        let mut bundles = Bundles::default();
        let surroundings = Surroundings::of_process();
        let job = Job::of(&database, settings, &mut bundles, &surroundings).await;
        let outcome = match &job {
            Ok(job) => act(job, command, output).await,
            Err(_) => Ok(Exit::Ok),
        };
        bundles.stop().await;
        job.and(outcome)
    })
}

/// The database that is named, or the one that is meant.
fn database(settings: &Settings, named: Option<&str>) -> Result<String, Failure> {
    let mut with_schema = settings
        .databases
        .iter()
        .filter(|(_, database)| database.schema.is_some());
    let name = match (named, with_schema.next(), with_schema.next()) {
        (Some(name), _, _) => Some(name),
        (None, Some((only, _)), None) => Some(only.as_str()),
        (None, _, _) if settings.databases.contains_key(APP) => Some(APP),
        (None, _, _) if settings.databases.len() == 1 => {
            settings.databases.keys().next().map(String::as_str)
        }
        (None, _, _) => None,
    };
    let known = || {
        let known: Vec<&str> = settings.databases.keys().map(String::as_str).collect();
        known.join(", ")
    };
    match name {
        Some(name) if settings.databases.contains_key(name) => Ok(name.to_owned()),
        Some(name) => Err(
            Failure::new(Exit::Usage, format!("there is no database \"{name}\""))
                .hint(format!("there are: {}", known())),
        ),
        None => Err(Failure::new(Exit::Usage, "there is more than one database")
            .hint(format!("name one with --database: {}", known()))),
    }
}

async fn act(job: &Job, command: &Schema, output: Output) -> Result<Exit, Failure> {
    let told = |error: SchemaError| job.failure(&error);
    let files = job.files().map_err(told)?;
    let session = job.session().await.map_err(told)?;
    let outcome = match command {
        Schema::Up(arguments) => up(job, &session, &files, arguments, output).await,
        Schema::Down(arguments) => down(job, &session, &files, arguments, output).await,
        Schema::Status { strict, .. } => {
            let status = schema::look(&session, &files, &job.rules);
            Ok(report::status(
                job,
                &status.await.map_err(told)?,
                *strict,
                output,
            ))
        }
        Schema::Resolve(arguments) => resolve(job, &session, &files, arguments, output).await,
        Schema::New { .. } => unreachable!("it needs no server"),
    };
    session.close().await;
    outcome
}

async fn up(
    job: &Job,
    session: &Session,
    files: &Files,
    arguments: &SchemaUp,
    output: Output,
) -> Result<Exit, Failure> {
    let told = |error: SchemaError| job.failure(&error);
    if arguments.dry_run {
        let status = schema::look(session, files, &job.rules)
            .await
            .map_err(told)?;
        if !status.troubles.is_empty() {
            return Err(told(SchemaError::Troubles(status.troubles)));
        }
        report::dry_run(job, files, &status, arguments.to, output);
        return Ok(Exit::Ok);
    }
    let stop = stop_at_a_signal()?;
    let rules = &job.rules;
    let tell = |event| report::event(&event);
    let running = schema::up(session, files, rules, arguments.to, stop, &tell);
    let report = running.await.map_err(told)?;
    report::done(job, &report, "applied", output);
    Ok(Exit::Ok)
}

async fn down(
    job: &Job,
    session: &Session,
    files: &Files,
    arguments: &SchemaDown,
    output: Output,
) -> Result<Exit, Failure> {
    let told = |error: SchemaError| job.failure(&error);
    let status = schema::look(session, files, &job.rules)
        .await
        .map_err(told)?;
    let to = match arguments.to {
        Some(to) => to,
        // Back by so many: to the one before them.
        None => {
            let applied = status.rows.iter().rev();
            let mut applied = applied.filter(|row| row.standing.on().is_some());
            applied
                .nth(arguments.steps.get() as usize)
                .map_or(-1, |row| row.version)
        }
    };
    let planned = plan_down(files, &status, to).map_err(told)?;
    if planned.is_empty() {
        report::done(job, &schema::Report::default(), "undone", output);
        return Ok(Exit::Ok);
    }
    report::plan_down(job, &planned);
    confirm(
        arguments.yes,
        &job.database,
        &format!("undo migrations of \"{}\"", job.database),
    )?;
    let versions: Vec<i64> = planned.iter().map(|file| file.version()).collect();
    let stop = stop_at_a_signal()?;
    let tell = |event| report::event(&event);
    let running = schema::down(session, files, &job.rules, &versions, stop, &tell);
    report::done(job, &running.await.map_err(told)?, "undone", output);
    Ok(Exit::Ok)
}

async fn resolve(
    job: &Job,
    session: &Session,
    files: &Files,
    arguments: &Resolve,
    output: Output,
) -> Result<Exit, Failure> {
    let version = arguments.version;
    let resolution = match arguments.resolution {
        crate::args::Resolution::Applied => Resolution::Applied,
        crate::args::Resolution::Pending => Resolution::Pending,
    };
    let word = arguments.resolution.word();
    say(&format!(
        "migration {version} of \"{}\" will count as {word}; none of its statements is run",
        job.database
    ));
    let what = format!("change the history of \"{}\"", job.database);
    confirm(arguments.yes, &job.database, &what)?;
    let stop = stop_at_a_signal()?;
    let tell = |event| report::event(&event);
    schema::resolve(session, files, &job.rules, version, resolution, stop, &tell)
        .await
        .map_err(|error| job.failure(&error))?;
    match output.format {
        Format::Json => output.json(&json!({
            "schema": SCHEMA, "ok": true, "database": job.database, "version": version, "counts_as": word,
        })),
        Format::Text => output.data(&format!("ok: migration {version} counts as {word}\n")),
    }
    Ok(Exit::Ok)
}

/// Stops at TERM and Ctrl-C: what runs is cancelled, and nothing of it stays.
fn stop_at_a_signal() -> Result<Stop, Failure> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Failure::new(Exit::Bug, "cannot listen to signals").because(&error))
    };
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let (stopper, stop) = Stop::new();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        say("stopping: what runs is cancelled");
        stopper.stop();
    });
    Ok(stop)
}
