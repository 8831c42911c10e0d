//! Provisioning real servers, with and without superuser.

#![allow(clippy::unwrap_used, missing_docs)]

use std::process::{Command, Stdio};
use std::sync::Arc;

use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint::Endpoint;
use pgmoor_ops::plan::Plan;
use pgmoor_ops::provision::{
    Applied, Identity, ProvisionError, Server, Wanted, WantedExtension, script,
};
use pgmoor_testkit::{Postgres, client_program, has_major};
use pgmoor_wire::scram::Verifier;

const HOSTILE: &str = "we\"ird'; \\ drop $$ :x é";

fn majors() -> impl Iterator<Item = u16> {
    (12..=18).filter(|major| has_major(*major))
}

fn connector(postgres: &Postgres, user: &str, password: &str) -> Connector {
    let port = postgres.port().to_string();
    let parts = [
        ("host", "127.0.0.1"),
        ("port", &port),
        ("user", user),
        ("password", password),
        ("dbname", "postgres"),
    ];
    let parts = parts.map(|(name, value)| (name, value.to_owned()));
    let endpoint = Endpoint::from_parts(parts).unwrap();
    Connector::with_home(endpoint, Arc::new(NoCredential), None).unwrap()
}

/// A login as managed services give it.
async fn manager(postgres: &Postgres) -> Connector {
    let sql = "set password_encryption = 'scram-sha-256'; \
               create role manager login createrole createdb password 'manager'";
    postgres.psql(sql).await;
    connector(postgres, "manager", "manager")
}

fn superuser(postgres: &Postgres) -> Connector {
    connector(postgres, "postgres", postgres.admin_password())
}

fn wanted(role: &str, database: &str, schema: &str, extensions: &[&str]) -> Wanted {
    let extensions = extensions.iter().map(|name| WantedExtension {
        name: (*name).to_owned(),
        schema: None,
    });
    Wanted {
        role: role.into(),
        identity: Identity::Elsewhere,
        connection_limit: None,
        database: database.into(),
        encoding: "UTF8".into(),
        schema: schema.into(),
        extensions: extensions.collect(),
    }
}

fn with_password(role: &str, database: &str, schema: &str, extensions: &[&str]) -> Wanted {
    let identity = Identity::Password;
    Wanted {
        identity,
        ..wanted(role, database, schema, extensions)
    }
}

async fn plan(connector: &Connector, wanted: &Wanted) -> Result<Plan, ProvisionError> {
    let name = "primary";
    Server { connector, name }.plan(wanted).await
}

async fn apply(connector: &Connector, wanted: &Wanted, plan: &Plan) -> Applied {
    let name = "primary";
    let verifier = Verifier::from_password("geheim", 4096).unwrap().format();
    let server = Server { connector, name };
    server
        .apply(wanted, plan, Some(&verifier), &mut |_, _| {})
        .await
}

/// Whether tables can be made as the role, where it looks first.
async fn works(postgres: &Postgres, role: &str, database: &str, schema: &str) {
    let client = postgres.connect_as(role, "geheim", database).await;
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
        let wanted = with_password("shop", "shop", "shop", &["pg_trgm", "citext"]);

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
        let mut wanted = with_password(role, role, "public", &["hstore"]);
        wanted.extensions[0].schema = Some("Extra".to_owned());

        let first = plan(&connector, &wanted).await.unwrap();
        let applied = apply(&connector, &wanted, &first).await;
        assert!(applied.failed.is_none(), "{role}: {:?}", applied.failed);

        works(&postgres, role, role, "public").await;
        let client = postgres.connect_as(role, "geheim", role).await;
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
        let wanted = with_password(HOSTILE, HOSTILE, HOSTILE, extensions);

        let first = plan(&manager, &wanted).await.unwrap();
        let applied = apply(&manager, &wanted, &first).await;
        assert!(applied.failed.is_none(), "{major}: {:?}", applied.failed);

        works(&postgres, HOSTILE, HOSTILE, HOSTILE).await;
        let second = plan(&manager, &wanted).await.unwrap();
        assert!(second.is_empty(), "{major}: {:?}", second.steps);
        let acts = "select count(*) from pg_auth_members m join pg_roles r on r.oid = m.member \
                    where r.rolname = 'manager' and not admin_option";
        assert_eq!(postgres.psql(acts).await, "0", "{major}");
    }
}

