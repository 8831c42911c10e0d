//! Whether a secret stands in a file that everybody can read.

use crate::check::verdict::{pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-012",
    layer: Layer::Configuration,
    title: "no secret stands in a configuration file that everybody can read",
    why: "Files of configuration end up in repositories, images and tickets; a password in them goes along.",
    needs: "a configuration file",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let configuration = on.configuration();
    if !configuration.problems.is_empty() {
        return skip("the configuration is not in order");
    }
    match &configuration.exposed {
        Some(note) => {
            // The note says what to do too, for those who are told no more.
            let (seen, advice) = note.split_once("; ").unwrap_or((note, ""));
            let more = "change the secret: it was readable";
            let hint = [advice, more].into_iter().filter(|text| !text.is_empty());
            Ok(warn(seen).hint(hint.collect::<Vec<_>>().join("\n")))
        }
        None => Ok(pass("none does")),
    }
}
