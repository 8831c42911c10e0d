//! The database itself, schemas, extensions, types, collations.

use super::kind::{Kind, collation, named};
use super::version::Version;

pub(super) fn kinds(version: Version) -> Vec<Kind> {
    let provider = version.since(15, "datlocprovider", "'c'");
    let locale = version.since(17, "datlocale", version.since(15, "daticulocale", "null"));
    let mut kinds = vec![
        Kind::new("pg_database", "database", format!(
            "select oid, quote_ident(datname) as name, datname as bare, datdba as owner_oid, datacl as acl, pg_encoding_to_char(encoding) as encoding,
                datcollate as collate, datctype as ctype, {provider} as provider, {locale} as locale, datconnlimit as connection_limit
            from pg_database where datname = current_database()")).privileges('d').with_initial(),
        Kind::new("pg_namespace", "schema",
            "select oid, quote_ident(nspname) as name, nspname as bare, nspowner as owner_oid, nspacl as acl
            from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'").privileges('n').with_initial(),
        Kind::new("pg_extension", "extension",
            "select e.oid, quote_ident(extname) as name, extname as bare, extowner as owner_oid, nspname as schema, extversion as version,
                array(select c.oid::regclass::text || coalesce(' ' || nullif(extcondition[i], ''), '')
                    from generate_subscripts(extconfig, 1) i join pg_class c on c.oid = extconfig[i] order by 1) as configuration
            from pg_extension e join pg_namespace n on n.oid = extnamespace").with_initial(),
        Kind::new("pg_language", "language",
            "select oid, quote_ident(lanname) as name, lanname as bare, lanowner as owner_oid, lanacl as acl, lanpltrusted as trusted,
                nullif(lanplcallfoid, 0)::regproc as handler, nullif(laninline, 0)::regproc as inline, nullif(lanvalidator, 0)::regproc as validator
            from pg_language").privileges('l'),
    ];
    kinds.extend(types(version));
    kinds
}

fn types(version: Version) -> Vec<Kind> {
    let head = "select t.oid, quote_ident(nspname) || '.' || quote_ident(typname) as name, typname as bare, nspname as schema, typowner as owner_oid, typacl as acl";
    let from = "from pg_type t join pg_namespace n on n.oid = typnamespace";
    let is = "nspname !~ '^pg_' and typtype";
    let type_collation = collation("t.typcollation");
    let attribute_collation = collation("a.attcollation");
    let multirange = match version.0 {
        14.. => named("pg_type", "typ", "r.rngmultitypid"),
        _ => "null".to_owned(),
    };
    let operator_class = named("pg_opclass", "opc", "r.rngsubopc");
    let range_collation = collation("r.rngcollation");
    let subscript = version.since(14, "nullif(typsubscript::oid, 0)::regproc", "null::text");
    let coll_locale = version.since(
        17,
        "colllocale",
        version.since(
            15,
            "colliculocale",
            "case collprovider when 'i' then collcollate end",
        ),
    );
    let rules = version.since(16, "collicurules", "null::text");
    let array =
        "and not (typelem <> 0 and exists (select from pg_type e where e.typarray = t.oid))";
    vec![
        Kind::new("pg_collation", "collation", format!(
            "select c.oid, quote_ident(nspname) || '.' || quote_ident(collname) as name, collname as bare, nspname as schema, collowner as owner_oid,
                collprovider as provider, collisdeterministic as deterministic, {coll_locale} as locale, {rules} as rules,
                case collprovider when 'c' then collcollate end as collate, case collprovider when 'c' then collctype end as ctype
            from pg_collation c join pg_namespace n on n.oid = collnamespace where nspname !~ '^pg_'")),
        Kind::new("pg_type", "enum", format!(
            "{head}, array(select enumlabel::text from pg_enum where enumtypid = t.oid order by enumsortorder) as values {from} where {is} = 'e'")).privileges('T'),
        Kind::new("pg_type", "composite", format!(
            "{head}, (select coalesce(jsonb_agg(jsonb_build_object('name', attname, 'type_name', format_type(atttypid, atttypmod),
                    'collation', case when attcollation <> at.typcollation then {attribute_collation} end,
                    'comment', col_description(attrelid, attnum)) order by attnum), '[]')
                from pg_attribute a join pg_type at on at.oid = a.atttypid where attrelid = t.typrelid and attnum > 0 and not attisdropped) as attributes
            {from} where {is} = 'c' and exists (select from pg_class where oid = typrelid and relkind = 'c')")).privileges('T'),
        Kind::new("pg_type", "range", format!(
            "{head}, format_type(r.rngsubtype, null) as subtype,
                case when not (select opcdefault from pg_opclass where oid = r.rngsubopc) then {operator_class} end as operator_class,
                case when r.rngcollation <> (select typcollation from pg_type where oid = r.rngsubtype) then {range_collation} end as collation,
                nullif(r.rngcanonical::oid, 0)::regproc as canonical, nullif(r.rngsubdiff::oid, 0)::regproc as difference, {multirange} as multirange
            {from} join pg_range r on r.rngtypid = t.oid where {is} = 'r'")).privileges('T'),
        Kind::new("pg_type", "base_type", format!(
            "{head}, typinput as input, typoutput as output, nullif(typreceive::oid, 0)::regproc as receive, nullif(typsend::oid, 0)::regproc as send,
                nullif(typmodin::oid, 0)::regproc as modifier_in, nullif(typmodout::oid, 0)::regproc as modifier_out,
                nullif(typanalyze::oid, 0)::regproc as analyze, {subscript} as subscript, typlen as length, typbyval as by_value,
                case typalign when 'c' then 'char' when 's' then 'int2' when 'i' then 'int4' else 'double' end as alignment,
                case typstorage when 'p' then 'plain' when 'e' then 'external' when 'x' then 'extended' else 'main' end as storage,
                typcategory as category, typispreferred as preferred, typdefault as default,
                case when typelem <> 0 then format_type(typelem, null) end as element, typdelim as delimiter, typcollation <> 0 as collatable
            {from} where {is} = 'b' and typisdefined {array}")).privileges('T'),
        Kind::new("pg_type", "shell_type", format!("{head} {from} where {is} = 'p' and not typisdefined")),
        Kind::new("pg_type", "domain", format!(
            "{head}, format_type(typbasetype, typtypmod) as base, typnotnull as not_null, pg_get_expr(typdefaultbin, 0) as default,
                case when typcollation <> (select typcollation from pg_type where oid = t.typbasetype) then {type_collation} end as collation,
                (select coalesce(jsonb_agg(jsonb_build_object('name', conname, 'definition', pg_get_constraintdef(k.oid),
                    'comment', obj_description(k.oid, 'pg_constraint')) order by conname), '[]')
                    from pg_constraint k where contypid = t.oid and contype = 'c') as constraints
            {from} where {is} = 'd'")).privileges('T'),
    ]
}
