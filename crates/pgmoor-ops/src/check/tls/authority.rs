//! Whether a trusted authority vouches for the server.

use pgmoor::endpoint::Verification;

use super::trouble::{self, Trouble};
use crate::check::verdict::{fail, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::tls::HostTls;

pub(super) const CHECK: Check = Check {
    id: "PGM-TLS-005",
    layer: Layer::Tls,
    title: "a trusted authority signed the server's certificate",
    why: "Only whoever trusts the right authority can tell the server from somebody in between.",
    needs: "a server with TLS, and an sslmode that looks at its certificate",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    if let Some(host) = on.tls()?.telling()
        && matches!(host.verification, Ok(Verification::None))
        && trouble::of(on)? != Some(Trouble::Authority)
    {
        return skip(format!("sslmode={} does not look at it, see PGM-CFG-015", on.tls()?.mode));
    }
    trouble::judge(
        on,
        |trouble| *trouble == Trouble::Authority,
        |host| format!("signed by {}", issuer(host)),
        |host, _| {
            let needed = issuer(host);
            let own = host.chain.first().is_some_and(|own| own.is_self_signed());
            let seen = match own {
                true => format!("{} shows a certificate that it signed itself: {needed}", host.host),
                false => format!("nobody that is trusted here signed the certificate of {}: it leads to {needed}", host.host),
            };
            fail(seen).hint(hint(&needed, own))
        },
    )
}

/// The authority that is needed: who signed the last certificate that was shown.
fn issuer(host: &HostTls) -> String {
    let last = host.chain.last();
    last.map_or_else(|| "an authority that it does not show".to_owned(), |last| format!("\"{}\"", last.issuer))
}

fn hint(authority: &str, own: bool) -> String {
    let vendor = [
        ("Amazon RDS", "download AWS's global-bundle.pem (\"Using SSL/TLS with a PostgreSQL DB instance\")"),
        ("Google Cloud SQL", "gcloud sql instances describe INSTANCE --format='value(serverCaCert.cert)' > server-ca.pem"),
        ("DigiCert", "sslrootcert=system, or the root of DigiCert that Azure's documentation names"),
        ("Microsoft", "sslrootcert=system, or the roots that Azure's documentation names"),
        ("Let's Encrypt", "sslrootcert=system"),
        ("ISRG", "sslrootcert=system"),
    ];
    let known = vendor.iter().find(|(name, _)| authority.contains(name));
    match known {
        Some((_, how)) => format!("{how}; then sslrootcert=FILE"),
        None if own => "get that certificate from whoever runs the server (its ssl_cert_file), and set sslrootcert=FILE".to_owned(),
        None => format!("get the certificate of {authority} from whoever runs the server, and set sslrootcert=FILE"),
    }
}