#[tokio::test]
async fn the_script_has_the_same_meaning_as_an_apply() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let manager = manager(&postgres).await;
        let extensions: &[&str] = if major >= 13 { &["pg_trgm"] } else { &[] };
        let mut wanted = with_password(HOSTILE, HOSTILE, HOSTILE, extensions);
        wanted.connection_limit = Some(7);
        let planned = plan(&manager, &wanted).await.unwrap();
        let text = script(&planned, &wanted.database);

        let mut psql = Command::new(client_program("psql"))
            .args(["-X", "-q", "-d", "postgres", "-f", "-"])
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", postgres.port().to_string())
            .env("PGUSER", "manager")
            .env("PGPASSWORD", "manager")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut psql.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let output = psql.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{major}\n{text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );

        let left = plan(&manager, &wanted).await.unwrap();
        assert!(left.is_empty(), "{major}: {:?}", left.steps);
    }
}

#[tokio::test]
async fn a_plan_is_refused_when_the_server_changed_since() {
    let postgres = Postgres::start().await;
    let superuser = superuser(&postgres);
    let wanted = with_password("shop", "shop", "public", &[]);
    let planned = plan(&superuser, &wanted).await.unwrap();
    postgres.psql("create role shop").await;

    let applied = apply(&superuser, &wanted, &planned).await;

    assert!(matches!(applied.failed, Some(ProvisionError::Changed)));
    assert!(applied.done.is_empty());
    let databases = "select count(*) from pg_database where datname = 'shop'";
    assert_eq!(postgres.psql(databases).await, "0");
}

#[tokio::test]
async fn a_step_that_fails_says_what_was_done_and_the_next_plan_goes_on() {
    let postgres = Postgres::start().await;
    let manager = manager(&postgres).await;
    // Not trusted: no superuser, no extension.
    let wanted = with_password("shop", "shop", "public", &["file_fdw"]);
    let planned = plan(&manager, &wanted).await.unwrap();

    let applied = apply(&manager, &wanted, &planned).await;

    let Some(ProvisionError::Step { number, title, .. }) = &applied.failed else {
        panic!("{:?}", applied.failed);
    };
    assert_eq!(title, "install the extension file_fdw in schema public");
    assert_eq!(applied.done, (1..*number).collect::<Vec<_>>());
    let acts = "select count(*) from pg_auth_members m join pg_roles r on r.oid = m.member \
                where r.rolname = 'manager' and not admin_option";
    assert_eq!(
        postgres.psql(acts).await,
        "0",
        "the membership does not stay"
    );
    let left = plan(&superuser(&postgres), &wanted).await.unwrap();
    assert_eq!(left.steps.len(), 1, "{:?}", left.steps);
}

#[tokio::test]
async fn what_cannot_be_is_told_before_anything_is_done() {
    let postgres = Postgres::start().await;
    let app = connector(&postgres, "app", postgres.app_password());
    let wanted = with_password("shop", "shop", "public", &[]);
    let error = plan(&app, &wanted).await.unwrap_err();
    let ProvisionError::Impossible(all) = &error else {
        panic!("{error}");
    };
    assert_eq!(all[0].what, "app may not make the role shop");
    assert_eq!(all[1].what, "app may not make the database shop");

    let superuser = superuser(&postgres);
    let elsewhere = crate::wanted("shop@project.iam", "app", "public", &["no_such_extension"]);
    let error = plan(&superuser, &elsewhere).await.unwrap_err().to_string();
    assert!(
        error.contains("\"shop@project.iam\" does not exist, and its provider makes it"),
        "{error}"
    );
    assert!(
        error.contains("the server does not have the extension no_such_extension"),
        "{error}"
    );
}

#[test]
fn names_that_would_not_stay_what_they_are_are_refused() {
    let system = pgmoor_ops::requirement::SystemSettings::default();
    for name in ["", "a\nb", "a\0b", &"x".repeat(64)] {
        let refused = Wanted::new(&system, name, Identity::Password, "shop");
        assert_eq!(refused.unwrap_err().0, name);
    }
    Wanted::new(&system, HOSTILE, Identity::Password, HOSTILE).unwrap();
}
