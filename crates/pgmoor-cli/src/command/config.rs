//! `pgmoor config`: check, show, sample, schema, reference.

use pgmoor::settings::Value;
use serde_json::{Map, json};

use crate::args::{Config, Global};
use crate::config::load::{Loaded, Source};
use crate::config::surroundings::Surroundings;
use crate::config::{address, exposed, pages, show};
use crate::exit::Exit;
use crate::output::{Failure, Format, Output, SCHEMA};

/// Does it.
pub(super) fn run(global: &Global, command: &Config, output: Output) -> Result<Exit, Failure> {
    match command {
        Config::Check => check(&super::configuration(global)?, output),
        Config::Show { origin } => print(&super::configuration(global)?, *origin, output),
        Config::Sample => output.data(&pages::sample_file()),
        Config::Schema => output.data(&pages::json_schema()),
        Config::Reference => output.data(&pages::reference_page()),
    }
    Ok(Exit::Ok)
}

fn name(source: &Source) -> String {
    match source {
        Source::File(path) => path.display().to_string(),
        Source::BuiltIn => "built-in default".to_owned(),
    }
}

/// How addresses were understood where that was not literally, and what is worth a thought.
fn notes(loaded: &Loaded) -> Vec<String> {
    let environment = address::environment(&Surroundings::of_process());
    let endpoints = loaded.settings.endpoints.iter();
    endpoints
        .filter_map(|(name, endpoint)| {
            Some((name, address::address(endpoint, &environment).ok()??))
        })
        .flat_map(|(name, address)| {
            let notices = address.notices().iter();
            notices
                .map(|notice| format!("endpoint {name}: {}", notice.as_str()))
                .collect::<Vec<_>>()
        })
        .chain(exposed::note(loaded))
        .collect()
}

fn check(loaded: &Loaded, output: Output) {
    let notes = notes(loaded);
    let databases: Vec<_> = loaded
        .settings
        .databases
        .iter()
        .map(|(name, database)| {
            (
                name.as_str(),
                database.endpoint.as_deref().unwrap_or_default(),
            )
        })
        .collect();
    match output.format {
        Format::Json => {
            let databases: Map<_, _> = databases
                .iter()
                .map(|(name, endpoint)| ((*name).to_owned(), json!({ "endpoint": endpoint })))
                .collect();
            output.json(&json!({ "schema": SCHEMA, "ok": true, "source": name(&loaded.source), "databases": databases, "notes": notes }));
        }
        Format::Text => {
            let mut text = format!("ok: {} is in order\n", name(&loaded.source));
            for (name, endpoint) in databases {
                text.push_str(&format!("  database {name}: endpoint {endpoint}\n"));
            }
            for note in notes {
                text.push_str(&format!("  note: {note}\n"));
            }
            output.data(&text);
        }
    }
}

fn print(loaded: &Loaded, origin: bool, output: Output) {
    let shown = loaded.settings.show();
    match output.format {
        Format::Json => {
            let mut document =
                json!({ "schema": SCHEMA, "source": name(&loaded.source), "settings": shown });
            if origin {
                let origins: Map<_, _> = show::origins(&shown, &loaded.tree)
                    .into_iter()
                    .map(|(key, origin)| (key, json!(origin)))
                    .collect();
                document["origins"] = json!(origins);
            }
            output.json(&document);
        }
        Format::Text => {
            output.data(&format!(
                "# {}\n{}",
                name(&loaded.source),
                show::yaml(&shown, &loaded.tree, origin)
            ));
        }
    }
}
