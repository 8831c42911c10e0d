//! How much there is to move.

use std::time::Duration;

use crate::check::verdict::{pass, warn};
use crate::check::words::{bytes, counted, duration};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-018",
    layer: Layer::Move,
    title: "the source keeps the WAL of the time that the copy takes",
    why: "The slot of a move keeps all WAL of that time. Where max_slot_wal_keep_size is smaller, the slot is lost, and the move begins again.",
    needs: "a session, and --for move",
    judge,
};

/// What a copy over an ordinary network does, in bytes of tables a second.
const RATE: i64 = 50_000_000;

/// What an application writes within minutes.
const SMALL: i64 = 1 << 30;

fn judge(on: Ground<'_>) -> Outcome {
    let facts = on.moving()?;
    let total = facts.table_bytes.saturating_add(facts.index_bytes);
    let seconds = u64::try_from(facts.table_bytes / RATE).unwrap_or_default().max(1);
    let largest: Vec<String> = facts.largest.iter().take(3).map(|(name, size)| format!("{name} {}", bytes(*size))).collect();
    let seen = format!(
        "{} in {} and their indexes, {}; about {} at {} a second{}",
        bytes(total),
        counted(facts.tables, "table"),
        counted(facts.sequences, "sequence"),
        duration(Duration::from_secs(seconds)),
        bytes(RATE),
        match largest.is_empty() {
            true => String::new(),
            false => format!("; largest: {}", largest.join(", ")),
        }
    );
    // In megabytes; -1 is without a limit, and so are versions that have no such setting.
    let limit = on.server()?.bytes("max_slot_wal_keep_size").filter(|limit| *limit >= 0);
    Ok(match limit {
        Some(limit) if limit < SMALL.max(facts.table_bytes / 4) => {
            warn(format!("{seen}; max_slot_wal_keep_size is {}", bytes(limit)))
                .hint_text("raise max_slot_wal_keep_size for the time of the move, as far as the disk allows")
        }
        _ => pass(seen),
    })
}
