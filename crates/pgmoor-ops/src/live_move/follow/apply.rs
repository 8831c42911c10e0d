//! Changes as statements at the receiving side: many on their way at once, answers matched with what was asked.

use std::collections::{HashMap, VecDeque};

use pgmoor_wire::backend::CommandComplete;
use pgmoor_wire::lsn::Lsn;
use pgmoor_wire::pgoutput::{Change, Relation, RelationId, Relations};
use pgmoor_wire::{frontend, tag};

use super::prepared::{Name, Prepared, text};
use super::shape::{Found, Shape, schema};
use super::statement::{RowChange, sql};
use crate::live_move::error::MoveError;
use crate::sql::{literal, qualified};
use crate::wire_session::{ServerError, WireError, WireSession};

/// Bytes that are sent at once.
const BATCH: usize = 64 * 1024;
/// Statements whose answers are still to come; then they are waited for.
const OUTSTANDING: usize = 1_000;

/// The receiving end of the changes.
#[derive(Debug)]
pub(super) struct Applier {
    session: WireSession,
    out: Vec<u8>,
    expected: VecDeque<Expected>,
    tables: HashMap<RelationId, Known>,
    prepared: Prepared,
    is_open: bool,
}

/// A table of the changes.
#[derive(Debug)]
pub(super) enum Known {
    /// Its changes are done.
    Followed {
        /// What it looks like.
        shape: Shape,
        /// The moment of which its rows were copied: what was committed before is there.
        since: Lsn,
    },
    /// One of the move's own tables.
    Own,
}

/// What an answer is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// A change of one row of this table.
    Row(RelationId),
    /// Anything else.
    Other,
}

impl Applier {
    pub(super) fn new(session: WireSession) -> Self {
        Self {
            session,
            out: Vec::with_capacity(2 * BATCH),
            expected: VecDeque::new(),
            tables: HashMap::new(),
            prepared: Prepared::default(),
            is_open: false,
        }
    }

    /// The table of this number, if it was described.
    pub(super) fn table(&self, relation: RelationId) -> Option<&Known> {
        self.tables.get(&relation)
    }

    /// The session, for something else.
    pub(super) fn into_session(self) -> WireSession {
        self.session
    }

    /// Notes what a table looks like, and how the receiving side has it.
    ///
    /// # Errors
    /// It has no such table, or not all of its columns.
    pub(super) async fn describe(
        &mut self,
        relation: &Relation<'_>,
        own_schema: &str,
        is_copied: bool,
    ) -> Result<(), MoveError> {
        for number in self.prepared.forget(relation.id) {
            self.close(number)?;
        }
        if relation.schema == own_schema {
            self.tables.insert(relation.id, Known::Own);
            return Ok(());
        }
        // The answers before have to be out of the way of those of a query.
        self.settle().await?;
        let table = qualified(schema(relation), relation.name);
        let sql = format!(
            "select t.oid is not null, attname, pg_catalog.format_type(atttypid, atttypmod), attidentity, attgenerated, \
                (select 'operator(' || pg_catalog.quote_ident(nspname) || '.' || oprname || ')' \
                 from pg_catalog.pg_type y join pg_catalog.pg_opclass c \
                    on c.opcintype = case when typtype = 'd' then typbasetype else y.oid end and opcdefault and opcmethod = 403 \
                 join pg_catalog.pg_amop on amopfamily = opcfamily and amopstrategy = 3 \
                    and amoplefttype = opcintype and amoprighttype = opcintype \
                 join pg_catalog.pg_operator o on o.oid = amopopr \
                 join pg_catalog.pg_namespace n on n.oid = oprnamespace where y.oid = atttypid) \
             from (select pg_catalog.to_regclass({}) as oid) t left join pg_catalog.pg_attribute a \
                on attrelid = t.oid and attnum > 0 and not attisdropped",
            literal(&table)
        );
        let rows = self.session.rows(&sql).await?;
        let is_there = rows.first().is_some_and(|row| row.flag(0) == Some(true));
        let mut found = HashMap::new();
        for row in &rows {
            let text = |place| row.text(place).unwrap_or_default().to_owned();
            let column = Found {
                type_name: text(2),
                identity: text(3),
                generated: text(4),
                equals: row.text(5).unwrap_or("=").to_owned(),
            };
            found.insert(text(1), column);
        }
        let found = is_there.then_some(found);
        let since = match is_copied {
            true => self.copied_as_of(&table, own_schema).await?,
            false => Lsn::ZERO,
        };
        let shape = Shape::of(relation, found.as_ref())
            .map_err(|why| MoveError::Diverged { table, why })?;
        let known = Known::Followed { shape, since };
        self.tables.insert(relation.id, known);
        Ok(())
    }

