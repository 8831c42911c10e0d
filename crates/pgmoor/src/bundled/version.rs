//! A PostgreSQL release, read from what `postgres --version` prints.

use std::fmt;

/// The oldest and newest major versions that a bundled server may have.
pub const SUPPORTED_MAJORS: std::ops::RangeInclusive<u16> = 12..=18;

/// A release such as 17.10; pre-releases (`19beta1`) have no minor version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The major version: what decides whether a data directory can be opened.
    pub major: u16,
    /// The minor version.
    pub minor: u16,
}

impl Version {
    /// Reads `postgres (PostgreSQL) 17.10 (Debian 17.10-1)`.
    pub fn from_program_output(text: &str) -> Option<Self> {
        let number = text
            .split("(PostgreSQL)")
            .nth(1)?
            .split_whitespace()
            .next()?;
        let (major, rest) = leading_number(number)?;
        let minor = rest
            .strip_prefix('.')
            .and_then(leading_number)
            .map_or(0, |(minor, _)| minor);
        Some(Self { major, minor })
    }

    /// Whether pgmoor runs servers of this major version.
    pub fn is_supported(self) -> bool {
        SUPPORTED_MAJORS.contains(&self.major)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

fn leading_number(text: &str) -> Option<(u16, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number = text.get(..end)?.parse().ok()?;
    Some((number, text.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_print_them() {
        let read = |text| Version::from_program_output(text).map(|v| (v.major, v.minor));

        assert_eq!(read("postgres (PostgreSQL) 17.10\n"), Some((17, 10)));
        assert_eq!(
            read("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"),
            Some((15, 18))
        );
        assert_eq!(read("postgres (PostgreSQL) 19beta1"), Some((19, 0)));
        assert_eq!(
            read("postgres (PostgreSQL) 12.22 (Homebrew)"),
            Some((12, 22))
        );
        assert_eq!(read("pgmoor 0.1"), None);
    }

    #[test]
    fn only_majors_12_to_18_are_supported() {
        let supported: Vec<u16> = (9..30)
            .filter(|&major| Version { major, minor: 1 }.is_supported())
            .collect();

        assert_eq!(supported, [12, 13, 14, 15, 16, 17, 18]);
    }
}
