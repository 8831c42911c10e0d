//! `pgmoor docs`: writes the reference pages that are generated from the code.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use clap::CommandFactory;
use pgmoor::settings::plain;

use crate::args::Cli;
use crate::config::pages;
use crate::exit::{self, Exit};
use crate::output::{Failure, Output};

/// Writes them, or checks that they are as they would be written.
pub(super) fn run(directory: &Path, check: bool, output: Output) -> Result<Exit, Failure> {
    let mut stale = Vec::new();
    for (name, text) in generated() {
        let path = directory.join(name);
        if check {
            if fs::read_to_string(&path).is_ok_and(|found| found == text) {
                continue;
            }
            stale.push(path.display().to_string());
            continue;
        }
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| {
                Failure::new(Exit::Usage, format!("cannot write {}", path.display()))
                    .cause(plain(&error))
            })?;
        output.data(&format!("{}\n", path.display()));
    }
    if stale.is_empty() {
        return Ok(Exit::Ok);
    }
    Err(
        Failure::new(Exit::Refused, "reference pages are not up to date")
            .cause(format!("stale or missing: {}", stale.join(", ")))
            .hint("run cargo x docs and commit the result"),
    )
}

/// Every generated page by its file name.
fn generated() -> [(&'static str, String); 8] {
    [
        ("check-report.schema.json", report_schema()),
        ("checks.md", checks()),
        ("cli.md", command_line()),
        ("configuration.md", pages::reference_page()),
        ("configuration.sample.yaml", pages::sample_file()),
        ("configuration.schema.json", pages::json_schema()),
        ("exit-codes.md", exit::page()),
        ("metrics.md", pgmoor_gateway::metrics_reference()),
    ]
}

fn checks() -> String {
    let intro = "What `pgmoor check` asks of a database. An id stays with its check. `pgmoor explain ID` prints one, \
                 `pgmoor check --list` all.\n";
    format!(
        "# Checks\n\n<!-- Made by `pgmoor docs`; do not edit. -->\n\n{intro}{}",
        pgmoor_ops::check::page()
    )
}

fn report_schema() -> String {
    let schema = pgmoor_ops::report::schema();
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

fn command_line() -> String {
    let mut page = String::from("# Command line\n\n<!-- Made by `pgmoor docs`; do not edit. -->\n");
    let mut root = Cli::command().term_width(100);
    root.build();
    write_command(&mut page, &mut root, "");
    page
}

fn write_command(page: &mut String, command: &mut clap::Command, parent: &str) {
    let name = format!("{parent}{}", command.get_name());
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(
        page,
        "\n## `{name}`\n\n```text\n{}\n```\n",
        lines.join("\n").trim_end()
    );
    let parent = format!("{name} ");
    for subcommand in command
        .get_subcommands_mut()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        write_command(page, subcommand, &parent);
    }
}
