//! What is asked of the catalogue for one kind of object, and what is the same for all kinds.

use super::version::Version;

/// One kind of object: a query with the columns `oid`, `name`, `bare`, and where there are such, `tbl`, `schema`,
/// `owner` and `acl`; all others are the detail.
pub(super) struct Kind {
    /// The catalogue that holds it.
    pub(super) class: &'static str,
    /// The name of the kind in [`Detail`](crate::catalogue::Detail).
    pub(super) kind: &'static str,
    /// For `acldefault`, where the kind has privileges.
    pub(super) privileges: Option<char>,
    /// Whether those that PostgreSQL itself made at the start count too.
    pub(super) with_initial: bool,
    /// The query.
    pub(super) query: String,
}

/// Labels and comments of databases are kept elsewhere.
const SHARED: &[&str] = &["pg_database", "pg_subscription"];

impl Kind {
    pub(super) fn new(class: &'static str, kind: &'static str, query: impl Into<String>) -> Self {
        Self {
            class,
            kind,
            privileges: None,
            with_initial: false,
            query: query.into(),
        }
    }

    pub(super) fn privileges(mut self, letter: char) -> Self {
        self.privileges = Some(letter);
        self
    }

    pub(super) fn with_initial(mut self) -> Self {
        self.with_initial = true;
        self
    }

    /// The query for all of an object, as JSON: its address, then what [`Object`](crate::catalogue::Object) is.
    pub(super) fn sql(&self) -> String {
        let Self {
            class, kind, query, ..
        } = self;
        let privileges = self.privileges.map_or("null".to_owned(), |letter| {
            format!(
                "(select {})",
                grants(&format!(
                    "coalesce(d.acl, acldefault('{letter}', d.owner_oid))"
                ))
            )
        });
        let comment = match SHARED.contains(class) {
            true => format!("shobj_description(d.oid, '{class}')"),
            false => format!("obj_description(d.oid, '{class}')"),
        };
        let labels = match SHARED.contains(class) {
            true => {
                format!("pg_shseclabel where objoid = d.oid and classoid = '{class}'::regclass")
            }
            false => format!(
                "pg_seclabel where objoid = d.oid and objsubid = 0 and classoid = '{class}'::regclass"
            ),
        };
        let initial = if self.with_initial {
            ""
        } else {
            "and d.oid >= 16384"
        };
        // Both words keep PostgreSQL from putting the query, and all that it looks up, into every place that uses it.
        format!(
            "with d as materialized ({query})
            select jsonb_strip_nulls(jsonb_build_object('oid', d.oid::int8, 'name', d.name, 'table', j.j -> 'tbl', 'schema', j.j -> 'schema',
                'bare', d.bare, 'owner', (select rolname from pg_roles where oid::text = j.j ->> 'owner_oid'),
                'privileges', {privileges}, 'comment', {comment},
                'labels', (select coalesce(jsonb_agg(jsonb_build_object('provider', provider, 'label', label) order by provider), '[]') from {labels})))
                || jsonb_build_object('detail', (j.j - '{{oid,name,tbl,schema,bare,owner_oid,acl}}'::text[]) || '{{\"kind\": \"{kind}\"}}')
            from d, lateral (select to_jsonb(d) as j offset 0) j
            where not exists (select from pg_depend where classid = '{class}'::regclass and objid = d.oid and deptype = 'e') {initial}"
        )
    }
}

/// An array of `Grant` out of an `aclitem[]`, as a select list.
pub(super) fn grants(acl: &str) -> String {
    format!(
        "coalesce(jsonb_agg(jsonb_build_object('grantee', (select rolname from pg_roles where oid = x.grantee),
            'privilege', x.privilege_type, 'grantor', coalesce((select rolname from pg_roles where oid = x.grantor), ''),
            'grantable', x.is_grantable)), '[]') from aclexplode({acl}) x"
    )
}

/// The name of a collation, as it stands in SQL.
pub(super) fn collation(oid: &str) -> String {
    named("pg_collation", "coll", oid)
}

/// The qualified name of something in a schema, as it stands in SQL.
pub(super) fn named(class: &str, prefix: &str, oid: &str) -> String {
    format!(
        "(select quote_ident(nn.nspname) || '.' || quote_ident(nx.{prefix}name) from {class} nx
            join pg_namespace nn on nn.oid = nx.{prefix}namespace where nx.oid = {oid})"
    )
}

/// The columns of the relation `c`, in order, as JSON.
pub(super) fn columns(version: Version) -> String {
    let collation = collation("a.attcollation");
    let acl = grants("a.attacl");
    let compression = version.since(
        14,
        "case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end",
        "null",
    );
    let not_null_by = version.since(
        18,
        "(select jsonb_build_object('name', conname, 'local', conislocal, 'no_inherit', connoinherit, 'validated', convalidated,
            'comment', obj_description(k.oid, 'pg_constraint'))
            from pg_constraint k where contype = 'n' and conrelid = a.attrelid and conkey = array[a.attnum])",
        "null",
    );
    format!(
        "(select coalesce(jsonb_agg(jsonb_build_object(
            'name', a.attname, 'type_name', format_type(a.atttypid, a.atttypmod),
            'collation', case when a.attcollation <> t.typcollation then {collation} end,
            'not_null', a.attnotnull, 'not_null_by', {not_null_by},
            'default', (select pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = a.attrelid and adnum = a.attnum),
            'generated', nullif(a.attgenerated, ''),
            'identity', case when exists (select from pg_depend i join pg_class s on s.oid = i.objid and s.relkind = 'S'
                where i.classid = 'pg_class'::regclass and i.refclassid = 'pg_class'::regclass and i.refobjid = a.attrelid
                    and i.refobjsubid = a.attnum and i.deptype = 'i') then nullif(a.attidentity, '') end,
            'storage', case when a.attstorage <> t.typstorage
                then case a.attstorage when 'p' then 'PLAIN' when 'e' then 'EXTERNAL' when 'x' then 'EXTENDED' else 'MAIN' end end,
            'compression', {compression}, 'statistics', nullif(a.attstattarget, -1), 'options', coalesce(a.attoptions, '{{}}'),
            'foreign_options', coalesce(a.attfdwoptions, '{{}}'), 'local', a.attislocal, 'parents', a.attinhcount,
            'privileges', case when a.attacl is null then '[]' else (select {acl}) end,
            'comment', col_description(a.attrelid, a.attnum),
            'labels', (select coalesce(jsonb_agg(jsonb_build_object('provider', provider, 'label', label) order by provider), '[]')
                from pg_seclabel where objoid = a.attrelid and objsubid = a.attnum and classoid = 'pg_class'::regclass)
            ) order by a.attnum), '[]')
        from pg_attribute a join pg_type t on t.oid = a.atttypid
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns"
    )
}
