//! Whether they are new enough.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-EXT-004",
    layer: Layer::Extensions,
    title: "the extensions are new enough",
    why: "Functions and operators come with newer versions of an extension; on an older one a migration or a query fails.",
    needs: "extensions of which a version is wanted",
    judge,
};

/// Compares versions number by number: 0.10 is newer than 0.9.
fn is_at_least(version: &str, minimum: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        let parts = text.split(|character: char| !character.is_ascii_digit());
        parts.filter_map(|part| part.parse().ok()).collect()
    };
    numbers(version) >= numbers(minimum)
}

fn judge(on: Ground<'_>) -> Outcome {
    let used = super::in_use(on)?;
    let facts = on.extensions()?;

    let mut old = Vec::new();
    let mut good = Vec::new();
    for (name, wanted) in used {
        let Some(minimum) = &wanted.min_version else {
            continue;
        };
        let Some(known) = facts.extensions.get(name) else {
            continue;
        };
        let Some(version) = known.installed.as_ref().or(known.available.as_ref()) else {
            continue;
        };
        match is_at_least(version, minimum) {
            true => good.push(format!("{name} {version}")),
            false => old.push((name, version, minimum)),
        }
    }
    let Some((name, version, minimum)) = old.first() else {
        return match good.is_empty() {
            true => skip("no version is asked for"),
            false => Ok(pass(good.join(", "))),
        };
    };
    Ok(
        fail(format!("{name} is {version}; {minimum} or newer is needed")).hint(format!(
            "ALTER EXTENSION {} UPDATE, if the server has a newer one; else upgrade the server",
            identifier(name)
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::is_at_least;

    #[test]
    fn versions_are_compared_number_by_number() {
        assert!(is_at_least("0.10.0", "0.9"));
        assert!(is_at_least("1.6", "1.6"));
        assert!(!is_at_least("1.5.9", "1.6"));
    }
}
