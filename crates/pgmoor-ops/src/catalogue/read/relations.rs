//! Tables with what belongs to them, views, sequences, text search.

use super::kind::{Kind, columns};
use super::version::Version;

const HEAD: &str = "select c.oid, c.oid::regclass::text as name, relname as bare, nspname as schema, relowner as owner_oid, relacl as acl";
const FROM: &str =
    "from pg_class c join pg_namespace n on n.oid = relnamespace left join pg_am m on m.oid = relam
    where relpersistence <> 't' and nspname !~ '^pg_' and relkind";
/// What a relation must be for what belongs to it to count: the user's own, and not an extension's.
const OWN: &str =
    "c.relpersistence <> 't' and n.nspname !~ '^pg_' and not exists (select from pg_depend e
    where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')";

pub(super) fn kinds(version: Version) -> Vec<Kind> {
    let columns = columns(version);
    let options = "coalesce(c.reloptions, '{}') as options, case when amname <> 'heap' then quote_ident(amname) end as access_method";
    let mut kinds = vec![
        Kind::new("pg_class", "sequence", format!(
            "{HEAD}, relpersistence as persistence, format_type(seqtypid, null) as type_name, seqstart as start, seqincrement as increment,
                seqmin as min, seqmax as max, seqcache as cache, seqcycle as cycle,
                (select jsonb_build_object('table', refobjid::regclass::text, 'column', attname, 'identity', deptype = 'i')
                    from pg_depend join pg_attribute on attrelid = refobjid and attnum = refobjsubid
                    where classid = 'pg_class'::regclass and objid = c.oid and objsubid = 0 and refclassid = 'pg_class'::regclass
                        and refobjsubid > 0 and deptype in ('a', 'i')) as owned_by
            {}", FROM.replacen("where", "join pg_sequence s on s.seqrelid = c.oid where", 1) + " = 'S'")).privileges('s'),
        Kind::new("pg_class", "table", format!(
            "{HEAD}, relkind as form, relpersistence as persistence, case when relkind = 'p' then pg_get_partkeydef(c.oid) end as partition_key,
                case when relispartition then (select inhparent::regclass::text from pg_inherits where inhrelid = c.oid) end as partition_of,
                case when relispartition then pg_get_expr(relpartbound, c.oid) end as bound,
                case when relispartition then '{{}}' else array(select inhparent::regclass::text from pg_inherits where inhrelid = c.oid order by inhseqno) end as inherits,
                {options}, coalesce((select t.reloptions from pg_class t where t.oid = c.reltoastrelid), '{{}}') as toast_options,
                case when reloftype <> 0 then format_type(reloftype, null) end as of_type, relreplident as replica_identity,
                relrowsecurity as row_security, relforcerowsecurity as force_row_security,
                (select quote_ident(srvname) from pg_foreign_table ft join pg_foreign_server v on v.oid = ftserver where ftrelid = c.oid) as server,
                coalesce((select ftoptions from pg_foreign_table where ftrelid = c.oid), '{{}}') as foreign_options, {columns}
            {FROM} in ('r', 'p', 'f')")).privileges('r'),
        Kind::new("pg_class", "view", format!(
            "{HEAD}, pg_get_viewdef(c.oid) as definition, coalesce(c.reloptions, '{{}}') as options, {columns} {FROM} = 'v'")).privileges('r'),
        Kind::new("pg_class", "materialized_view", format!(
            "{HEAD}, pg_get_viewdef(c.oid) as definition, {options}, relispopulated as populated, {columns} {FROM} = 'm'")).privileges('r'),
    ];
    kinds.extend(parts(version));
    kinds.extend(search());
    kinds
}

fn parts(version: Version) -> Vec<Kind> {
    let of = |class: &str, prefix: &str, relation: &str| {
        format!("from {class} x join pg_class c on c.oid = x.{relation} join pg_namespace n on n.oid = c.relnamespace where {OWN}")
            .replace("{prefix}", prefix)
    };
    let parent = version.since(
        13,
        "x.tgparentid",
        "coalesce((select refobjid from pg_depend where classid = 'pg_trigger'::regclass and objid = x.oid and refclassid = 'pg_trigger'::regclass and deptype in ('P', 'S', 'I', 'a')), 0)",
    );
    let target = version.since(13, "nullif(x.stxstattarget, -1)", "null::int");
    let attached =
        "(select i.inhparent::regclass::text from pg_inherits i where i.inhrelid = x.indexrelid)";
    vec![
        Kind::new("pg_class", "index", format!(
            "select ic.oid, ic.oid::regclass::text as name, ic.relname as bare, n.nspname as schema, c.oid::regclass::text as tbl,
                pg_get_indexdef(ic.oid) as definition, indisunique as unique, indisvalid as valid, indisclustered as clustered, indisreplident as replica_identity,
                (select conname from pg_constraint where conindid = ic.oid and conrelid = c.oid and contype in ('p', 'u', 'x')) as constraint,
                {attached} as partition_of, coalesce(ic.reloptions, '{{}}') as options,
                (select coalesce(jsonb_agg(jsonb_build_array(attnum, attstattarget) order by attnum), '[]') from pg_attribute
                    where attrelid = ic.oid and attstattarget >= 0) as statistics
            {}", of("pg_index", "ind", "indrelid").replacen("where", "join pg_class ic on ic.oid = indexrelid where", 1))),
        Kind::new("pg_constraint", "constraint", format!(
            "select x.oid, quote_ident(conname) as name, conname as bare, c.oid::regclass::text as tbl, contype as form, pg_get_constraintdef(x.oid) as definition,
                convalidated as validated, conislocal as local, coninhcount as parents,
                case when contype in ('p', 'u', 'x') then conindid::regclass::text end as index,
                case when contype in ('p', 'u', 'x') then coalesce((select reloptions from pg_class where oid = conindid), '{{}}') else '{{}}' end as index_options
            {} and contype in ('c', 'f', 'p', 'u', 'x') and not (contype = 'f' and conparentid <> 0)", of("pg_constraint", "con", "conrelid"))),
        Kind::new("pg_trigger", "trigger", format!(
            "select x.oid, quote_ident(tgname) as name, tgname as bare, c.oid::regclass::text as tbl, pg_get_triggerdef(x.oid) as definition, tgenabled as enabled,
                ({parent}) <> 0 as inherited
            {} and (not tgisinternal or ({parent}) <> 0) and not (tgisinternal and tgconstraint <> 0 and not exists (select from pg_constraint
                where oid = tgconstraint and contype = 't'))", of("pg_trigger", "tg", "tgrelid"))),
        Kind::new("pg_rewrite", "rule", format!(
            "select x.oid, quote_ident(rulename) as name, rulename as bare, c.oid::regclass::text as tbl, pg_get_ruledef(x.oid) as definition, ev_enabled as enabled
            {} and rulename <> '_RETURN'", of("pg_rewrite", "ev", "ev_class"))),
        Kind::new("pg_policy", "policy", format!(
            "select x.oid, quote_ident(polname) as name, polname as bare, c.oid::regclass::text as tbl, polpermissive as permissive,
                case polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' when 'd' then 'DELETE' else 'ALL' end as command,
                array(select rolname::text from unnest(polroles) y left join pg_roles r on r.oid = y order by rolname collate \"C\") as roles,
                pg_get_expr(polqual, polrelid) as using, pg_get_expr(polwithcheck, polrelid) as check
            {}", of("pg_policy", "pol", "polrelid"))),
        Kind::new("pg_statistic_ext", "statistics", format!(
            "select x.oid, quote_ident(sn.nspname) || '.' || quote_ident(stxname) as name, stxname as bare, sn.nspname as schema, stxowner as owner_oid,
                c.oid::regclass::text as tbl, pg_get_statisticsobjdef(x.oid) as definition, {target} as target
            {}", of("pg_statistic_ext", "stx", "stxrelid").replacen("where", "join pg_namespace sn on sn.oid = stxnamespace where", 1))),
    ]
}

fn search() -> Vec<Kind> {
    let head = |prefix: &str| {
        format!(
            "select x.oid, quote_ident(nspname) || '.' || quote_ident({prefix}name) as name, {prefix}name as bare, nspname as schema"
        )
    };
    let from = |class: &str, prefix: &str| {
        format!(
            "from {class} x join pg_namespace n on n.oid = {prefix}namespace where nspname !~ '^pg_'"
        )
    };
    let named = |class: &str, prefix: &str, oid: &str| super::kind::named(class, prefix, oid);
    vec![
        Kind::new("pg_ts_parser", "search_parser", format!(
            "{}, prsstart as start, prstoken as token, prsend as end, nullif(prsheadline::oid, 0)::regproc as headline, prslextype as types {}",
            head("prs"), from("pg_ts_parser", "prs"))),
        Kind::new("pg_ts_template", "search_template", format!(
            "{}, nullif(tmplinit::oid, 0)::regproc as init, tmpllexize as lexize {}", head("tmpl"), from("pg_ts_template", "tmpl"))),
        Kind::new("pg_ts_dict", "search_dictionary", format!(
            "{}, dictowner as owner_oid, {} as template, dictinitoption as options {}",
            head("dict"), named("pg_ts_template", "tmpl", "dicttemplate"), from("pg_ts_dict", "dict"))),
        Kind::new("pg_ts_config", "search_configuration", format!(
            "{}, cfgowner as owner_oid, {} as parser,
                (select coalesce(jsonb_agg(jsonb_build_object('token', alias, 'dictionaries', dictionaries) order by alias), '[]') from (
                    select (select alias from ts_token_type(cfgparser) where tokid = maptokentype) as alias, jsonb_agg({} order by mapseqno) as dictionaries
                    from pg_ts_config_map w where mapcfg = x.oid group by maptokentype) y) as mappings {}",
            head("cfg"), named("pg_ts_parser", "prs", "cfgparser"), named("pg_ts_dict", "dict", "w.mapdict"), from("pg_ts_config", "cfg"))),
    ]
}
