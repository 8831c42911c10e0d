//! Functions, aggregates, operators and their classes, casts, transforms, conversions, access methods.

use super::kind::{Kind, named};
use super::version::Version;

pub(super) fn kinds(version: Version) -> Vec<Kind> {
    let operator = |oid: &str| {
        format!(
            "(select 'OPERATOR(' || quote_ident(nspname) || '.' || oprname || ')' from pg_operator x join pg_namespace xn on xn.oid = oprnamespace where x.oid = {oid})"
        )
    };
    let (commutator, negator, sort) = (
        operator("o.oprcom"),
        operator("o.oprnegate"),
        operator("g.aggsortop"),
    );
    let body = version.since(14, "pg_get_function_sqlbody(p.oid)", "null::text");
    let head = "select p.oid, p.oid::regprocedure::text as name, proname as bare, nspname as schema, proowner as owner_oid, proacl as acl";
    let from = "from pg_proc p join pg_namespace n on n.oid = pronamespace";
    let family = named("pg_opfamily", "opf", "o.opcfamily");
    // Procedures and arguments keep their parentheses; that of an aggregate may have an ORDER BY.
    vec![
        Kind::new("pg_proc", "function", format!(
            "{head}, prokind as sort,
                (select coalesce(jsonb_agg(jsonb_build_object('mode', coalesce(proargmodes[i], 'i'), 'name', nullif(proargnames[i], ''), 'type_name', format_type(y, null),
                    'default', pg_get_function_arg_default(p.oid, i::int)) order by i), '[]')
                    from unnest(coalesce(proallargtypes, proargtypes::oid[])) with ordinality u(y, i)) as arguments,
                case when prokind <> 'p' then format_type(prorettype, null) end as returns, proretset as returns_set, lanname as language,
                prosrc as source, probin as library, {body} as body, provolatile as volatility, proisstrict as strict, proleakproof as leakproof,
                prosecdef as security_definer, proparallel as parallel, procost as cost, prorows as rows, nullif(prosupport::oid, 0)::regproc as support,
                array(select format_type(y, null) from unnest(protrftypes) y) as transforms, coalesce(proconfig, '{{}}') as settings,
                pg_get_functiondef(p.oid) as sql
            {from} join pg_language l on l.oid = prolang where nspname !~ '^pg_' and prokind in ('f', 'p', 'w') and {}", not_of_type("pg_proc", "p.oid"))).privileges('f'),
        Kind::new("pg_proc", "aggregate", format!(
            "{head}, aggkind as sort, pg_get_function_arguments(p.oid) as arguments, aggtransfn as transition,
                format_type(aggtranstype, null) as state, aggtransspace as state_size, agginitval as initial,
                nullif(aggfinalfn::oid, 0)::regproc as finish, aggfinalextra as finish_extra, aggfinalmodify as finish_modify,
                nullif(aggcombinefn::oid, 0)::regproc as combine, nullif(aggserialfn::oid, 0)::regproc as serialize, nullif(aggdeserialfn::oid, 0)::regproc as deserialize,
                nullif(aggmtransfn::oid, 0)::regproc as moving_transition, nullif(aggminvtransfn::oid, 0)::regproc as moving_inverse,
                case when aggmtranstype <> 0 then format_type(aggmtranstype, null) end as moving_state, aggmtransspace as moving_state_size, aggminitval as moving_initial,
                nullif(aggmfinalfn::oid, 0)::regproc as moving_finish, aggmfinalextra as moving_finish_extra, aggmfinalmodify as moving_finish_modify,
                {sort} as sort_operator, proparallel as parallel
            {from} join pg_aggregate g on g.aggfnoid = p.oid where nspname !~ '^pg_'")).privileges('f'),
        Kind::new("pg_operator", "operator", format!(
            "select o.oid, quote_ident(nspname) || '.' || oprname || '(' || coalesce(format_type(nullif(oprleft, 0), null), 'NONE') || ', ' || coalesce(format_type(nullif(oprright, 0), null), 'NONE') || ')' as name,
                oprname as bare, nspname as schema, oprowner as owner_oid, case when oprleft <> 0 then format_type(oprleft, null) end as left,
                case when oprright <> 0 then format_type(oprright, null) end as right, nullif(oprcode::oid, 0)::regproc as function,
                {commutator} as commutator, {negator} as negator, nullif(oprrest::oid, 0)::regproc as restrict, nullif(oprjoin::oid, 0)::regproc as join,
                oprcanmerge as merges, oprcanhash as hashes
            from pg_operator o join pg_namespace n on n.oid = oprnamespace where nspname !~ '^pg_'")),
        Kind::new("pg_opfamily", "operator_family", format!(
            "select f.oid, quote_ident(nspname) || '.' || quote_ident(opfname) || ' USING ' || quote_ident(amname) as name, opfname as bare, nspname as schema,
                opfowner as owner_oid, quote_ident(amname) as method, {} as members
            from pg_opfamily f join pg_namespace n on n.oid = opfnamespace join pg_am m on m.oid = opfmethod where nspname !~ '^pg_'",
            members("'pg_opfamily'", "f.oid"))),
        Kind::new("pg_opclass", "operator_class", format!(
            "select o.oid, quote_ident(nspname) || '.' || quote_ident(opcname) || ' USING ' || quote_ident(amname) as name, opcname as bare, nspname as schema,
                opcowner as owner_oid, quote_ident(amname) as method, {family} as family, format_type(opcintype, null) as type_name, opcdefault as default,
                case when opckeytype <> 0 and opckeytype <> opcintype then format_type(opckeytype, null) end as storage, {} as members
            from pg_opclass o join pg_namespace n on n.oid = opcnamespace join pg_am m on m.oid = opcmethod where nspname !~ '^pg_'",
            members("'pg_opclass'", "o.oid"))),
        Kind::new("pg_cast", "cast", format!(
            "select oid, '(' || format_type(castsource, null) || ' AS ' || format_type(casttarget, null) || ')' as name, '' as bare,
                format_type(castsource, null) as source, format_type(casttarget, null) as target, case when castfunc <> 0 then castfunc::regprocedure::text end as function,
                castcontext as context, castmethod as method from pg_cast where {}", not_of_type("pg_cast", "pg_cast.oid"))),
        Kind::new("pg_transform", "transform",
            "select x.oid, 'FOR ' || format_type(trftype, null) || ' LANGUAGE ' || quote_ident(lanname) as name, '' as bare, format_type(trftype, null) as type_name,
                quote_ident(lanname) as language, case when trffromsql::oid <> 0 then trffromsql::regprocedure::text end as from_sql,
                case when trftosql::oid <> 0 then trftosql::regprocedure::text end as to_sql
            from pg_transform x join pg_language l on l.oid = trflang"),
        Kind::new("pg_conversion", "conversion",
            "select c.oid, quote_ident(nspname) || '.' || quote_ident(conname) as name, conname as bare, nspname as schema, conowner as owner_oid,
                pg_encoding_to_char(conforencoding) as source, pg_encoding_to_char(contoencoding) as target, conproc as function, condefault as default
            from pg_conversion c join pg_namespace n on n.oid = connamespace where nspname !~ '^pg_'"),
        Kind::new("pg_am", "access_method",
            "select oid, quote_ident(amname) as name, amname as bare, amtype as of, amhandler as handler from pg_am"),
    ]
}

/// What a range type makes by itself is the type's.
fn not_of_type(class: &str, oid: &str) -> String {
    format!(
        "not exists (select from pg_depend where classid = '{class}'::regclass and objid = {oid} and deptype = 'i' and refclassid = 'pg_type'::regclass)"
    )
}

/// The operators and functions that depend on a class or family alone, as `ALTER OPERATOR FAMILY` takes them.
fn members(class: &str, oid: &str) -> String {
    format!(
        "array(select case when w.oid is not null then format('OPERATOR %s %s', amopstrategy, amopopr::regoperator)
                    || coalesce(' FOR ORDER BY ' || (select quote_ident(nspname) || '.' || quote_ident(opfname) from pg_opfamily sf
                        join pg_namespace sn on sn.oid = opfnamespace where sf.oid = amopsortfamily), '')
                else format('FUNCTION %s (%s, %s) %s', amprocnum, format_type(amproclefttype, null), format_type(amprocrighttype, null), amproc::oid::regprocedure) end
            from pg_depend md
                left join pg_amop w on md.classid = 'pg_amop'::regclass and w.oid = md.objid
                left join pg_amproc v on md.classid = 'pg_amproc'::regclass and v.oid = md.objid
            where md.refclassid = {class}::regclass and md.refobjid = {oid} and (w.oid is not null or v.oid is not null)
            order by w.oid is null, amopstrategy, amprocnum, 1)"
    )
}
