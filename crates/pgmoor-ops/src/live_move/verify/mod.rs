//! Whether the rows of both sides are the same, as of one snapshot each.
//!
//! Each table is read once on each side and summed up ([`Digest`]), which takes no sort, no temporary space and no key.
//! Where the sums differ, the table is read twice more, in text form with the names of its rows: first to find among 4096
//! groups of rows those that differ, then to name the rows of these. The text form has the last word: values that are
//! written the same are the same.
//!
//! It compares rows, not objects: that is [`crate::catalogue::compare`]'s.

mod difference;
mod named;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures_util::future::{try_join, try_join_all};

use difference::Surplus;
pub use difference::{Difference, Differing};
use named::NamedRows;

use crate::live_move::copy::{
    CopyError, Digest, Event, Progress, Rows, Table, TableCopied, choose_forms, demand_all_rows,
    read_tables, see, wire,
};
use crate::live_move::names::SCHEMA;
use crate::live_move::side::Side;
use crate::wire_session::{WireError, WireSession};

/// Groups that rows are put in by their hashes.
const GROUPS: usize = 4096;

/// A comparison of rows.
#[derive(Debug, Clone)]
pub struct Verification {
    /// One side.
    pub source: Side,
    /// The other.
    pub target: Side,
    /// The snapshot of the source that is read, as its session exported it; what is there now when there is none.
    pub source_snapshot: Option<String>,
    /// The snapshot of the target.
    pub target_snapshot: Option<String>,
    /// Tables that are read at once; at least one.
    pub streams: usize,
    /// Whether only tables count whose changes a server sends: no unlogged ones, and none of extensions.
    pub followed_only: bool,
}

/// What a comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Each table with what its rows come to at the target.
    pub tables: BTreeMap<String, Digest>,
    /// Those that are not the same, in order of name.
    pub differences: Vec<Difference>,
}

impl Verification {
    /// Reads all tables on both sides.
    ///
    /// # Errors
    /// [`CopyError`]: one cannot be read, or is not there at the target.
    pub async fn run(&self, progress: &dyn Progress) -> Result<Verified, CopyError> {
        self.compare(None, progress).await
    }

