//! What the login may do in its database, and whose the things in it are.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::transaction::{Outcome, Reader, group};
use crate::error::Error;
use crate::session::Session;

/// At most so many objects of others are named; their number is exact.
const NAMED: usize = 5;

/// What the login may do.
#[derive(Debug, Clone)]
pub struct Rights {
    /// As whom the session runs.
    pub user: String,
    /// The attributes of the role.
    pub role: RoleAttributes,
    /// The roles that it is a member of, directly or not.
    pub member_of: Vec<String>,
    /// The database, and what may be done in it.
    pub database: DatabaseRights,
    /// The schema that the application uses; `None` where it does not exist.
    pub schema: Option<SchemaRights>,
    /// `search_path`, as a session starts with it.
    pub search_path: String,
    /// The schemas on it that exist and can be used.
    pub search_path_schemas: Vec<String>,
    /// Tables, views, sequences, types and functions in that schema that belong to roles whose rights this one
    /// does not have: by owner.
    pub foreign_objects: Vec<ForeignObjects>,
    /// Tables that this role may not read or write, by name; at most a few.
    pub denied_tables: Vec<String>,
    /// How many of these there are.
    pub denied_table_count: i64,
    /// What default privileges there are.
    pub default_privileges: Vec<DefaultPrivilege>,
    /// Which of the further databases exist, and whether this role may connect to them.
    pub other_databases: Vec<OtherDatabase>,
}

/// The attributes of a role.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "as pg_roles has them")]
pub struct RoleAttributes {
    /// `SUPERUSER`.
    pub is_superuser: bool,
    /// `CREATEDB`.
    pub may_create_databases: bool,
    /// `CREATEROLE`.
    pub may_create_roles: bool,
    /// `REPLICATION`.
    pub may_replicate: bool,
    /// `BYPASSRLS`.
    pub bypasses_rls: bool,
    /// `CONNECTION LIMIT`; `None` without one.
    pub connection_limit: Option<i64>,
    /// Until when its password is valid, in seconds from now; negative when it has expired.
    pub password_seconds_left: Option<f64>,
}

/// What may be done in a database.
#[derive(Debug, Clone)]
pub struct DatabaseRights {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Whether schemas may be made.
    pub may_create: bool,
    /// Whether temporary tables may be made.
    pub may_use_temporary: bool,
    /// `CONNECTION LIMIT`; `None` without one.
    pub connection_limit: Option<i64>,
}

/// What may be done in a schema.
#[derive(Debug, Clone)]
pub struct SchemaRights {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Whether things in it can be named.
    pub may_use: bool,
    /// Whether tables can be made in it.
    pub may_create: bool,
}

/// What another role owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignObjects {
    /// The other role.
    pub owner: String,
    /// How many.
    pub count: i64,
    /// A few of them, as `table public.users`.
    pub some: Vec<String>,
}

/// What a role gives to others of everything that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultPrivilege {
    /// Who makes it.
    pub owner: String,
    /// In which schema; `None` in all.
    pub schema: Option<String>,
    /// What: `r` tables, `S` sequences, `f` functions, `T` types, `n` schemas.
    pub kind: char,
    /// To whom; empty to everybody.
    pub grantee: String,
    /// What may be done: `SELECT`, …
    pub privileges: Vec<String>,
}

impl DefaultPrivilege {
    /// Whether this role, a member of those, may read and write by it.
    pub fn is_for(&self, user: &str, member_of: &[String]) -> bool {
        let reads_and_writes = ["SELECT", "INSERT", "UPDATE", "DELETE"]
            .iter()
            .all(|wanted| self.privileges.iter().any(|has| has == wanted));
        let is_meant =
            self.grantee.is_empty() || self.grantee == user || member_of.contains(&self.grantee);
        reads_and_writes && is_meant
    }
}

/// A database besides the own one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherDatabase {
    /// Its name.
    pub name: String,
    /// Whether it exists.
    pub exists: bool,
    /// Whether this role may connect to it.
    pub may_connect: bool,
}

