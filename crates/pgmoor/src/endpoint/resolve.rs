//! From parameters in text to an endpoint in types: every value is checked, and what contradicts refused.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use pgmoor_wire::Secret;

use super::connection_string::ConnectionString;
use super::error::{EndpointError, shown};
use super::notice::Notice;
use super::require_auth::RequireAuth;
use super::tls::{RootCert, TlsSettings};
use super::words::{
    AuthMethod, ChannelBinding, LoadBalanceHosts, ProtocolVersion, SslCertMode, SslMode,
    SslNegotiation, TargetSessionAttrs, TlsVersion,
};
use super::{Endpoint, Keepalives, ScramKeys, resolve_hosts};

/// Parameters that are accepted and have no effect, with what they are for.
const UNUSED: &[(&str, &str)] = &[
    ("krbsrvname", "Kerberos logins"),
    ("gsslib", "Kerberos logins"),
    ("gssdelegation", "Kerberos logins"),
    ("oauth_issuer", "OAuth logins"),
    ("oauth_client_id", "OAuth logins"),
    ("oauth_client_secret", "OAuth logins"),
    ("oauth_scope", "OAuth logins"),
    ("sslkeylogfile", "the logging of TLS keys"),
];

/// Makes the endpoint, or says which value is wrong.
pub(super) fn endpoint(mut given: ConnectionString) -> Result<Endpoint, EndpointError> {
    let mut notices = std::mem::take(&mut given.notices);
    let given = Given(&given);
    check_unsupported(given, &mut notices)?;
    let tls = tls(given, &mut notices)?;
    let channel_binding = given.word(
        "channel_binding",
        ChannelBinding::from_word,
        ChannelBinding::WORDS,
    )?;
    let channel_binding = channel_binding.unwrap_or_default();
    if channel_binding == ChannelBinding::Require && tls.mode == SslMode::Disable {
        return Err(EndpointError::Conflict {
            problem: "channel_binding=require needs TLS, and sslmode is \"disable\"".to_owned(),
            hint: "set sslmode=require or stronger, or drop channel_binding".to_owned(),
        });
    }
    let (min_protocol_version, max_protocol_version) = protocol(given)?;
    Ok(Endpoint {
        hosts: resolve_hosts::hosts(given, &mut notices)?,
        user: given.owned("user"),
        password: given.secret("password"),
        dbname: dbname(given)?,
        options: given.owned("options"),
        startup_parameters: given.0.settings.clone(),
        application_name: given.owned("application_name"),
        fallback_application_name: given.owned("fallback_application_name"),
        client_encoding: client_encoding(given, &mut notices),
        replication: replication(given)?,
        tls,
        channel_binding,
        require_auth: require_auth(given)?,
        scram_keys: scram_keys(given)?,
        requirepeer: given.owned("requirepeer"),
        passfile: given.path("passfile"),
        target_session_attrs: given
            .word(
                "target_session_attrs",
                TargetSessionAttrs::from_word,
                TargetSessionAttrs::WORDS,
            )?
            .unwrap_or_default(),
        load_balance_hosts: given
            .word(
                "load_balance_hosts",
                LoadBalanceHosts::from_word,
                LoadBalanceHosts::WORDS,
            )?
            .unwrap_or_default(),
        connect_timeout: given
            .amount("connect_timeout")?
            .map(|n| Duration::from_secs(n.into())),
        keepalives: Keepalives {
            enabled: given.number("keepalives")? != Some(0),
            idle: given
                .amount("keepalives_idle")?
                .map(|n| Duration::from_secs(n.into())),
            interval: given
                .amount("keepalives_interval")?
                .map(|n| Duration::from_secs(n.into())),
            count: given.amount("keepalives_count")?,
        },
        tcp_user_timeout: given
            .amount("tcp_user_timeout")?
            .map(|n| Duration::from_millis(n.into())),
        min_protocol_version,
        max_protocol_version,
        form: given.0.form,
        notices,
    })
}

/// The parameters, read by type. An empty value counts as not given.
#[derive(Clone, Copy)]
pub(super) struct Given<'a>(pub(super) &'a ConnectionString);

