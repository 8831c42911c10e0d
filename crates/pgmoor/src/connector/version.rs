//! The server's version as a number.

/// The oldest that is served: 12.
pub(super) const OLDEST: u32 = 120_000;

/// Reads `15.4 (Debian 15.4-1)`, `16beta1` or `9.6.24` as PostgreSQL's `server_version_num` has it.
pub(super) fn number(text: &str) -> u32 {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let mut parts = text[..end]
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0).min(9_999);
    let (major, minor, patch) = (part(), part(), part());
    if major >= 10 {
        major * 10_000 + minor
    } else {
        major * 10_000 + minor * 100 + patch
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn versions_of_all_shapes_are_numbers() {
        for (text, expected) in [
            ("15.4 (Debian 15.4-1.pgdg120+1)", 150_004),
            ("18.0", 180_000),
            ("16beta1", 160_000),
            ("9.6.24", 90_624),
            ("", 0),
            ("devel", 0),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
