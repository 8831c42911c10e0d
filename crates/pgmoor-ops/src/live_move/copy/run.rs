//! The copy as a whole.

use xxhash_rust::xxh3::Xxh3;

use super::asked::{Copied, Copy, Known, Plan};
use super::error::CopyError;
use super::events::{Event, Progress, Stage};
use super::ground::{self, Ground};
use super::journal::{self, Journal};
use super::left::Left;
use super::open::wire;
use super::parts::Moment;
use super::statements::{Refused, Runner};
use super::streams::Pair;
use super::table::{self, Table};
use super::{roles, sequences};
use crate::catalogue::{Comparison, Difference, Script, Section, Work, compare, write};
use crate::live_move::names::SCHEMA;
use crate::wire_session::WireSession;

impl Copy {
    /// What the copy would do; nothing is written.
    ///
    /// # Errors
    /// [`CopyError`]; also what would make [`run`](Self::run) refuse.
    pub async fn plan(&self) -> Result<Plan, CopyError> {
        let (mut source, mut target) = (wire(&self.source).await?, wire(&self.target).await?);
        ground::see(&mut source, self.snapshot.as_deref()).await?;
        ground::demand_all_rows(&mut source).await?;
        let known = self.known(&mut target).await?;
        if journal::read(&mut target).await?.script.is_none() {
            ground::demand_empty(&ground::catalogue(&self.target).await?)?;
        }
        let tables = self.tables(&mut source).await?;
        source.close().await;
        target.close().await;
        Ok(Plan {
            tables: tables.len(),
            bytes: tables.iter().map(|table| table.bytes).sum(),
            statements: known.script.statements.len(),
            missing_roles: roles::missing(&known.catalogue, &known.ground.target),
            losses: known.script.losses,
        })
    }

    async fn known(&self, target: &mut WireSession) -> Result<Known, CopyError> {
        let catalogue = ground::catalogue(&self.source).await?;
        let mut ground = Ground::read(target).await?;
        ground.target.role_map = self.options.roles.clone();
        let script = write(&catalogue, &ground.target);
        Ok(Known {
            catalogue,
            ground,
            script,
        })
    }

    async fn tables(&self, source: &mut WireSession) -> Result<Vec<Table>, CopyError> {
        table::read(source, |schema| schema == SCHEMA).await
    }

    /// Copies all of it, or goes on with an earlier copy to the same target that did not come to its end.
    ///
    /// # Errors
    /// [`CopyError`]. What was done until then is kept, and noted in the target.
    pub async fn run(&self, progress: &dyn Progress) -> Result<Copied, CopyError> {
        let (mut source, mut target) = (wire(&self.source).await?, wire(&self.target).await?);
        let snapshot = ground::see(&mut source, self.snapshot.as_deref()).await?;
        ground::demand_all_rows(&mut source).await?;
        ground::take_over(&mut target).await?;
        let known = self.known(&mut target).await?;
        self.options.accepted.demand(&known.script.losses)?;
        let journal = self.begin(&mut target, &known.script).await?;
        let search_path = ground::search_path(&mut source).await?;
        let runner = || Runner {
            script: &known.script,
            search_path: &search_path,
        };
        let told = CopyError::wire(|| "prepare a session on the target");
        runner().prepare(&mut target).await.map_err(told)?;

        let done = &journal.statements;
        let mut refused = runner()
            .section(Section::BeforeData, done, &mut target)
            .await?;
        progress.event(Event::Done(Stage::Objects));

        let mut tables = self.tables(&mut source).await?;
        table::choose_forms(&mut tables, &mut source, &mut target).await?;
        let moment = Moment {
            mark: &self.mark,
            keeps_others: self.options.keeps_other_moments,
        };
        let rows = Left::find(moment, &mut source, &tables, &known, &journal).await?;
        rows.forget(&mut target).await?;
        progress.event(Event::Planned {
            tables: tables.len(),
            bytes: tables.iter().map(|table| table.bytes).sum(),
            statements: known.script.statements.len(),
        });
        if journal.script.is_some() {
            progress.event(Event::Resumed {
                rows: rows.rows_there(),
                statements: journal.statements.len(),
            });
        }
        // What is computed of rows is computed again when there are others.
        let mut of_rest = done.clone();
        if !rows.parts.is_empty() {
            of_rest.retain(|place| {
                let statement = known.script.statements.get(*place);
                statement.is_some_and(|statement| statement.work != Work::Refresh)
            });
        }
        let pairs = self.pairs(&snapshot, &known.ground, &rows).await?;
        let outcome = rows.copy(self, &tables, &known, runner(), done, pairs, progress);
        let (copied, large_objects, more) = outcome.await?;
        refused.extend(more);
        progress.event(Event::Done(Stage::Rows));

        let names: Vec<&str> = known
            .catalogue
            .sequences()
            .map(|(object, _)| object.name.as_str())
            .collect();
        sequences::carry(&mut source, &mut target, &names).await?;
        source.close().await;
        refused.extend(
            runner()
                .section(Section::Rest, &of_rest, &mut target)
                .await?,
        );
        target.close().await;
        progress.event(Event::Done(Stage::Rest));

        let differences = self.compared(&known, &refused).await?;
        progress.event(Event::Done(Stage::Compared));
        Ok(Copied {
            tables: copied,
            large_objects,
            losses: known.script.losses,
            differences,
        })
    }

