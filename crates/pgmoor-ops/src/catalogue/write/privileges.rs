//! What gives privileges as they were: what PostgreSQL gives by itself is taken where somebody took it.

use std::collections::BTreeSet;

use crate::catalogue::model::{Detail, Object};
use crate::catalogue::privilege::Grant;
use crate::sql::identifier;

/// A kind of object to `GRANT`: its word, all privileges that it has, and those that everybody has.
pub(super) struct Grantable {
    word: &'static str,
    all: &'static [&'static str],
    public: &'static [&'static str],
}

const TABLE: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "MAINTAIN",
];

pub(super) fn grantable(detail: &Detail) -> Option<Grantable> {
    let of = |word, all, public| Some(Grantable { word, all, public });
    match detail {
        Detail::Database { .. } => of(
            "DATABASE",
            &["CREATE", "TEMPORARY", "CONNECT"],
            &["TEMPORARY", "CONNECT"],
        ),
        Detail::Schema {} => of("SCHEMA", &["USAGE", "CREATE"], &[]),
        Detail::Language { .. } => of("LANGUAGE", &["USAGE"], &["USAGE"]),
        Detail::Enum { .. }
        | Detail::Composite(_)
        | Detail::Range(_)
        | Detail::BaseType(_)
        | Detail::ShellType {} => of("TYPE", &["USAGE"], &["USAGE"]),
        Detail::Domain(_) => of("DOMAIN", &["USAGE"], &["USAGE"]),
        Detail::Function(function) if function.kind.word() == "procedure" => {
            of("PROCEDURE", &["EXECUTE"], &["EXECUTE"])
        }
        Detail::Function(_) | Detail::Aggregate(_) => of("FUNCTION", &["EXECUTE"], &["EXECUTE"]),
        Detail::Sequence(_) => of("SEQUENCE", &["USAGE", "SELECT", "UPDATE"], &[]),
        Detail::Table(_) | Detail::View(_) | Detail::MaterializedView(_) => of("TABLE", TABLE, &[]),
        Detail::ForeignDataWrapper { .. } => of("FOREIGN DATA WRAPPER", &["USAGE"], &[]),
        Detail::Server { .. } => of("FOREIGN SERVER", &["USAGE"], &[]),
        Detail::LargeObject {} => of("LARGE OBJECT", &["SELECT", "UPDATE"], &[]),
        Detail::DefaultPrivileges { objects, .. } => match objects.as_str() {
            "FUNCTIONS" => of("FUNCTIONS", &["EXECUTE"], &["EXECUTE"]),
            "TYPES" => of("TYPES", &["USAGE"], &["USAGE"]),
            "SEQUENCES" => of("SEQUENCES", &["USAGE", "SELECT", "UPDATE"], &[]),
            "SCHEMAS" => of("SCHEMAS", &["USAGE", "CREATE"], &[]),
            "LARGE OBJECTS" => of("LARGE OBJECTS", &["SELECT", "UPDATE"], &[]),
            _ => of("TABLES", TABLE, &[]),
        },
        Detail::MemberPrivileges { objects, .. } => match objects.as_str() {
            "ROUTINE" => of("ROUTINE", &["EXECUTE"], &[]),
            "TYPE" => of("TYPE", &["USAGE"], &[]),
            "SEQUENCE" => of("SEQUENCE", &["USAGE", "SELECT", "UPDATE"], &[]),
            "SCHEMA" => of("SCHEMA", &["USAGE", "CREATE"], &[]),
            "LANGUAGE" => of("LANGUAGE", &["USAGE"], &[]),
            "FOREIGN DATA WRAPPER" => of("FOREIGN DATA WRAPPER", &["USAGE"], &[]),
            _ => of("TABLE", TABLE, &[]),
        },
        _ => None,
    }
}

