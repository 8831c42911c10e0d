//! What is installed, and what can be.

checks!(
    available,
    allowed,
    installed,
    min_version,
    schema,
    up_to_date,
    optional,
);

use super::ground::Ground;
use super::verdict::Skip;
use crate::requirement::ExtensionSettings;

/// The extensions that the application uses: those that it needs, and those that it can do without and that are
/// installed.
fn in_use(on: Ground<'_>) -> Result<Vec<(&str, &ExtensionSettings)>, Skip> {
    let wanted = &on.asked.requirement.extensions;
    if wanted.is_empty() {
        return super::verdict::skip("the application needs no extension");
    }
    let known = &on.extensions()?.extensions;
    let is_used = |name: &String, wanted: &ExtensionSettings| {
        !wanted.optional
            || known
                .get(name)
                .is_some_and(|known| known.installed.is_some())
    };
    Ok(wanted
        .iter()
        .filter(|(name, wanted)| is_used(name, wanted))
        .map(|(name, wanted)| (name.as_str(), wanted))
        .collect())
}
