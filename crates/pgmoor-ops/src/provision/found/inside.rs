//! Reads what is in a database, by a session there.

use super::super::wanted::Wanted;
use super::read::{ask, asked_for, asked_for_app, list};
use super::{Found, Inside};
use crate::error::Error;
use crate::session::Session;
use crate::sql::literal;

impl Found {
    /// Reads what is in the database that the session is on.
    ///
    /// # Errors
    /// The server's.
    pub async fn read_inside(&mut self, session: &Session, wanted: &Wanted) -> Result<(), Error> {
        let sql = question(self, wanted);
        let read: Vec<Inside> = ask(session, "read the database", &sql).await?;
        let mut inside = read.into_iter().next().unwrap_or_default();
        if !wanted.take_over.is_empty() {
            inside.belongings = ask(
                session,
                "read what belongs to whom",
                &belongings(self, wanted),
            )
            .await?;
        }
        let name = &session.database;
        let database = self
            .databases
            .iter_mut()
            .find(|database| database.name == *name);
        if let Some(database) = database {
            database.inside = inside;
        }
        Ok(())
    }
}

/// The schemas that the plan is about.
pub(in crate::provision) fn schemas(wanted: &Wanted) -> Vec<&str> {
    let mut names = vec![wanted.schema.as_str()];
    for extension in &wanted.extensions {
        if let Some(schema) = &extension.schema
            && !names.contains(&schema.as_str())
        {
            names.push(schema);
        }
    }
    names
}

fn question(found: &Found, wanted: &Wanted) -> String {
    let role = asked_for(found, &wanted.role.name);
    let owner = asked_for(found, &wanted.owner);
    let roles = list(wanted.roles().map(|role| role.name.as_str()));
    let take_over = list(wanted.take_over.iter().map(String::as_str));
    let schema = literal(&wanted.schema);
    // Nobody is owner of what is there before the owner is.
    let is_owners = match found.roles.contains_key(&wanted.owner) {
        true => format!("pg_has_role({owner}, o.owner, 'usage')"),
        false => "false".to_owned(),
    };
    let (closed, closed_later) = match wanted.is_apart() {
        true => (
            format!(
                "(select coalesce(json_agg(c), '[]') from ({}) c)",
                closed(found, wanted)
            ),
            closed_later(&role, &wanted.owner, &schema),
        ),
        false => ("'[]'::json".to_owned(), "'{}'::json".to_owned()),
    };
    format!(
        "select has_database_privilege(current_database(), 'create') as login_creates, \
         (select coalesce(json_agg(s), '[]') from (select nspname as name, pg_get_userbyid(nspowner) as owner, \
           has_schema_privilege({user}, oid, 'usage') as role_uses, \
           array(select right_ from unnest(array['usage', 'create']) right_ \
             where not has_schema_privilege({owner}, oid, right_)) as owner_lacks \
           from pg_namespace where nspname in ({schemas}) order by 1) s) as schemas, \
         (select coalesce(json_object_agg(extname, nspname), '{{}}') from pg_extension \
           join pg_namespace n on n.oid = extnamespace) as extensions, \
         (select coalesce(json_object_agg(rolname, (select substr(c, 13) from unnest(setconfig) c \
             where c like 'search_path=%')) filter (where setconfig::text like '%search_path=%'), '{{}}') \
           from pg_db_role_setting s join pg_roles r on r.oid = setrole \
           join pg_database d on d.oid = setdatabase \
           where d.datname = current_database() and rolname in ({roles})) as search_paths, \
         (select coalesce(json_object_agg(owner, count), '{{}}') from (select pg_get_userbyid(owner) as owner, \
           count(*) from ({OBJECTS}) o where schema = (select oid from pg_namespace where nspname = {schema}) \
           and not {is_owners} group by 1 order by 1) f) as foreign, \
         exists (select from pg_shdepend join pg_roles r on r.oid = refobjid \
           where refclassid = 'pg_authid'::regclass and deptype = 'o' and r.rolname = {own} and dbid = \
           (select oid from pg_database where datname = current_database())) as owner_owns, \
         {closed} as closed, {closed_later} as closed_later, \
         (select coalesce(json_object_agg(owner, names), '{{}}') from (select pg_get_userbyid(extowner) as owner, \
           array_agg(extname order by 1) as names from pg_extension where pg_get_userbyid(extowner) in ({take_over}) \
           group by 1) e) as owned_extensions",
        schemas = list(schemas(wanted)),
        user = asked_for_app(found, wanted, "pg_get_userbyid(nspowner)"),
        own = literal(&wanted.owner),
    )
}

