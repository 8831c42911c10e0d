//! What the environment and service files fill in.

use std::fs;

use crate::endpoint::{ConnectionString, Endpoint, EndpointError, Environment};

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::from_variables(
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

fn with(address: &str, variables: &[(&str, &str)]) -> Result<Endpoint, EndpointError> {
    ConnectionString::parse(address)?
        .with_environment(&environment(variables))
        .into_endpoint()
}

#[test]
fn the_environment_fills_in_only_what_is_open() {
    let variables = [
        ("PGHOST", "e"),
        ("PGPORT", "7"),
        ("PGUSER", "eu"),
        ("PGPASSWORD", "ep"),
        ("PGTZ", "UTC"),
        ("PGSSLMODE", ""),
    ];

    let endpoint = with("postgres://u@h/d", &variables).expect("it is read");

    let uri = endpoint.to_uri_with_password();
    assert_eq!(
        uri.expose(),
        "postgresql://u:ep@h:7/d?options=-c%20TimeZone%3DUTC"
    );
}

#[test]
fn a_wrong_variable_is_named_in_the_error() {
    let error = with("host=h", &[("PGSSLMODE", "always")]).expect_err("there is no such mode");

    assert_eq!(
        error.to_string(),
        "parameter \"PGSSLMODE\" cannot be \"always\""
    );
}

#[test]
fn the_old_variable_for_tls_still_counts_after_the_new_one() {
    assert_eq!(
        with("host=h", &[("PGREQUIRESSL", "1")])
            .expect("read")
            .to_string(),
        "postgresql://h:5432?sslmode=require"
    );
    let both = with("host=h", &[("PGREQUIRESSL", "1"), ("PGSSLMODE", "disable")]).expect("read");
    assert_eq!(both.to_string(), "postgresql://h:5432?sslmode=disable");
}

#[test]
fn the_environment_never_shows_its_values() {
    let text = format!(
        "{:?}",
        environment(&[("PGPASSWORD", "hunter2"), ("HOME", "/root")])
    );

    assert!(!text.contains("hunter2"), "{text}");
}

const SERVICES: &str = "
# comment
[other]
host=wrong
[prod]
host = db.example
port=7
port=8
user=app
password=pw
[prod2]
host=wrong
";

#[test]
fn a_service_wins_over_the_environment_and_loses_to_the_address() {
    let given = ConnectionString::parse("service=prod user=me").expect("read");

    let given = given.with_service(SERVICES).expect("the section is there");
    let endpoint = given
        .with_environment(&environment(&[("PGPORT", "9"), ("PGDATABASE", "d")]))
        .into_endpoint();

    let uri = endpoint.expect("it is right").to_uri_with_password();
    assert_eq!(uri.expose(), "postgresql://me:pw@db.example:7/d");
}

#[test]
fn a_service_file_is_found_through_the_environment() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("services");
    fs::write(&file, SERVICES).expect("a file");
    let path = file.to_str().expect("UTF-8");
    let variables = [
        ("PGSERVICEFILE", path),
        ("PGSERVICE", "prod"),
        ("PGSYSCONFDIR", "/nowhere"),
    ];

    let endpoint = Endpoint::load("dbname=d", &environment(&variables)).expect("it is found");
    assert_eq!(endpoint.to_string(), "postgresql://app:***@db.example:7/d");

    let error =
        Endpoint::load("service=none", &environment(&variables)).expect_err("there is none");
    assert_eq!(
        error.to_string(),
        format!("no definition of service \"none\" in {path}")
    );
}

#[test]
fn a_service_that_was_not_looked_up_is_an_error_and_never_the_default_host() {
    let error = Endpoint::parse("service=prod").expect_err("nobody looked it up");

    assert_eq!(error.to_string(), "service \"prod\" was not looked up");
}

#[test]
fn wrong_lines_of_a_service_file_are_named_by_number() {
    let said = |contents: &str| {
        let given = ConnectionString::parse("service=s").expect("read");
        given
            .with_service(contents)
            .expect_err("the line is wrong")
            .to_string()
    };

    assert_eq!(said("[s]\nhost"), "line 2 of the service file has no \"=\"");
    assert_eq!(
        said("[s]\n\nhots=h"),
        "line 3 of the service file has the unknown parameter \"hots\""
    );
    assert_eq!(
        said("[s]\nservice=t"),
        "line 2 of the service file names another service, which is not possible"
    );
    assert_eq!(
        said("[s]\nldap://x/y"),
        "a service that is kept in LDAP is not supported"
    );
    assert_eq!(said("[t]\nhost=h"), "no definition of service \"s\"");
}
