//! Provisioning real servers, with and without superuser.

#![allow(clippy::unwrap_used, missing_docs)]

mod site;

mod apart;
mod clouds;
mod extensions;
mod names;
mod refused;
mod rights;
mod scripts;
mod takeover;

use pgmoor_ops::provision::ProvisionError;
use pgmoor_testkit::Postgres;

use site::{
    HOSTILE, PASSWORD, apply, majors, manager, memberships_of_manager, plan, superuser, wanted,
};

/// Whether tables can be made as the role, where it looks first.
async fn works(postgres: &Postgres, role: &str, database: &str, schema: &str) {
    let client = postgres.connect_as(role, PASSWORD, database).await;
    client
        .batch_execute("create table t (a int)")
        .await
        .unwrap();
    let sql =
        "select schemaname from pg_tables where tablename = 't' and tableowner = current_user";
    let row = client.query_one(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), schema);
}

#[tokio::test]
async fn a_superuser_makes_all_of_it_and_the_second_time_nothing() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let superuser = superuser(&postgres);
        let wanted = wanted("shop", "shop", "shop", &["pg_trgm", "citext"]);

        let first = plan(&superuser, &wanted).await.unwrap();
        let applied = apply(&superuser, &wanted, &first).await;
        assert!(applied.failed.is_none(), "{major}: {:?}", applied.failed);
        assert_eq!(applied.done.len(), first.steps.len());

        works(&postgres, "shop", "shop", "shop").await;
        let second = plan(&superuser, &wanted).await.unwrap();
        assert!(second.is_empty(), "{major}: {:?}", second.steps);
        assert!(second.present.len() >= 5);
    }
}

#[tokio::test]
async fn an_extension_in_a_schema_of_its_own_can_be_used() {
    let postgres = Postgres::start().await;
    for (role, is_superuser) in [("shop", true), ("stall", false)] {
        let connector = match is_superuser {
            true => superuser(&postgres),
            false => manager(&postgres).await,
        };
        let mut wanted = wanted(role, role, "public", &["hstore"]);
        wanted.extensions[0].schema = Some("Extra".to_owned());

        let first = plan(&connector, &wanted).await.unwrap();
        let applied = apply(&connector, &wanted, &first).await;
        assert!(applied.failed.is_none(), "{role}: {:?}", applied.failed);

        works(&postgres, role, role, "public").await;
        let client = postgres.connect_as(role, PASSWORD, role).await;
        let row = client
            .query_one("select ('a=>1'::hstore -> 'a')", &[])
            .await;
        assert_eq!(row.unwrap().get::<_, String>(0), "1");
        let second = plan(&connector, &wanted).await.unwrap();
        assert!(second.is_empty(), "{role}: {:?}", second.steps);
    }
}

#[tokio::test]
async fn a_login_with_createrole_and_createdb_makes_all_of_it_and_keeps_no_membership() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let manager = manager(&postgres).await;
        // Trusted extensions are from 13 on.
        let extensions: &[&str] = if major >= 13 { &["pg_trgm"] } else { &[] };
        let wanted = wanted(HOSTILE, HOSTILE, HOSTILE, extensions);

        let first = plan(&manager, &wanted).await.unwrap();
        let applied = apply(&manager, &wanted, &first).await;
        assert!(applied.failed.is_none(), "{major}: {:?}", applied.failed);

        works(&postgres, HOSTILE, HOSTILE, HOSTILE).await;
        let second = plan(&manager, &wanted).await.unwrap();
        assert!(second.is_empty(), "{major}: {:?}", second.steps);
        assert_eq!(memberships_of_manager(&postgres).await, "0", "{major}");
    }
}

#[tokio::test]
async fn a_plan_is_refused_when_the_server_changed_since() {
    let postgres = Postgres::start().await;
    let superuser = superuser(&postgres);
    let wanted = wanted("shop", "shop", "public", &[]);
    let planned = plan(&superuser, &wanted).await.unwrap();
    postgres.psql("create role shop").await;

    let applied = apply(&superuser, &wanted, &planned).await;

    assert!(matches!(applied.failed, Some(ProvisionError::Changed)));
    assert!(applied.done.is_empty());
    let databases = "select count(*) from pg_database where datname = 'shop'";
    assert_eq!(postgres.psql(databases).await, "0");
}
