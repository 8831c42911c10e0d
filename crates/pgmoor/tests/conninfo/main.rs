//! Addresses are read as libpq reads them, but for the differences listed here with their reasons.
//!
//! `corpus.json` holds libpq's own answers; `generate.py` made it.

use std::collections::BTreeMap;

use pgmoor::endpoint::ConnectionString;

#[derive(serde::Deserialize)]
struct Answer {
    input: String,
    values: Option<BTreeMap<String, String>>,
    error: Option<String>,
}

const SCHEMELESS: &str =
    "libpq wants a scheme; user:password@host:port/database without one is common";
const SCHEME: &str =
    "a scheme in capitals, behind a blank or of another product can only be meant as ours";
const LAST_AT: &str = "a host with an \"@\" never resolves, so the last \"@\" ends the user info";
const AT_IN_PATH: &str = "a password with a raw \"/\" would become a host name and be shown as one";
const SSL: &str = "libpq knows only ssl=true, and only in URIs; other drivers know the other words";
const EQUALS: &str =
    "the first \"=\" ends a name in every other driver, and nothing else can be meant";

/// Where we answer otherwise on purpose.
const DIFFERENCES: &[(&str, &str)] = &[
    ("POSTGRES://h/d", SCHEME),
    ("Postgresql://h/d", SCHEME),
    (" postgres://h/d", SCHEME),
    ("postgresql+psycopg2://u:p@h/d", SCHEME),
    ("jdbc:postgresql://h/d", SCHEME),
    (
        "postgres://h/d\n",
        "a secret read from a file ends in a line break that is not part of it",
    ),
    ("postgresql://u:p/q@h/d", AT_IN_PATH),
    ("postgresql://h/d@e", AT_IN_PATH),
    ("postgresql://u@x@h/d", LAST_AT),
    ("postgresql://u:p@x@h/d", LAST_AT),
    ("postgresql://u:p@x@h:5433/d", LAST_AT),
    (
        "postgresql://h/%ff",
        "names that are not UTF-8 are refused rather than mangled",
    ),
    ("postgresql://h/d?ssl=false", SSL),
    ("postgresql://h/d?ssl=True", SSL),
    ("postgresql://h/d?ssl=1", SSL),
    ("ssl=true", SSL),
    ("postgresql://h/d?user=a=b", EQUALS),
    ("postgresql://h/d?options=-ca=b", EQUALS),
    (
        "postgresql://h/d?search_path=x",
        "lib/pq and pgx take server settings as parameters",
    ),
    (
        "Host=h",
        "libpq's names are in small letters; this is Npgsql's",
    ),
    (
        "host=h;port=1",
        "a host with \";port=\" in it never resolves; this is Npgsql's",
    ),
    ("postgres:h", SCHEMELESS),
    ("h:5432", SCHEMELESS),
    ("u:p@h:5432/d", SCHEMELESS),
    ("u:p@h/d?sslmode=require", SCHEMELESS),
];

fn corpus() -> Vec<Answer> {
    serde_json::from_str(include_str!("corpus.json")).expect("the committed corpus is JSON")
}

/// What we make of an input, in the shape of libpq's answer.
fn ours(input: &str) -> Result<BTreeMap<String, String>, String> {
    let given = ConnectionString::parse(input).map_err(|error| error.to_string())?;
    Ok(given
        .parameters()
        .map(|(name, value)| (name.to_owned(), value.expose().clone()))
        .collect())
}

fn agrees(answer: &Answer) -> bool {
    match (&answer.values, ours(&answer.input)) {
        (Some(theirs), Ok(ours)) => *theirs == ours,
        (None, Err(_)) => answer.error.is_some(),
        (Some(_), Err(_)) | (None, Ok(_)) => false,
    }
}

#[test]
fn every_address_is_read_as_libpq_reads_it_but_for_the_listed_differences() {
    let listed = |input: &str| DIFFERENCES.iter().any(|(known, _)| *known == input);

    let unexpected: Vec<String> = corpus()
        .iter()
        .filter(|answer| !agrees(answer) && !listed(&answer.input))
        .map(|answer| {
            let theirs = answer
                .values
                .as_ref()
                .ok_or_else(|| answer.error.clone().unwrap_or_default());
            format!(
                "{:?}\n  libpq: {theirs:?}\n  ours:  {:?}",
                answer.input,
                ours(&answer.input)
            )
        })
        .collect();

    assert!(
        unexpected.is_empty(),
        "{} differ:\n{}",
        unexpected.len(),
        unexpected.join("\n")
    );
}

#[test]
fn every_listed_difference_exists() {
    let corpus = corpus();

    for (input, reason) in DIFFERENCES {
        let answer = corpus
            .iter()
            .find(|answer| answer.input == *input)
            .expect("the input is in the corpus");
        assert!(
            !agrees(answer),
            "{input:?} is read as libpq reads it, so this is no difference: {reason}"
        );
    }
}
