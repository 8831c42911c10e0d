//! What is elsewhere, what is of the database as a whole, and who may do what beyond that.

use super::kind::{Kind, grants};
use super::version::Version;

pub(super) fn kinds(version: Version) -> Vec<Kind> {
    let columns = version.since(15, "array(select attname::text from unnest(prattrs) y join pg_attribute on attrelid = prrelid and attnum = y order by attnum)", "null::text[]");
    let columns = format!(
        "case when {} then {columns} end",
        version.since(15, "prattrs is not null", "false")
    );
    let filter = version.since(15, "pg_get_expr(prqual, prrelid)", "null::text");
    let schemas = version.since(
        15,
        "array(select quote_ident(nspname) from pg_publication_namespace join pg_namespace n on n.oid = pnnspid where pnpubid = p.oid order by nspname collate \"C\")",
        "'{}'::text[]",
    );
    let via_root = version.since(13, "pubviaroot", "false");
    let generated = version.since(
        18,
        "case pubgencols when 's' then 'stored' else 'none' end",
        "'none'::text",
    );
    let mut kinds = vec![
        Kind::new("pg_foreign_data_wrapper", "foreign_data_wrapper",
            "select oid, quote_ident(fdwname) as name, fdwname as bare, fdwowner as owner_oid, fdwacl as acl, nullif(fdwhandler, 0)::regproc as handler,
                nullif(fdwvalidator, 0)::regproc as validator, coalesce(fdwoptions, '{}') as options from pg_foreign_data_wrapper").privileges('F'),
        Kind::new("pg_foreign_server", "server",
            "select s.oid, quote_ident(srvname) as name, srvname as bare, srvowner as owner_oid, srvacl as acl, quote_ident(fdwname) as wrapper,
                srvtype as server_type, srvversion as version, coalesce(srvoptions, '{}') as options
            from pg_foreign_server s join pg_foreign_data_wrapper f on f.oid = srvfdw").privileges('S'),
        Kind::new("pg_user_mapping", "user_mapping",
            "select umid as oid, 'FOR ' || coalesce(quote_ident(r.rolname), 'PUBLIC') || ' SERVER ' || quote_ident(srvname) as name, '' as bare,
                quote_ident(srvname) as server, r.rolname as role, umoptions as options
            from pg_user_mappings left join pg_roles r on r.oid = umuser"),
        Kind::new("pg_event_trigger", "event_trigger",
            "select oid, quote_ident(evtname) as name, evtname as bare, evtowner as owner_oid, evtevent as event, evtfoid::regproc as function,
                coalesce(evttags, '{}') as tags, evtenabled as enabled from pg_event_trigger"),
        Kind::new("pg_publication", "publication", format!(
            "select oid, quote_ident(pubname) as name, pubname as bare, pubowner as owner_oid, puballtables as all_tables, {via_root} as via_root, {generated} as generated,
                array_remove(array[case when pubinsert then 'insert' end, case when pubupdate then 'update' end, case when pubdelete then 'delete' end,
                    case when pubtruncate then 'truncate' end], null) as publish, {schemas} as schemas,
                (select coalesce(jsonb_agg(jsonb_build_object('name', prrelid::regclass::text, 'columns', {columns}, 'filter', {filter})
                    order by prrelid::regclass::text collate \"C\"), '[]') from pg_publication_rel where prpubid = p.oid) as tables
            from pg_publication p")),
        Kind::new("pg_subscription", "subscription",
            "select oid, quote_ident(subname) as name, subname as bare, subowner as owner_oid, subenabled as enabled, subpublications as publications, subslotname as slot
            from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())"),
        Kind::new("pg_largeobject_metadata", "large_object",
            "select oid, oid::text as name, oid::text as bare, lomowner as owner_oid, lomacl as acl from pg_largeobject_metadata")
            .privileges('L').with_initial(),
        Kind::new("pg_default_acl", "default_privileges",
            "select d.oid, 'of ' || quote_ident(rolname) || coalesce(' in ' || quote_ident(nspname), '') || ' on '
                    || case defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end as name,
                '' as bare, rolname as role, nspname as in_schema, defaclrole as owner_oid, defaclacl as acl,
                case defaclobjtype when 'r' then 'TABLES' when 'S' then 'SEQUENCES' when 'f' then 'FUNCTIONS' when 'T' then 'TYPES' when 'n' then 'SCHEMAS' else 'LARGE OBJECTS' end as objects
            from pg_default_acl d join pg_roles r on r.oid = defaclrole left join pg_namespace n on n.oid = defaclnamespace").privileges('r').with_initial(),
    ];
    kinds.extend(members());
    kinds
}

/// Objects of extensions and of PostgreSQL itself whose privileges are not those that they came with.
fn members() -> Vec<Kind> {
    const IN_SCHEMA: &str = "(select quote_ident(nspname) from pg_namespace where oid = {p}namespace) || '.' || quote_ident({p}name)";
    const ALONE: &str = "quote_ident({p}name)";
    let all = [
        (
            "pg_proc",
            'f',
            "ROUTINE",
            "pro",
            "x.oid::regprocedure::text",
            "true",
        ),
        (
            "pg_class",
            'r',
            "TABLE",
            "rel",
            IN_SCHEMA,
            "relkind in ('r', 'v', 'm', 'p', 'f')",
        ),
        (
            "pg_class",
            's',
            "SEQUENCE",
            "rel",
            IN_SCHEMA,
            "relkind = 'S'",
        ),
        ("pg_type", 'T', "TYPE", "typ", IN_SCHEMA, "true"),
        (
            "pg_namespace",
            'n',
            "SCHEMA",
            "nsp",
            ALONE,
            "nspname <> 'public'",
        ),
        ("pg_language", 'l', "LANGUAGE", "lan", ALONE, "true"),
        (
            "pg_foreign_data_wrapper",
            'F',
            "FOREIGN DATA WRAPPER",
            "fdw",
            ALONE,
            "true",
        ),
    ];
    let kinds = all.map(|(class, letter, objects, p, name, which)| {
        let initial = format!("coalesce(i.initprivs, acldefault('{letter}', {p}owner))");
        let (grants, name) = (grants(&initial), name.replace("{p}", p));
        let query = format!(
            "select 0::oid as oid, {name} as name, {p}name as bare, {p}owner as owner_oid, {p}acl as acl, '{objects}' as objects, (select {grants}) as initial
            from {class} x left join pg_init_privs i on i.classoid = '{class}'::regclass and i.objoid = x.oid and i.objsubid = 0
            where (i.privtype = 'i' or exists (select from pg_depend where classid = '{class}'::regclass and objid = x.oid and deptype = 'e'))
                and coalesce({p}acl, acldefault('{letter}', {p}owner)) is distinct from {initial} and {which}"
        );
        let kind = Kind::new(class, "member_privileges", query);
        kind.privileges(letter).with_initial()
    });
    kinds.into()
}

/// Settings of the database, and of roles in it.
pub(super) const SETTINGS: &str = "select jsonb_strip_nulls(jsonb_build_object('oid', 0, 'name', coalesce('of ' || quote_ident(rolname), 'of all'), 'bare', '', 'detail',
        jsonb_build_object('kind', 'setting', 'role', rolname, 'settings', setconfig)))
    from pg_db_role_setting s left join pg_roles r on r.oid = setrole where setdatabase = (select oid from pg_database where datname = current_database())";

/// Roles that are not PostgreSQL's own.
pub(super) const ROLES: &str = "select jsonb_build_object('name', rolname, 'connection_limit', rolconnlimit,
        'attributes', array_remove(array[case when rolsuper then 'SUPERUSER' end, case when rolcreaterole then 'CREATEROLE' end, case when rolcreatedb then 'CREATEDB' end,
            case when rolcanlogin then 'LOGIN' end, case when rolreplication then 'REPLICATION' end, case when rolbypassrls then 'BYPASSRLS' end,
            case when not rolinherit then 'NOINHERIT' end], null),
        'member_of', array(select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = roleid where member = r.oid order by g.rolname collate \"C\"),
        'settings', coalesce((select setconfig from pg_db_role_setting where setrole = r.oid and setdatabase = 0), '{}'))
    from pg_roles r where rolname !~ '^pg_' order by rolname collate \"C\"";

/// What needs what, by class and number: a row type is its table, a default its table's, and so on.
pub(super) const DEPENDENCIES: &str = "select classid::int8, objid::int8, refclassid::int8, refobjid::int8, deptype in ('i', 'e')
    from pg_depend where deptype in ('n', 'a', 'i', 'e', 'P', 'S', 'I') and objid >= 16384 and refobjid >= 16384
    union all select 'pg_attrdef'::regclass::int8, d.oid::int8, 'pg_class'::regclass::int8, adrelid::int8, true from pg_attrdef d
    union all select 'pg_constraint'::regclass::int8, oid::int8, 'pg_type'::regclass::int8, contypid::int8, true from pg_constraint where contypid <> 0
    union all select 'pg_type'::regclass::int8, typarray::int8, 'pg_type'::regclass::int8, oid::int8, true from pg_type where typarray <> 0 and oid >= 16384";

/// The numbers of the catalogues.
pub(super) const CLASSES: &str = "select relname::text, oid::int8 from pg_class where relnamespace = 'pg_catalog'::regnamespace and relkind = 'r'";
