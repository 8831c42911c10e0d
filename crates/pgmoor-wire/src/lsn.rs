//! A place in the write-ahead log.

use std::fmt;
use std::str::FromStr;

/// A place in the write-ahead log: so many bytes from its beginning. PostgreSQL writes it as two
/// hexadecimal halves, `16/B374D848` (documentation, section "pg_lsn Type").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// No place: where nothing is known yet.
    pub const ZERO: Self = Self(0);

    /// How many bytes this is behind `other`; 0 when it is not.
    pub fn bytes_until(self, other: Self) -> u64 {
        other.0.saturating_sub(self.0)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// The text is not a place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the log; one looks like 16/B374D848")]
pub struct LsnError;

impl FromStr for Lsn {
    type Err = LsnError;

    fn from_str(text: &str) -> Result<Self, LsnError> {
        let half = |digits: &str| {
            let is_hexadecimal = (1..=8).contains(&digits.len())
                && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let number = is_hexadecimal.then(|| u32::from_str_radix(digits, 16).ok());
            number.flatten().ok_or(LsnError)
        };
        let (high, low) = text.split_once('/').ok_or(LsnError)?;
        Ok(Self(u64::from(half(high)?) << 32 | u64::from(half(low)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_and_read_as_postgresql_does() {
        let lsn = Lsn(0x16_B374_D848);

        assert_eq!(lsn.to_string(), "16/B374D848");
        assert_eq!("16/B374D848".parse(), Ok(lsn));
        assert_eq!("0/0".parse(), Ok(Lsn::ZERO));
        for wrong in [
            "",
            "/",
            "1",
            "1/",
            "/1",
            "1/123456789",
            "+1/1",
            "1/ 1",
            "G/1",
        ] {
            assert_eq!(wrong.parse::<Lsn>(), Err(LsnError), "{wrong}");
        }
    }

    #[test]
    fn what_lies_ahead_is_no_distance() {
        assert_eq!(Lsn(5).bytes_until(Lsn(9)), 4);
        assert_eq!(Lsn(9).bytes_until(Lsn(5)), 0);
    }
}
