//! Whether changed rows can be told apart.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-006",
    layer: Layer::Move,
    title: "every table has a replica identity",
    why: "Of a row that is changed or deleted only its identity is sent. Without a key PostgreSQL refuses the change itself as soon as the table is published.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let found = &on.moving()?.without_identity;
    Ok(match found.count {
        0 => pass("every table has one"),
        count => fail(format!("{count} tables have neither a primary key nor a replica identity: {}", found.list())).hint_text(
            "ALTER TABLE … ADD PRIMARY KEY, or ALTER TABLE … REPLICA IDENTITY USING INDEX of a unique index over columns that are NOT NULL; FULL as a last resort",
        ),
    })
}
