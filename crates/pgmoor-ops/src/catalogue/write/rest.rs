//! Owners, privileges, comments, labels, settings, and what is of the database as a whole.

use std::collections::BTreeSet;

use crate::catalogue::model::{Detail, Object};
use crate::catalogue::relation::Column;
use crate::sql::{identifier, literal};

use super::order::Step;
use super::privileges;
use super::statement::Sql;
use super::target::Target;
use super::text::setting;

/// All for one object, `source` being the major version that it was read of.
pub(super) fn all(object: &Object, source: u32, target: &Target) -> Vec<(Step, Sql)> {
    let name = match &object.detail {
        Detail::Database { .. } => identifier(&target.database).into_owned(),
        _ => object.name.clone(),
    };
    let mut all: Vec<(Step, Sql)> = Vec::new();
    let mut add =
        |step, sql: Vec<String>| all.extend(sql.into_iter().map(|sql| (step, Sql::plain(sql))));
    add(Step::Make, make(object, target));
    add(Step::Owner, owner(object, &name));
    add(
        Step::Privileges,
        privileges::statements(object, &name, source),
    );
    let on = match &object.table {
        Some(table) if !matches!(object.detail, Detail::Index(_) | Detail::Statistics { .. }) => {
            format!("{name} ON {table}")
        }
        _ => name.clone(),
    };
    let kind = object.detail.kind().to_uppercase();
    let labelled = format!("{kind} {on}");
    add(
        Step::Comment,
        object
            .comment
            .iter()
            .map(|comment| format!("COMMENT ON {kind} {on} IS {}", literal(comment)))
            .collect(),
    );
    add(
        Step::Comment,
        object
            .labels
            .iter()
            .map(|one| {
                format!(
                    "SECURITY LABEL FOR {} ON {labelled} IS {}",
                    identifier(&one.provider),
                    literal(&one.label)
                )
            })
            .collect(),
    );
    add(Step::Comment, parts(object));
    if let Some(columns) = columns(object) {
        for column in columns {
            let owner = object.owner.as_deref().unwrap_or_default();
            add(
                Step::Privileges,
                privileges::of_column(&column.privileges, &column.name, &name, owner),
            );
            let of = format!("{name}.{}", identifier(&column.name));
            add(
                Step::Comment,
                column
                    .comment
                    .iter()
                    .map(|comment| format!("COMMENT ON COLUMN {of} IS {}", literal(comment)))
                    .collect(),
            );
            let label = |one: &crate::catalogue::privilege::Label| {
                format!(
                    "SECURITY LABEL FOR {} ON COLUMN {of} IS {}",
                    identifier(&one.provider),
                    literal(&one.label)
                )
            };
            add(Step::Comment, column.labels.iter().map(label).collect());
        }
    }
    if let Detail::UserMapping { options, .. } = &object.detail {
        let options = options.as_ref().map_or(&[][..], |options| &options.0);
        all.push((
            Step::Make,
            Sql::secret(format!(
                "CREATE USER MAPPING {}{}",
                object.name,
                super::text::foreign_options(options)
            )),
        ));
    }
    all
}

fn columns(object: &Object) -> Option<&[Column]> {
    match &object.detail {
        Detail::Table(table) => Some(&table.columns),
        Detail::View(view) => Some(&view.columns),
        Detail::MaterializedView(view) => Some(&view.columns),
        _ => None,
    }
}

