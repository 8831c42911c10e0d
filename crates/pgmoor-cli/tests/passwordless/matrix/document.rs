//! The table of the guide says of each source what is tested of it, and nothing else.

use std::path::Path;

use super::{Provider, Source, providers};

/// How the guide says of a source that a refusal is tested, or what there is instead.
fn row(provider: &Provider, source: &Source) -> String {
    let clock = match (source.clock.ahead, source.clock.behind) {
        (Some(_), Some(_)) => "yes",
        (Some(_), None) => "ahead",
        (None, Some(_)) => "behind",
        (None, None) => "harmless",
    };
    let elsewhere = match provider.elsewhere.besides.contains(&source.name) {
        true => "–",
        false => "yes",
    };
    let rotated = if source.rotated.is_some() {
        "yes"
    } else {
        "–"
    };
    format!(
        "| {}: {} | yes | yes | {elsewhere} | yes | {clock} | {rotated} | yes |",
        provider.name, source.name
    )
}

#[test]
fn the_table_of_the_guide_has_every_source_and_what_is_tested_of_it() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/identity.md");
    let guide = std::fs::read_to_string(guide).expect("the guide");
    let (_, table) = guide.split_once("\n| source |").expect("there is a table");
    let (table, _) = table.split_once("\n\n").expect("it ends");
    let told: Vec<&str> = table.lines().skip(2).collect();

    let mut tested = Vec::new();
    for provider in providers() {
        let rows = provider.sources.iter().map(|source| row(&provider, source));
        tested.extend(rows);
    }

    assert_eq!(told, tested, "it should be:\n{}", tested.join("\n"));
}
