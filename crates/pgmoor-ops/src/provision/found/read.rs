//! Reads what is about roles and databases, by a session in any database.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio_postgres::SimpleQueryMessage;

use super::super::wanted::{GOOGLE_IAM, RDS_IAM, Wanted};
use super::{Found, FoundDatabase, FoundRole, Login};
use crate::error::Error;
use crate::session::Session;
use crate::sql::literal;

/// How long the server may take over one question.
const LIMIT: Duration = Duration::from_secs(20);

/// All rows of a query, as what they are.
pub(super) async fn ask<T: DeserializeOwned>(
    session: &Session,
    act: &str,
    sql: &str,
) -> Result<Vec<T>, Error> {
    let sql = format!("select row_to_json(t)::text from ({sql}) t");
    let messages = session
        .within(act, LIMIT, session.client().simple_query(&sql))
        .await?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let parsed = rows.map(serde_json::from_str).collect::<Result<_, _>>();
    parsed.map_err(|source| Error::Catalogue { source })
}

/// Texts as they stand in `in (…)`; never empty.
pub(super) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut all: Vec<String> = texts.into_iter().map(literal).collect();
    all.push("null".to_owned());
    all.join(", ")
}

/// The name of a role for a question about what it may do: what everybody may, where there is none.
pub(super) fn asked_for(found: &Found, role: &str) -> String {
    match found.roles.contains_key(role) {
        true => literal(role),
        false => "'public'".to_owned(),
    }
}

/// The same of something that belongs to `owner`, an expression: where that is the application's role, and
/// is taken away from it, its rights end with that.
pub(super) fn asked_for_app(found: &Found, wanted: &Wanted, owner: &str) -> String {
    let role = asked_for(found, &wanted.role.name);
    match wanted.is_apart() && wanted.take_over.contains(&wanted.role.name) {
        true => format!("(case when {owner} = {role} then 'public' else {role} end)::name"),
        false => role,
    }
}

impl Found {
    /// Reads it.
    ///
    /// # Errors
    /// The server's.
    pub async fn read(session: &Session, wanted: &Wanted) -> Result<Self, Error> {
        let version = session.server_version;
        let login: Vec<Login> = ask(session, "read the rights of the login", LOGIN).await?;
        let login = login.into_iter().next().unwrap_or_else(|| Login {
            name: session.user.clone(),
            superuser: false,
            create_role: false,
            create_database: false,
            provider_admin: false,
        });
        let roles: Vec<FoundRole> = ask(session, "read the roles", &roles(version, wanted)).await?;
        let mut found = Self {
            version,
            login,
            roles: roles
                .into_iter()
                .map(|role| (role.name.clone(), role))
                .collect(),
            databases: Vec::new(),
            available: ask(
                session,
                "read the extensions that there are",
                &available(version),
            )
            .await?,
            entra: (false, false),
        };
        found.databases = databases(session, &found, wanted).await?;
        let entra: Vec<Entra> = ask(session, "look for Azure's functions", ENTRA).await?;
        found.entra = entra
            .first()
            .map_or((false, false), |entra| (entra.by_name, entra.by_object));
        Ok(found)
    }

    /// Forgets the rest, so that what others do on the server meanwhile makes no other plan of this one.
    pub fn keep_what_matters(&mut self, wanted: &Wanted) {
        let mut names: BTreeSet<&str> = wanted.roles().map(|role| role.name.as_str()).collect();
        names.extend(wanted.take_over.iter().map(String::as_str));
        names.extend([RDS_IAM, GOOGLE_IAM[0], GOOGLE_IAM[1]]);
        for database in &self.databases {
            names.insert(&database.owner);
            let inside = &database.inside;
            names.extend(inside.schemas.iter().map(|schema| schema.owner.as_str()));
            names.extend(inside.closed.iter().map(|closed| closed.owner.as_str()));
        }
        self.roles.retain(|name, _| names.contains(name.as_str()));
        let mut needed: Vec<String> = wanted.extensions.iter().map(|e| e.name.clone()).collect();
        let mut index = 0;
        while let Some(name) = needed.get(index) {
            let known = self.available.iter().find(|known| known.name == *name);
            let more: Vec<String> = known
                .into_iter()
                .flat_map(|known| &known.requires)
                .filter(|required| !needed.contains(required))
                .cloned()
                .collect();
            needed.extend(more);
            index += 1;
        }
        self.available.retain(|known| needed.contains(&known.name));
        for database in &mut self.databases {
            let installed = &mut database.inside.extensions;
            installed.retain(|name, _| needed.contains(name));
        }
    }
}

