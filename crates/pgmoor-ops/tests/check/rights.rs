//! Checks of what the login may do.

use pgmoor_ops::requirement::Right;
use pgmoor_testkit::Postgres;

use crate::prepared::{admin, look, plainly, sql};
use crate::site::{Look, fires, leads, passes};

fn wants(right: Right) -> impl FnOnce(&mut Look) {
    move |look| look.asked.requirement.rights = vec![right]
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_found() {
    let postgres = Postgres::start().await;
    passes(&plainly(&postgres).await, "PGM-RGT-001");

    let report = look(&postgres, |look| {
        look.asked.requirement.schema = "coder".to_owned()
    })
    .await;
    let finding = leads(&report, "PGM-RGT-001");
    assert_eq!(
        finding.hint.as_deref(),
        Some("CREATE SCHEMA coder AUTHORIZATION app")
    );
}

#[tokio::test]
async fn a_schema_that_is_closed_to_the_login_is_found() {
    let postgres = Postgres::start().await;
    sql(&postgres, "grant usage, create on schema public to app").await;
    passes(&plainly(&postgres).await, "PGM-RGT-002");

    sql(
        &postgres,
        "alter database app owner to postgres; alter schema public owner to postgres;
         revoke all on schema public from app, public; grant usage on schema public to app",
    )
    .await;
    let report = plainly(&postgres).await;
    let finding = leads(&report, "PGM-RGT-002");
    assert_eq!(
        finding.hint.as_deref(),
        Some("as postgres: GRANT CREATE ON SCHEMA public TO app")
    );
}

#[tokio::test]
async fn each_right_that_the_application_wants_and_has_not_is_found_with_its_grant() {
    let postgres = Postgres::start().await;
    sql(
        &postgres,
        "alter database app owner to postgres; revoke create on database app from app;
         grant usage, create on schema public to app",
    )
    .await;

    let report = look(&postgres, wants(Right::CreateSchema)).await;
    let finding = leads(&report, "PGM-RGT-003");
    assert_eq!(
        finding.hint.as_deref(),
        Some("as postgres: GRANT CREATE ON DATABASE app TO app")
    );
    let report = look(&postgres, wants(Right::CreateDatabase)).await;
    let finding = leads(&report, "PGM-RGT-004");
    assert_eq!(finding.hint.as_deref(), Some("ALTER ROLE app CREATEDB"));
    let report = look(&postgres, wants(Right::CreateRole)).await;
    leads(&report, "PGM-RGT-005");
    let report = look(&postgres, wants(Right::SetRole)).await;
    leads(&report, "PGM-RGT-006");

    sql(
        &postgres,
        "grant create on database app to app; alter role app createdb createrole;
         create role owners; grant owners to app",
    )
    .await;
    passes(
        &look(&postgres, wants(Right::CreateSchema)).await,
        "PGM-RGT-003",
    );
    passes(
        &look(&postgres, wants(Right::CreateDatabase)).await,
        "PGM-RGT-004",
    );
    passes(
        &look(&postgres, wants(Right::CreateRole)).await,
        "PGM-RGT-005",
    );
    passes(&look(&postgres, wants(Right::SetRole)).await, "PGM-RGT-006");
}

#[tokio::test]
async fn tables_of_the_login_before_are_found_with_what_hands_them_over() {
    let postgres = Postgres::start().await;
    let report = plainly(&postgres).await;
    passes(&report, "PGM-RGT-007");
    passes(&report, "PGM-RGT-008");

    sql(
        &postgres,
        "create role \"app by password\"; create table public.users (id int primary key);
         alter table public.users owner to \"app by password\"",
    )
    .await;
    let report = look(&postgres, wants(Right::CreateTable)).await;
    let finding = fires(&report, "PGM-RGT-007");
    assert!(finding.seen.contains("table public.users"), "{finding:?}");
    let hint = finding.hint.as_deref().unwrap();
    assert!(hint.contains("\"app by password\""), "{hint}");
    fires(&report, "PGM-RGT-008");
}

#[tokio::test]
async fn what_the_hint_says_hands_the_tables_over() {
    let postgres = Postgres::start().await;
    sql(
        &postgres,
        "create role old; create table public.t (id int); alter table public.t owner to old",
    )
    .await;
    // What the superuser made is the commonest case, and the one that REASSIGN OWNED refuses.
    sql(
        &postgres,
        "create table public.\"Theirs\" (id serial); create sequence public.\"S\";
         create function public.f(int) returns int language sql as 'select 1';
         create procedure public.p() language sql as 'select 1';
         create aggregate public.total(int) (sfunc = int4pl, stype = int, initcond = '0');
         create type public.mood as enum ('a'); create domain public.\"D\" as int;
         create type public.pair as (a int, b int); create view public.v as select 1 as one;
         create extension citext",
    )
    .await;
    for owner in ["postgres", "old"] {
        let report = plainly(&postgres).await;
        let finding = fires(&report, "PGM-RGT-007");
        let hint = finding.hint.clone().unwrap();
        let from = hint.find("SELECT format").unwrap();
        let until = hint.find("\\gexec").unwrap();
        assert!(hint.contains(owner), "{hint}");
        // As \gexec does it.
        let client = admin(&postgres).await;
        for row in client.query(&hint[from..until], &[]).await.unwrap() {
            client.batch_execute(row.get(0)).await.unwrap();
        }
    }

    passes(&plainly(&postgres).await, "PGM-RGT-007");
}

#[tokio::test]
async fn tables_that_another_role_will_make_are_open_or_it_is_said() {
    let postgres = Postgres::start().await;
    sql(
        &postgres,
        "create role migrator; create table public.t (id int); alter table public.t owner to migrator;
         grant all on public.t to app",
    )
    .await;
    let report = plainly(&postgres).await;
    let finding = fires(&report, "PGM-RGT-009");
    let hint = finding.hint.clone().unwrap();

    sql(&postgres, &hint).await;

    passes(&plainly(&postgres).await, "PGM-RGT-009");
}

#[tokio::test]
async fn a_login_that_does_not_migrate_need_not_own_or_make_tables() {
    let postgres = Postgres::start().await;
    sql(
        &postgres,
        "create role owner; grant all on schema public to owner; alter database app owner to postgres;
         revoke all on schema public from app, public; grant usage on schema public to app;
         create table public.t (id int); alter table public.t owner to owner; grant all on public.t to app;
         alter default privileges for role owner in schema public grant all on tables to app",
    )
    .await;

    let report = look(&postgres, |look| {
        look.asked.requirement.rights = vec![Right::CreateTable];
        look.asked.migrates_elsewhere = true;
    })
    .await;

    passes(&report, "PGM-RGT-008");
    passes(&report, "PGM-RGT-009");
    assert_eq!(report.first, None, "{report:?}");
}

#[tokio::test]
async fn a_table_that_can_only_be_read_is_found() {
    let postgres = Postgres::start().await;
    sql(
        &postgres,
        "create table public.read_only (id int); grant select on public.read_only to app",
    )
    .await;

    let report = plainly(&postgres).await;

    let finding = fires(&report, "PGM-RGT-008");
    assert!(finding.seen.contains("public.read_only"), "{finding:?}");
}

#[tokio::test]
async fn a_search_path_that_leads_elsewhere_is_found() {
    let postgres = Postgres::start().await;
    passes(&plainly(&postgres).await, "PGM-RGT-010");

    sql(
        &postgres,
        "create schema elsewhere authorization app; alter role app set search_path = elsewhere, public",
    )
    .await;
    let report = plainly(&postgres).await;
    let finding = fires(&report, "PGM-RGT-010");
    assert!(finding.seen.contains("\"elsewhere\""), "{finding:?}");
}

#[tokio::test]
async fn a_password_that_ends_soon_is_found() {
    let postgres = Postgres::start().await;
    passes(&plainly(&postgres).await, "PGM-RGT-011");

    let soon = "do $$ begin execute format('alter role app valid until %L', now() + interval '5 days'); end $$";
    sql(&postgres, soon).await;
    let report = plainly(&postgres).await;
    let finding = fires(&report, "PGM-RGT-011");
    assert!(finding.seen.contains("5 days"), "{finding:?}");
}

#[tokio::test]
async fn a_login_that_may_everything_is_found() {
    let postgres = Postgres::start().await;
    passes(&plainly(&postgres).await, "PGM-RGT-012");

    sql(&postgres, "alter role app superuser").await;
    fires(&plainly(&postgres).await, "PGM-RGT-012");
}
