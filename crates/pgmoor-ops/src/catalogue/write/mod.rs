//! Writing a catalogue as SQL, for a server of the same or another version: no program of PostgreSQL's is needed.
//!
//! What makes an object is taken from what was read of it; expressions are PostgreSQL's own words for them. Each
//! statement says which others come before it, so that those that need not wait for each other can be run at once.

mod statement;

mod text;

mod objects;
mod privileges;
mod tables;

mod order;

mod target;

mod rest;

use std::collections::{HashMap, HashSet};

pub use statement::{Loss, Script, Section, Sql, Statement, Work};
pub use target::Target;

use super::model::{Catalogue, Detail, Object};
use super::relation::{Table, TableForm};
use order::{Draft, Step};

/// All statements that make on `target` what is in `catalogue`, and what they cannot make there.
pub fn write(catalogue: &Catalogue, target: &Target) -> Script {
    let (catalogue, mut losses) = target::fit(catalogue, target);
    let tables: HashMap<&str, &Table> = catalogue
        .tables()
        .map(|(object, table)| (object.name.as_str(), table))
        .collect();
    let mut writer = Writer {
        catalogue: &catalogue,
        target,
        tables,
        drafts: Vec::new(),
    };
    for place in 0..catalogue.objects.len() {
        writer.object(place);
    }
    let statements = order::order(writer.drafts, &catalogue);
    losses.sort();
    losses.dedup();
    Script { statements, losses }
}

struct Writer<'a> {
    catalogue: &'a Catalogue,
    target: &'a Target,
    tables: HashMap<&'a str, &'a Table>,
    drafts: Vec<Draft>,
}

impl Writer<'_> {
    fn add(&mut self, place: usize, step: Step, section: Section, sql: String) {
        let object = &self.catalogue.objects[place];
        self.drafts.push(Draft {
            place,
            step,
            section,
            work: work(&object.detail, step, section),
            kind: object.detail.kind(),
            name: full_name(object),
            sql: Sql::plain(sql),
            table: table_of(object),
        });
    }

    fn object(&mut self, place: usize) {
        let object = &self.catalogue.objects[place];
        let (before, after) = (Section::BeforeData, Section::AfterData);
        let major = self.target.major;
        if is_circular(self.catalogue, place) {
            self.add(
                place,
                Step::Shell,
                before,
                format!("CREATE TYPE {}", object.name),
            );
        }
        if let Some(sql) = objects::create(object, major) {
            self.add(place, Step::Make, before, sql);
        }
        match &object.detail {
            Detail::Sequence(sequence) => self.sequence(place, sequence),
            Detail::Table(table) => self.table(place, table),
            Detail::View(view) => {
                self.add(
                    place,
                    Step::Make,
                    before,
                    tables::view(object, &view.definition, &view.options, &view.columns),
                );
                for sql in tables::defaults(object, &view.columns) {
                    self.add(place, Step::Default, before, sql);
                }
            }
            Detail::MaterializedView(view) => {
                let mut all = tables::materialized_view(object, view).into_iter();
                self.add(place, Step::Make, before, all.next().unwrap_or_default());
                all.for_each(|sql| self.add(place, Step::Alter, before, sql));
                if view.populated {
                    self.add(
                        place,
                        Step::Refresh,
                        Section::Rest,
                        format!("REFRESH MATERIALIZED VIEW {}", object.name),
                    );
                }
            }
            Detail::LargeObject {} => self.add(
                place,
                Step::Make,
                before,
                format!("SELECT pg_catalog.lo_create({})", object.name),
            ),
            Detail::Domain(domain) => {
                for one in domain
                    .constraints
                    .iter()
                    .filter(|one| one.definition.ends_with(" NOT VALID"))
                {
                    let name = crate::sql::identifier(&one.name);
                    self.add(
                        place,
                        Step::Alter,
                        after,
                        format!(
                            "ALTER DOMAIN {} ADD CONSTRAINT {name} {}",
                            object.name, one.definition
                        ),
                    );
                }
            }
            Detail::OperatorFamily(family) if !family.members.is_empty() => {
                let members = family.members.join(", ");
                self.add(
                    place,
                    Step::Alter,
                    before,
                    format!("ALTER OPERATOR FAMILY {} ADD {members}", object.name),
                );
            }
            _ => {}
        }
        self.part(place);
        for (step, sql) in rest::all(object, self.catalogue.major(), self.target) {
            let object = &self.catalogue.objects[place];
            self.drafts.push(Draft {
                place,
                step,
                section: Section::Rest,
                work: Work::Definition,
                kind: object.detail.kind(),
                name: full_name(object),
                sql,
                table: None,
            });
        }
    }

    /// What belongs to a table.
    fn part(&mut self, place: usize) {
        let object = &self.catalogue.objects[place];
        let (before, after) = (Section::BeforeData, Section::AfterData);
        let major = self.target.major;
        match &object.detail {
            Detail::Index(index) => {
                if index.constraint.is_none() {
                    self.add(place, Step::Make, after, index.definition.clone());
                }
                for sql in tables::of_index(object, index) {
                    self.add(place, Step::Alter, after, sql);
                }
            }
            Detail::Constraint(constraint) => {
                let table = object
                    .table
                    .as_deref()
                    .and_then(|table| self.tables.get(table))
                    .copied();
                let section = if constraint.form == "c" && constraint.validated {
                    before
                } else {
                    after
                };
                if let Some(sql) = tables::constraint(object, constraint, table) {
                    self.add(place, Step::Make, section, sql);
                }
            }
            Detail::Trigger {
                definition,
                enabled,
                inherited,
            } => {
                if let Some(sql) = tables::trigger(object, definition, enabled, *inherited) {
                    self.add(place, Step::Make, after, sql);
                }
            }
            Detail::Rule {
                definition,
                enabled,
            } => self.add(
                place,
                Step::Make,
                after,
                tables::rule(object, definition, enabled),
            ),
            Detail::Policy { .. } => self.add(place, Step::Make, after, rest::policy(object)),
            Detail::Statistics { definition, target } => {
                self.add(place, Step::Make, after, definition.clone());
                if let Some(target) = target.filter(|_| major >= 13) {
                    self.add(
                        place,
                        Step::Alter,
                        after,
                        format!("ALTER STATISTICS {} SET STATISTICS {target}", object.name),
                    );
                }
            }
            _ => {}
        }
    }

    fn sequence(&mut self, place: usize, sequence: &super::relation::Sequence) {
        let object = &self.catalogue.objects[place];
        match &sequence.owned_by {
            Some(owner) if owner.identity => {
                let table = self.tables.get(owner.table.as_str());
                let column = table.and_then(|table| {
                    table
                        .columns
                        .iter()
                        .find(|column| column.name == owner.column)
                });
                if let Some(sql) =
                    column.and_then(|column| tables::identity(object, sequence, column))
                {
                    self.add(place, Step::Make, Section::BeforeData, sql);
                }
            }
            owner => {
                self.add(
                    place,
                    Step::Make,
                    Section::BeforeData,
                    tables::sequence(object, sequence),
                );
                if let Some(owner) = owner {
                    let column = crate::sql::identifier(&owner.column);
                    self.add(
                        place,
                        Step::Own,
                        Section::BeforeData,
                        format!(
                            "ALTER SEQUENCE {} OWNED BY {}.{column}",
                            object.name, owner.table
                        ),
                    );
                }
            }
        }
    }

    fn table(&mut self, place: usize, table: &Table) {
        let object = &self.catalogue.objects[place];
        let (name, before) = (&object.name, Section::BeforeData);
        self.add(
            place,
            Step::Make,
            before,
            tables::create(object, table, &self.tables, self.target.major),
        );
        for sql in tables::alter(object, table, &self.tables, self.target.major) {
            self.add(place, Step::Alter, before, sql);
        }
        for sql in tables::defaults(object, &table.columns) {
            self.add(place, Step::Default, before, sql);
        }
        if let (Some(parent), Some(bound)) = (&table.partition_of, &table.bound) {
            self.add(
                place,
                Step::Attach,
                before,
                format!("ALTER TABLE ONLY {parent} ATTACH PARTITION {name} {bound}"),
            );
        }
        if table.form == TableForm::Foreign {
            return;
        }
        match table.replica_identity.as_str() {
            "n" => self.add(
                place,
                Step::Alter,
                Section::AfterData,
                format!("ALTER TABLE ONLY {name} REPLICA IDENTITY NOTHING"),
            ),
            "f" => self.add(
                place,
                Step::Alter,
                Section::AfterData,
                format!("ALTER TABLE ONLY {name} REPLICA IDENTITY FULL"),
            ),
            _ => {}
        }
        let switches = [
            (table.row_security, "ENABLE"),
            (table.force_row_security, "FORCE"),
        ];
        for (_, word) in switches.iter().filter(|switch| switch.0) {
            self.add(
                place,
                Step::Alter,
                Section::AfterData,
                format!("ALTER TABLE ONLY {name} {word} ROW LEVEL SECURITY"),
            );
        }
    }
}

