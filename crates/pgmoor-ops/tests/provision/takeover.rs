//! What belonged to another role becomes the owner's.

use pgmoor_testkit::{Dataset, Postgres};

use crate::site::{
    PASSWORD, apart, impossible, majors, manager, plan, provision, rows, state, superuser, undo,
    wanted,
};

/// What `before` owns in database `app`, of kinds that an application has.
const THINGS: &str = "create schema more; create table public.t (id serial primary key, kind text); \
    create view public.v as select * from public.t; create materialized view more.m as select 1 as one; \
    create sequence public.s; create type public.mood as enum ('a'); create domain public.d as int; \
    create type public.pair as (a int, b int); create function public.f(int) returns int language sql as 'select 1'; \
    create function more.g() returns int language sql as 'select 1'; \
    create procedure public.p() language sql as 'select 1'; \
    create aggregate public.total(int) (sfunc = int4pl, stype = int, initcond = '0'); \
    create table public.parts (a int) partition by range (a); \
    create table public.part partition of public.parts for values from (1) to (9); \
    create collation public.c from \"C\"; create text search configuration public.ts (copy = simple); \
    create statistics public.st on id, kind from public.t; select lo_create(4711)";

async fn things(postgres: &Postgres) {
    postgres
        .psql(
            "set password_encryption = 'scram-sha-256'; \
             create role before login password 'geheim'; grant all on schema public to before; \
             grant create on database app to before",
        )
        .await;
    postgres.psql(&format!("set role before; {THINGS}")).await;
}

async fn things_of(postgres: &Postgres, role: &str) -> Vec<String> {
    let sql = format!(
        "select coalesce((pg_identify_object(classid, objid, objsubid)).identity, '?') from pg_shdepend \
         where deptype = 'o' and refobjid = (select oid from pg_roles where rolname = '{role}') \
         and dbid = (select oid from pg_database where datname = current_database())"
    );
    rows(postgres, "app", &sql).await
}

/// How many things in the database belong to whom.
async fn whose(postgres: &Postgres, role: &str) -> usize {
    things_of(postgres, role).await.len()
}

#[tokio::test]
async fn all_that_a_role_owns_in_the_database_becomes_the_owners_and_goes_back() {
    for major in majors() {
        for by_superuser in [true, false] {
            let postgres = Postgres::builder().major(major).start().await;
            things(&postgres).await;
            let by = match by_superuser {
                true => superuser(&postgres),
                false => manager(&postgres).await,
            };
            if !by_superuser && major >= 16 {
                // As the administrator who made it has it.
                postgres
                    .psql("grant before to manager with admin option")
                    .await;
            }
            postgres.psql("alter database app owner to before").await;
            let all = whose(&postgres, "before").await;
            let before = state(&postgres, "app").await;
            let mut wanted = wanted("shop", "app", "public", &[]);
            wanted.take_over = vec!["before".to_owned()];

            let planned = provision(&by, &wanted).await;

            assert!(
                planned
                    .steps
                    .iter()
                    .any(|step| step.sql == "reassign owned by before to shop"),
                "{planned:#?}"
            );
            let left = things_of(&postgres, "before").await;
            assert!(left.is_empty(), "{major}: {left:?}");
            assert!(whose(&postgres, "shop").await >= all, "{major}");
            let shop = postgres.connect_as("shop", PASSWORD, "app").await;
            shop.batch_execute(
                "begin; alter table t add one int; drop function more.g(); rollback",
            )
            .await
            .unwrap();
            drop(shop);
            undo(&postgres, &planned).await;
            let back = state(&postgres, "app").await;
            let mut lost: Vec<_> = before.iter().filter(|line| !back.contains(line)).collect();
            lost.retain(|line| !line.contains(" open to "));
            assert!(lost.is_empty(), "{major}: {lost:#?}");
        }
    }
}

#[tokio::test]
async fn what_a_role_has_elsewhere_stays_its_own() {
    for major in majors() {
        for by_superuser in [true, false] {
            let postgres = Postgres::builder().major(major).start().await;
            things(&postgres).await;
            // REASSIGN OWNED would give this one away, too.
            postgres
                .psql("create database elsewhere owner before")
                .await;
            let by = match by_superuser {
                true => superuser(&postgres),
                false => manager(&postgres).await,
            };
            if !by_superuser {
                postgres.psql("alter database app owner to manager").await;
                postgres
                    .psql("grant create on schema public to manager with grant option")
                    .await;
            }
            if !by_superuser && major >= 16 {
                postgres
                    .psql("grant before to manager with admin option")
                    .await;
            }
            let all = whose(&postgres, "before").await;
            let mut wanted = wanted("shop", "app", "public", &[]);
            wanted.take_over = vec!["before".to_owned()];
            if !by_superuser {
                // The schema is nobody's whom this login can act for.
                postgres.psql("alter schema public owner to manager").await;
            }

            let planned = provision(&by, &wanted).await;

            let owner =
                "select pg_get_userbyid(datdba) from pg_database where datname = 'elsewhere'";
            assert_eq!(postgres.psql(owner).await, "before", "{major}");
            let left = things_of(&postgres, "before").await;
            assert!(left.is_empty(), "{major}: {left:?}");
            assert_eq!(whose(&postgres, "shop").await, all, "{major}");
            undo(&postgres, &planned).await;
            assert_eq!(whose(&postgres, "before").await, all, "{major}");
        }
    }
}

