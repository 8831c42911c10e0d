//! Whether the target has the extensions that the database uses.

use crate::check::verdict::{fail, pass, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::Vendor;
use crate::facts::extensions::Extension;

pub(super) const CHECK: Check = Check {
    id: "PGM-MOV-021",
    layer: Layer::Move,
    title: "the target has every extension that the database uses",
    why: "Tables with types of an extension, and indexes and defaults with its functions, cannot be made where it is missing.",
    needs: "--for move --to",
    judge,
};

/// Compares versions number by number: 0.10 is newer than 0.9.
fn is_older(version: &str, than: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        let parts = text.split(|character: char| !character.is_ascii_digit());
        parts.filter_map(|part| part.parse().ok()).collect()
    };
    numbers(version) < numbers(than)
}

fn judge(on: Ground<'_>) -> Outcome {
    let target = on.target()?;
    let there = &target.extensions;
    let installed: Vec<(&String, &Extension, &String)> = on
        .extensions()?
        .extensions
        .iter()
        .filter_map(|(name, known)| Some((name, known, known.installed.as_ref()?)))
        .collect();
    let known = |name: &str| there.extensions.get(name);
    let has = |name: &str| {
        known(name).is_some_and(|known| known.installed.is_some() || known.available.is_some())
    };
    let missing: Vec<&str> = installed
        .iter()
        .map(|(name, ..)| name.as_str())
        .filter(|name| !has(name))
        .collect();
    if !missing.is_empty() {
        let hint = match target.server.vendor {
            Vendor::Plain => "install the package that has them on the target's host, such as postgresql-contrib; or drop what the application does not need: DROP EXTENSION".to_owned(),
            vendor => format!("{} offers only its own list for this version: choose another version or server, or drop what the application does not need: DROP EXTENSION", vendor.title()),
        };
        return Ok(fail(format!("{} has no {}", target.name, missing.join(", "))).hint(hint));
    }
    if let (Some(allowed), Some((setting, how))) =
        (&there.allowed, target.server.vendor.allow_list())
    {
        let shut: Vec<&str> = installed
            .iter()
            .map(|(name, ..)| name.as_str())
            .filter(|name| {
                *name != "plpgsql" && known(name).is_none_or(|known| known.installed.is_none())
            })
            .filter(|name| {
                !allowed
                    .iter()
                    .any(|allowed| allowed.eq_ignore_ascii_case(name))
            })
            .collect();
        if !shut.is_empty() {
            let list: Vec<&str> = allowed
                .iter()
                .map(String::as_str)
                .chain(shut.iter().copied())
                .collect();
            return Ok(fail(format!(
                "{setting} of {} has no {}",
                target.name,
                shut.join(", ")
            ))
            .hint(format!("{how} {}", list.join(","))));
        }
    }
    let older: Vec<String> = installed
        .iter()
        .filter_map(|(name, _, here)| {
            let there = known(name)?;
            let version = there.installed.as_ref().or(there.available.as_ref())?;
            is_older(version, here).then(|| format!("{name} is {version} there and {here} here"))
        })
        .collect();
    if !older.is_empty() {
        return Ok(warn(older.join("; ")).hint_text("install newer packages on the target's host, or try the application against the older version"));
    }
    let all: Vec<&str> = installed.iter().map(|(name, ..)| name.as_str()).collect();
    Ok(pass(all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn versions_are_compared_number_by_number() {
        assert!(is_older("0.9.1", "0.10"));
        assert!(!is_older("1.6", "1.6"));
    }
}
