//! What makes tables, what belongs to them, views and sequences.

use std::collections::HashMap;

use crate::catalogue::model::{Detail, Object};
use crate::catalogue::relation::{Column, Constraint, Index, Sequence, Table, TableForm};
use crate::sql::{identifier, literal};

use super::text::{column, foreign_options, parameters, storage};

/// `CREATE TABLE`, with its columns but without their defaults; a partition is made on its own, so that its columns keep
/// their order, and attached later.
pub(super) fn create(
    object: &Object,
    table: &Table,
    tables: &HashMap<&str, &Table>,
    target: u32,
) -> String {
    let name = &object.name;
    let word = match (table.form, table.persistence.as_str()) {
        (TableForm::Foreign, _) => "FOREIGN TABLE",
        (_, "u") => "UNLOGGED TABLE",
        _ => "TABLE",
    };
    let inherits = inherits(table, tables);
    let own = |one: &&Column| inherits.is_none() || one.local;
    let columns = table
        .columns
        .iter()
        .filter(own)
        .map(|one| column(table, one, target))
        .collect::<Vec<_>>();
    let mut text = match &table.of_type {
        Some(of) => format!("CREATE {word} {name} OF {of}"),
        None => format!("CREATE {word} {name}"),
    };
    if table.of_type.is_none() || !columns.is_empty() {
        text += &format!(" ({})", columns.join(", "));
    }
    if let Some(parents) = inherits {
        text += &format!(" INHERITS ({parents})");
    }
    if let Some(key) = &table.partition_key {
        text += &format!(" PARTITION BY {key}");
    }
    if let Some(method) = table
        .access_method
        .as_ref()
        .filter(|_| table.form == TableForm::Plain || target >= 17)
    {
        text += &format!(" USING {method}");
    }
    if let Some(server) = &table.server {
        text += &format!(
            " SERVER {server}{}",
            foreign_options(&table.foreign_options)
        );
    }
    let toast = table
        .toast_options
        .iter()
        .map(|option| format!("toast.{option}"));
    text + &storage(
        &table
            .options
            .iter()
            .cloned()
            .chain(toast)
            .collect::<Vec<_>>(),
    )
}

/// The parents, if `INHERITS` gives the columns in the order that they have.
fn inherits(table: &Table, tables: &HashMap<&str, &Table>) -> Option<String> {
    if table.inherits.is_empty() {
        return None;
    }
    let mut order: Vec<&str> = Vec::new();
    let parents = table
        .inherits
        .iter()
        .filter_map(|parent| tables.get(parent.as_str()));
    let inherited = parents
        .flat_map(|parent| parent.columns.iter())
        .map(|column| column.name.as_str());
    let own = table
        .columns
        .iter()
        .filter(|column| column.local)
        .map(|column| column.name.as_str());
    for name in inherited.chain(own) {
        if !order.contains(&name) {
            order.push(name);
        }
    }
    let is_same = order
        .iter()
        .eq(table.columns.iter().map(|column| &column.name));
    is_same.then(|| table.inherits.join(", "))
}

/// What a table needs beyond its making: parents, and what columns are set to.
pub(super) fn alter(
    object: &Object,
    table: &Table,
    tables: &HashMap<&str, &Table>,
    target: u32,
) -> Vec<String> {
    let name = &object.name;
    let only = if table.form == TableForm::Foreign {
        "ALTER FOREIGN TABLE ONLY"
    } else {
        "ALTER TABLE ONLY"
    };
    let mut all = Vec::new();
    let by_clause = inherits(table, tables).is_some();
    if !by_clause {
        all.extend(
            table
                .inherits
                .iter()
                .map(|parent| format!("{only} {name} INHERIT {parent}")),
        );
    }
    for one in &table.columns {
        let column = identifier(&one.name);
        if by_clause && !one.local {
            all.extend(
                not_null(table, tables, one, target).map(|what| format!("{only} {name} {what}")),
            );
        }
        if let Some(by) = one
            .not_null_by
            .as_ref()
            .filter(|by| target >= 18 && !by.validated)
        {
            all.push(format!(
                "{only} {name} ADD CONSTRAINT {} NOT NULL {column} NOT VALID",
                identifier(&by.name)
            ));
        }
        all.extend(
            set(one)
                .into_iter()
                .map(|what| format!("{only} {name} ALTER COLUMN {column} {what}")),
        );
        if let Some(comment) = one
            .not_null_by
            .as_ref()
            .filter(|_| target >= 18)
            .and_then(|by| Some((by, by.comment.as_ref()?)))
        {
            all.push(format!(
                "COMMENT ON CONSTRAINT {} ON {name} IS {}",
                identifier(&comment.0.name),
                literal(comment.1)
            ));
        }
    }
    all
}

