//! libpq's second look at a certificate's name: the common name, where there is no alternative one.
//!
//! The subject alternative names themselves are compared by webpki.

use rustls_pki_types::ServerName;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Whether the certificate has no alternative name of the host's sort (DNS or IP), and its common
/// name is that of the host.
pub(super) fn common_name_matches(certificate: &[u8], host: &ServerName<'_>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return false;
    };
    let host = host.to_str();
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let alternative = match certificate.subject_alternative_name() {
        Ok(alternative) => alternative,
        Err(_) => return false,
    };
    let same_sort = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(_) => !is_address,
        GeneralName::IPAddress(_) => is_address,
        _ => false,
    };
    if alternative.is_some_and(|names| names.value.general_names.iter().any(same_sort)) {
        return false;
    }
    let mut common_names = certificate.subject().iter_common_name();
    common_names
        .next()
        .and_then(|name| name.as_str().ok())
        .is_some_and(|pattern| matches(pattern, &host))
}

/// libpq's rule: equal without case, or `*` for exactly the first label of a longer name.
fn matches(pattern: &str, host: &str) -> bool {
    if pattern.contains('\0') {
        return false;
    }
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(suffix) = pattern
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.') && rest.len() > 1)
    else {
        return false;
    };
    let Some(label) = host
        .len()
        .checked_sub(suffix.len())
        .filter(|label| *label > 0)
    else {
        return false;
    };
    match (host.get(..label), host.get(label..)) {
        (Some(first), Some(rest)) => !first.contains('.') && rest.eq_ignore_ascii_case(suffix),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_stands_for_one_first_label() {
        for (pattern, host, fits) in [
            ("db.example", "DB.example", true),
            ("*.example", "db.example", true),
            ("*.example", "a.db.example", false),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*", "db", false),
            ("d*.example", "db.example", false),
        ] {
            assert_eq!(matches(pattern, host), fits, "{pattern} {host}");
        }
    }
}