fn belongings(found: &Found, wanted: &Wanted) -> String {
    let owner = asked_for(found, &wanted.owner);
    format!(
        "select pg_get_userbyid(o.owner) as owner, kind, (pg_identify_object(o.class, o.object, 0)).identity as name, \
         case when not has_schema_privilege({owner}, n.oid, 'create') then n.nspname end as closed_schema \
         from ({OBJECTS}) o left join pg_namespace n on n.oid = o.schema \
         where pg_get_userbyid(o.owner) in ({}) order by kind <> 'schema', kind, name",
        list(wanted.take_over.iter().map(String::as_str))
    )
}

/// Everything of one's own that has an owner by itself: no members of extensions, sequences of columns, types
/// of tables and arrays, which follow what they are of.
const OBJECTS: &str = "select * from ( \
    select 'pg_class'::regclass as class, oid as object, relowner as owner, relnamespace as schema, \
      case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' \
        when 'f' then 'foreign table' else 'table' end as kind \
      from pg_class c where relkind in ('r', 'p', 'v', 'm', 'S', 'f') \
      and not (relkind = 'S' and exists (select from pg_depend d where d.classid = 'pg_class'::regclass \
        and d.objid = c.oid and d.deptype in ('a', 'i') and d.refclassid = 'pg_class'::regclass)) \
    union all select 'pg_proc'::regclass, oid, proowner, pronamespace, 'routine' from pg_proc \
    union all select 'pg_type'::regclass, oid, typowner, typnamespace, 'type' from pg_type t \
      where (typtype in ('b', 'd', 'e', 'r') or typtype = 'c' and exists (select from pg_class c \
        where c.oid = typrelid and relkind = 'c')) \
      and not exists (select from pg_type e where e.typarray = t.oid) \
    union all select 'pg_namespace'::regclass, oid, nspowner, null, 'schema' from pg_namespace \
    union all select 'pg_operator'::regclass, oid, oprowner, oprnamespace, 'operator' from pg_operator \
    union all select 'pg_opclass'::regclass, oid, opcowner, opcnamespace, 'operator class' from pg_opclass \
    union all select 'pg_opfamily'::regclass, oid, opfowner, opfnamespace, 'operator family' from pg_opfamily \
    union all select 'pg_collation'::regclass, oid, collowner, collnamespace, 'collation' from pg_collation \
    union all select 'pg_conversion'::regclass, oid, conowner, connamespace, 'conversion' from pg_conversion \
    union all select 'pg_ts_config'::regclass, oid, cfgowner, cfgnamespace, 'text search configuration' from pg_ts_config \
    union all select 'pg_ts_dict'::regclass, oid, dictowner, dictnamespace, 'text search dictionary' from pg_ts_dict \
    union all select 'pg_statistic_ext'::regclass, oid, stxowner, stxnamespace, 'statistics' from pg_statistic_ext \
    union all select 'pg_foreign_data_wrapper'::regclass, oid, fdwowner, null, 'foreign data wrapper' from pg_foreign_data_wrapper \
    union all select 'pg_foreign_server'::regclass, oid, srvowner, null, 'server' from pg_foreign_server \
    union all select 'pg_publication'::regclass, oid, pubowner, null, case when puballtables or exists ( \
        select from pg_depend d where d.classid = to_regclass('pg_catalog.pg_publication_namespace') \
        and d.refclassid = 'pg_publication'::regclass and d.refobjid = pg_publication.oid) \
        then 'publication of all tables' else 'publication' end from pg_publication \
    union all select 'pg_event_trigger'::regclass, oid, evtowner, null, 'event trigger' from pg_event_trigger \
    union all select 'pg_language'::regclass, oid, lanowner, null, 'language' from pg_language \
    union all select 'pg_largeobject'::regclass, oid, lomowner, null, 'large object' from pg_largeobject_metadata \
    ) all_ where (object >= 16384 or class = 'pg_largeobject'::regclass \
      or class = 'pg_namespace'::regclass and object = 2200) \
    and not exists (select from pg_depend where classid = all_.class and objid = all_.object and deptype = 'e')";

