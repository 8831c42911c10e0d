//! What the SQL Admin API tells of an instance, and which of its addresses is taken.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;

use super::name::InstanceName;
use crate::credential::{FailureCause, TokenError};

/// Which of an instance's addresses is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IpType {
    /// The public one.
    #[default]
    Public,
    /// The one in the private network.
    Private,
    /// The name of its endpoint of Private Service Connect.
    Psc,
    /// The public one, or the private one where there is no other.
    Auto,
}

impl IpType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Public => "PUBLIC",
            Self::Private => "PRIVATE",
            Self::Psc => "PSC",
            Self::Auto => "AUTO",
        }
    }
}

/// The answer, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    #[serde(default)]
    region: String,
    #[serde(default)]
    backend_type: String,
    #[serde(default)]
    database_version: String,
    #[serde(default)]
    ip_addresses: Vec<Address>,
    server_ca_cert: Option<Certificate>,
    dns_name: Option<String>,
    #[serde(default)]
    dns_names: Vec<DnsName>,
    #[serde(default)]
    psc_enabled: bool,
    /// In answers that resolve a name.
    pub(super) connection_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    ip_address: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Certificate {
    #[serde(default)]
    pub(super) cert: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DnsName {
    #[serde(default)]
    name: String,
    #[serde(default)]
    connection_type: String,
    #[serde(default)]
    dns_scope: String,
}

/// What is known of an instance.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    public: Option<String>,
    private: Option<String>,
    psc: Option<String>,
    /// Who signs its certificate.
    pub(super) authorities: Vec<CertificateDer<'static>>,
    /// The name that its certificate may carry.
    pub(super) dns_name: Option<String>,
}