    /// As of which moment a table was copied, if it was.
    async fn copied_as_of(&mut self, table: &str, own_schema: &str) -> Result<Lsn, MoveError> {
        let there = format!("select pg_catalog.to_regclass('{own_schema}.copied') is not null");
        if self.session.row(&there).await?.flag(0) != Some(true) {
            return Ok(Lsn::ZERO);
        }
        let sql = format!(
            "select max(mark::pg_catalog.pg_lsn) from {own_schema}.copied where what = {}",
            literal(table)
        );
        Ok(self.session.row(&sql).await?.parse(0).unwrap_or(Lsn::ZERO))
    }

    /// Does the change of one row.
    ///
    /// # Errors
    /// Of this one or of one before it.
    pub(super) async fn row(
        &mut self,
        relation: RelationId,
        change: RowChange<'_>,
    ) -> Result<(), MoveError> {
        self.open()?;
        let Some(Known::Followed { shape, .. }) = self.tables.get(&relation) else {
            return Ok(());
        };
        let Some((form, values)) = change.form(shape) else {
            return Ok(());
        };
        for number in self.prepared.overflow() {
            close(&mut self.out, number)?;
        }
        let number = match self.prepared.name(relation, form.clone()) {
            Name::Known(number) => number,
            Name::New(number) => {
                let sql = sql(shape, &form).map_err(|why| MoveError::Diverged {
                    table: shape.table.clone(),
                    why: why.to_owned(),
                })?;
                frontend::write_parse(&mut self.out, text(number).as_bytes(), sql.as_bytes(), &[])
                    .map_err(encode)?;
                number
            }
        };
        frontend::write_bind_text(&mut self.out, b"", text(number).as_bytes(), &values)
            .map_err(encode)?;
        frontend::write_execute(&mut self.out, b"", 0).map_err(encode)?;
        self.expected.push_back(Expected::Row(relation));
        self.go_on().await
    }

    /// Empties tables.
    ///
    /// # Errors
    /// As [`row`](Self::row).
    pub(super) async fn truncate(
        &mut self,
        relations: Relations<'_>,
        cascades: bool,
        restarts_identity: bool,
        committed: Lsn,
    ) -> Result<(), MoveError> {
        self.open()?;
        let tables: Vec<&str> = relations
            .ids()
            .filter_map(|id| match self.tables.get(&id) {
                Some(Known::Followed { shape, since }) if committed >= *since => {
                    Some(shape.table.as_str())
                }
                Some(Known::Followed { .. } | Known::Own) | None => None,
            })
            .collect();
        if tables.is_empty() {
            return Ok(());
        }
        let only: Vec<_> = tables.iter().map(|table| format!("only {table}")).collect();
        let sql = format!(
            "truncate {}{}{}",
            only.join(", "),
            if restarts_identity {
                " restart identity"
            } else {
                ""
            },
            if cascades { " cascade" } else { "" }
        );
        self.statement(&sql)?;
        self.go_on().await
    }

    /// Commits what was done, and with it `note`, a statement that says how far that is.
    ///
    /// # Errors
    /// As [`row`](Self::row). Whether it was committed is not known after [`WireError::Lost`].
    pub(super) async fn commit(&mut self, note: &str) -> Result<(), MoveError> {
        self.open()?;
        self.statement(note)?;
        self.statement("commit")?;
        self.settle().await?;
        self.is_open = false;
        Ok(())
    }

