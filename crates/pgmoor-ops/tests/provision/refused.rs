//! What is told instead of done, and what an apply finds not to be as wanted.

use pgmoor_ops::provision::{Identity, ProvisionError};
use pgmoor_testkit::Postgres;

use crate::site::{
    apply, connector, impossible, manager, memberships_of_manager, plan, superuser, wanted,
};

#[tokio::test]
async fn a_step_that_fails_says_what_was_done_and_the_next_plan_goes_on() {
    let postgres = Postgres::start().await;
    let by = manager(&postgres).await;
    postgres
        .psql(
            "alter database app owner to manager; \
             create function public.no() returns event_trigger language plpgsql as \
             $$ begin raise 'not today'; end $$; \
             create event trigger no on ddl_command_start when tag in ('CREATE SCHEMA') \
             execute function public.no()",
        )
        .await;
    let wanted = wanted("shop", "app", "shop", &[]);
    let planned = plan(&by, &wanted).await.unwrap();

    let applied = apply(&by, &wanted, &planned).await;

    let Some(ProvisionError::Step { number, title, .. }) = &applied.failed else {
        panic!("{:?}", applied.failed);
    };
    assert_eq!(title, "create the schema shop, owned by shop");
    assert_eq!(applied.done, (1..*number).collect::<Vec<_>>());
    assert_eq!(
        memberships_of_manager(&postgres).await,
        "0",
        "it does not stay"
    );
    postgres.psql("drop event trigger no").await;
    let left = plan(&by, &wanted).await.unwrap();
    assert!(left.steps.len() < planned.steps.len(), "{:?}", left.steps);
    let applied = apply(&by, &wanted, &left).await;
    assert!(applied.failed.is_none(), "{:?}", applied.failed);
}

#[tokio::test]
async fn statements_that_are_accepted_and_do_nothing_are_not_called_done() {
    let postgres = Postgres::start().await;
    let by = superuser(&postgres);
    // Whatever is granted on it is taken away at once.
    postgres
        .psql(
            "revoke create on schema public from public; \
             create function public.no() returns event_trigger language plpgsql as $$ begin \
             revoke create on schema public from shop; end $$; \
             create event trigger no on ddl_command_end when tag in ('GRANT') \
             execute function public.no()",
        )
        .await;
    let wanted = wanted("shop", "app", "public", &[]);
    let planned = plan(&by, &wanted).await.unwrap();

    let applied = apply(&by, &wanted, &planned).await;

    assert_eq!(applied.done.len(), planned.steps.len());
    let Some(ProvisionError::Left { left }) = &applied.failed else {
        panic!("{:?}", applied.failed);
    };
    assert_eq!(left, &["let shop create in the schema public"]);
}

#[tokio::test]
async fn grants_for_which_the_login_lacks_the_right_are_refused_in_the_plan() {
    let postgres = Postgres::start().await;
    let by = manager(&postgres).await;
    postgres
        .psql("revoke temporary on database app from public; alter database app owner to postgres")
        .await;

    let all = impossible(&by, &wanted("shop", "app", "public", &[])).await;

    let told = "manager cannot act as postgres, which it takes to open the schema public";
    let found = all.iter().find(|(what, _)| what == told);
    let (_, hint) = found.unwrap_or_else(|| panic!("{all:?}"));
    assert!(hint.contains("pgmoor provision sql"), "{hint}");
}

#[tokio::test]
async fn what_cannot_be_is_told_before_anything_is_done() {
    let postgres = Postgres::start().await;
    let app = connector(&postgres, "app", postgres.app_password());
    let all = impossible(&app, &wanted("shop", "shop", "public", &[])).await;
    assert_eq!(all[0].0, "app may not make the role shop");
    assert_eq!(all[1].0, "app may not make the database shop");

    let superuser = superuser(&postgres);
    let mut elsewhere = wanted("v-token-shop", "app", "public", &["no_such_extension"]);
    elsewhere.role.login = Some(Identity::Elsewhere);
    let all = impossible(&superuser, &elsewhere).await;
    assert!(
        all[0]
            .0
            .contains("\"v-token-shop\" does not exist, and its provider makes it"),
        "{all:?}"
    );
    assert_eq!(
        all[1].0,
        "the server does not have the extension no_such_extension"
    );
}

#[tokio::test]
async fn a_superusers_role_is_changed_by_superusers_only() {
    let postgres = Postgres::start().await;
    let by = manager(&postgres).await;
    postgres.psql("create role shop superuser login").await;

    let all = impossible(&by, &wanted("shop", "shop", "public", &[])).await;

    assert_eq!(
        all[0].0,
        "manager cannot act as shop, which it takes to make shop its own"
    );
    assert!(all[0].1.starts_with("shop is a superuser"), "{all:?}");
}