/// Comments on parts that are no objects of their own.
fn parts(object: &Object) -> Vec<String> {
    let name = &object.name;
    match &object.detail {
        Detail::Composite(composite) => {
            let comments = composite
                .attributes
                .iter()
                .filter_map(|one| Some((identifier(&one.name), one.comment.as_ref()?)));
            comments
                .map(|(column, comment)| {
                    format!("COMMENT ON COLUMN {name}.{column} IS {}", literal(comment))
                })
                .collect()
        }
        Detail::Domain(domain) => {
            let comments = domain
                .constraints
                .iter()
                .filter_map(|one| Some((identifier(&one.name), one.comment.as_ref()?)));
            comments
                .map(|(constraint, comment)| {
                    format!(
                        "COMMENT ON CONSTRAINT {constraint} ON DOMAIN {name} IS {}",
                        literal(comment)
                    )
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

fn owner(object: &Object, name: &str) -> Vec<String> {
    let Some(owner) = object.owner.as_deref() else {
        return Vec::new();
    };
    let kind = match &object.detail {
        // The owner of a table owns its sequences; that of an extension is who made it.
        Detail::Sequence(sequence) if sequence.owned_by.is_some() => return Vec::new(),
        Detail::Extension { .. }
        | Detail::DefaultPrivileges { .. }
        | Detail::MemberPrivileges { .. }
        | Detail::Subscription { .. } => return Vec::new(),
        Detail::Cast { .. }
        | Detail::Transform { .. }
        | Detail::AccessMethod { .. }
        | Detail::UserMapping { .. }
        | Detail::Setting { .. } => return Vec::new(),
        Detail::SearchParser { .. } | Detail::SearchTemplate { .. } => return Vec::new(),
        detail => detail.kind().to_uppercase(),
    };
    vec![format!(
        "ALTER {kind} {name} OWNER TO {}",
        identifier(owner)
    )]
}

pub(super) fn policy(object: &Object) -> String {
    let Detail::Policy {
        command,
        permissive,
        roles,
        using,
        check,
    } = &object.detail
    else {
        return String::new();
    };
    let roles = roles
        .iter()
        .map(|role| role.as_deref().map_or("PUBLIC".into(), identifier))
        .collect::<BTreeSet<_>>();
    let roles = roles.into_iter().collect::<Vec<_>>().join(", ");
    let permissive = if *permissive {
        "PERMISSIVE"
    } else {
        "RESTRICTIVE"
    };
    let table = object.table.as_deref().unwrap_or_default();
    let mut text = format!(
        "CREATE POLICY {} ON {table} AS {permissive} FOR {command} TO {roles}",
        object.name
    );
    if let Some(using) = using {
        text += &format!(" USING ({using})");
    }
    if let Some(check) = check {
        text += &format!(" WITH CHECK ({check})");
    }
    text
}

fn make(object: &Object, target: &Target) -> Vec<String> {
    match &object.detail {
        Detail::Database {
            connection_limit, ..
        } if *connection_limit >= 0 => {
            vec![format!(
                "ALTER DATABASE {} CONNECTION LIMIT {connection_limit}",
                identifier(&target.database)
            )]
        }
        Detail::Setting { role, settings } => {
            let database = identifier(&target.database);
            let whose = match role {
                Some(role) => format!("ALTER ROLE {} IN DATABASE {database}", identifier(role)),
                None => format!("ALTER DATABASE {database}"),
            };
            settings
                .iter()
                .map(|one| format!("{whose} SET {}", setting(one)))
                .collect()
        }
        Detail::EventTrigger { .. } => event_trigger(object),
        Detail::Publication { .. } => publication(object, target),
        _ => Vec::new(),
    }
}

fn event_trigger(object: &Object) -> Vec<String> {
    let Detail::EventTrigger {
        event,
        function,
        tags,
        enabled,
    } = &object.detail
    else {
        return Vec::new();
    };
    let name = &object.name;

    let tags = match tags.is_empty() {
        true => String::new(),
        false => format!(
            " WHEN TAG IN ({})",
            tags.iter()
                .map(|tag| literal(tag))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    let mut all = vec![format!(
        "CREATE EVENT TRIGGER {name} ON {event}{tags} EXECUTE FUNCTION {function}()"
    )];
    all.extend(match enabled.as_str() {
        "D" => Some(format!("ALTER EVENT TRIGGER {name} DISABLE")),
        "A" => Some(format!("ALTER EVENT TRIGGER {name} ENABLE ALWAYS")),
        "R" => Some(format!("ALTER EVENT TRIGGER {name} ENABLE REPLICA")),
        _ => None,
    });
    all
}

fn publication(object: &Object, target: &Target) -> Vec<String> {
    let Detail::Publication {
        all_tables,
        publish,
        via_root,
        generated,
        tables,
        schemas,
    } = &object.detail
    else {
        return Vec::new();
    };
    let name = &object.name;

    let table = |one: &crate::catalogue::model::PublishedTable| {
        let columns = one.columns.as_ref().map(|columns| {
            format!(
                " ({})",
                columns
                    .iter()
                    .map(|column| identifier(column))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        });
        let filter = one
            .filter
            .as_ref()
            .map(|filter| format!(" WHERE ({filter})"));
        format!(
            "TABLE ONLY {}{}{}",
            one.name,
            columns.unwrap_or_default(),
            filter.unwrap_or_default()
        )
    };
    let mut what: Vec<String> = tables.iter().map(table).collect();
    what.extend(
        schemas
            .iter()
            .map(|schema| format!("TABLES IN SCHEMA {schema}")),
    );
    let what = match (*all_tables, what.is_empty()) {
        (true, _) => " FOR ALL TABLES".to_owned(),
        (false, true) => String::new(),
        // Before 15 the word TABLE stands once.
        (false, false) if target.major < 15 => format!(
            " FOR TABLE {}",
            what.join(", ").replace("TABLE ONLY ", "ONLY ")
        ),
        (false, false) => format!(" FOR {}", what.join(", ")),
    };
    let mut options = format!("publish = {}", literal(&publish.join(", ")));
    if *via_root && target.major >= 13 {
        options += ", publish_via_partition_root = true";
    }
    if generated == "stored" && target.major >= 18 {
        options += ", publish_generated_columns = stored";
    }
    vec![format!("CREATE PUBLICATION {name}{what} WITH ({options})")]
}
