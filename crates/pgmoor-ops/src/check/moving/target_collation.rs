//! Whether texts are in the same order at the target.

use crate::check::verdict::{pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::server::Collation;

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-023",
    layer: Layer::Move,
    title: "texts are in the same order at the target",
    why: "Another locale, or another version of the library that sorts, gives lists another order, puts rows on the other side of a range, and may find that what is unique here is not unique there.",
    needs: "--for move --to",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let (here, target) = (&on.server()?.collation, on.target()?);
    let there = &target.server.collation;
    let shown = |collation: &Collation| match collation.collate == collation.ctype {
        true => format!("{} by {}", collation.collate, collation.provider),
        false => format!(
            "{} ({}) by {}",
            collation.collate, collation.ctype, collation.provider
        ),
    };
    // One name, two ways to write it: en_US.utf8 is en_US.UTF-8.
    let plain = |name: &str| name.to_lowercase().replace("utf-8", "utf8");
    let parts = |collation: &Collation| {
        (
            plain(&collation.collate),
            plain(&collation.ctype),
            collation.provider,
        )
    };
    if parts(here) != parts(there) {
        return Ok(warn(format!("{} here, {} at the target", shown(here), shown(there))).hint(format!(
            "make the target's database with the same locale: CREATE DATABASE … TEMPLATE template0 LC_COLLATE '{}' LC_CTYPE '{}'; or have it checked that the application does not mind",
            here.collate, here.ctype
        )));
    }
    let mut differ = Vec::new();
    if let (Some(one), Some(other)) = (&here.actual, &there.actual)
        && one != other
    {
        differ.push(format!(
            "{} is version {one} here and {other} there",
            here.collate
        ));
    }
    for (name, version) in &on.moving()?.collations_used {
        match target.collations.get(name) {
            Some(other) if other != version => {
                differ.push(format!(
                    "{name} is version {version} here and {other} there"
                ));
            }
            None => differ.push(format!("there is no collation {name} there")),
            Some(_) => {}
        }
    }
    if !differ.is_empty() {
        return Ok(warn(differ.join("; ")).hint_text(
            "a move builds the indexes at the target, by its order; look at unique constraints and at ranges over texts, or choose a target with the same library",
        ));
    }
    Ok(pass(format!("{} at both", shown(here))))
}