/// What makes an inherited column refuse nulls where its parents' do not.
fn not_null(
    table: &Table,
    tables: &HashMap<&str, &Table>,
    column: &Column,
    target: u32,
) -> Option<String> {
    let parents = table
        .inherits
        .iter()
        .filter_map(|parent| tables.get(parent.as_str()));
    let mut theirs = parents
        .flat_map(|parent| &parent.columns)
        .filter(|other| other.name == column.name);
    let named = column.not_null_by.as_ref().filter(|_| target >= 18);
    match named {
        Some(by) if by.local => Some(format!(
            "ADD CONSTRAINT {} NOT NULL {}",
            identifier(&by.name),
            identifier(&column.name)
        )),
        Some(_) => None,
        None if column.not_null && !theirs.any(|other| other.not_null) => Some(format!(
            "ALTER COLUMN {} SET NOT NULL",
            identifier(&column.name)
        )),
        None => None,
    }
}

fn set(column: &Column) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(
        column
            .storage
            .as_ref()
            .map(|storage| format!("SET STORAGE {storage}")),
    );
    all.extend(
        column
            .compression
            .as_ref()
            .map(|compression| format!("SET COMPRESSION {compression}")),
    );
    all.extend(
        column
            .statistics
            .map(|target| format!("SET STATISTICS {target}")),
    );
    if !column.options.is_empty() {
        all.push(format!("SET ({})", parameters(&column.options)));
    }
    all
}

/// Defaults, each on its own, as they may need functions that need the table.
pub(super) fn defaults(object: &Object, columns: &[Column]) -> Vec<String> {
    let word = match &object.detail {
        Detail::View(_) => "ALTER VIEW",
        Detail::Table(table) if table.form == TableForm::Foreign => "ALTER FOREIGN TABLE ONLY",
        _ => "ALTER TABLE ONLY",
    };
    let set = columns
        .iter()
        .filter(|column| column.generated.is_none())
        .filter_map(|column| {
            let default = column.default.as_ref()?;
            Some(format!(
                "{word} {} ALTER COLUMN {} SET DEFAULT {default}",
                object.name,
                identifier(&column.name)
            ))
        });
    set.collect()
}

/// `CREATE SEQUENCE`; that of an identity column is made by its column.
pub(super) fn sequence(object: &Object, sequence: &Sequence) -> String {
    let unlogged = if sequence.persistence == "u" {
        "UNLOGGED "
    } else {
        ""
    };
    format!(
        "CREATE {unlogged}SEQUENCE {} AS {} {}",
        object.name,
        sequence.type_name,
        numbers(sequence)
    )
}

fn numbers(sequence: &Sequence) -> String {
    let Sequence {
        start,
        increment,
        min,
        max,
        cache,
        cycle,
        ..
    } = sequence;
    let cycle = if *cycle { "CYCLE" } else { "NO CYCLE" };
    format!(
        "INCREMENT BY {increment} MINVALUE {min} MAXVALUE {max} START WITH {start} CACHE {cache} {cycle}"
    )
}

/// `ADD GENERATED AS IDENTITY`, with the sequence's name and numbers.
pub(super) fn identity(object: &Object, sequence: &Sequence, column: &Column) -> Option<String> {
    let owner = sequence.owned_by.as_ref()?;
    let how = if column.identity.as_deref() == Some("a") {
        "ALWAYS"
    } else {
        "BY DEFAULT"
    };
    Some(format!(
        "ALTER TABLE {} ALTER COLUMN {} ADD GENERATED {how} AS IDENTITY (SEQUENCE NAME {} {})",
        owner.table,
        identifier(&owner.column),
        object.name,
        numbers(sequence)
    ))
}

/// A view: its query, with nothing behind it.
pub(super) fn view(
    object: &Object,
    definition: &str,
    options: &[String],
    columns: &[Column],
) -> String {
    let (checks, others): (Vec<String>, Vec<String>) = options
        .iter()
        .cloned()
        .partition(|option| option.starts_with("check_option="));
    let check = checks
        .first()
        .map_or(String::new(), |check| match check.ends_with("local") {
            true => "\nWITH LOCAL CHECK OPTION".to_owned(),
            false => "\nWITH CASCADED CHECK OPTION".to_owned(),
        });
    let columns = columns
        .iter()
        .map(|column| identifier(&column.name))
        .collect::<Vec<_>>();
    let columns = if columns.is_empty() {
        String::new()
    } else {
        format!(" ({})", columns.join(", "))
    };
    format!(
        "CREATE VIEW {}{columns}{} AS {}{check}",
        object.name,
        storage(&others),
        definition.trim_end_matches(';')
    )
}

