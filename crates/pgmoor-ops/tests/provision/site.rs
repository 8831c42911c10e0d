//! What the tests of provisioning share: servers, logins, and what an application wants.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;

use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint::Endpoint;
use pgmoor_ops::plan::Plan;
use pgmoor_ops::provision::{
    Applied, Identity, ProvisionError, Server, Verifiers, Wanted, WantedExtension, WantedRole,
};
use pgmoor_ops::requirement::Right;
pub(crate) use pgmoor_testkit::majors;
use pgmoor_testkit::{Postgres, client_program};
use pgmoor_wire::scram::Verifier;

pub(crate) const HOSTILE: &str = "we\"ird'; \\ drop $$ :x é";
pub(crate) const PASSWORD: &str = "geheim";

pub(crate) fn connector(postgres: &Postgres, user: &str, password: &str) -> Connector {
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
pub(crate) async fn manager(postgres: &Postgres) -> Connector {
    let sql = "set password_encryption = 'scram-sha-256'; \
               create role manager login createrole createdb password 'manager'";
    postgres.psql(sql).await;
    connector(postgres, "manager", "manager")
}

pub(crate) fn superuser(postgres: &Postgres) -> Connector {
    connector(postgres, "postgres", postgres.admin_password())
}

pub(crate) fn extension(name: &str) -> WantedExtension {
    WantedExtension {
        name: name.to_owned(),
        schema: None,
        optional: false,
    }
}

/// What an application wants that logs in with a password and owns what it uses.
pub(crate) fn wanted(role: &str, database: &str, schema: &str, extensions: &[&str]) -> Wanted {
    Wanted {
        role: WantedRole::login(role, Identity::Password),
        others: Vec::new(),
        owner: role.to_owned(),
        member: None,
        rights: vec![Right::CreateTable],
        database: database.to_owned(),
        further: Vec::new(),
        encoding: "UTF8".to_owned(),
        schema: schema.to_owned(),
        extensions: extensions.iter().map(|name| extension(name)).collect(),
        take_over: Vec::new(),
    }
}

/// The same with another login that owns, and runs the migrations.
pub(crate) fn apart(role: &str, owner: &str, database: &str, schema: &str) -> Wanted {
    Wanted {
        others: vec![WantedRole::login(owner, Identity::Password)],
        owner: owner.to_owned(),
        ..wanted(role, database, schema, &[])
    }
}

pub(crate) async fn plan(connector: &Connector, wanted: &Wanted) -> Result<Plan, ProvisionError> {
    let name = "primary";
    Server { connector, name }.plan(wanted).await
}

pub(crate) async fn apply(connector: &Connector, wanted: &Wanted, plan: &Plan) -> Applied {
    let name = "primary";
    let verifiers: Verifiers = plan
        .passwords()
        .map(|role| {
            let verifier = Verifier::from_password(PASSWORD, 4096).unwrap().format();
            (role.to_owned(), verifier)
        })
        .collect();
    let server = Server { connector, name };
    server.apply(wanted, plan, &verifiers, &mut |_, _| {}).await
}

/// Plans and applies, which leaves nothing; the plan.
pub(crate) async fn provision(connector: &Connector, wanted: &Wanted) -> Plan {
    let planned = plan(connector, wanted).await.unwrap();
    let applied = apply(connector, wanted, &planned).await;
    assert!(
        applied.failed.is_none(),
        "{:?}\n{planned:#?}",
        applied.failed
    );
    let again = plan(connector, wanted).await.unwrap();
    assert!(again.is_empty(), "{:#?}", again.steps);
    planned
}

/// What cannot be, and what to do about it.
pub(crate) async fn impossible(connector: &Connector, wanted: &Wanted) -> Vec<(String, String)> {
    match plan(connector, wanted).await {
        Err(ProvisionError::Impossible(all)) => {
            all.into_iter().map(|one| (one.what, one.hint)).collect()
        }
        other => panic!("{other:#?}"),
    }
}

/// Undoes what a plan did, the last first, as a DBA would by hand.
pub(crate) async fn undo(postgres: &Postgres, planned: &Plan) {
    let mut sessions = BTreeMap::new();
    for step in planned.steps.iter().rev() {
        let Some(undo) = &step.undo else { continue };
        // What was for the time of the plan only is taken back already.
        if planned.steps.iter().any(|later| later.sql == *undo) {
            continue;
        }
        let place = step.database.as_deref().unwrap_or("postgres");
        // A database that somebody is on is not dropped.
        if undo.starts_with("drop database") {
            sessions.clear();
        }
        if !sessions.contains_key(place) {
            let session = postgres.connect_as("postgres", postgres.admin_password(), place);
            sessions.insert(place, session.await);
        }
        let outcome = sessions[place].batch_execute(undo).await;
        assert!(outcome.is_ok(), "{undo}: {outcome:?}");
    }
}

/// Runs a script as a DBA would.
pub(crate) fn psql(postgres: &Postgres, user: &str, password: &str, text: &str) {
    let mut psql = Command::new(client_program("psql"))
        .args(["-X", "-q", "-d", "postgres", "-f", "-"])
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", postgres.port().to_string())
        .env("PGUSER", user)
        .env("PGPASSWORD", password)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut psql.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = psql.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// One line for each row.
pub(crate) async fn rows(postgres: &Postgres, database: &str, sql: &str) -> Vec<String> {
    let client = postgres.connect_as("postgres", postgres.admin_password(), database);
    let rows = client.await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The roles that the login is a member of and not only the administrator.
pub(crate) async fn memberships_of_manager(postgres: &Postgres) -> String {
    let sql = "select count(*) from pg_auth_members m join pg_roles r on r.oid = m.member \
               where r.rolname = 'manager' and not admin_option";
    postgres.psql(sql).await
}

/// What a plan could have changed in a server: roles, databases, and what belongs to whom and is open to whom in
/// this database; one line for each.
pub(crate) async fn state(postgres: &Postgres, database: &str) -> Vec<String> {
    let acl = |what: &str, name: &str, kind: &str, acl: &str, owner: &str, from: &str| {
        format!(
            "select '{what} ' || {name} || ' of ' || pg_get_userbyid({owner}) || ' open to ' || \
             coalesce(pg_get_userbyid(nullif(a.grantee, 0)), 'all') || ' for ' || a.privilege_type \
             from {from}, aclexplode(coalesce({acl}, acldefault('{kind}', {owner}))) a"
        )
    };
    let own = "not exists (select from pg_depend d where d.objid = x.oid and d.deptype = 'e') and x.oid >= 16384";
    let all = [
        "select 'role ' || row(rolname, rolsuper, rolcreatedb, rolcreaterole, rolcanlogin, rolconnlimit, \
         rolvaliduntil)::text from pg_roles where oid >= 16384"
            .to_owned(),
        "select 'member ' || m.rolname || ' of ' || g.rolname from pg_auth_members a \
         join pg_roles m on m.oid = a.member join pg_roles g on g.oid = a.roleid \
         where a.member >= 16384 and not a.admin_option"
            .to_owned(),
        acl("database", "datname", "d", "datacl", "datdba", "pg_database"),
        acl("schema", "nspname", "n", "nspacl", "nspowner", "(select * from pg_namespace where nspname !~ '^pg_') x"),
        acl("relation", "relname", "r", "relacl", "relowner",
            &format!("(select * from pg_class x where relkind in ('r', 'v', 'm') and {own}) x")),
        acl("sequence", "relname", "s", "relacl", "relowner",
            &format!("(select * from pg_class x where relkind = 'S' and {own}) x")),
        acl("routine", "proname", "f", "proacl", "proowner", &format!("(select * from pg_proc x where {own}) x")),
        acl("type", "typname", "T", "typacl", "typowner", &format!("(select * from pg_type x where {own}) x")),
        "select 'default ' || row(pg_get_userbyid(defaclrole), n.nspname, defaclobjtype, \
         pg_get_userbyid(nullif(a.grantee, 0)), a.privilege_type)::text \
         from pg_default_acl left join pg_namespace n on n.oid = defaclnamespace, aclexplode(defaclacl) a"
            .to_owned(),
        "select 'extension ' || extname || ' in ' || nspname from pg_extension join pg_namespace n \
         on n.oid = extnamespace"
            .to_owned(),
        "select 'setting ' || row(rolname, datname, setconfig)::text from pg_db_role_setting \
         join pg_roles r on r.oid = setrole left join pg_database d on d.oid = setdatabase"
            .to_owned(),
    ];
    let sql = format!(
        "select line from ({}) s(line) order by 1",
        all.join(" union all ")
    );
    rows(postgres, database, &sql).await
}
