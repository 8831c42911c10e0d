//! A catalogue that was written to another server is the same there.

use std::collections::BTreeSet;

use pgmoor_ops::catalogue::{Catalogue, Comparison, Script, Target, compare, write};
use pgmoor_testkit::{Dataset, Postgres, client_program, has_major};

use crate::site::{read, session, source};

/// A superuser's target with the roles of the data set.
async fn target(major: u16) -> (Postgres, Target) {
    let postgres = Postgres::builder().major(major).start().await;
    let client = postgres.connect_admin().await;
    client
        .batch_execute(&Dataset::roles_sql(major))
        .await
        .unwrap();
    let roles = client
        .query("select rolname::text from pg_roles", &[])
        .await
        .unwrap();
    let target = Target {
        major: u32::from(major),
        database: "app".to_owned(),
        user: "postgres".to_owned(),
        is_superuser: true,
        roles: roles.iter().map(|row| row.get(0)).collect(),
        assumable: Default::default(),
        extensions: [("plpgsql".to_owned(), "postgres".to_owned())].into(),
        role_map: Default::default(),
    };
    (postgres, target)
}

/// Runs all of it, and tells what was refused.
async fn run(script: &Script, postgres: &Postgres, user: &str, password: &str) -> Vec<String> {
    let session = session(postgres, user, password).await;
    for setting in Script::SESSION {
        session.client().batch_execute(setting).await.unwrap();
    }
    let mut refused = Vec::new();
    for statement in &script.statements {
        let outcome = session.client().batch_execute(statement.sql.text()).await;
        if let Err(error) = outcome {
            let reason = error
                .as_db_error()
                .map_or(error.to_string(), |error| error.message().to_owned());
            refused.push(format!("{reason}: {}", statement.sql.shown()));
        }
    }
    refused
}

fn differences(here: &Catalogue, there: &Catalogue) -> Vec<String> {
    let found = compare(here, there, &Comparison::default());
    found.iter().map(ToString::to_string).collect()
}

async fn arrives_whole(from: u16, to: u16) {
    let source = source(from).await;
    let catalogue = read(&source).await;
    let (postgres, target) = target(to).await;

    let script = write(&catalogue, &target);

    let refused = run(&script, &postgres, "postgres", postgres.admin_password()).await;
    let there = read(&postgres).await;
    assert_eq!(script.losses, []);
    assert_eq!(refused, Vec::<String>::new(), "{from} to {to}");
    assert_eq!(
        differences(&catalogue, &there),
        Vec::<String>::new(),
        "{from} to {to}"
    );
}

macro_rules! ways {
    ($($name:ident: $from:literal to $to:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            if has_major($from) && has_major($to) {
                arrives_whole($from, $to).await;
            }
        }
    )*};
}

ways! {
    all_arrives_on_the_same_15: 15 to 15;
    all_arrives_on_the_same_18: 18 to 18;
    all_of_12_arrives_on_18: 12 to 18;
    all_of_13_arrives_on_16: 13 to 16;
    all_of_14_arrives_on_17: 14 to 17;
    all_of_16_arrives_on_18: 16 to 18;
    all_of_17_arrives_on_18: 17 to 18;
    all_of_12_arrives_on_13: 12 to 13;
}

/// What `pg_dump` says of a schema, without what it says of itself.
async fn dump(postgres: &Postgres) -> BTreeSet<String> {
    let output = tokio::process::Command::new(client_program("pg_dump"))
        .args(["--schema-only", "--create", "app"])
        .env("PGHOST", postgres.socket_dir())
        .env("PGPORT", postgres.port().to_string())
        .env("PGUSER", "postgres")
        .env("PGPASSWORD", postgres.admin_password())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let of_itself = |line: &str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
    let entries = text
        .split("\n--\n-- Name: ")
        .filter(|entry| !entry.lines().any(of_itself));
    // It lists privileges in the order in which they were given.
    let sorted = |entry: &str| {
        let mut lines: Vec<&str> = entry.trim_end().lines().collect();
        if entry.contains("Type: ACL;") {
            lines.sort_unstable();
        }
        lines.join("\n")
    };
    entries.map(sorted).collect()
}

/// What PostgreSQL says of a check that it made of its own words: the cast is of each element now.
fn as_reparsed(entry: &str) -> String {
    let kinds = ["'a'", "'b'", "'c'''"].map(|kind| format!("{kind}::character varying"));
    let one = format!("(ARRAY[{}])::text[]", kinds.join(", "));
    let each = kinds.map(|kind| format!("({kind})::text"));
    entry.replace(&one, &format!("ARRAY[{}]", each.join(", ")))
}

#[tokio::test]
async fn pg_dump_sees_no_difference_either() {
    let source = source(15).await;
    let (postgres, target) = target(15).await;

    let script = write(&read(&source).await, &target);
    run(&script, &postgres, "postgres", postgres.admin_password()).await;

    let here = dump(&source).await;
    let here: BTreeSet<_> = here.iter().map(|entry| as_reparsed(entry)).collect();
    let there = dump(&postgres).await;
    assert!(here.len() > 250, "{}", here.len());
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        one.difference(other).cloned().collect::<Vec<_>>()
    };
    assert_eq!(only(&here, &there), Vec::<String>::new());
    assert_eq!(only(&there, &here), Vec::<String>::new());
}