    /// Reads all tables at the target, and compares them with what they came to when they were copied; only those that
    /// differ are read at the source.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_against(
        &self,
        copied: &[TableCopied],
        progress: &dyn Progress,
    ) -> Result<Verified, CopyError> {
        let copied = copied.iter().map(|table| (table.name.as_str(), table));
        self.compare(Some(&copied.collect()), progress).await
    }

    async fn compare(
        &self,
        copied: Option<&BTreeMap<&str, &TableCopied>>,
        progress: &dyn Progress,
    ) -> Result<Verified, CopyError> {
        let mut first = self.pair().await?;
        demand_all_rows(&mut first.0).await?;
        demand_all_rows(&mut first.1).await?;
        let mut tables = read_tables(&mut first.0, |schema| schema == SCHEMA).await?;
        tables.retain(|table| {
            let is_followed = !table.is_unlogged && table.condition.is_none();
            is_followed || !self.followed_only
        });
        choose_forms(&mut tables, &mut first.0, &mut first.1).await?;
        if let Some(copied) = copied {
            for table in &mut tables {
                let form = copied
                    .get(table.name.as_str())
                    .map(|copied| copied.is_binary);
                table.is_binary = form.unwrap_or(table.is_binary);
            }
        }
        // The largest first, so that no stream is left alone with one at the end.
        tables.sort_by_key(|table| Reverse(table.bytes));
        let mut pairs = vec![first];
        while pairs.len() < self.streams.min(tables.len()) {
            pairs.push(self.pair().await?);
        }
        let (queue, verified) = (Mutex::new(tables.iter()), Mutex::new(Verified::default()));
        let streams = pairs.iter_mut().map(|(source, target)| async {
            loop {
                let next = lock(&queue).next();
                let Some(table) = next else {
                    return Ok::<(), CopyError>(());
                };
                let known = copied.and_then(|copied| copied.get(table.name.as_str()));
                let known = known.map(|copied| copied.digest);
                let (there, difference) = one(source, target, table, known, progress).await?;
                let mut verified = lock(&verified);
                verified.tables.insert(table.name.clone(), there);
                verified.differences.extend(difference);
            }
        });
        try_join_all(streams).await.map(drop)?;
        for (source, target) in pairs {
            source.close().await;
            target.close().await;
        }
        let mut verified = verified
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let by_name = |one: &Difference, other: &Difference| one.table.cmp(&other.table);
        verified.differences.sort_by(by_name);
        Ok(verified)
    }

    async fn pair(&self) -> Result<(WireSession, WireSession), CopyError> {
        let (mut source, mut target) = (wire(&self.source).await?, wire(&self.target).await?);
        see(&mut source, self.source_snapshot.as_deref()).await?;
        see(&mut target, self.target_snapshot.as_deref()).await?;
        Ok((source, target))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Compares one table in the transactions that both sessions are in: what it comes to at the target, and the difference if
/// there is one. `known` is what it comes to at the source, where that is known.
///
/// # Errors
/// [`CopyError::Wire`].
pub async fn one(
    source: &mut WireSession,
    target: &mut WireSession,
    table: &Table,
    known: Option<Digest>,
    progress: &dyn Progress,
) -> Result<(Digest, Option<Difference>), CopyError> {
    let told = || CopyError::wire(|| format!("compare the rows of {}", table.name));
    let (here, there) = match known {
        Some(here) => (here, digest(target, table).await.map_err(told())?),
        None => try_join(digest(source, table), digest(target, table))
            .await
            .map_err(told())?,
    };
    progress.event(Event::Table {
        table: &table.name,
        digest: there,
    });
    if here == there {
        return Ok((there, None));
    }
    let rows = narrow(source, target, table).await.map_err(told())?;
    // Where there is none, only the binary form differs.
    let difference = rows.map(|rows| Difference {
        table: table.name.clone(),
        here,
        there,
        rows: Some(rows),
    });
    Ok((there, difference))
}

/// What the rows of a table come to.
async fn digest(session: &mut WireSession, table: &Table) -> Result<Digest, WireError> {
    let mut digest = Digest::default();
    let mut out = session.copy_out(&table.read()).await?;
    let mut rows = Rows::new(out.is_binary());
    while let Some(run) = out.next().await? {
        rows.sum(&run, &mut digest);
    }
    Ok(digest)
}

/// Which rows differ; none when all are written the same.
async fn narrow(
    source: &mut WireSession,
    target: &mut WireSession,
    table: &Table,
) -> Result<Option<Differing>, WireError> {
    let sums = || vec![0_u128; GROUPS];
    let (mut here, mut there) = (sums(), sums());
    let add = |sums: &mut Vec<u128>, hash: u128| {
        let sum = &mut sums[group(hash)];
        *sum = sum.wrapping_add(hash);
    };
    let both = try_join(
        each(source, table, |hash, _| add(&mut here, hash)),
        each(target, table, |hash, _| add(&mut there, hash)),
    );
    both.await?;
    let differs: Vec<bool> = here
        .iter()
        .zip(&there)
        .map(|(one, other)| one != other)
        .collect();
    let surplus = Mutex::new(Surplus::default());
    let count = |side: i64| {
        let (differs, surplus) = (&differs, &surplus);
        move |hash: u128, name: &str| {
            if differs[group(hash)] {
                lock(surplus).count(hash, name, side);
            }
        }
    };
    try_join(
        each(source, table, count(1)),
        each(target, table, count(-1)),
    )
    .await?;
    let surplus = surplus.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(surplus.told(named::by(table)))
}

fn group(hash: u128) -> usize {
    // The remainder is less than 4096.
    usize::try_from(hash % GROUPS as u128).unwrap_or_default()
}

async fn each(
    session: &mut WireSession,
    table: &Table,
    mut each: impl FnMut(u128, &str),
) -> Result<(), WireError> {
    let mut out = session.copy_out(&named::copy_out(table)).await?;
    let mut rows = NamedRows::new();
    while let Some(run) = out.next().await? {
        rows.run(&run, &mut each);
    }
    Ok(())
}
