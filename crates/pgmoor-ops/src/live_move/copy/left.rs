//! What of the rows is left to copy, and the copying of it.

use std::collections::{BTreeMap, BTreeSet};

use super::asked::{Copy, Known, TableCopied};
use super::digest::Digest;
use super::error::CopyError;
use super::events::Progress;
use super::journal::{self, Journal, OBJECTS};
use super::large_objects;
use super::open::{WORK, wire};
use super::part::Part;
use super::parts::{self, Moment, State};
use super::schedule::Schedule;
use super::statements::{Refused, Runner};
use super::streams::{self, Job, Of, Pair};
use super::table::Table;
use crate::catalogue::relation::TableForm;
use crate::catalogue::{Catalogue, Detail};
use crate::wire_session::WireSession;

/// What of the rows is left to do.
pub(super) struct Left<'a> {
    states: Vec<State>,
    objects: State,
    pub(super) parts: Vec<(Of, Part)>,
    /// Tables of which nothing that is there counts.
    forgotten: Vec<&'a str>,
    /// Partitioned tables of which all partitions are among these: those that have foreign keys go with them.
    emptied: Vec<String>,
    forgets_objects: bool,
    /// Whether the source lets this login read the pages of large objects.
    is_superuser: bool,
}

impl<'a> Left<'a> {
    /// Finds out, by the journal.
    pub(super) async fn find(
        moment: Moment<'_>,
        source: &mut WireSession,
        tables: &'a [Table],
        known: &Known,
        journal: &Journal,
    ) -> Result<Self, CopyError> {
        let states = parts::states(tables, journal, moment);
        let of_objects = journal.parts.get(OBJECTS).map_or(&[][..], Vec::as_slice);
        let mut objects = parts::state(of_objects, moment);
        let mut forgotten: Vec<&str> = Vec::new();
        for (table, state) in tables.iter().zip(&states) {
            if state.is_forgotten {
                forgotten.push(&table.name);
            }
        }
        let forgets_objects = objects.is_forgotten;
        let can_seek = source.major() >= 14;
        let mut all: Vec<(Of, Part)> = Vec::new();
        for (number, (table, state)) in tables.iter().zip(&states).enumerate() {
            let cut = parts::cut(table, state, can_seek).into_iter();
            all.extend(cut.map(|part| (Of::Table(number), part)));
        }
        let has_objects = known
            .catalogue
            .objects
            .iter()
            .any(|object| matches!(object.detail, Detail::LargeObject {}));
        if has_objects && !objects.left.is_empty() {
            let done: BTreeSet<Part> = of_objects.iter().map(|copied| copied.part).collect();
            let cut = large_objects::parts(source).await?.into_iter();
            let cut = cut.filter(|part| objects.is_forgotten || !done.contains(part));
            all.extend(cut.map(|part| (Of::Objects, part)));
        }
        objects.left = Vec::new();
        let told = CopyError::wire(|| "read what the source is");
        let is_superuser = "select rolsuper from pg_roles where rolname = current_user";
        let is_superuser = source.row(is_superuser).await.map_err(told)?.flag(0);
        Ok(Self {
            emptied: emptied(&known.catalogue, &forgotten),
            forgotten,
            forgets_objects,
            states,
            objects,
            parts: all,
            is_superuser: is_superuser == Some(true),
        })
    }

    /// Rows that are there already.
    pub(super) fn rows_there(&self) -> u64 {
        self.states.iter().map(|state| state.digest.rows).sum()
    }