/// Whether a type needs functions that need the type.
fn is_circular(catalogue: &Catalogue, place: usize) -> bool {
    let may_be = |detail: &Detail| {
        matches!(detail, Detail::BaseType(_))
            || matches!(detail, Detail::Range(range) if range.canonical.is_some())
    };
    if !may_be(&catalogue.objects[place].detail) {
        return false;
    }
    let needs: HashSet<usize> = catalogue
        .dependencies
        .iter()
        .filter(|pair| pair.0 == place)
        .map(|pair| pair.1)
        .collect();
    catalogue
        .dependencies
        .iter()
        .any(|pair| pair.1 == place && needs.contains(&pair.0))
}

/// What a statement has to do with rows.
fn work(detail: &Detail, step: Step, section: Section) -> Work {
    match (detail, step) {
        (_, Step::Refresh) => Work::Refresh,
        (Detail::Index(_), Step::Make) => Work::Index,
        (Detail::Constraint(constraint), Step::Make) if section == Section::AfterData => {
            match constraint.form.as_str() {
                "f" => Work::ForeignKey,
                _ => Work::Constraint,
            }
        }
        (Detail::Domain(_), _) if section == Section::AfterData => Work::Constraint,
        _ => Work::Definition,
    }
}

/// With its table, where it belongs to one.
fn full_name(object: &Object) -> String {
    match &object.table {
        Some(table) => format!("{} on {table}", object.name),
        None => object.name.clone(),
    }
}

/// The table whose rows it waits for.
fn table_of(object: &Object) -> Option<String> {
    match &object.detail {
        Detail::Table(_) => Some(object.name.clone()),
        _ => object.table.clone(),
    }
}