/// What the application's role may not do with what is in the schema, and an application does.
fn closed(found: &Found, wanted: &Wanted) -> String {
    let missing = |rights: &str, has: &str, object: &str, owner: &str| {
        let user = asked_for_app(found, wanted, &format!("pg_get_userbyid({owner})"));
        format!(
            "array(select right_ from unnest({rights}) right_ where not {has}({user}, {object}, right_))"
        )
    };
    let rights = "case relkind when 'm' then array['select'] \
                  else array['select', 'insert', 'update', 'delete'] end";
    let of_tables = missing(rights, "has_table_privilege", "c.oid", "relowner");
    let rights = "array['usage', 'select', 'update']";
    let of_sequences = missing(rights, "has_sequence_privilege", "c.oid", "relowner");
    let rights = "array['execute']";
    let of_routines = missing(rights, "has_function_privilege", "p.oid", "proowner");
    format!(
        "select * from ( \
         select pg_get_userbyid(relowner) as owner, case relkind when 'S' then 'sequence' else 'table' end as kind, \
           (pg_identify_object('pg_class'::regclass, c.oid, 0)).identity as name, \
           case relkind when 'S' then {of_sequences} else {of_tables} end as missing \
           from pg_class c where relkind in ('r', 'p', 'v', 'm', 'f', 'S') \
           and relnamespace = (select oid from pg_namespace where nspname = {schema}) \
           and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e') \
         union all select pg_get_userbyid(proowner), 'routine', \
           (pg_identify_object('pg_proc'::regclass, p.oid, 0)).identity, {of_routines} \
           from pg_proc p where pronamespace = (select oid from pg_namespace where nspname = {schema}) \
           and not exists (select from pg_depend where classid = 'pg_proc'::regclass and objid = p.oid and deptype = 'e') \
         ) all_ where cardinality(missing) > 0 order by owner, kind, missing, name",
        schema = literal(&wanted.schema),
    )
}

/// What `role` may not do with what `owner` makes in `schema` later: neither by what everybody may by default
/// nor by default privileges, for all schemas or this one.
fn closed_later(role: &str, owner: &str, schema: &str) -> String {
    let of = |kind: &str, code: &str, wanted: &str| {
        format!(
            "select '{kind}' as kind, array(select right_ from unnest(array[{wanted}]) right_ \
             where not exists (select from aclexplode(coalesce( \
               (select defaclacl from pg_default_acl where defaclrole = o.oid and defaclnamespace = 0 and defaclobjtype = '{code}'), \
               acldefault('{acl}', coalesce(o.oid, 10))) || coalesce( \
               (select defaclacl from pg_default_acl where defaclrole = o.oid and defaclobjtype = '{code}' \
                 and defaclnamespace = (select oid from pg_namespace where nspname = {schema})), '{{}}')) acl \
             where lower(acl.privilege_type) = right_ and (acl.grantee = 0 \
               or acl.grantee <> coalesce(o.oid, 0) and exists (select from pg_roles r where r.rolname = {role} and pg_has_role(r.oid, acl.grantee, 'usage'))))) as missing \
             from (select 1) one left join pg_roles o on o.rolname = {}",
            literal(owner),
            acl = if code == "S" { "s" } else { code },
        )
    };
    let all = [
        of("tables", "r", "'select', 'insert', 'update', 'delete'"),
        of("sequences", "S", "'usage', 'select', 'update'"),
        of("functions", "f", "'execute'"),
    ];
    format!(
        "(select coalesce(json_object_agg(kind, missing), '{{}}') from ({}) d where cardinality(missing) > 0)",
        all.join(" union all ")
    )
}
