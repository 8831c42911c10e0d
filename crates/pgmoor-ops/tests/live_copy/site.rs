//! What the tests of a move share.

use std::collections::BTreeMap;
use std::sync::Arc;

use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint::Endpoint;
use pgmoor_ops::live_move::Side;
use pgmoor_ops::live_move::copy::{Copy, Options};
use pgmoor_ops::live_move::verify::Verification;
use pgmoor_testkit::{Dataset, Postgres};

/// Database `app` of a server, as its superuser.
pub(crate) fn side(postgres: &Postgres, name: &str) -> Side {
    side_of(postgres, name, "postgres", postgres.admin_password())
}

pub(crate) fn side_of(postgres: &Postgres, name: &str, user: &str, password: &str) -> Side {
    let text = format!(
        "host=127.0.0.1 port={} user={user} dbname=app password={password}",
        postgres.port()
    );
    let endpoint = Endpoint::parse(&text).unwrap();
    Side {
        endpoint: name.to_owned(),
        connector: Connector::with_home(endpoint, Arc::new(NoCredential), None).unwrap(),
        dbname: "app".to_owned(),
    }
}

/// A server of this version with the data set.
pub(crate) async fn source(major: u16, dataset: Dataset) -> Postgres {
    let postgres = Postgres::builder().major(major).start().await;
    dataset.make(&postgres).await;
    postgres
}

/// A server of this version that has the roles of the data set, and an empty database.
pub(crate) async fn target(major: u16) -> Postgres {
    let postgres = Postgres::builder().major(major).start().await;
    let client = postgres.connect_admin().await;
    let roles = Dataset::roles_sql(major);
    client.batch_execute(&roles).await.unwrap();
    postgres
}

pub(crate) fn copy(source: &Postgres, target: &Postgres) -> Copy {
    Copy {
        source: side(source, "old"),
        target: side(target, "new"),
        snapshot: None,
        mark: "now".to_owned(),
        options: Options::default(),
    }
}

/// The comparison of all rows as they are now.
pub(crate) fn verification(source: &Postgres, target: &Postgres) -> Verification {
    Verification {
        source: side(source, "old"),
        target: side(target, "new"),
        source_snapshot: None,
        target_snapshot: None,
        streams: 2,
        followed_only: false,
    }
}

/// What every table, materialized view and large object holds, and where sequences stand, as text: by the servers
/// themselves, in another way than a copy goes.
pub(crate) async fn contents(postgres: &Postgres) -> BTreeMap<String, String> {
    let password = postgres.admin_password();
    let client = postgres.connect_as("postgres", password, "app").await;
    let settings = "set extra_float_digits = 1; set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set search_path = pg_catalog";
    client.batch_execute(settings).await.unwrap();
    let relations = "select c.oid::regclass::text, relkind::text from pg_class c join pg_namespace n on n.oid = relnamespace
        where relkind in ('r', 'm', 'S') and relpersistence <> 't' and nspname !~ '^(pg_|information_schema)'
            and (relkind <> 'm' or relispopulated)";
    let mut contents = BTreeMap::new();
    for row in client.query(relations, &[]).await.unwrap() {
        let (name, kind): (String, String) = (row.get(0), row.get(1));
        let sql = match kind.as_str() {
            "S" => format!("select last_value || ' ' || is_called from {name}"),
            // Columns in order of name: a table need not have them in the same order on both sides.
            _ => format!(
                "select count(*) || ' ' || coalesce(md5(string_agg(j, ',' order by j)), '') from (select to_jsonb(t)::text as j from only {name} t) x"
            )
            .replace("from only", if kind == "m" { "from" } else { "from only" }),
        };
        let value: String = client.query_one(&sql, &[]).await.unwrap().get(0);
        contents.insert(name, value);
    }
    let objects = "select oid::text, md5(lo_get(oid)) from pg_largeobject_metadata";
    for row in client.query(objects, &[]).await.unwrap() {
        contents.insert(
            format!("large object {}", row.get::<_, String>(0)),
            row.get(1),
        );
    }
    contents
}
