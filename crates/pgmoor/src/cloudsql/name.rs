//! What an instance is called: by its connection name, or by a name in DNS that leads to it.

use std::fmt;
use std::str::FromStr;

/// `project:region:name`; the project may be `domain:project`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceName {
    /// The project, with its domain where it has one.
    pub project: String,
    /// The region.
    pub region: String,
    /// The instance's own name.
    pub name: String,
}

/// What the configuration calls an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// The instance itself.
    Name(InstanceName),
    /// A name in DNS whose TXT record is the connection name.
    Domain(String),
    /// A name that Google gives out; the SQL Admin API knows which instance it is.
    Goog(GoogName),
}

/// `LABEL.LABEL.REGION.sql.goog`, `….sql-psa.goog` or `….sql-psc.goog`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GoogName {
    pub(super) name: String,
    pub(super) region: String,
}

/// Why a text names no instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{text}\" names no Cloud SQL instance: write project:region:instance, or a domain name whose TXT record is that"
)]
pub struct BadInstanceName {
    text: String,
}

impl InstanceName {
    /// What the certificates of instances with an authority of their own are called.
    pub(super) fn common_name(&self) -> String {
        format!("{}:{}", self.project, self.name)
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.project, self.region, self.name)
    }
}

impl FromStr for InstanceName {
    type Err = BadInstanceName;

    fn from_str(text: &str) -> Result<Self, BadInstanceName> {
        let bad = || BadInstanceName {
            text: text.to_owned(),
        };
        let parts: Vec<&str> = text.split(':').collect();
        let (project, region, name) = match parts[..] {
            [project, region, name] => (project.to_owned(), region, name),
            // Projects of a domain: `example.com:project`.
            [domain, project, region, name] if domain.contains('.') && !project.is_empty() => {
                (format!("{domain}:{project}"), region, name)
            }
            _ => return Err(bad()),
        };
        let plain = |part: &str, more: &[u8]| {
            let fits =
                |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || more.contains(&byte);
            !part.is_empty() && part.bytes().all(fits)
        };
        if plain(&project, b".:") && plain(region, b"") && plain(name, b"") {
            let (region, name) = (region.to_owned(), name.to_owned());
            return Ok(Self {
                project,
                region,
                name,
            });
        }
        Err(bad())
    }
}

impl FromStr for Reference {
    type Err = BadInstanceName;

    fn from_str(text: &str) -> Result<Self, BadInstanceName> {
        if let Ok(name) = text.parse() {
            return Ok(Self::Name(name));
        }
        let bare = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if let Some(goog) = GoogName::of(&bare) {
            return Ok(Self::Goog(goog));
        }
        let label = |label: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !label.is_empty() && label.len() < 64 && label.bytes().all(fits)
        };
        let is_address = bare.parse::<std::net::IpAddr>().is_ok();
        if bare.contains('.') && bare.split('.').all(label) && bare.len() < 254 && !is_address {
            return Ok(Self::Domain(bare));
        }
        Err(BadInstanceName {
            text: text.to_owned(),
        })
    }
}

impl GoogName {
    pub(super) fn of(bare: &str) -> Option<Self> {
        let labels: Vec<&str> = bare.split('.').collect();
        let [first, second, region, "sql" | "sql-psa" | "sql-psc", "goog"] = labels[..] else {
            return None;
        };
        let whole = [first, second, region]
            .iter()
            .all(|label| !label.is_empty());
        whole.then(|| Self {
            name: bare.to_owned(),
            region: region.to_owned(),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Domain(name) => f.write_str(name),
            Self::Goog(goog) => f.write_str(&goog.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_names_are_read_with_and_without_a_domain() {
        let plain: InstanceName = "proj:europe-west1:db".parse().expect("name");
        assert_eq!(plain.common_name(), "proj:db");
        let scoped: InstanceName = "example.com:proj:europe-west1:db".parse().expect("name");
        assert_eq!(scoped.project, "example.com:proj");
        assert_eq!(scoped.region, "europe-west1");
        assert_eq!(scoped.common_name(), "example.com:proj:db");
        assert_eq!(scoped.to_string(), "example.com:proj:europe-west1:db");
        for bad in [
            "",
            "db",
            "p:r",
            "p:r:",
            "::",
            "a:b:c:d",
            "e.com::r:i",
            "e.com:p:r:i:x",
            "p:r:i/x",
        ] {
            assert!(bad.parse::<InstanceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_in_dns_are_told_from_connection_names() {
        let read = |text: &str| text.parse::<Reference>();
        assert_eq!(
            read("db.example.com."),
            Ok(Reference::Domain("db.example.com".to_owned()))
        );
        assert!(matches!(read("p:r:i"), Ok(Reference::Name(_))));
        let goog = read("0a1b.2c3d.europe-west1.sql-psc.goog").expect("name");
        assert!(
            matches!(goog, Reference::Goog(GoogName { region, .. }) if region == "europe-west1")
        );
        assert!(matches!(read("x.sql.goog"), Ok(Reference::Domain(_))));
        for bad in ["db", "127.0.0.1", "a..b", "a b.c", "p:r"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