/// The statements, of which the first takes and the others give; none where all is as PostgreSQL has it.
/// `source` is the major version that the privileges were read of.
pub(super) fn statements(object: &Object, name: &str, source: u32) -> Vec<String> {
    let (Some(kind), Some(grants)) = (grantable(&object.detail), object.privileges.as_ref()) else {
        return Vec::new();
    };
    let owner = object.owner.as_deref().unwrap_or_default();
    let prefix = match &object.detail {
        Detail::DefaultPrivileges { in_schema, .. } => {
            let place = in_schema.as_ref().map_or(String::new(), |schema| {
                format!(" IN SCHEMA {}", identifier(schema))
            });
            format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {}{place} ",
                identifier(owner)
            )
        }
        _ => String::new(),
    };
    let on = match prefix.is_empty() {
        true => format!("{} {name}", kind.word),
        false => kind.word.to_owned(),
    };
    let adds_only = matches!(
        &object.detail,
        Detail::DefaultPrivileges {
            in_schema: Some(_),
            ..
        }
    );
    // What these have on the target depends on its version, or on the extension's.
    let is_unknown = matches!(
        object.detail,
        Detail::Database { .. } | Detail::MemberPrivileges { .. }
    ) || object.bare == "public";
    let has = |grantee: Option<&str>| {
        grants
            .iter()
            .filter(|grant| grant.grantee.as_deref() == grantee)
            .map(|grant| grant.privilege.as_str())
            .collect::<BTreeSet<_>>()
    };
    let full: BTreeSet<_> = kind
        .all
        .iter()
        .copied()
        .filter(|word| *word != "MAINTAIN" || source >= 17)
        .collect();
    let public: BTreeSet<_> = kind.public.iter().copied().collect();
    let (owners, everybodys) = (has(Some(owner)), has(None));
    let mut all = Vec::new();
    let mut given: BTreeSet<&Grant> = BTreeSet::new();
    if adds_only {
        // There is nothing to take.
    } else {
        if is_unknown || everybodys != public {
            all.push(format!("{prefix}REVOKE ALL ON {on} FROM PUBLIC"));
        } else {
            given.extend(grants.iter().filter(|grant| {
                grant.grantee.is_none() && !grant.grantable && grant.grantor == owner
            }));
        }
        if owners.is_superset(&full) {
            given.extend(
                grants
                    .iter()
                    .filter(|grant| grant.grantee.as_deref() == Some(owner)),
            );
        } else {
            all.push(format!(
                "{prefix}REVOKE ALL ON {on} FROM {}",
                identifier(owner)
            ));
        }
    }
    all.extend(give(grants, given, owner, &prefix, &on, ""));
    all
}

/// Privileges on single columns.
pub(super) fn of_column(grants: &[Grant], column: &str, table: &str, owner: &str) -> Vec<String> {
    give(
        grants,
        BTreeSet::new(),
        owner,
        "",
        &format!("TABLE {table}"),
        &format!(" ({})", identifier(column)),
    )
}

/// Each grantor's after those by which it became one.
fn give<'a>(
    grants: &'a [Grant],
    mut given: BTreeSet<&'a Grant>,
    owner: &str,
    prefix: &str,
    on: &str,
    columns: &str,
) -> Vec<String> {
    let mut all = Vec::new();
    let mut grantors = vec![owner];
    let others: BTreeSet<&str> = grants
        .iter()
        .map(|grant| grant.grantor.as_str())
        .filter(|grantor| *grantor != owner)
        .collect();
    while !grantors.is_empty() {
        for grantor in &grantors {
            let mut by_grantee: std::collections::BTreeMap<(&Option<String>, bool), Vec<&str>> =
                Default::default();
            for grant in grants
                .iter()
                .filter(|grant| grant.grantor == *grantor && !given.contains(grant))
            {
                let is_own = grant.grantee.as_deref() == Some(owner);
                by_grantee
                    .entry((&grant.grantee, grant.grantable && !is_own))
                    .or_default()
                    .push(&grant.privilege);
            }
            given.extend(grants.iter().filter(|grant| grant.grantor == *grantor));
            for ((grantee, grantable), privileges) in by_grantee {
                let grantee = grantee.as_deref().map_or("PUBLIC".into(), identifier);
                let option = if grantable { " WITH GRANT OPTION" } else { "" };
                let privileges = privileges
                    .iter()
                    .map(|privilege| format!("{privilege}{columns}"))
                    .collect::<Vec<_>>()
                    .join(", ");
                let grant = format!("{prefix}GRANT {privileges} ON {on} TO {grantee}{option}");
                all.push(match *grantor == owner {
                    true => grant,
                    false => format!("SET ROLE {};\n{grant};\nRESET ROLE", identifier(grantor)),
                });
            }
        }
        // Whoever was given something may now give it.
        let next = others.iter().copied().filter(|grantor| {
            grants
                .iter()
                .any(|grant| grant.grantor == *grantor && !given.contains(grant))
        });
        grantors = next.take(1).collect();
    }
    all
}
