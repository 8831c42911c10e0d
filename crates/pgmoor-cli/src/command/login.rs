//! `pgmoor login test`: logs in to an endpoint as the gateway does, and tells how that came about.

mod report;

use pgmoor::connector::{Connection, Connector, Login as As};
use pgmoor_wire::frontend;
use tokio::time::Instant;

use crate::args::{Global, Login, LoginTest};
use crate::config::settings::Settings;
use crate::config::surroundings::Surroundings;
use crate::endpoints::Bundles;
use crate::exit::Exit;
use crate::output::{Failure, Format, Output, chain};
use report::{Entered, Report};

/// Runs the command.
pub(super) fn run(global: &Global, command: &Login, output: Output) -> Result<Exit, Failure> {
    match command {
        Login::Test(arguments) => test(global, arguments, output),
    }
}

fn test(global: &Global, arguments: &LoginTest, output: Output) -> Result<Exit, Failure> {
    let loaded = super::configuration(global)?;
    let surroundings = Surroundings::of_process();
    let name = choose(&loaded.settings, arguments.endpoint.as_deref())?;
    let endpoint = &loaded.settings.endpoints[name];
    if endpoint.bundled.is_some() {
        return Err(Failure::new(
            Exit::Usage,
            format!("cannot test the login to endpoint \"{name}\""),
        )
        .cause("it is bundled: pgmoor makes its password itself, when it runs")
        .hint("run pgmoor wait, which logs in at the gateway"));
    }
    let dbname = database(&loaded.settings, name, arguments.database.as_deref())?;
    let runtime = super::runtime();
    let mut bundles = Bundles::default();
    let opening = bundles.connector(name, endpoint, &loaded.settings, &surroundings);
    let connector = runtime.block_on(opening)?;
    let dbname = dbname.map(|(asked, configured)| {
        let own = connector.endpoint().dbname.clone();
        configured.or(own).unwrap_or(asked)
    });
    let (report, failure) = runtime.block_on(async {
        let deadline = Instant::now() + arguments.timeout;
        examine(name, &connector, dbname.as_deref(), deadline).await
    });
    match output.format {
        Format::Json => output.json(&report.json(failure.as_ref())),
        Format::Text => output.data(&report.text()),
    }
    drop(connector);
    runtime.block_on(bundles.stop());
    match failure {
        None => Ok(Exit::Ok),
        Some(failure) => {
            output.complain(&failure);
            Ok(failure.exit)
        }
    }
}

/// The endpoint that is meant.
fn choose<'a>(settings: &'a Settings, asked: Option<&str>) -> Result<&'a String, Failure> {
    let names: Vec<&String> = settings.endpoints.keys().collect();
    let all = || {
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        quoted.join(", ")
    };
    match (asked, &names[..]) {
        (Some(asked), _) => names
            .iter()
            .find(|name| **name == asked)
            .copied()
            .ok_or_else(|| {
                Failure::new(Exit::Usage, format!("there is no endpoint \"{asked}\""))
                    .cause(format!("the configuration has {}", all()))
            }),
        (None, [only]) => Ok(only),
        (None, []) => {
            Err(Failure::new(Exit::Usage, "there is no endpoint")
                .cause("the configuration has none"))
        }
        (None, _) => Err(Failure::new(Exit::Usage, "no endpoint is named")
            .cause(format!("the configuration has {}", all()))
            .hint(format!("say which: pgmoor login test {}", names[0]))),
    }
}

/// The database that is meant, and what the configuration says that it is called at the server.
fn database(
    settings: &Settings,
    endpoint: &str,
    asked: Option<&str>,
) -> Result<Option<(String, Option<String>)>, Failure> {
    let mut served = settings
        .databases
        .iter()
        .filter(|(_, database)| database.endpoint.as_deref() == Some(endpoint));
    let found = match asked {
        None => served.next(),
        Some(asked) => Some(served.find(|(name, _)| *name == asked).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("endpoint \"{endpoint}\" serves no database \"{asked}\""),
            )
            .hint("see \"databases\" in the configuration")
        })?),
    };
    Ok(found.map(|(name, database)| (name.clone(), database.dbname.clone())))
}

async fn examine<'a>(
    name: &'a str,
    connector: &'a Connector,
    dbname: Option<&'a str>,
    deadline: Instant,
) -> (Report<'a>, Option<Failure>) {
    let examined = connector.examine(dbname, deadline).await;
    let failed = || {
        let user = connector.user();
        Failure::new(
            Exit::Unreachable,
            format!("cannot log in to endpoint \"{name}\" as \"{user}\""),
        )
    };
    let advise = |failure: Failure, hint: Option<String>| match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    };
    let mut report = Report {
        endpoint: name,
        connector,
        dbname,
        examined,
        entered: None,
    };
    if let Err(error) = &report.examined.claims {
        let failure = advise(failed().cause(chain(error)), error.hint());
        return (report, Some(failure));
    }
    let own_name = [(
        "application_name".to_owned(),
        "pgmoor login test".to_owned(),
    )];
    let begun = Instant::now();
    let connecting = connector.connect(As::Endpoint, dbname, &own_name, deadline);
    match connecting.await {
        Ok(mut connection) => {
            report.entered = Some(Entered::of(&connection, begun.elapsed()));
            leave(&mut connection).await;
            (report, None)
        }
        Err(error) => {
            let failure = advise(failed().because(&error), error.hint());
            (report, Some(failure))
        }
    }
}

/// Says goodbye, so that the server's log has no line about a lost connection.
async fn leave(connection: &mut Connection) {
    let mut goodbye = Vec::new();
    frontend::write_terminate(&mut goodbye);
    // It is only polite.
    let _ = connection.stream.write_all(&goodbye).await;
}
