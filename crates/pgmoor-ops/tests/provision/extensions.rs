//! Extensions that need others, that need a superuser, and that need not be.

use pgmoor_testkit::Postgres;

use crate::site::{impossible, majors, manager, plan, provision, rows, superuser, wanted};

#[tokio::test]
async fn an_extension_that_takes_a_superuser_is_refused_before_anything_is_done() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let by = manager(&postgres).await;
        // Both while the database is not there yet and in one that is.
        for database in ["shop", "app"] {
            let all = impossible(&by, &wanted("shop", database, "public", &["file_fdw"])).await;
            let told = "manager may not install the extension file_fdw, which takes a superuser";
            let found = all.iter().find(|(what, _)| what == told);
            let (_, hint) = found.unwrap_or_else(|| panic!("{all:?}"));
            assert!(hint.contains("have a superuser run"), "{hint}");
        }
        let roles = "select count(*) from pg_roles where rolname = 'shop'";
        assert_eq!(postgres.psql(roles).await, "0");

        provision(
            &superuser(&postgres),
            &wanted("shop", "shop", "public", &["file_fdw"]),
        )
        .await;
    }
}

#[tokio::test]
async fn an_extension_that_the_application_can_do_without_is_left_out_and_told() {
    let postgres = Postgres::start().await;
    let by = manager(&postgres).await;
    let mut wanted = wanted(
        "shop",
        "shop",
        "public",
        &["pg_trgm", "file_fdw", "nothing"],
    );
    for extension in &mut wanted.extensions {
        extension.optional = true;
    }

    let planned = provision(&by, &wanted).await;

    let installed = rows(
        &postgres,
        "shop",
        "select extname::text from pg_extension order by 1",
    );
    assert_eq!(installed.await, ["pg_trgm", "plpgsql"]);
    assert_eq!(planned.notes.len(), 2, "{:?}", planned.notes);
    assert!(planned.notes[0].starts_with("manager may not install the extension file_fdw"));
    assert!(planned.notes[1].starts_with("the server does not have the extension nothing"));
}

#[tokio::test]
async fn what_an_extension_needs_itself_is_installed_before_it_and_taken_back_after_it() {
    let postgres = Postgres::start().await;
    let by = superuser(&postgres);
    let wanted = wanted("shop", "shop", "public", &["earthdistance"]);

    let planned = provision(&by, &wanted).await;

    let titles: Vec<&str> = planned
        .steps
        .iter()
        .filter(|step| step.sql.starts_with("create extension"))
        .map(|step| step.title.as_str())
        .collect();
    assert_eq!(
        titles,
        [
            "install the extension cube in schema public",
            "install the extension earthdistance in schema public"
        ]
    );
    crate::site::undo(&postgres, &planned).await;
    assert!(!plan(&by, &wanted).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_extension_in_another_schema_than_wanted_is_left_where_it_is() {
    let postgres = Postgres::start().await;
    postgres
        .psql("create schema other; create extension citext schema other")
        .await;
    let mut wanted = wanted("shop", "app", "public", &["citext"]);
    wanted.extensions[0].schema = Some("public".to_owned());

    let all = impossible(&superuser(&postgres), &wanted).await;

    assert_eq!(
        all[0].0,
        "the extension citext is in schema other, not public"
    );
}
