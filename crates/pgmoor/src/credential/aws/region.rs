//! Which region and which service a database endpoint's name tells of.

/// What a host name tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) region: String,
    pub(super) kind: Kind,
}

/// What a host name is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// RDS or Aurora: an instance, a cluster, a proxy.
    Rds,
    /// Aurora DSQL.
    Dsql,
    /// A load balancer, whose name no token is good for.
    LoadBalancer,
}

/// How the names of AWS end, by partition.
const SUFFIXES: &[&str] = &[
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
];

/// Reads a host name. None for other names: private ones, addresses.
pub(super) fn of_host(host: &str) -> Option<Named> {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if let Some(name) = host.strip_suffix(".on.aws") {
        let mut labels = name.rsplit('.');
        let (region, service) = (labels.next()?, labels.next()?);
        labels.next()?;
        // A private endpoint has a suffix: dsql-a1b2.
        let is_dsql = service == "dsql" || service.starts_with("dsql-");
        return (is_dsql && is_region(region)).then(|| Named {
            region: region.to_owned(),
            kind: Kind::Dsql,
        });
    }
    let name = SUFFIXES
        .iter()
        .find_map(|suffix| host.strip_suffix(suffix))?;
    let mut labels = name.rsplit('.');
    let (last, before) = (labels.next()?, labels.next()?);
    // Something has to be named.
    labels.next()?;
    let (region, kind) = match (last, before) {
        // …REGION.rds.amazonaws.com, the shape of the commercial partition and of China before.
        ("rds", region) => (region, Kind::Rds),
        // …rds.REGION.amazonaws.com, that of all others.
        (region, "rds") => (region, Kind::Rds),
        (region, "elb") => (region, Kind::LoadBalancer),
        _ => return None,
    };
    is_region(region).then(|| Named {
        region: region.to_owned(),
        kind,
    })
}

/// Whether it looks like `eu-central-1`, `us-gov-east-1` or `us-isob-east-1`.
pub(super) fn is_region(text: &str) -> bool {
    let mut parts: Vec<&str> = text.split('-').collect();
    let number = parts.pop().unwrap_or_default();
    parts.len() >= 2
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_stands_in_the_names_of_all_partitions() {
        for (host, region, kind) in [
            (
                "db.c0ffee.eu-central-1.rds.amazonaws.com",
                "eu-central-1",
                Kind::Rds,
            ),
            (
                "DB.C0FFEE.EU-Central-1.RDS.amazonaws.com.",
                "eu-central-1",
                Kind::Rds,
            ),
            (
                "p.proxy-c0ffee.us-east-2.rds.amazonaws.com",
                "us-east-2",
                Kind::Rds,
            ),
            (
                "c.cluster-ro-c0ffee.us-east-2.rds.amazonaws.com",
                "us-east-2",
                Kind::Rds,
            ),
            (
                "c.cluster-custom-c0ffee.us-east-2.rds.amazonaws.com",
                "us-east-2",
                Kind::Rds,
            ),
            (
                "db-green-abc123.c0ffee.us-east-2.rds.amazonaws.com",
                "us-east-2",
                Kind::Rds,
            ),
            (
                "db.c0ffee.rds.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
                Kind::Rds,
            ),
            (
                "db.c0ffee.cn-northwest-1.rds.amazonaws.com.cn",
                "cn-northwest-1",
                Kind::Rds,
            ),
            (
                "db.c0ffee.rds.us-gov-east-1.amazonaws.com",
                "us-gov-east-1",
                Kind::Rds,
            ),
            (
                "db.c0ffee.rds.us-iso-east-1.c2s.ic.gov",
                "us-iso-east-1",
                Kind::Rds,
            ),
            (
                "db.c0ffee.rds.us-isob-east-1.sc2s.sgov.gov",
                "us-isob-east-1",
                Kind::Rds,
            ),
            (
                "db.c0ffee.rds.eusc-de-east-1.amazonaws.eu",
                "eusc-de-east-1",
                Kind::Rds,
            ),
            (
                "lb-0123.elb.eu-west-1.amazonaws.com",
                "eu-west-1",
                Kind::LoadBalancer,
            ),
            ("abc123.dsql.us-east-1.on.aws", "us-east-1", Kind::Dsql),
            ("abc123.dsql-fnh4.us-east-1.on.aws", "us-east-1", Kind::Dsql),
        ] {
            let named = of_host(host).unwrap_or_else(|| panic!("{host}"));
            assert_eq!(
                (named.region.as_str(), named.kind),
                (region, kind),
                "{host}"
            );
        }
    }

    #[test]
    fn other_names_tell_no_region() {
        for host in [
            "db.internal",
            "10.0.0.7",
            "localhost",
            "rds.amazonaws.com",
            "eu-central-1.rds.amazonaws.com",
            "rds.eu-central-1.amazonaws.com",
            "db.c0ffee.somewhere.rds.amazonaws.com",
            "db.c0ffee.eu-central-1.rds.amazonaws.com.evil.example",
            "db.ec2.eu-central-1.amazonaws.com",
            "",
        ] {
            assert_eq!(of_host(host), None, "{host}");
        }
    }
}
