//! What the application may make itself, and databases besides its own.

use pgmoor_ops::requirement::Right;
use pgmoor_testkit::Postgres;

use crate::site::{
    PASSWORD, apply, connector, impossible, majors, manager, plan, provision, superuser, undo,
    wanted,
};

#[tokio::test]
async fn a_role_gets_the_rights_that_its_application_needs() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let by = manager(&postgres).await;
        // The database is somebody else's, in which it may make no schema so far.
        postgres.psql("create database hers").await;
        postgres.psql("alter database hers owner to manager").await;
        let mut wanted = wanted("shop", "hers", "mine", &[]);
        wanted.rights = vec![
            Right::CreateTable,
            Right::CreateSchema,
            Right::CreateDatabase,
            Right::CreateRole,
        ];

        let planned = provision(&by, &wanted).await;

        let shop = postgres.connect_as("shop", PASSWORD, "hers").await;
        for sql in [
            "create table t (a int)",
            "create schema another",
            "create database one_more",
            "create role another",
        ] {
            shop.batch_execute(sql).await.unwrap();
        }
        postgres.psql("drop role another").await;
        drop(shop);
        postgres.psql("drop database one_more").await;
        let hers = postgres
            .connect_as("postgres", postgres.admin_password(), "hers")
            .await;
        hers.batch_execute("drop schema another; drop table mine.t")
            .await
            .unwrap();
        drop(hers);
        undo(&postgres, &planned).await;
        let shops = "select count(*) from pg_roles where rolname = 'shop'";
        assert_eq!(postgres.psql(shops).await, "0", "{major}");
    }
}

#[tokio::test]
async fn nobody_gives_a_right_that_he_does_not_have() {
    for major in majors().into_iter().filter(|major| *major >= 16) {
        let postgres = Postgres::builder().major(major).start().await;
        postgres
            .psql("create role clerk login createrole password 'clerk'")
            .await;
        let clerk = connector(&postgres, "clerk", "clerk");
        let mut wanted = wanted("shop", "app", "public", &[]);
        wanted.rights = vec![Right::CreateDatabase];

        let all = impossible(&clerk, &wanted).await;

        assert!(
            all.iter()
                .any(|(what, _)| what == "clerk may not let shop make databases"),
            "{all:?}"
        );
    }
}

#[tokio::test]
async fn a_role_that_somebody_else_made_is_told_apart_from_16_on() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let by = manager(&postgres).await;
        postgres.psql("create role shop").await;
        let outcome = plan(&by, &wanted("shop", "shop", "public", &[])).await;
        if major < 16 {
            outcome.unwrap();
            continue;
        }
        let all = impossible(&by, &wanted("shop", "shop", "public", &[])).await;
        assert_eq!(all[0].0, "manager may not change the role shop", "{major}");
        assert!(all[0].1.contains("grant shop to manager with admin option"));
        assert_eq!(
            all[1].0,
            "manager cannot act as shop, which it takes to make shop its own"
        );

        postgres
            .psql("grant shop to manager with admin option")
            .await;
        provision(&by, &wanted("shop", "shop", "public", &[])).await;
    }
}

#[tokio::test]
async fn databases_besides_its_own_are_made_as_well() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let by = manager(&postgres).await;
        let mut wanted = wanted("shop", "shop", "data", &[]);
        wanted.further = vec!["shop_search".to_owned(), "shop_auth".to_owned()];

        provision(&by, &wanted).await;

        for database in ["shop", "shop_search", "shop_auth"] {
            let shop = postgres.connect_as("shop", PASSWORD, database).await;
            shop.batch_execute("create table t (a int)").await.unwrap();
            let sql = "select schemaname::text from pg_tables where tablename = 't'";
            let row = shop.query_one(sql, &[]).await.unwrap();
            assert_eq!(row.get::<_, String>(0), "data", "{major}");
        }
    }
}

#[tokio::test]
async fn a_password_that_is_asked_for_anew_replaces_the_one_before() {
    let postgres = Postgres::start().await;
    let by = manager(&postgres).await;
    let mut wanted = wanted("shop", "shop", "public", &[]);
    provision(&by, &wanted).await;
    postgres
        .psql("alter role shop password 'forgotten' valid until '2020-01-01'")
        .await;

    wanted.role.reset_password = true;
    let planned = plan(&by, &wanted).await.unwrap();
    let titles: Vec<&str> = planned
        .steps
        .iter()
        .map(|step| step.title.as_str())
        .collect();
    assert_eq!(titles.len(), 2, "{titles:?}");
    let applied = apply(&by, &wanted, &planned).await;

    assert!(applied.failed.is_none(), "{:?}", applied.failed);
    postgres.connect_as("shop", PASSWORD, "shop").await;
    let valid = "select rolvaliduntil = 'infinity' from pg_roles where rolname = 'shop'";
    assert_eq!(postgres.psql(valid).await, "t");
}

#[tokio::test]
async fn only_what_is_missing_is_given_and_taken_back() {
    let postgres = Postgres::start().await;
    postgres
        .psql(
            "create role shop login; revoke all on database app from public; \
             grant connect on database app to shop",
        )
        .await;

    let wanted = wanted("shop", "app", "public", &[]);
    let planned = provision(&superuser(&postgres), &wanted).await;
    undo(&postgres, &planned).await;

    let has = |right: &str| format!("select has_database_privilege('shop', 'app', '{right}')");
    assert_eq!(postgres.psql(&has("temporary")).await, "f");
    assert_eq!(postgres.psql(&has("connect")).await, "t");
}
