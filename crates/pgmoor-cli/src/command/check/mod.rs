//! `pgmoor check`: is that database fit for the application, and what is to be done if not.

mod subjects;

mod address;

mod form;

mod rounds;

use pgmoor_ops::check::Selection;
use pgmoor_ops::preflight::{Examination, Options};
use pgmoor_ops::report::{Report, Status};

use crate::args::{self, Global};
use crate::endpoints::Bundles;
use crate::exit::Exit;
use crate::output::{Failure, Form, Output};

/// Runs the checks and prints their report.
pub(super) fn run(
    global: &Global,
    arguments: &args::Check,
    output: Output,
) -> Result<Exit, Failure> {
    if arguments.list {
        super::explain::list(output);
        return Ok(Exit::Ok);
    }
    if arguments.watch.is_some() && global.output == Form::Html {
        return Err(Failure::new(Exit::Usage, "a page cannot be watched")
            .hint("use --output text or json with --watch"));
    }
    let mut bundles = Bundles::default();
    super::runtime().block_on(async {
        let outcome = look(global, arguments, output, &mut bundles).await;
        bundles.stop().await;
        outcome
    })
}

async fn look(
    global: &Global,
    arguments: &args::Check,
    output: Output,
    bundles: &mut Bundles,
) -> Result<Exit, Failure> {
    let mut examinations = match &arguments.url {
        Some(url) => vec![address::examination(url, global, arguments)?],
        None => subjects::of_configuration(global, arguments, bundles).await?,
    };
    let options = options(arguments);
    let mut report = match arguments.wait {
        Some(limit) => rounds::until_connected(&mut examinations, &options, limit).await,
        None => rounds::once(&mut examinations, &options).await,
    };
    match arguments.watch {
        Some(every) => {
            let form = global.output;
            report =
                rounds::watch(report, &mut examinations, &options, every, form, output).await?;
        }
        None => output.data(&form::write(&report, global.output)),
    }
    if let Some(path) = &arguments.report {
        form::save(&report, path)?;
    }
    Ok(exit(&report, &examinations, arguments.strict))
}

fn options(arguments: &args::Check) -> Options {
    Options {
        selection: Selection {
            only: arguments.only.clone(),
            skip: arguments.skip.clone(),
            layers: arguments.layers.clone(),
        },
        limit: arguments.timeout,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// What could not even be tried comes before what was found.
fn exit(report: &Report, examinations: &[Examination], strict: bool) -> Exit {
    let is_usable = |examination: &Examination| examination.subject.connector.is_some();
    let mut databases = report.databases.iter();
    // Where only checks were wanted that need no session, and passed, there is nothing to complain about.
    let is_cut_off = databases.any(|database| {
        database.tried
            && !database.connected
            && matches!(database.status, Status::Fail | Status::Skip)
    });
    match report.status {
        _ if !examinations.iter().all(is_usable) => Exit::Usage,
        _ if is_cut_off => Exit::Unreachable,
        Status::Fail => Exit::Refused,
        Status::Warn if strict => Exit::Refused,
        Status::Warn | Status::Ok | Status::Skip => Exit::Ok,
    }
}