impl<'a> Given<'a> {
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.0
            .values
            .get(name)
            .map(|value| value.text.expose().as_str())
            .filter(|text| !text.is_empty())
    }

    fn owned(self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    fn secret(self, name: &str) -> Option<Secret<String>> {
        self.text(name).map(Secret::from)
    }

    fn path(self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// The name for messages: the variable, if the value is from the environment.
    pub(super) fn name(self, name: &'static str) -> &'static str {
        self.0
            .values
            .get(name)
            .and_then(|value| value.variable)
            .unwrap_or(name)
    }

    pub(super) fn word<T>(
        self,
        name: &'static str,
        from_word: fn(&str) -> Option<T>,
        words: &[&str],
    ) -> Result<Option<T>, EndpointError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        if let Some(value) = from_word(text) {
            return Ok(Some(value));
        }
        let nearest = words
            .iter()
            .map(|word| (strsim::jaro_winkler(text, word), word))
            .filter(|(near, _)| *near > 0.8);
        let nearest = nearest.max_by(|left, right| left.0.total_cmp(&right.0));
        let nearest = nearest
            .map(|(_, word)| format!("; nearest is \"{word}\""))
            .unwrap_or_default();
        let problem = format!("cannot be {}{nearest}", shown(text));
        Err(EndpointError::value_hint(
            self.name(name),
            problem,
            &format!("it is one of {}", words.join(", ")),
        ))
    }

    /// A whole number, with blanks around it, as libpq reads them.
    pub(super) fn number(self, name: &'static str) -> Result<Option<i32>, EndpointError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(EndpointError::value(
                self.name(name),
                format!(
                    "must be a whole number below 2147483648, not {}",
                    shown(text)
                ),
            )),
        }
    }

    /// A number where zero and less mean "not set".
    fn amount(self, name: &'static str) -> Result<Option<u32>, EndpointError> {
        Ok(self
            .number(name)?
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number > 0))
    }

    fn flag(self, name: &'static str) -> Result<Option<bool>, EndpointError> {
        match self.text(name) {
            None => Ok(None),
            Some("0") => Ok(Some(false)),
            Some("1") => Ok(Some(true)),
            Some(text) => Err(EndpointError::value(
                self.name(name),
                format!("must be 0 or 1, not {}", shown(text)),
            )),
        }
    }
}

fn check_unsupported(given: Given<'_>, notices: &mut Vec<Notice>) -> Result<(), EndpointError> {
    const MODES: &[&str] = &["disable", "prefer", "require"];
    let mode = given.word(
        "gssencmode",
        |word| MODES.iter().position(|mode| *mode == word),
        MODES,
    )?;
    if mode == Some(2) {
        return Err(EndpointError::Unsupported {
            what: "gssencmode=require".to_owned(),
            hint: "use TLS: gssencmode=disable with sslmode=verify-full".to_owned(),
        });
    }
    if given.flag("sslcompression")? == Some(true) {
        notices.push(Notice::new(
            "sslcompression=1 has no effect: compressed TLS is not safe",
        ));
    }
    for (name, purpose) in UNUSED {
        if given.text(name).is_some() {
            notices.push(Notice::new(
                format!("parameter \"{name}\" has no effect: {purpose} are not supported")
                    .replace("the logging of TLS keys are", "the logging of TLS keys is"),
            ));
        }
    }
    Ok(())
}

fn tls(given: Given<'_>, notices: &mut Vec<Notice>) -> Result<TlsSettings, EndpointError> {
    let mut root_cert = match given.text("sslrootcert") {
        None => RootCert::Default,
        Some("system") => RootCert::System,
        Some(path) => RootCert::File(PathBuf::from(path)),
    };
    let system = root_cert == RootCert::System;
    let default = if system {
        SslMode::VerifyFull
    } else {
        SslMode::default()
    };
    let unverified = given.text("sslmode") == Some("no-verify");
    let mode = if unverified {
        SslMode::Require
    } else {
        given
            .word("sslmode", SslMode::from_word, SslMode::WORDS)?
            .unwrap_or(default)
    };
    if system && mode != SslMode::VerifyFull {
        let mode = given.text("sslmode").unwrap_or_default();
        return Err(EndpointError::Conflict {
            problem: format!("sslrootcert=system needs sslmode=verify-full, not {mode:?}"),
            hint:
                "set sslmode=verify-full, or name your authority's certificate file as sslrootcert"
                    .to_owned(),
        });
    }
    if unverified {
        notices.push(Notice::new(
            "sslmode=no-verify: TLS is required, and the server's certificate is not verified",
        ));
        root_cert = RootCert::Unverified;
    }
    let negotiation = given
        .word(
            "sslnegotiation",
            SslNegotiation::from_word,
            SslNegotiation::WORDS,
        )?
        .unwrap_or_default();
    if negotiation == SslNegotiation::Direct && mode < SslMode::Require {
        return Err(EndpointError::Conflict {
            problem: format!(
                "sslnegotiation=direct needs sslmode=require or stronger, not {:?}",
                mode.as_str()
            ),
            hint: "set sslmode=require, verify-ca or verify-full".to_owned(),
        });
    }
    let (min_version, max_version) = tls_versions(given, notices)?;
    Ok(TlsSettings {
        mode,
        negotiation,
        root_cert,
        certificate: given.path("sslcert"),
        key: given.path("sslkey"),
        key_password: given.secret("sslpassword"),
        certificate_mode: given
            .word("sslcertmode", SslCertMode::from_word, SslCertMode::WORDS)?
            .unwrap_or_default(),
        crl: given.path("sslcrl"),
        crl_directory: given.path("sslcrldir"),
        sni: given.flag("sslsni")?.unwrap_or(true),
        min_version,
        max_version,
    })
}