/// Reads them.
///
/// # Errors
/// [`Error::Statement`], [`Error::Timeout`].
pub async fn read(
    session: &Session,
    schema: &str,
    databases: &[String],
    limit: Duration,
) -> Result<Rights, Error> {
    group(session, "read the login's rights", limit, async |reader| {
        let (user, role) = role(reader).await?;
        let (search_path, search_path_schemas) = search_path(reader).await?;
        let (denied_tables, denied_table_count) = denied_tables(reader, schema).await?;
        Ok(Rights {
            user,
            role,
            member_of: member_of(reader).await?,
            database: database(reader).await?,
            schema: schema_rights(reader, schema).await?,
            search_path,
            search_path_schemas,
            foreign_objects: foreign_objects(reader, schema).await?,
            denied_tables,
            denied_table_count,
            default_privileges: default_privileges(reader).await?,
            other_databases: other_databases(reader, databases).await?,
        })
    })
    .await
}

async fn role(reader: Reader<'_>) -> Outcome<(String, RoleAttributes)> {
    let rows = reader
        .rows(
            "select rolname::text, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,
                nullif(rolconnlimit, -1)::int8,
                case when isfinite(rolvaliduntil) then extract(epoch from rolvaliduntil - now())::float8 end
             from pg_roles where rolname = current_user",
        )
        .await?;
    let row = &rows[0];
    let attributes = RoleAttributes {
        is_superuser: row.try_get(1)?,
        may_create_databases: row.try_get(2)?,
        may_create_roles: row.try_get(3)?,
        may_replicate: row.try_get(4)?,
        bypasses_rls: row.try_get(5)?,
        connection_limit: row.try_get(6)?,
        password_seconds_left: row.try_get(7)?,
    };
    Ok((row.try_get(0)?, attributes))
}

async fn member_of(reader: Reader<'_>) -> Outcome<Vec<String>> {
    let sql = "select array(select rolname::text from pg_roles
        where rolname <> current_user and pg_has_role(current_user, oid, 'MEMBER')
            and not (select rolsuper from pg_roles where rolname = current_user)
        order by 1)";
    Ok(reader.value(sql).await?.unwrap_or_default())
}

async fn database(reader: Reader<'_>) -> Outcome<DatabaseRights> {
    let rows = reader
        .rows(
            "select datname::text, pg_get_userbyid(datdba)::text, has_database_privilege(oid, 'CREATE'),
                has_database_privilege(oid, 'TEMPORARY'), nullif(datconnlimit, -1)::int8
             from pg_database where datname = current_database()",
        )
        .await?;
    let row = &rows[0];
    Ok(DatabaseRights {
        name: row.try_get(0)?,
        owner: row.try_get(1)?,
        may_create: row.try_get(2)?,
        may_use_temporary: row.try_get(3)?,
        connection_limit: row.try_get(4)?,
    })
}

async fn schema_rights(reader: Reader<'_>, schema: &str) -> Outcome<Option<SchemaRights>> {
    let rows = reader
        .rows_of(
            "select nspname::text, pg_get_userbyid(nspowner)::text, has_schema_privilege(oid, 'USAGE'),
                has_schema_privilege(oid, 'CREATE')
             from pg_namespace where nspname = $1",
            &[(&schema, Type::TEXT)],
        )
        .await?;
    let read = rows.first().map(|row| {
        Ok(SchemaRights {
            name: row.try_get(0)?,
            owner: row.try_get(1)?,
            may_use: row.try_get(2)?,
            may_create: row.try_get(3)?,
        })
    });
    read.transpose()
}

async fn search_path(reader: Reader<'_>) -> Outcome<(String, Vec<String>)> {
    let sql = "select reset_val from pg_settings where name = 'search_path'";
    let path: String = reader.value(sql).await?.unwrap_or_default();
    // As the server reads it; set back before anything else is asked.
    let set = "select set_config('search_path', $1, true)";
    reader.rows_of(set, &[(&path, Type::TEXT)]).await?;
    let schemas = "select pg_catalog.current_schemas(false)::pg_catalog.text[]";
    let schemas = reader.value(schemas).await?.unwrap_or_default();
    let back = "select pg_catalog.set_config('search_path', 'pg_catalog', true)";
    reader.rows(back).await?;
    Ok((path, schemas))
}

