//! `pgmoor check`: is that database fit for the application, and what is to be done if not.

mod subjects;

mod address;

use pgmoor_ops::check::Selection;
use pgmoor_ops::preflight::{self, Examination, Options};
use pgmoor_ops::report::{self, Report, Status};

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
    let mut bundles = Bundles::default();
    super::runtime().block_on(async {
        let examinations = match &arguments.url {
            Some(url) => vec![address::examination(url, global, arguments)?],
            None => subjects::of_configuration(global, arguments, &mut bundles).await?,
        };
        let options = options(arguments);
        let report = preflight::run(&examinations, &options, |_| {}).await;
        bundles.stop().await;
        print(&report, global.output, output);
        Ok(exit(&report, &examinations, arguments.strict))
    })
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

fn print(report: &Report, form: Form, output: Output) {
    match form {
        Form::Text => output.data(&report::text(report)),
        Form::Json => output.json(report),
        Form::Html => output.data(&report::text(report)),
    }
}

/// What could not even be tried comes before what was found.
fn exit(report: &Report, examinations: &[Examination], strict: bool) -> Exit {
    let is_usable = |examination: &Examination| examination.subject.connector.is_some();
    match report.status {
        _ if !examinations.iter().all(is_usable) => Exit::Usage,
        _ if !report.databases.iter().all(|database| database.connected) => Exit::Unreachable,
        Status::Fail => Exit::Refused,
        Status::Warn if strict => Exit::Refused,
        Status::Warn | Status::Ok | Status::Skip => Exit::Ok,
    }
}
