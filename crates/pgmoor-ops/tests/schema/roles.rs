//! As whom migrations run, and where their history is.

use pgmoor_ops::schema::SchemaError;
use pgmoor_testkit::Postgres;

use crate::common::{Dir, chain, connector, majors, open, rules, up};

#[tokio::test]
async fn what_migrations_make_belongs_to_the_role_that_is_named() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let sql = "set password_encryption = 'scram-sha-256'; create role owner; create role runner login password 'runner' in role owner; \
                   create schema data authorization owner; alter role owner set search_path = data; \
                   grant create on database app to owner";
        postgres.psql(sql).await;
        let session = open(&connector(postgres.port(), "runner", "runner", "app")).await;
        let mut rules = rules();
        rules.role = Some("owner".into());
        rules.history = "data.refinery_schema_history".into();
        let dir = Dir::new(&[("V1__t.sql", "create table data.t (a int)")]);

        up(&session, &dir.files(), &rules).await.unwrap();

        let owners =
            "select string_agg(distinct tableowner, ',') from pg_tables where schemaname = 'data'";
        assert_eq!(postgres.psql(owners).await, "owner", "{major}");
    }
}

#[tokio::test]
async fn a_history_in_another_schema_than_the_login_looks_in_is_not_begun_anew() {
    let postgres = Postgres::start().await;
    let admin = connector(
        postgres.port(),
        "postgres",
        postgres.admin_password(),
        "app",
    );
    let dir = Dir::new(&[("V1__t.sql", "create table t (a int)")]);
    up(&open(&admin).await, &dir.files(), &rules())
        .await
        .unwrap();
    postgres
        .psql("create schema mine; alter role postgres in database app set search_path = mine")
        .await;

    let error = up(&open(&admin).await, &dir.files(), &rules())
        .await
        .unwrap_err();

    assert_eq!(
        error.to_string(),
        "the history of migrations is in schema public, and this login looks in \"mine\""
    );
    postgres
        .psql("alter role postgres in database app set search_path = nowhere")
        .await;
    let error = up(&open(&admin).await, &dir.files(), &rules())
        .await
        .unwrap_err();
    assert!(
        matches!(error, SchemaError::Elsewhere { .. } | SchemaError::NoSchema),
        "{error}"
    );
}

#[tokio::test]
async fn who_may_not_make_tables_is_told_who_may() {
    let postgres = Postgres::start().await;
    postgres
        .psql(
            "create role guest login password 'guest'; revoke create on schema public from public",
        )
        .await;
    let session = open(&connector(postgres.port(), "guest", "guest", "app")).await;
    let dir = Dir::new(&[("V1__t.sql", "create table t (a int)")]);

    let error = up(&session, &dir.files(), &rules()).await.unwrap_err();

    assert_eq!(
        error.sqlstate().unwrap().as_str(),
        "42501",
        "{}",
        chain(&error)
    );
    assert!(error.hint().unwrap().contains("schema.endpoint"));
}