#[derive(serde::Deserialize)]
struct Entra {
    by_name: bool,
    by_object: bool,
}

/// What providers call the role that they hand out in place of a superuser.
const LOGIN: &str = "select rolname as name, rolsuper as superuser, rolcreaterole as create_role, \
    rolcreatedb as create_database, exists (select from pg_roles g where g.rolname in ('rds_superuser', \
    'cloudsqlsuperuser', 'alloydbsuperuser', 'azure_pg_admin', 'neon_superuser') \
    and pg_has_role(g.oid, 'member')) as provider_admin \
    from pg_roles where rolname = current_user";

const ENTRA: &str = "select \
    to_regprocedure('pg_catalog.pgaadauth_create_principal(text,boolean,boolean)') is not null as by_name, \
    to_regprocedure('pg_catalog.pgaadauth_create_principal_with_oid(text,text,text,boolean,boolean)') is not null \
    as by_object";

/// From 16 on a membership may be one that does not let its holder become the role, or have its rights; and
/// whoever may make roles may grant only those of which they have the admin option.
fn roles(version: u32, wanted: &Wanted) -> String {
    let admin = "pg_has_role(r.oid, 'member with admin option')";
    let (can_use, can_grant, can_alter) = if version >= 160_000 {
        (
            "pg_has_role(r.oid, 'usage') and pg_has_role(r.oid, 'set')".to_owned(),
            format!("not r.rolsuper and {admin}"),
            format!("not r.rolsuper and me.rolcreaterole and {admin}"),
        )
    } else {
        (
            "pg_has_role(r.oid, 'member')".to_owned(),
            format!("not r.rolsuper and (me.rolcreaterole or {admin})"),
            "not r.rolsuper and me.rolcreaterole".to_owned(),
        )
    };
    format!(
        "select r.rolname as name, r.rolcanlogin as login, r.rolsuper as superuser, \
         r.rolcreatedb as create_database, r.rolcreaterole as create_role, \
         r.rolconnlimit as connection_limit, \
         case when r.rolvaliduntil <= now() then r.rolvaliduntil::text end as expired, \
         r.oid = 10 as first, me.rolsuper or ({can_use}) as can_use, \
         me.rolsuper or ({can_grant}) as can_grant, me.rolsuper or ({can_alter}) as can_alter, \
         array(select g.rolname from pg_auth_members m join pg_roles g on g.oid = m.roleid \
           where m.member = r.oid group by 1 order by 1) as member_of, \
         (select count(*) from pg_shdepend where {OWNS} and not (classid = 'pg_database'::regclass \
           and objid in (select oid from pg_database where datname in ({})))) as shared_elsewhere, \
         exists (select from pg_shdepend where {OWNS}) as owns_shared \
         from pg_roles r, pg_roles me where me.rolname = current_user",
        list(wanted.databases())
    )
}

/// A shared object of role `r`.
const OWNS: &str =
    "refclassid = 'pg_authid'::regclass and refobjid = r.oid and deptype = 'o' and dbid = 0";

fn available(version: u32) -> String {
    let trusted = if version >= 130_000 {
        "v.trusted"
    } else {
        "false"
    };
    format!(
        "select a.name, coalesce(v.superuser, true) as superuser, coalesce({trusted}, false) as trusted, \
         coalesce(v.requires::text[], '{{}}') as requires \
         from pg_available_extensions a left join pg_available_extension_versions v \
         on v.name = a.name and v.version = a.default_version order by 1"
    )
}

async fn databases(
    session: &Session,
    found: &Found,
    wanted: &Wanted,
) -> Result<Vec<FoundDatabase>, Error> {
    let role = asked_for_app(found, wanted, "pg_get_userbyid(datdba)");
    let owner = asked_for(found, &wanted.owner);
    let sql = format!(
        "select datname as name, pg_get_userbyid(datdba) as owner, pg_encoding_to_char(encoding) as encoding, \
         array(select right_ from unnest(array['connect', 'temporary']) right_ \
           where not has_database_privilege({role}, oid, right_)) as missing, \
         has_database_privilege({owner}, oid, 'create') as owner_creates \
         from pg_database where datname in ({}) order by 1",
        list(wanted.databases())
    );
    ask(session, "read the databases", &sql).await
}