fn tls_versions(
    given: Given<'_>,
    notices: &mut Vec<Notice>,
) -> Result<(Option<TlsVersion>, Option<TlsVersion>), EndpointError> {
    let read = |word: &str| {
        let exact = TlsVersion::WORDS
            .iter()
            .find(|known| known.eq_ignore_ascii_case(word))?;
        TlsVersion::from_word(exact)
    };
    let min = given.word("ssl_min_protocol_version", read, TlsVersion::WORDS)?;
    let max = given.word("ssl_max_protocol_version", read, TlsVersion::WORDS)?;
    if let Some(max) = max.filter(|max| *max < TlsVersion::V1_2) {
        return Err(EndpointError::Unsupported {
            what: format!("ssl_max_protocol_version={max}"),
            hint: "TLSv1.2 is the lowest version; raise or drop ssl_max_protocol_version"
                .to_owned(),
        });
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        return Err(EndpointError::Conflict {
            problem: format!(
                "ssl_min_protocol_version {min} is above ssl_max_protocol_version {max}"
            ),
            hint: "swap them, or drop one".to_owned(),
        });
    }
    if let Some(min) = min.filter(|min| *min < TlsVersion::V1_2) {
        notices.push(Notice::new(format!(
            "ssl_min_protocol_version={min} means TLSv1.2, the lowest that is spoken"
        )));
    }
    Ok((min, max))
}

fn protocol(
    given: Given<'_>,
) -> Result<(Option<ProtocolVersion>, Option<ProtocolVersion>), EndpointError> {
    const WORDS: &[&str] = &["3.0", "3.2", "latest"];
    let read = |word: &str| {
        if word == "latest" {
            Some(ProtocolVersion::V3_2)
        } else {
            ProtocolVersion::from_word(word)
        }
    };
    let min = given.word("min_protocol_version", read, WORDS)?;
    let max = given.word("max_protocol_version", read, WORDS)?;
    match (min, max) {
        (Some(min), Some(max)) if min > max => Err(EndpointError::Conflict {
            problem: format!("min_protocol_version {min} is above max_protocol_version {max}"),
            hint: "swap them, or drop one".to_owned(),
        }),
        _ => Ok((min, max)),
    }
}

fn dbname(given: Given<'_>) -> Result<Option<String>, EndpointError> {
    let dbname = given.owned("dbname");
    if dbname
        .as_deref()
        .is_some_and(|name| name.starts_with("postgres://") || name.starts_with("postgresql://"))
    {
        return Err(EndpointError::value_hint(
            given.name("dbname"),
            "is itself a connection URI",
            "give that URI as the whole address",
        ));
    }
    Ok(dbname)
}

fn client_encoding(given: Given<'_>, notices: &mut Vec<Notice>) -> Option<String> {
    let encoding = given.text("client_encoding")?;
    if encoding != "auto" {
        return Some(encoding.to_owned());
    }
    notices.push(Notice::new("client_encoding=auto was read as UTF8: a locale of the gateway says nothing about its clients"));
    Some("UTF8".to_owned())
}

fn replication(given: Given<'_>) -> Result<Option<String>, EndpointError> {
    const WORDS: &[&str] = &[
        "database", "true", "on", "yes", "1", "false", "off", "no", "0",
    ];
    let read = |word: &str| {
        WORDS
            .contains(&word.to_ascii_lowercase().as_str())
            .then(|| word.to_owned())
    };
    given.word("replication", read, WORDS)
}

fn require_auth(given: Given<'_>) -> Result<RequireAuth, EndpointError> {
    let Some(list) = given.text("require_auth") else {
        return Ok(RequireAuth::default());
    };
    let required = RequireAuth::parse(list)
        .map_err(|problem| EndpointError::value(given.name("require_auth"), problem))?;
    let spoken = [
        AuthMethod::Password,
        AuthMethod::Md5,
        AuthMethod::ScramSha256,
        AuthMethod::None,
    ];
    if !spoken.into_iter().any(|method| required.allows(method)) {
        return Err(EndpointError::Unsupported {
            what: "a login by GSSAPI, SSPI or OAuth, as require_auth wants,".to_owned(),
            hint: "allow one of scram-sha-256, md5, password, none".to_owned(),
        });
    }
    Ok(required)
}

fn scram_keys(given: Given<'_>) -> Result<Option<ScramKeys>, EndpointError> {
    let key = |name: &'static str| -> Result<Option<Secret<[u8; 32]>>, EndpointError> {
        let Some(text) = given.text(name) else {
            return Ok(None);
        };
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok();
        let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let key = key
            .ok_or_else(|| EndpointError::value(given.name(name), "must be 32 bytes in base64"))?;
        Ok(Some(Secret::new(key)))
    };
    match (key("scram_client_key")?, key("scram_server_key")?) {
        (None, None) => Ok(None),
        (Some(client_key), Some(server_key)) => Ok(Some(ScramKeys {
            client_key,
            server_key,
        })),
        (Some(_), None) | (None, Some(_)) => Err(EndpointError::Conflict {
            problem: "scram_client_key and scram_server_key belong together, and one is missing"
                .to_owned(),
            hint: "give both or none".to_owned(),
        }),
    }
}
