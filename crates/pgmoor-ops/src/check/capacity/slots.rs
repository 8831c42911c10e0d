//! Whether forgotten slots fill the disk.

use crate::check::verdict::{fail, pass, warn};
use crate::check::words::bytes;
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::literal;

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-008",
    layer: Layer::Capacity,
    title: "no replication slot keeps WAL that nobody reads",
    why: "A slot keeps all WAL since its reader was last there. When the reader is gone for good, the disk fills up and the server stops.",
    needs: "a session",
    judge,
};

const STALE: i64 = 1 << 30;
const LARGE: i64 = 10 << 30;

fn judge(on: Ground<'_>) -> Outcome {
    let slots = &on.capacity()?.slots;
    let mut lost = Vec::new();
    let mut stale = Vec::new();
    for slot in slots {
        let retained = slot.retained_bytes.unwrap_or_default();
        let seen = format!(
            "slot {} keeps {}{}",
            slot.name,
            bytes(retained),
            if slot.is_active {
                ""
            } else {
                ", and nobody reads it"
            }
        );
        if slot.wal_status.as_deref() == Some("lost") {
            lost.push((
                format!("slot {} has lost what it should keep", slot.name),
                slot,
            ));
        } else if retained > LARGE || (!slot.is_active && retained > STALE) {
            stale.push((seen, slot));
        }
    }
    if lost.is_empty() && stale.is_empty() {
        return Ok(pass(match slots.len() {
            0 => "there are no slots".to_owned(),
            count => format!("{count} slots, none of which keeps much"),
        }));
    }
    let drops = lost.iter().chain(&stale);
    let drops: Vec<String> = drops
        .map(|(_, slot)| format!("SELECT pg_drop_replication_slot({})", literal(&slot.name)))
        .collect();
    let hint = format!(
        "if its reader is gone for good: {}; and set max_slot_wal_keep_size",
        drops.join("; ")
    );
    let seen: Vec<String> = lost
        .iter()
        .chain(&stale)
        .map(|(seen, _)| seen.clone())
        .collect();
    let is_grave = stale
        .iter()
        .any(|(_, slot)| slot.retained_bytes.unwrap_or_default() > LARGE);
    Ok(match is_grave {
        true => fail(seen.join("; ")).hint(hint),
        false => warn(seen.join("; ")).hint(hint),
    })
}
