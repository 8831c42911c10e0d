//! Whether the database can hold every character.

use crate::check::verdict::{fail, pass};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-SRV-005",
    layer: Layer::Server,
    title: "the encoding is the one that the application wants",
    why: "In another encoding than UTF8 some characters cannot be stored; the encoding of a database cannot be changed.",
    needs: "a session",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let (seen, wanted) = (&on.server()?.encoding, &on.asked.requirement.encoding);
    if seen.eq_ignore_ascii_case(wanted) {
        return Ok(pass(seen.as_str()));
    }
    let name = identifier(&on.session()?.database).into_owned();
    Ok(fail(format!("the encoding is {seen}; {} needs {wanted}", on.asked.system)).hint(format!(
        "make another database: CREATE DATABASE {name}_new ENCODING '{wanted}' TEMPLATE template0"
    )))
}
