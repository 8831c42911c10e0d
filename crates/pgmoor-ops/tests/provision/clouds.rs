//! Roles that log in by the identity of a cloud: against stand-ins for what those clouds have in their servers.

use pgmoor_ops::provision::{EntraObject, Identity, Wanted};
use pgmoor_testkit::Postgres;

use crate::site::{impossible, majors, manager, plan, provision, rows, superuser, undo, wanted};

fn by(identity: Identity, role: &str) -> Wanted {
    let mut wanted = wanted(role, "app", "public", &[]);
    wanted.role.login = Some(identity);
    wanted.database = "shop".to_owned();
    wanted
}

#[tokio::test]
async fn a_role_for_amazon_gets_rds_iam_and_no_password() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let manager = manager(&postgres).await;
        let wanted = by(Identity::RdsIam, "shop");
        let all = impossible(&manager, &wanted).await;
        assert_eq!(
            all[0].0,
            "shop shall log in by IAM, and the server has no role rds_iam"
        );

        postgres.psql("create role rds_iam").await;
        if major >= 16 {
            let all = impossible(&manager, &wanted).await;
            assert_eq!(all[0].0, "manager may not make shop a member of rds_iam");
        }
        postgres
            .psql("grant rds_iam to manager with admin option")
            .await;
        let planned = provision(&manager, &wanted).await;

        assert_eq!(planned.passwords().count(), 0);
        let member = "select pg_has_role('shop', 'rds_iam', 'member')";
        assert_eq!(postgres.psql(member).await, "t");
        undo(&postgres, &planned).await;
    }
}

/// As Azure's functions: they make a role that may log in. These note what they were told.
async fn azure(postgres: &Postgres) {
    let admin = postgres.connect_admin().await;
    admin
        .batch_execute(
            "create table public.told (what text); \
             create function pg_catalog.pgaadauth_create_principal(name text, admin boolean, mfa boolean) \
             returns text language plpgsql as $$ begin execute format('create role %I login', name); \
             insert into public.told values (format('%s %s %s', name, admin, mfa)); return 'ok'; end $$; \
             create function pg_catalog.pgaadauth_create_principal_with_oid(name text, object text, kind text, \
             admin boolean, mfa boolean) returns text language plpgsql as $$ begin \
             execute format('create role %I login', name); \
             insert into public.told values (format('%s %s %s %s %s', name, object, kind, admin, mfa)); \
             return 'ok'; end $$",
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_role_for_azure_is_made_of_its_identity_by_name_or_by_object() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let admin = superuser(&postgres);
        let by_name = by(Identity::Entra(None), "it's \"mine\"");
        let all = impossible(&admin, &by_name).await;
        assert!(
            all[0]
                .0
                .ends_with("the function that makes one of an Entra identity is not here")
        );
        assert!(all[0].1.contains("Entra administrator"), "{all:?}");

        azure(&postgres).await;
        provision(&admin, &by_name).await;
        let object = EntraObject {
            id: "11111111-2222-3333-4444-555555555555".to_owned(),
            kind: "service",
        };
        let mut by_object = by(Identity::Entra(Some(object)), "shop");
        by_object.database = "other".to_owned();
        by_object.role.connection_limit = Some(20);
        let planned = provision(&admin, &by_object).await;

        assert_eq!(
            rows(
                &postgres,
                "postgres",
                "select what from public.told order by 1"
            )
            .await,
            [
                "it's \"mine\" f f",
                "shop 11111111-2222-3333-4444-555555555555 service f f"
            ],
            "{major}"
        );
        let limit = "select rolconnlimit from pg_roles where rolname = 'shop'";
        assert_eq!(postgres.psql(limit).await, "20");
        undo(&postgres, &planned).await;
    }
}

#[tokio::test]
async fn a_user_of_google_is_made_by_its_command_under_the_name_that_the_server_knows() {
    let postgres = Postgres::start().await;
    let admin = superuser(&postgres);
    let full = "shop@project.iam.gserviceaccount.com";

    let all = impossible(&admin, &by(Identity::GoogleIam, full)).await;
    let (what, hint) = &all[0];
    assert!(
        what.ends_with("does not exist, and Google makes it, not SQL"),
        "{what}"
    );
    assert!(
        hint.starts_with(
            "gcloud sql users create shop@project.iam --instance=INSTANCE --type=cloud_iam_service_account"
        ),
        "{hint}"
    );
    assert!(hint.contains("log in as shop@project.iam"), "{hint}");
    let all = impossible(&admin, &by(Identity::GoogleIam, "ada@example.com")).await;
    assert!(all[0].1.contains("--type=cloud_iam_user"), "{all:?}");

    // One that somebody made by SQL would be asked for a password.
    postgres
        .psql("create role \"shop@project.iam\" login")
        .await;
    let planned = provision(&admin, &by(Identity::GoogleIam, "shop@project.iam")).await;
    assert!(
        planned.notes[0].contains("a login by IAM will be refused"),
        "{:?}",
        planned.notes
    );
    postgres
        .psql("create role cloudsqliamserviceaccount; grant cloudsqliamserviceaccount to \"shop@project.iam\"")
        .await;
    let google = by(Identity::GoogleIam, "shop@project.iam");
    let planned = plan(&admin, &google).await.unwrap();
    assert!(planned.notes.is_empty(), "{:?}", planned.notes);
}