    /// Notes in the target that this copy is begun, or reads how far it is.
    async fn begin(&self, target: &mut WireSession, script: &Script) -> Result<Journal, CopyError> {
        let found = journal::read(target).await?;
        let hash = hash(script);
        match &found.script {
            Some(other) if *other != hash => return Err(CopyError::Redefined),
            Some(_) => return Ok(found),
            None => ground::demand_empty(&ground::catalogue(&self.target).await?)?,
        }
        journal::make(target).await?;
        let told = CopyError::wire(|| "note the copy in the target");
        let note = journal::note_script(&hash);
        target.query(&note).await.map_err(told)?;
        Ok(found)
    }

    /// Sessions on both sides for each stream, no more than there is work for.
    async fn pairs(
        &self,
        snapshot: &str,
        ground: &Ground,
        left: &Left<'_>,
    ) -> Result<Vec<Pair>, CopyError> {
        let streams = self.options.streams.max(1);
        let memory = self.options.index_memory_kb;
        let memory = memory.unwrap_or_else(|| ground.index_memory(streams));
        let mut settings = vec![
            // What the last transactions lose with the server is lost with their notes.
            "set synchronous_commit = off".to_owned(),
            format!("set maintenance_work_mem = '{memory}kB'"),
        ];
        if ground.target.is_superuser {
            settings.push("set session_replication_role = replica".to_owned());
        }
        let settings = settings.join("; ");
        let mut pairs = Vec::with_capacity(streams);
        for _ in 0..streams {
            let (mut source, mut target) = (wire(&self.source).await?, wire(&self.target).await?);
            if !left.parts.is_empty() {
                ground::see(&mut source, Some(snapshot)).await?;
            }
            let told = CopyError::wire(|| "prepare a session on the target");
            target.query(&settings).await.map_err(told)?;
            pairs.push(Pair { source, target });
        }
        Ok(pairs)
    }

    /// The gate at the end: the catalogues of both sides say the same, but for what was accepted.
    async fn compared(
        &self,
        known: &Known,
        refused: &[Refused],
    ) -> Result<Vec<Difference>, CopyError> {
        let there = ground::catalogue(&self.target).await?;
        let comparison = Comparison {
            roles: self.options.roles.clone(),
        };
        let found = compare(&known.catalogue, &there, &comparison);
        let accepted = &self.options.accepted;
        let unaccepted: Vec<&Difference> = found
            .iter()
            .filter(|difference| !accepted.has_difference(difference))
            .collect();
        if unaccepted.is_empty() {
            return Ok(found);
        }
        let sentence = |difference: &&Difference| {
            let of_it = refused.iter().find(|refused| {
                let statement = &known.script.statements[refused.place];
                statement.kind == difference.kind && statement.name == difference.name
            });
            let reason = of_it.map_or(String::new(), |refused| format!(" ({})", refused.reason));
            format!("{difference}{reason}")
        };
        Err(CopyError::Different {
            differences: unaccepted.iter().map(sentence).collect(),
        })
    }
}

/// The same for the same statements in the same order.
fn hash(script: &Script) -> String {
    let mut state = Xxh3::new();
    for statement in &script.statements {
        state.update(statement.sql.text().as_bytes());
        state.update(&[0]);
    }
    format!("{:032x}", state.digest128())
}
