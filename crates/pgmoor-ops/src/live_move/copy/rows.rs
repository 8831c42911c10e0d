//! One part of a table's rows, from source to target, hashed as it passes.

use super::digest::{Digest, Rows};
use super::error::CopyError;
use super::events::{Event, Progress};
use super::journal;
use super::open::WORK;
use super::part::Part;
use super::table::Table;
use crate::sql::literal;
use crate::wire_session::{WireError, WireSession};

/// Progress is told when so many bytes went through, so that telling costs nothing.
const TOLD_EACH: u64 = 1024 * 1024;

/// A table of fewer bytes is not worth being made anew to have its rows frozen.
const WORTH_FREEZING: u64 = 8 * 1024 * 1024;

/// A part of a table that is to be copied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) table: &'a Table,
    pub(super) part: Part,
    /// As of when.
    pub(super) mark: &'a str,
    /// `search_path` of the source, for functions that checks and generated columns call.
    pub(super) search_path: &'a str,
}

/// Copies a part, in one transaction of the target that notes it too.
pub(super) async fn copy(
    source: &mut WireSession,
    target: &mut WireSession,
    wanted: Wanted<'_>,
    progress: &dyn Progress,
) -> Result<Digest, CopyError> {
    let Wanted {
        table, part, mark, ..
    } = wanted;
    let told = || CopyError::wire(|| format!("copy the rows of {}", table.name));
    let freezes = part.is_whole() && table.condition.is_none() && table.bytes >= WORTH_FREEZING;
    let path = literal(wanted.search_path);
    let mut begin = format!("begin; select pg_catalog.set_config('search_path', {path}, true)");
    if freezes {
        // Rows may be frozen in a table that this transaction made, or emptied, which it is anyway.
        begin += &format!("; truncate only {}", table.name);
    }
    target.query(&begin).await.map_err(told())?;
    let digest = pass(source, target, wanted, freezes, progress).await;
    let digest = digest.map_err(told())?;
    let note = journal::note_part(&table.name, part, mark, &digest);
    let commit = target.query(&format!("{note}; commit")).await;
    commit.map_err(told())?;
    Ok(digest)
}

async fn pass(
    source: &mut WireSession,
    target: &mut WireSession,
    wanted: Wanted<'_>,
    freezes: bool,
    progress: &dyn Progress,
) -> Result<Digest, WireError> {
    let Wanted { table, part, .. } = wanted;
    let (mut digest, mut told) = (Digest::default(), Digest::default());
    // Before 14 a part is looked for from the table's beginning; nothing is sent meanwhile.
    source.patience(WORK);
    target.patience(WORK);
    let mut from = source.copy_out(&table.copy_out(part)).await?;
    let mut into = target.copy_in(&table.copy_in(freezes)).await?;
    let mut rows = Rows::new(from.is_binary());
    while let Some(run) = from.next().await? {
        into.write(&run).await?;
        rows.sum(&run, &mut digest);
        if digest.bytes - told.bytes >= TOLD_EACH {
            tell(progress, &table.name, &mut told, digest);
        }
    }
    let taken = into.finish().await?;
    tell(progress, &table.name, &mut told, digest);
    let sent = from.rows().unwrap_or_default();
    if taken != sent || digest.rows != sent {
        let problem = format!(
            "the source sent {sent} rows, {} passed, and the target took {taken}",
            digest.rows
        );
        let server = target.server.clone();
        return Err(WireError::Protocol { server, problem });
    }
    Ok(digest)
}

fn tell(progress: &dyn Progress, table: &str, told: &mut Digest, now: Digest) {
    progress.event(Event::Rows {
        table,
        rows: now.rows - told.rows,
        bytes: now.bytes - told.bytes,
    });
    *told = now;
}
