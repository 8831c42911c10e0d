//! Where sequences stand, carried over as of the snapshot's time or later: sequences know no snapshots.

use super::error::CopyError;
use crate::sql::literal;
use crate::wire_session::WireSession;

/// Sequences that are read or set by one statement.
const AT_ONCE: usize = 200;

/// Sets all of them in the target to where they stand in the source now.
pub(super) async fn carry(
    source: &mut WireSession,
    target: &mut WireSession,
    names: &[&str],
) -> Result<(), CopyError> {
    for some in names.chunks(AT_ONCE) {
        let each = some.iter().enumerate();
        let each =
            each.map(|(place, name)| format!("select {place}, last_value, is_called from {name}"));
        let sql = each.collect::<Vec<_>>().join(" union all ");
        let told = CopyError::wire(|| "read where the sequences of the source stand");
        let rows = source.rows(&sql).await.map_err(told)?;
        let set = rows.iter().filter_map(|row| {
            let name = some.get(row.parse::<usize>(0)?)?;
            let (value, is_called) = (row.text(1)?, row.flag(2)?);
            Some(format!("setval({}, {value}, {is_called})", literal(name)))
        });
        let sql = format!("select {}", set.collect::<Vec<_>>().join(", "));
        let told = CopyError::wire(|| "set the sequences of the target");
        target.query(&sql).await.map_err(told)?;
    }
    Ok(())
}
