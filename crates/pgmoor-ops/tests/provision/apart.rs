//! An application that logs in as another role than the one that owns its tables.

use pgmoor_ops::provision::WantedRole;
use pgmoor_ops::requirement::Right;
use pgmoor_testkit::Postgres;

use crate::site::{HOSTILE, PASSWORD, apart, majors, manager, provision, state, superuser, undo};

/// What a migration makes, and what the application then does with it.
async fn works(postgres: &Postgres, owner: &str, app: &str, database: &str) {
    let owner = postgres.connect_as(owner, PASSWORD, database).await;
    owner
        .batch_execute(
            "create table later (id serial primary key, name text); \
             create view seen as select * from later; \
             create function twice(int) returns int language sql as 'select $1 * 2'",
        )
        .await
        .unwrap();
    let app = postgres.connect_as(app, PASSWORD, database).await;
    app.batch_execute(
        "insert into later (name) values ('x'); update later set name = 'y'; \
         select setval('later_id_seq', 10); select twice(1) from seen; delete from later",
    )
    .await
    .unwrap();
    let refused = app.batch_execute("alter table later add other int").await;
    assert_eq!(refused.unwrap_err().code().unwrap().code(), "42501");
}

#[tokio::test]
async fn what_migrations_make_is_open_to_the_application_and_not_its_own() {
    for major in majors() {
        for by_superuser in [true, false] {
            let postgres = Postgres::builder().major(major).start().await;
            let by = match by_superuser {
                true => superuser(&postgres),
                false => manager(&postgres).await,
            };
            for schema in ["public", HOSTILE] {
                let name = format!("{schema} db");
                let app = format!("{schema} app");
                let owner = format!("{schema} owner");
                provision(&by, &apart(&app, &owner, &name, schema)).await;
                works(&postgres, &owner, &app, &name).await;
            }
        }
    }
}

#[tokio::test]
async fn what_is_there_already_is_opened_exactly_and_closed_exactly_by_the_undo() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let by = manager(&postgres).await;
        let owned = postgres
            .psql("grant app to manager; revoke all on database app from public; select 1")
            .await;
        assert_eq!(owned, "1");
        postgres
            .psql(
                "alter database app owner to app; alter schema public owner to app; set role app; \
                 create table open_ (id int primary key); create table shut (id serial primary key); \
                 create materialized view counted as select count(*) from open_; \
                 create function hidden() returns int language sql as 'select 1'; \
                 revoke execute on function hidden() from public; \
                 alter default privileges for role app revoke execute on functions from public",
            )
            .await;
        postgres
            .psql("set password_encryption = 'scram-sha-256'; create role reader login password 'geheim'; \
                 grant app to manager")
            .await;
        if major >= 16 {
            postgres
                .psql("grant reader, app to manager with admin option")
                .await;
        }
        postgres.psql("grant select on open_ to reader").await;
        let before = state(&postgres, "app").await;

        let wanted = apart("reader", "app", "app", "public");
        let planned = provision(&by, &wanted).await;

        let reader = postgres.connect_as("reader", PASSWORD, "app").await;
        reader
            .batch_execute(
                "insert into shut default values; update open_ set id = 2; \
                 select * from counted; select hidden()",
            )
            .await
            .unwrap();
        let app = postgres.connect().await;
        app.batch_execute("create function later() returns int language sql as 'select 1'")
            .await
            .unwrap();
        reader.batch_execute("select later()").await.unwrap();
        app.batch_execute("drop function later()").await.unwrap();
        drop((reader, app));
        undo(&postgres, &planned).await;
        assert_eq!(state(&postgres, "app").await, before, "{major}");
    }
}

#[tokio::test]
async fn a_role_that_nobody_logs_in_as_owns_and_is_taken_on() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let by = manager(&postgres).await;
        let mut wanted = apart("shop", "migrates", "shop", "public");
        wanted.others.push(WantedRole::group("owns"));
        wanted.owner = "owns".to_owned();
        wanted.member = Some("migrates".to_owned());
        wanted.rights.push(Right::SetRole);

        provision(&by, &wanted).await;

        let login = "select rolcanlogin from pg_roles where rolname = 'owns'";
        assert_eq!(postgres.psql(login).await, "f");
        let migrates = postgres.connect_as("migrates", PASSWORD, "shop").await;
        migrates
            .batch_execute("set role owns; create table t (a int)")
            .await
            .unwrap();
        let shop = postgres.connect_as("shop", PASSWORD, "shop").await;
        shop.batch_execute("insert into t values (1)")
            .await
            .unwrap();
        let owner = shop
            .query_one(
                "select tableowner::text from pg_tables where tablename = 't'",
                &[],
            )
            .await
            .unwrap();
        assert_eq!(owner.get::<_, String>(0), "owns", "{major}");
    }
}
