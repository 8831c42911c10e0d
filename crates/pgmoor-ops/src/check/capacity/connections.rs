//! Whether the connections suffice for all of the application.

use crate::check::verdict::{Bar, fail, pass, warn};
use crate::check::words::counted;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-001",
    layer: Layer::Capacity,
    title: "there are connections for every replica",
    why: "When max_connections is reached, the next replica, the next deployment and the administrator are refused.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let facts = &on.capacity()?.connections;
    let budget = on.budget();
    let (usable, others) = (facts.usable(), facts.others());
    let left = usable - others - budget.total() - budget.siblings;
    let bar = Bar::new(
        facts.max,
        &[
            ("application", budget.total()),
            ("other databases", budget.siblings),
            ("others", others),
            ("reserved", facts.reserved),
        ],
    );
    let siblings = match budget.siblings {
        0 => String::new(),
        count => format!(", {count} for the other databases at this server"),
    };
    let sum = format!(
        "{} × {} = {} of {usable} usable{siblings}{}",
        counted(budget.replicas, "replica"),
        budget.connections,
        budget.total(),
        match others {
            0 => String::new(),
            _ => format!(", {others} in use by others"),
        }
    );
    if left < 0 {
        let hint = format!(
            "let the gateway share connections (pool: {{ mode: transaction, size: {} }}), open fewer for each replica, or raise max_connections",
            ((usable - others - budget.siblings) / budget.replicas.max(1)).max(1)
        );
        return Ok(fail(format!("{sum}; {} too few", -left)).hint(hint).bar(bar));
    }
    let seen = format!("{sum}; {left} left");
    let verdict = match left * 10 < usable {
        true => warn(seen).hint_text("leave room for a rolling deployment, which runs old and new replicas at once"),
        false => pass(seen),
    };
    Ok(verdict.bar(bar))
}