    /// Gives up what was done since the last commit.
    ///
    /// # Errors
    /// The session was lost, and with it what was done.
    pub(super) async fn roll_back(&mut self) -> Result<(), MoveError> {
        if std::mem::take(&mut self.is_open) {
            let _ = self.settle().await;
            self.session.query("rollback").await?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), MoveError> {
        if !std::mem::replace(&mut self.is_open, true) {
            self.statement("begin")?;
        }
        Ok(())
    }

    fn statement(&mut self, sql: &str) -> Result<(), MoveError> {
        frontend::write_parse(&mut self.out, b"", sql.as_bytes(), &[]).map_err(encode)?;
        frontend::write_bind_text::<&str>(&mut self.out, b"", b"", &[]).map_err(encode)?;
        frontend::write_execute(&mut self.out, b"", 0).map_err(encode)?;
        self.expected.push_back(Expected::Other);
        Ok(())
    }

    fn close(&mut self, number: u64) -> Result<(), MoveError> {
        close(&mut self.out, number)
    }

    async fn go_on(&mut self) -> Result<(), MoveError> {
        if self.expected.len() >= OUTSTANDING {
            return self.settle().await;
        }
        if self.out.len() >= BATCH {
            return self.send().await;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), MoveError> {
        let sent = self.session.send(&self.out).await;
        self.out.clear();
        // A large change does not stay in memory for ever.
        self.out.shrink_to(2 * BATCH);
        Ok(sent?)
    }

    /// Sends what waits, and waits until all of it is answered.
    async fn settle(&mut self) -> Result<(), MoveError> {
        if self.expected.is_empty() && self.out.is_empty() {
            return Ok(());
        }
        frontend::write_sync(&mut self.out);
        self.send().await?;
        let mut refusal = None;
        loop {
            let message = self.session.next_message().await?;
            match message.tag {
                tag::COMMAND_COMPLETE => {
                    let count = rows(message.body);
                    let expected = self.expected.pop_front();
                    if let Some(Expected::Row(relation)) = expected
                        && count != Some(1)
                        && refusal.is_none()
                    {
                        refusal = Some(self.missing(relation, count));
                    }
                }
                tag::ERROR_RESPONSE => {
                    let error = ServerError::read(message.body);
                    let relation = self.expected.front().copied();
                    refusal = refusal.or(Some(self.refusal(relation, error)));
                }
                tag::READY_FOR_QUERY => {
                    self.expected.clear();
                    return refusal.map_or(Ok(()), Err);
                }
                _ => {}
            }
        }
    }

    fn name(&self, relation: RelationId) -> String {
        match self.tables.get(&relation) {
            Some(Known::Followed { shape, .. }) => shape.table.clone(),
            Some(Known::Own) | None => format!("table {relation}"),
        }
    }

    fn missing(&self, relation: RelationId, count: Option<u64>) -> MoveError {
        MoveError::Diverged {
            table: self.name(relation),
            why: match count {
                Some(0) => "a row that was changed is not there".to_owned(),
                other => format!("a change of one row was one of {other:?}"),
            },
        }
    }

    /// Classes 22 and 23 are about values: those that stand there are not those that stood at the other side.
    fn refusal(&self, expected: Option<Expected>, error: ServerError) -> MoveError {
        let is_of_values = error
            .sqlstate
            .is_some_and(|code| matches!(code.class(), "22" | "23"));
        match expected {
            Some(Expected::Row(relation)) if is_of_values => MoveError::Diverged {
                table: self.name(relation),
                why: error.message,
            },
            _ => WireError::Server(Box::new(error)).into(),
        }
    }
}

/// What a row of a change is, if it is about one row.
pub(super) fn row_change<'a>(change: &Change<'a>) -> Option<(RelationId, RowChange<'a>)> {
    match *change {
        Change::Insert { relation, new } => Some((relation, RowChange::Insert(new))),
        Change::Update { relation, old, new } => Some((relation, RowChange::Update(old, new))),
        Change::Delete { relation, old } => Some((relation, RowChange::Delete(old))),
        _ => None,
    }
}

fn close(out: &mut Vec<u8>, number: u64) -> Result<(), MoveError> {
    frontend::write_close(out, tag::STATEMENT, text(number).as_bytes()).map_err(encode)
}

fn encode(error: pgmoor_wire::EncodeError) -> MoveError {
    WireError::from(error).into()
}

/// How many rows a command was about: the last word of its tag.
fn rows(body: &[u8]) -> Option<u64> {
    let tag = CommandComplete::decode(body).ok()?.tag;
    let last = tag.rsplit(|byte| *byte == b' ').next()?;
    std::str::from_utf8(last).ok()?.parse().ok()
}
