//! Whether everything can be read.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-013",
    layer: Layer::Move,
    title: "the login may read every table",
    why: "What cannot be read cannot be moved.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let found = &on.moving()?.unreadable;
    Ok(match found.count {
        0 => pass("every table can be read"),
        count => fail(format!("{count} tables cannot be read: {}", found.list())).hint_text(
            "GRANT SELECT ON ALL TABLES IN SCHEMA … to the login, or GRANT pg_read_all_data from PostgreSQL 14 on",
        ),
    })
}
