//! Whether every text of the database can be written down at the target.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-022",
    layer: Layer::Move,
    title: "the target's encoding has every character of the source's",
    why: "A row with a character that the other encoding does not have is refused there, in the middle of the copy or days later.",
    needs: "--for move --to",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let (here, there) = (&on.server()?.encoding, &on.target()?.server.encoding);
    // In SQL_ASCII nothing is known of what the bytes mean.
    if here == there || there == "UTF8" && here != "SQL_ASCII" {
        return Ok(pass(format!("{here} here, {there} at the target")));
    }
    Ok(
        fail(format!("{here} here, {there} at the target")).hint(format!(
            "make the target's database anew: CREATE DATABASE … TEMPLATE template0 ENCODING '{}'",
            if here == "SQL_ASCII" { here } else { "UTF8" }
        )),
    )
}
