//! `SHOW CONFIG`: the settings in effect, by PgBouncer's columns.

use std::collections::BTreeMap;

use pgmoor::settings::{Shown, Value};

use crate::settings::{GatewaySettings, PoolSettings};
use crate::table::{Column, Table, text};
use crate::worker::State;

/// Its columns.
pub(super) const CONFIG: &[Column] = &[
    text("key"),
    text("value"),
    text("default"),
    text("changeable"),
];

/// Settings that count from the next start on.
const FIXED: [&str; 5] = [
    "gateway.listen",
    "gateway.unix_sockets",
    "gateway.admin",
    "gateway.workers",
    "gateway.state_dir",
];

pub(super) fn config(settings: &State) -> Table {
    let mut table = Table::new(CONFIG);
    let gateway = flat("gateway", &settings.settings.show());
    let mut defaults = flat("gateway", &GatewaySettings::default().show());
    let mut values = gateway;
    for (name, database) in &settings.databases {
        let prefix = format!("databases.{name}.pool");
        values.extend(flat(&prefix, &database.settings.load().show()));
        defaults.extend(flat(&prefix, &PoolSettings::default().show()));
    }
    // The few that PgBouncer's exporters look for, under its names.
    let clients = settings.settings.max_client_connections.get().to_string();
    values.insert("max_client_conn".into(), Some(clients));
    defaults.insert("max_client_conn".into(), Some("10000".into()));
    for (key, value) in values {
        let default = defaults.get(&key).cloned().flatten();
        let fixed = FIXED.iter().any(|fixed| key.starts_with(fixed));
        table.push([
            key.into(),
            value.into(),
            default.into(),
            if fixed { "no" } else { "yes" }.into(),
        ]);
    }
    table
}

/// Every key with its value; lists are joined by commas.
fn flat(prefix: &str, shown: &Shown) -> BTreeMap<String, Option<String>> {
    let mut out = BTreeMap::new();
    flatten(prefix, shown, &mut out);
    out
}

fn flatten(key: &str, shown: &Shown, out: &mut BTreeMap<String, Option<String>>) {
    match shown {
        Shown::Map(entries) => {
            for (name, value) in entries {
                flatten(&format!("{key}.{name}"), value, out);
            }
        }
        other => {
            out.insert(key.to_owned(), plain(other));
        }
    }
}

fn plain(shown: &Shown) -> Option<String> {
    match shown {
        Shown::Null | Shown::Map(_) => None,
        Shown::Text(text) => Some(text.clone()),
        Shown::Number(number) => Some(number.to_string()),
        Shown::Bool(value) => Some(value.to_string()),
        Shown::List(items) => {
            let items: Vec<String> = items.iter().filter_map(plain).collect();
            Some(items.join(","))
        }
    }
}
