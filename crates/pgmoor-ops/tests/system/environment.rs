//! Variables and addresses that belong to no application, and files that belong to nobody.

use pgmoor_ops::system::Application;

use super::site::{assert_said, imported, imported_as, line, yaml};

#[test]
fn address_in_a_variable_stays_there_when_it_has_a_password() {
    let with = imported(&[(".env", "DATABASE_URL=postgres://u:geheim@h/d\n")]);
    let without = imported(&[(".env", "DATABASE_URL=postgres://u@h/d\n")]);

    assert_eq!(line(&yaml(&with), "url:"), "url: \"${DATABASE_URL}\"");
    assert_eq!(line(&yaml(&without), "url:"), "url: \"postgres://u@h/d\"");
}

#[test]
fn the_variables_of_libpq_are_one_address() {
    let text =
        "PGHOST=h\nPGPORT=6432\nPGUSER=u\nPGDATABASE=d\nPGSSLMODE=verify-full\nPGPASSWORD=geheim\n";

    let yaml = yaml(&imported(&[(".env", text)]));

    assert_eq!(
        line(&yaml, "url:"),
        "url: \"postgres://u@h:6432/d?sslmode=verify-full\""
    );
    assert_eq!(line(&yaml, "password:"), "password: \"${PGPASSWORD}\"");
}

#[test]
fn one_address_is_read_in_every_form() {
    for text in [
        "postgres://u@h:5432/d?sslmode=require\n",
        "u@h:5432/d?sslmode=require",
        "host=h port=5432 user=u dbname=d sslmode=require",
        "jdbc:postgresql://h:5432/d?user=u&sslmode=require",
        "postgresql+psycopg2://u@h:5432/d?sslmode=require",
    ] {
        let imported = imported(&[("-", text)]);

        assert_eq!(imported.application, Some(Application::Url), "{text}");
        assert_eq!(
            line(&yaml(&imported), "url:"),
            "url: \"postgres://u@h:5432/d?sslmode=require\""
        );
    }
}

#[test]
fn what_belongs_to_nobody_is_refused() {
    let nobody = imported(&[("v.yaml", "replicas: 3\n")]);
    let nothing = imported_as(Some(Application::Env), &[("x", "A=1\n")]);
    let empty = imported(&[("v.yaml", "")]);

    assert_said(
        &nobody,
        "refused: v.yaml:1: cannot tell whose configuration this is",
    );
    assert_said(
        &nothing,
        "refused: x:1: no variable says where a database is",
    );
    assert_said(
        &empty,
        "refused: v.yaml:1: cannot tell whose configuration this is",
    );
}