/// The part of an index that its definition does not say.
pub(super) fn of_index(object: &Object, index: &Index) -> Vec<String> {
    let name = &object.name;
    let table = object.table.as_deref().unwrap_or_default();
    let mut all = Vec::new();
    if let Some(parent) = &index.partition_of {
        all.push(format!("ALTER INDEX {parent} ATTACH PARTITION {name}"));
    }
    all.extend(index.statistics.iter().map(|(column, target)| {
        format!("ALTER INDEX {name} ALTER COLUMN {column} SET STATISTICS {target}")
    }));
    if index.clustered {
        all.push(format!(
            "ALTER TABLE {table} CLUSTER ON {}",
            identifier(&object.bare)
        ));
    }
    if index.replica_identity {
        all.push(format!(
            "ALTER TABLE ONLY {table} REPLICA IDENTITY USING INDEX {}",
            identifier(&object.bare)
        ));
    }
    all
}

/// `ADD CONSTRAINT`; none for what comes from a parent.
pub(super) fn constraint(
    object: &Object,
    constraint: &Constraint,
    table: Option<&Table>,
) -> Option<String> {
    if constraint.form == "c" && !constraint.local {
        return None;
    }
    let on = object.table.as_deref().unwrap_or_default();
    // The foreign key of a partitioned table makes those of its partitions.
    let is_partitioned = table.is_some_and(|table| table.form == TableForm::Partitioned);
    let has_children = constraint.form == "f" && is_partitioned || constraint.form == "c";
    let word = match table.map(|table| table.form) {
        Some(TableForm::Foreign) => "ALTER FOREIGN TABLE",
        _ => "ALTER TABLE",
    };
    let only = if has_children { "" } else { "ONLY " };
    let mut definition = constraint.definition.clone();
    if !constraint.index_options.is_empty() && constraint.form != "x" {
        let end = [" DEFERRABLE", " INITIALLY DEFERRED"]
            .iter()
            .filter_map(|word| definition.find(word))
            .min();
        definition.insert_str(
            end.unwrap_or(definition.len()),
            &storage(&constraint.index_options),
        );
    }
    let mut text = format!(
        "{word} {only}{on} ADD CONSTRAINT {} {definition}",
        object.name
    );
    if let (false, "x", Some(index)) = (
        constraint.index_options.is_empty(),
        constraint.form.as_str(),
        &constraint.index,
    ) {
        text += &format!(
            ";\nALTER INDEX {index} SET ({})",
            parameters(&constraint.index_options)
        );
    }
    Some(text)
}

/// A trigger, and whether it fires; of one that comes from a partitioned table only the latter.
pub(super) fn trigger(
    object: &Object,
    definition: &str,
    enabled: &str,
    inherited: bool,
) -> Option<String> {
    let on = object.table.as_deref().unwrap_or_default();
    let state = state(enabled)
        .map(|state| format!("ALTER TABLE ONLY {on} {state} TRIGGER {}", object.name));
    match (inherited, state) {
        (true, state) => Some(
            state
                .unwrap_or_else(|| format!("ALTER TABLE ONLY {on} ENABLE TRIGGER {}", object.name)),
        ),
        (false, None) => Some(definition.to_owned()),
        (false, Some(state)) => Some(format!("{definition};\n{state}")),
    }
}

/// A rule, and whether it counts.
pub(super) fn rule(object: &Object, definition: &str, enabled: &str) -> String {
    let on = object.table.as_deref().unwrap_or_default();
    let definition = definition.trim_end_matches(';');
    state(enabled).map_or_else(
        || definition.to_owned(),
        |state| {
            format!(
                "{definition};\nALTER TABLE {on} {state} RULE {}",
                object.name
            )
        },
    )
}

fn state(enabled: &str) -> Option<&'static str> {
    match enabled {
        "D" => Some("DISABLE"),
        "A" => Some("ENABLE ALWAYS"),
        "R" => Some("ENABLE REPLICA"),
        _ => None,
    }
}

/// A materialized view, not yet computed.
pub(super) fn materialized_view(
    object: &Object,
    view: &crate::catalogue::relation::MaterializedView,
) -> Vec<String> {
    let name = &object.name;
    let using = view
        .access_method
        .as_ref()
        .map_or(String::new(), |method| format!(" USING {method}"));
    let query = view.definition.trim_end_matches(';');
    let mut all = vec![format!(
        "CREATE MATERIALIZED VIEW {name}{using}{} AS {query}\nWITH NO DATA",
        storage(&view.options)
    )];
    for column in &view.columns {
        let of = identifier(&column.name);
        all.extend(
            set(column)
                .into_iter()
                .map(|what| format!("ALTER MATERIALIZED VIEW {name} ALTER COLUMN {of} {what}")),
        );
    }
    all
}
