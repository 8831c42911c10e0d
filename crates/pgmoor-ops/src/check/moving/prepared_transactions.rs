//! Whether prepared transactions are open.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-014",
    layer: Layer::Move,
    title: "no prepared transaction is open",
    why: "A slot is made only when all transactions of before have ended. A prepared one ends when somebody remembers it.",
    needs: "a session, and --for move",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let found = &on.moving()?.prepared_transactions;
    Ok(match found.count {
        0 => pass("there are none"),
        count => fail(format!("{count} prepared transactions: {}", found.list())).hint_text(
            "COMMIT PREPARED or ROLLBACK PREPARED each of them",
        ),
    })
}
