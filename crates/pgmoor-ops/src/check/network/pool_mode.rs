//! Whether sessions keep their server process.

use crate::check::verdict::{fail, pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::pooler::Mode;
use crate::requirement::SessionUse;

pub(super) const CHECK: Check = Check {
    id: "PGM-NET-007",
    layer: Layer::Network,
    title: "a session keeps its server process from one transaction to the next",
    why: "Prepared statements, SET, advisory locks, LISTEN and temporary tables live in the server process: with another one for the next transaction they are lost, or somebody else's.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let pooler = on.pooler()?;
    if pooler.is_direct {
        return Ok(pass("no pooler is in between"));
    }
    let mode = match pooler.mode {
        Mode::Session => return Ok(pass("the pooler keeps it (session mode)")),
        Mode::Unknown => return skip("the pooler's mode could not be found out"),
        Mode::Transaction => "transaction",
        Mode::Statement => "statement",
    };
    let seen = format!("the pooler is in {mode} mode: sessions change their server process");
    let uses: Vec<&str> = on
        .asked
        .requirement
        .session_uses
        .iter()
        .map(|what| match what {
            SessionUse::PreparedStatements => "prepared statements",
            SessionUse::AdvisoryLocks => "advisory locks",
            SessionUse::Listen => "LISTEN",
            SessionUse::Settings => "SET",
            SessionUse::StartupParameters => "startup parameters",
            SessionUse::TemporaryTables => "temporary tables",
        })
        .collect();
    let hint = "connect to the server itself and let pgmoor pool (it keeps such clients apart), or set pool_mode = session";
    Ok(match uses.is_empty() {
        true => warn(seen),
        false => fail(format!("{seen}; {} uses {}", on.asked.system, uses.join(", "))),
    }
    .hint_text(hint))
}
