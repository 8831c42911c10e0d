//! The reference page of all checks.

use std::fmt::Write;

use super::registry;

/// The page in Markdown, without a title.
pub fn page() -> String {
    let mut page = String::new();
    let mut last = None;
    for check in registry::all() {
        if last.replace(check.layer) != Some(check.layer) {
            let _ = writeln!(page, "\n## {}", check.layer);
        }
        let _ = write!(
            page,
            "\n### {}\n\n**{}.** {}\n\nNeeds {}.\n",
            check.id,
            sentence(check.title),
            check.why,
            check.needs
        );
    }
    page
}

/// With a capital.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}
