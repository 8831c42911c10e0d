//! Addresses are read as libpq reads them, but for the differences listed here with their reasons.
//!
//! The JSON files hold libpq's own answers; `generate.py` made them.

use std::collections::BTreeMap;

use pgmoor::endpoint::{ConnectionString, DEFAULT_SOCKET_DIRECTORY, Endpoint, Host, passfile};

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

const EMPTY: &str = "an empty value is what an unset variable leaves behind: the default";
const EARLY: &str = "libpq ignores what it does not understand here";
const LATER: &str = "libpq refuses it too, after the connection has begun";

/// Values that we judge otherwise on purpose.
const OTHER_VALUES: &[(&str, &str)] = &[
    ("host=127.0.0.1 sslmode=''", EMPTY),
    (
        "host=127.0.0.1 sslmode=no-verify",
        "node-postgres' word for TLS without verification, translated with a notice",
    ),
    ("host=127.0.0.1 sslsni=2", EARLY),
    ("host=127.0.0.1 sslsni=x", EARLY),
    ("host=127.0.0.1 sslcompression=x", EARLY),
    (
        "host=127.0.0.1 channel_binding=require sslmode=disable",
        "it could never log in",
    ),
    (
        "host=127.0.0.1 require_auth=gss",
        "no such login is supported, so it could never log in",
    ),
    (
        "host=127.0.0.1 require_auth=oauth",
        "no such login is supported, so it could never log in",
    ),
    ("host=127.0.0.1 connect_timeout=x", LATER),
    ("host=127.0.0.1 connect_timeout=5s", LATER),
    ("host=127.0.0.1 connect_timeout=1.5", LATER),
    ("host=127.0.0.1 connect_timeout=99999999999", LATER),
    ("host=127.0.0.1 keepalives=x", LATER),
    (
        "host=127.0.0.1 scram_client_key=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "without the server's key the server could not be verified",
    ),
];

#[derive(serde::Deserialize)]
struct Check {
    input: String,
    error: Option<String>,
}

#[derive(serde::Deserialize)]
struct Lookup {
    host: String,
    port: u16,
    database: String,
    user: String,
    password: Option<String>,
}

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

#[test]
fn values_are_refused_where_libpq_refuses_them_but_for_the_listed_differences() {
    let checks: Vec<Check> =
        serde_json::from_str(include_str!("checks.json")).expect("the committed file is JSON");
    let listed = |input: &str| OTHER_VALUES.iter().any(|(known, _)| *known == input);
    let agrees = |check: &Check| Endpoint::parse(&check.input).is_err() == check.error.is_some();

    let unexpected: Vec<String> = checks
        .iter()
        .filter(|check| agrees(check) == listed(&check.input))
        .map(|check| {
            let ours = Endpoint::parse(&check.input)
                .map(|endpoint| endpoint.to_string())
                .map_err(|error| error.to_string());
            format!(
                "{:?}\n  libpq: {:?}\n  ours:  {ours:?}",
                check.input, check.error
            )
        })
        .collect();

    assert!(
        unexpected.is_empty(),
        "{} differ, or are listed and do not:\n{}",
        unexpected.len(),
        unexpected.join("\n")
    );
}

#[test]
fn a_password_file_gives_the_password_that_libpq_finds() {
    let contents = include_str!("passfile");
    let lookups: Vec<Lookup> =
        serde_json::from_str(include_str!("passwords.json")).expect("the committed file is JSON");

    for Lookup {
        host,
        port,
        database,
        user,
        password,
    } in lookups
    {
        let default = if host == "/var/run/postgresql" {
            DEFAULT_SOCKET_DIRECTORY
        } else {
            &host
        };
        let server = if host.starts_with('/') {
            Host::socket(default, port)
        } else {
            Host::tcp(&host, port)
        };
        let found = passfile::lookup(contents, &server.passfile_name(), port, &database, &user);
        let found = found.map(|password| password.expose().clone());
        assert_eq!(found, password, "{host}:{port}:{database}:{user}");
    }
}