impl Settings {
    /// Judges the answer for an instance.
    pub(super) fn of(instance: &InstanceName, answer: Answer) -> Result<Self, TokenError> {
        let act = format!("connect to Cloud SQL instance {instance}");
        let wrong = |why: String| TokenError::new(FailureCause::Configuration, &act).why(why);
        if answer.region != instance.region {
            return Err(wrong(format!("it is in the region \"{}\"", answer.region))
                .hint("correct the region in the instance's name"));
        }
        if answer.backend_type != "SECOND_GEN" {
            return Err(
                wrong(format!("it is of the kind \"{}\"", answer.backend_type))
                    .hint("only instances of the second generation can be connected to"),
            );
        }
        if !answer.database_version.starts_with("POSTGRES") {
            return Err(wrong(format!("it runs {}", answer.database_version))
                .hint("name an instance that runs PostgreSQL"));
        }
        let pem = answer
            .server_ca_cert
            .map(|certificate| certificate.cert)
            .unwrap_or_default();
        let authorities = CertificateDer::pem_slice_iter(pem.as_bytes());
        let authorities: Result<Vec<_>, _> = authorities.collect();
        let authorities = authorities
            .ok()
            .filter(|list| !list.is_empty())
            .ok_or_else(|| {
                TokenError::new(FailureCause::Malformed, &act)
                    .why("the API names no authority for it")
            })?;
        let address = |kind: &str| {
            let mut all = answer.ip_addresses.iter();
            let found = all.find(|address| address.r#type == kind)?;
            Some(found.ip_address.clone()).filter(|address| !address.is_empty())
        };
        let plain = |name: &str| name.strip_suffix('.').unwrap_or(name).to_owned();
        let legacy = answer
            .dns_name
            .as_deref()
            .map(plain)
            .filter(|name| !name.is_empty());
        let psc = answer.dns_names.iter().find(|name| {
            name.connection_type == "PRIVATE_SERVICE_CONNECT" && name.dns_scope == "INSTANCE"
        });
        let psc = psc.map(|name| plain(&name.name));
        let first = answer.dns_names.first().map(|name| plain(&name.name));
        Ok(Self {
            public: address("PRIMARY"),
            private: address("PRIVATE"),
            psc: psc.or_else(|| legacy.clone().filter(|_| answer.psc_enabled)),
            dns_name: first.filter(|name| !name.is_empty()).or(legacy),
            authorities,
        })
    }

    /// The address of the wanted kind; asking for one that it lacks is a mistake in the configuration.
    pub(super) fn address(&self, wanted: IpType) -> Result<&str, TokenError> {
        let found = match wanted {
            IpType::Public => self.public.as_ref(),
            IpType::Private => self.private.as_ref(),
            IpType::Psc => self.psc.as_ref(),
            IpType::Auto => self.public.as_ref().or(self.private.as_ref()),
        };
        found.map(String::as_str).ok_or_else(|| {
            let has: Vec<&str> = [
                ("PUBLIC", &self.public),
                ("PRIVATE", &self.private),
                ("PSC", &self.psc),
            ]
            .into_iter()
            .filter_map(|(kind, address)| address.as_ref().map(|_| kind))
            .collect();
            let error = TokenError::new(FailureCause::Configuration, "choose an address");
            error
                .why(format!(
                    "the instance has none of the type {}",
                    wanted.as_str()
                ))
                .hint(format!(
                    "set ip_type to one that it has: {}",
                    has.join(", ")
                ))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use serde_json::json;

    use super::*;

    fn answer(change: impl FnOnce(&mut serde_json::Value)) -> Result<Settings, TokenError> {
        let authority = pgmoor_testkit::Ca::new("authority");
        let pem = std::fs::read_to_string(authority.root_path()).expect("certificate");
        let mut value = json!({
            "region": "r", "backendType": "SECOND_GEN", "databaseVersion": "POSTGRES_16",
            "ipAddresses": [
                { "type": "PRIMARY", "ipAddress": "192.0.2.1" },
                { "type": "PRIVATE", "ipAddress": "10.0.0.1" },
                { "type": "OUTGOING", "ipAddress": "192.0.2.9" },
            ],
            "serverCaCert": { "cert": format!("{pem}{pem}") },
            "dnsName": "legacy.sql.goog.",
            "dnsNames": [
                { "name": "a.b.r.sql-psc.goog.", "connectionType": "PRIVATE_SERVICE_CONNECT", "dnsScope": "INSTANCE" },
            ],
        });
        change(&mut value);
        let instance: InstanceName = "p:r:i".parse().expect("name");
        Settings::of(&instance, serde_json::from_value(value).expect("answer"))
    }

    #[test]
    fn address_of_each_type_is_found() {
        let settings = answer(|_| {}).expect("settings");
        assert_eq!(settings.authorities.len(), 2);
        for (wanted, address) in [
            (IpType::Public, "192.0.2.1"),
            (IpType::Private, "10.0.0.1"),
            (IpType::Psc, "a.b.r.sql-psc.goog"),
            (IpType::Auto, "192.0.2.1"),
        ] {
            assert_eq!(settings.address(wanted).expect("address"), address);
        }
        assert_eq!(settings.dns_name.as_deref(), Some("a.b.r.sql-psc.goog"));
    }

    #[test]
    fn auto_takes_the_private_address_of_an_instance_without_a_public_one() {
        let settings = answer(|value| {
            value["ipAddresses"] = json!([{ "type": "PRIVATE", "ipAddress": "10.0.0.1" }]);
        });
        let settings = settings.expect("settings");
        assert_eq!(settings.address(IpType::Auto).expect("address"), "10.0.0.1");
        let error = settings.address(IpType::Public).expect_err("there is none");
        assert_eq!(
            error.advice(),
            Some("set ip_type to one that it has: PRIVATE, PSC")
        );
    }

    #[test]
    fn legacy_name_is_the_endpoint_only_where_private_service_connect_is_on() {
        let old = |enabled: bool| {
            answer(|value| {
                value["dnsNames"] = json!([]);
                value["pscEnabled"] = json!(enabled);
            })
        };
        let with = old(true).expect("settings");
        assert_eq!(
            with.address(IpType::Psc).expect("address"),
            "legacy.sql.goog"
        );
        let without = old(false).expect("settings");
        assert!(without.address(IpType::Psc).is_err());
        assert_eq!(without.dns_name.as_deref(), Some("legacy.sql.goog"));
    }

    #[test]
    fn instance_of_another_region_kind_or_database_is_refused_by_reason() {
        for (field, value, why) in [
            ("region", "other", "it is in the region \"other\""),
            ("backendType", "EXTERNAL", "it is of the kind \"EXTERNAL\""),
            ("databaseVersion", "MYSQL_8_0", "it runs MYSQL_8_0"),
        ] {
            let error = answer(|answer| answer[field] = json!(value)).expect_err(field);
            assert_eq!(error.source().expect("why").to_string(), why);
            assert!(error.advice().is_some());
        }
        assert!(answer(|answer| answer["serverCaCert"] = json!(null)).is_err());
    }
}