    /// Removes from the target what does not count.
    pub(super) async fn forget(&self, target: &mut WireSession) -> Result<(), CopyError> {
        if !self.forgotten.is_empty() {
            let told = CopyError::wire(|| "empty tables that were copied as of another moment");
            let each = self.forgotten.iter().map(|table| journal::forget(table));
            let forget = each.collect::<Vec<_>>().join("; ");
            let only = self.forgotten.iter().map(|table| format!("only {table}"));
            let all: Vec<String> = only.chain(self.emptied.iter().cloned()).collect();
            let sql = format!("begin; truncate {}; {forget}; commit", all.join(", "));
            target.query(&sql).await.map_err(told)?;
        }
        if self.forgets_objects {
            let told = CopyError::wire(|| "forget large objects of another moment");
            target
                .query(&journal::forget(OBJECTS))
                .await
                .map_err(told)?;
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "it is the one place where all comes together"
    )]
    /// Copies it, and makes what waits for it.
    pub(super) async fn copy(
        self,
        copy: &Copy,
        tables: &[Table],
        known: &Known,
        runner: Runner<'_>,
        done: &BTreeSet<usize>,
        pairs: Vec<Pair>,
        progress: &dyn Progress,
    ) -> Result<(Vec<TableCopied>, Digest, Vec<Refused>), CopyError> {
        // After the tables with rows: large objects, and partitioned tables, which have statistics too.
        let mut names: Vec<(&str, u64)> = tables
            .iter()
            .map(|table| (table.name.as_str(), table.bytes))
            .collect();
        let objects = names.len();
        names.push((OBJECTS, 0));
        let is_root = |table: &crate::catalogue::relation::Table| {
            table.form == TableForm::Partitioned && table.partition_of.is_none()
        };
        let mut analyzed = Vec::new();
        let leaves: BTreeSet<&str> = known
            .catalogue
            .tables()
            .filter(|(_, table)| table.partition_of.is_some())
            .map(|(object, _)| object.name.as_str())
            .collect();
        for (number, table) in tables.iter().enumerate() {
            if !leaves.contains(table.name.as_str()) {
                analyzed.push(number);
            }
        }
        let parts = self.parts.iter().map(|(of, _)| match of {
            Of::Table(number) => *number,
            Of::Objects => objects,
        });
        let parts: Vec<usize> = parts.collect();
        let schedule = Schedule::new(&names, &parts, &known.script.statements, done, &analyzed);
        let job = Job {
            tables,
            parts: &self.parts,
            names: &names,
            runner,
            mark: &copy.mark,
            is_superuser: self.is_superuser,
            progress,
        };
        let outcome = streams::run(&job, schedule, pairs).await?;
        let roots = known.catalogue.tables().filter(|(_, table)| is_root(table));
        let roots: Vec<&str> = roots.map(|(object, _)| object.name.as_str()).collect();
        analyze(copy, &roots).await?;

        let (mut new, mut large_objects) = (BTreeMap::new(), self.objects.digest);
        for (number, digest) in outcome.digests {
            match self.parts[number].0 {
                Of::Table(table) => new.entry(table).or_insert_with(Digest::default).add(digest),
                Of::Objects => large_objects.add(digest),
            }
        }
        let digests = parts::total(&self.states, &new);
        let copied = tables.iter().zip(&self.states).zip(digests);
        let copied = copied.map(|((table, state), digest)| TableCopied {
            name: table.name.clone(),
            schema: table.schema.clone(),
            bare: table.bare.clone(),
            mark: state.mark.clone().unwrap_or_else(|| copy.mark.clone()),
            is_binary: table.is_binary,
            digest,
        });
        Ok((copied.collect(), large_objects, outcome.refused))
    }
}

/// The partitioned tables that lose all their rows when these tables do.
fn emptied(catalogue: &Catalogue, forgotten: &[&str]) -> Vec<String> {
    let forgotten: BTreeSet<&str> = forgotten.iter().copied().collect();
    let tables = || catalogue.tables();
    let parents: BTreeMap<&str, &str> = tables()
        .filter_map(|(object, table)| Some((object.name.as_str(), table.partition_of.as_deref()?)))
        .collect();
    let mut kept = BTreeSet::new();
    let has_rows = |form: TableForm| form != TableForm::Partitioned;
    for (object, _) in tables().filter(|(_, table)| has_rows(table.form)) {
        let mut name = object.name.as_str();
        while let Some(parent) = parents
            .get(name)
            .filter(|_| !forgotten.contains(object.name.as_str()))
        {
            kept.insert(*parent);
            name = parent;
        }
    }
    let partitioned = tables().filter(|(object, table)| {
        table.form == TableForm::Partitioned && !kept.contains(object.name.as_str())
    });
    match forgotten.is_empty() {
        true => Vec::new(),
        false => partitioned.map(|(object, _)| object.name.clone()).collect(),
    }
}

/// Collects the statistics of partitioned tables, and with them those of their partitions.
async fn analyze(copy: &Copy, tables: &[&str]) -> Result<(), CopyError> {
    let mut session = wire(&copy.target).await?;
    for table in tables {
        let told = CopyError::wire(|| format!("collect the statistics of {table}"));
        let analyze = format!("analyze {table}");
        let analyze = session.query_within(WORK, &analyze);
        analyze.await.map_err(told)?;
    }
    session.close().await;
    Ok(())
}
