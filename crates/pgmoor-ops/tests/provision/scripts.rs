//! The script for a DBA means the same as an apply.

use pgmoor_ops::catalogue::{self, compare};
use pgmoor_ops::provision::{Wanted, WantedRole, script};
use pgmoor_ops::requirement::Right;
use pgmoor_ops::{Session, catalogue::Catalogue};
use pgmoor_testkit::Postgres;
use std::time::Duration;
use tokio::time::Instant;

use crate::site::{
    HOSTILE, apart, apply, connector, extension, majors, manager, plan, psql, state, wanted,
};

/// Everything that a plan can have in it, for a login with CREATEROLE and CREATEDB.
fn everything(major: u16) -> Wanted {
    let mut all = apart(HOSTILE, "owns \"it\"", HOSTILE, HOSTILE);
    all.role.connection_limit = Some(7);
    all.others.push(WantedRole::group("makes"));
    all.member = Some("owns \"it\"".to_owned());
    all.owner = "makes".to_owned();
    all.further = vec!["further".to_owned()];
    all.rights = vec![
        Right::CreateTable,
        Right::CreateSchema,
        Right::CreateDatabase,
    ];
    // Trusted extensions are from 13 on.
    if major >= 13 {
        all.extensions = vec![extension("pg_trgm"), extension("hstore")];
        all.extensions[1].schema = Some("Extra".to_owned());
    }
    all
}

async fn read(postgres: &Postgres, database: &str) -> Catalogue {
    let limit = Duration::from_secs(60);
    let connector = connector(postgres, "postgres", postgres.admin_password());
    let deadline = Instant::now() + limit;
    let session = Session::open(&connector, "primary", Some(database), &[], deadline);
    catalogue::read(&session.await.unwrap(), limit)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_script_run_by_psql_leaves_what_an_apply_leaves() {
    for major in majors() {
        let start = || Postgres::builder().major(major).start();
        let (applied, scripted) = (start().await, start().await);
        let wanted = everything(major);
        let by = manager(&applied).await;
        let planned = plan(&by, &wanted).await.unwrap();
        let outcome = apply(&by, &wanted, &planned).await;
        assert!(outcome.failed.is_none(), "{major}: {:?}", outcome.failed);

        let by = manager(&scripted).await;
        let planned = plan(&by, &wanted).await.unwrap();
        psql(&scripted, "manager", "manager", &script(&planned));

        let left = plan(&by, &wanted).await.unwrap();
        assert!(left.is_empty(), "{major}: {:#?}", left.steps);
        for database in wanted.databases() {
            assert_eq!(
                state(&applied, database).await,
                state(&scripted, database).await,
                "{major}"
            );
            let (here, there) = (
                read(&applied, database).await,
                read(&scripted, database).await,
            );
            let different = compare(&here, &there, &Default::default());
            assert!(different.is_empty(), "{major}: {different:#?}");
        }
    }
}

#[tokio::test]
async fn what_an_apply_did_is_taken_back_by_its_undo() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;
        let by = manager(&postgres).await;
        postgres
            .psql("create table kept (a int); grant select on kept to public")
            .await;
        let before = state(&postgres, "app").await;

        // Once all of it, once in a database that was there.
        let mut there = everything(major);
        there.database = "app".to_owned();
        postgres.psql("alter database app owner to manager").await;
        let again = state(&postgres, "app").await;
        for (wanted, before) in [(everything(major), &again), (there, &again)] {
            let planned = crate::site::provision(&by, &wanted).await;
            assert_ne!(&state(&postgres, "app").await, before, "{major}");
            crate::site::undo(&postgres, &planned).await;
            assert_eq!(&state(&postgres, "app").await, before, "{major}");
        }
        assert_ne!(before, again);
    }
}

#[tokio::test]
async fn a_script_says_what_is_left_to_others() {
    let postgres = Postgres::start().await;
    let by = manager(&postgres).await;
    let mut wanted = wanted("shop", "shop", "public", &[]);
    wanted.extensions = vec![extension("no_such_extension")];
    wanted.extensions[0].optional = true;

    let planned = plan(&by, &wanted).await.unwrap();
    let text = script(&planned);

    assert!(
        text.contains("-- note: the server does not have the extension no_such_extension"),
        "{text}"
    );
    assert!(text.contains("set lock_timeout"), "{text}");
}