#[tokio::test]
async fn what_the_superuser_of_the_beginning_owns_can_be_given_to_an_application() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        postgres.psql(THINGS).await;
        let mut wanted = wanted("shop", "app", "public", &[]);
        wanted.take_over = vec!["postgres".to_owned()];

        let planned = provision(&superuser(&postgres), &wanted).await;

        let sql = "select tableowner::text from pg_tables where schemaname = 'public' group by 1";
        assert_eq!(rows(&postgres, "app", sql).await, ["shop"], "{major}");
        let owner = "select pg_get_userbyid(relowner) from pg_class where relname = 't_id_seq'";
        assert_eq!(postgres.psql(owner).await, "shop", "it follows its column");
        undo(&postgres, &planned).await;
        assert_eq!(rows(&postgres, "app", sql).await, ["postgres"], "{major}");
    }
}

#[tokio::test]
async fn every_kind_of_object_that_a_database_can_have_changes_hands() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        Dataset::SMALL.make(&postgres).await;
        let owners = "select distinct pg_get_userbyid(relowner)::text from pg_class \
                      where oid >= 16384 order by 1";
        let taken = rows(&postgres, "app", owners).await;
        let mut wanted = wanted("shop", "app", "public", &[]);
        wanted.take_over = taken.into_iter().filter(|role| role != "shop").collect();
        let by = superuser(&postgres);
        let planned = plan(&by, &wanted).await.unwrap();
        assert!(!planned.is_empty());

        provision(&by, &wanted).await;

        let left = "select relname::text from pg_class c where oid >= 16384 and relkind in ('r', 'v', 'm', 'p', 'f', 'S') \
                    and relowner <> (select oid from pg_roles where rolname = 'shop') \
                    and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')";
        assert!(rows(&postgres, "app", left).await.is_empty(), "{major}");
    }
}

#[tokio::test]
async fn an_application_that_owned_all_goes_on_without_owning() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let by = superuser(&postgres);
        things(&postgres).await;
        let mut wanted = apart("before", "owns", "app", "public");
        wanted.take_over = vec!["before".to_owned()];

        provision(&by, &wanted).await;

        let client = postgres.connect_as("before", PASSWORD, "app").await;
        client
            .batch_execute(
                "insert into t (kind) values ('x'); select * from v; select f(1); select nextval('s'); \
                 call p(); select total(id) from t; insert into parts values (2)",
            )
            .await
            .unwrap();
        let refused = client.batch_execute("drop table t").await.unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42501");
    }
}

#[tokio::test]
async fn what_belongs_to_others_stays_and_is_told() {
    let postgres = Postgres::start().await;
    things(&postgres).await;

    let planned = provision(&superuser(&postgres), &wanted("shop", "app", "public", &[])).await;

    let told = planned
        .notes
        .iter()
        .find(|note| note.contains("--take-over before"));
    assert!(told.is_some(), "{:?}", planned.notes);
    assert_eq!(whose(&postgres, "shop").await, 0);
}

#[tokio::test]
async fn what_cannot_be_taken_over_is_told_before_anything_is_done() {
    let postgres = Postgres::builder().major(15).start().await;
    things(&postgres).await;
    let by = manager(&postgres).await;
    let mut wanted = wanted("shop", "app", "public", &[]);
    wanted.take_over = vec!["nobody".to_owned()];
    let all = impossible(&by, &wanted).await;
    assert_eq!(
        all[0].0,
        "there is no role nobody to take anything over from"
    );

    // Nobody who is no superuser acts for one.
    postgres.psql("create table public.hers (a int)").await;
    wanted.take_over = vec!["postgres".to_owned()];
    let all = impossible(&by, &wanted).await;
    assert!(
        all.iter()
            .any(|(what, _)| what.starts_with("manager cannot act as postgres")),
        "{all:?}"
    );

    // Where its things are, the new owner has to be allowed to create.
    postgres
        .psql("create schema closed; create table closed.t (a int); alter table closed.t owner to before")
        .await;
    postgres
        .psql("alter schema public owner to manager; alter database app owner to manager")
        .await;
    wanted.take_over = vec!["before".to_owned()];
    let all = impossible(&by, &wanted).await;
    assert_eq!(
        all[0].0,
        "shop may not create in the schema closed, where things belong to before"
    );
}