/// What this role could not alter, because the owner is neither itself nor a role whose rights it has.
async fn foreign_objects(reader: Reader<'_>, schema: &str) -> Outcome<Vec<ForeignObjects>> {
    let rows = reader
        .rows_of(
            "with objects as (
                select relowner as owner,
                    case relkind when 'v' then 'view' when 'm' then 'materialized view'
                        when 'S' then 'sequence' when 'f' then 'foreign table' else 'table' end as kind,
                    relname as name, relnamespace as namespace, pg_class.oid as object, 'pg_class'::regclass as class
                from pg_class where relkind in ('r', 'p', 'v', 'm', 'S', 'f')
                union all
                select proowner, case prokind when 'p' then 'procedure' else 'function' end,
                    proname, pronamespace, oid, 'pg_proc'::regclass from pg_proc
                union all
                select typowner, 'type', typname, typnamespace, oid, 'pg_type'::regclass from pg_type
                    where typtype in ('e', 'd', 'r') or (typtype = 'c' and exists
                        (select from pg_class where pg_class.oid = typrelid and relkind = 'c'))
             )
             select pg_get_userbyid(owner)::text, count(*),
                (array_agg(kind || ' ' || quote_ident(nspname) || '.' || quote_ident(name) order by kind, name))[1:5]
             from objects join pg_namespace n on n.oid = namespace
             where nspname = $1 and not pg_has_role(current_user, owner, 'USAGE')
                and not exists (select from pg_depend where classid = class and objid = object and deptype = 'e')
             group by owner order by 2 desc limit 20",
            &[(&schema, Type::TEXT)],
        )
        .await?;
    let read = rows.iter().map(|row| {
        let mut some: Vec<String> = row.try_get(2)?;
        some.truncate(NAMED);
        Ok(ForeignObjects {
            owner: row.try_get(0)?,
            count: row.try_get(1)?,
            some,
        })
    });
    read.collect()
}

async fn denied_tables(reader: Reader<'_>, schema: &str) -> Outcome<(Vec<String>, i64)> {
    let rows = reader
        .rows_of(
            "select count(*), coalesce((array_agg(quote_ident(nspname) || '.' || quote_ident(relname) order by relname))[1:5], '{}')
             from pg_class join pg_namespace n on n.oid = relnamespace
             where relkind in ('r', 'p') and nspname = $1
                and not (has_table_privilege(pg_class.oid, 'SELECT') and has_table_privilege(pg_class.oid, 'INSERT')
                    and has_table_privilege(pg_class.oid, 'UPDATE') and has_table_privilege(pg_class.oid, 'DELETE'))
                and not exists (select from pg_depend where classid = 'pg_class'::regclass
                    and objid = pg_class.oid and deptype = 'e')",
            &[(&schema, Type::TEXT)],
        )
        .await?;
    Ok((rows[0].try_get(1)?, rows[0].try_get(0)?))
}

async fn default_privileges(reader: Reader<'_>) -> Outcome<Vec<DefaultPrivilege>> {
    let rows = reader
        .rows(
            "select pg_get_userbyid(defaclrole)::text, nspname::text, defaclobjtype::text,
                case when grantee = 0 then '' else pg_get_userbyid(grantee)::text end,
                array_agg(privilege_type::text)
             from pg_default_acl left join pg_namespace n on n.oid = defaclnamespace, aclexplode(defaclacl)
             group by 1, 2, 3, 4 order by 1, 2, 3, 4 limit 500",
        )
        .await?;
    let read = rows.iter().map(|row| {
        let kind: &str = row.try_get(2)?;
        Ok(DefaultPrivilege {
            owner: row.try_get(0)?,
            schema: row.try_get(1)?,
            kind: kind.chars().next().unwrap_or_default(),
            grantee: row.try_get(3)?,
            privileges: row.try_get(4)?,
        })
    });
    read.collect()
}

async fn other_databases(reader: Reader<'_>, names: &[String]) -> Outcome<Vec<OtherDatabase>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let rows = reader
        .rows_of(
            "select wanted, datname is not null,
                case when datname is null then false else has_database_privilege(oid, 'CONNECT') and datallowconn end
             from unnest($1) wanted left join pg_database on datname = wanted",
            &[(&names, Type::TEXT_ARRAY)],
        )
        .await?;
    let read = rows.iter().map(|row| {
        Ok(OtherDatabase {
            name: row.try_get(0)?,
            exists: row.try_get(1)?,
            may_connect: row.try_get(2)?,
        })
    });
    read.collect()
}
