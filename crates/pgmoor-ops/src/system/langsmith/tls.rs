//! TLS of LangSmith: authority, certificate of the client, and modes that go together.

use super::identity;
use crate::system::finding::{Explain, Findings};
use crate::system::meaning::{Parameters, Told};
use crate::system::reference::Reference;
use crate::system::values::{Block, Values};

/// Completes an address that is known; features have no certificate of the client.
pub(super) fn complete(
    is_main: bool,
    block: &Block<'_>,
    values: &Values,
    parameters: &mut Parameters,
    findings: &mut Findings,
) {
    let custom = is_main && block.is_on(&["customTls"], findings);
    let system = parameters.get("sslrootcert") == Some("system");
    let origin = parameters
        .0
        .get("sslrootcert")
        .or_else(|| parameters.0.get("sslmode"))
        .or_else(|| parameters.0.get("host"))
        .map_or_else(|| block.node.origin.clone(), |told| told.origin.clone());
    if custom && parameters.get("sslmode").is_none() {
        findings
            .wrong(
                &origin,
                "the address does not say how much TLS there is to be",
            )
            .why("\"customTls\" is on")
            .then("it was taken as sslmode=verify-full; write that");
        parameters.set("sslmode", "verify-full", &origin);
    }
    if system
        && parameters
            .get("sslmode")
            .is_some_and(|mode| mode != "verify-full")
    {
        findings
            .wrong(
                &origin,
                "sslrootcert=system goes with sslmode=verify-full only",
            )
            .why("libpq from 16 on refuses every other mode")
            .then("it was taken as verify-full; write that");
        parameters.set("sslmode", "verify-full", &origin);
    }
    if let Some(authority) = custom_ca(values) {
        let verified = matches!(parameters.get("sslmode"), Some("verify-ca" | "verify-full"));
        if system || verified && parameters.get("sslrootcert").is_none() {
            let path = authority.value.path().unwrap_or_default();
            parameters.set("sslrootcert", path, &authority.origin);
        }
    }
    if is_main && let Some((certificate, key)) = client_certificate(block, findings) {
        identity::groups(values, &certificate.origin, findings);
        parameters.put("sslcert", Some(certificate));
        parameters.put("sslkey", Some(key));
    }
}

fn custom_ca(values: &Values) -> Option<Told<Reference>> {
    let block = values.block(&["config", "customCa"])?;
    block.secret_key(&["secretName"], &["secretKey"], "ca.crt")
}

fn client_certificate(
    block: &Block<'_>,
    findings: &mut Findings,
) -> Option<(Told<String>, Told<String>)> {
    let block = block.block(&["clientCert"])?;
    block.expect(&["secretName", "certSecretKey", "keySecretKey"], findings);
    let path = |key: &[&str], default: &str| {
        let told = block.secret_key(&["secretName"], key, default)?;
        Some(told.with(told.value.path()?))
    };
    let certificate = path(&["certSecretKey"], "tls.crt")?;
    Some((certificate, path(&["keySecretKey"], "tls.key")?))
}

/// Says that the authority of the values cannot be added to an address that stays in its Secret.
pub(super) fn authority_of_whole(
    values: &Values,
    seen: Option<&Parameters>,
    findings: &mut Findings,
) {
    let may_need = seen.is_none_or(|seen| {
        seen.get("sslrootcert") == Some("system")
            || seen.get("sslrootcert").is_none() && seen.verifies()
    });
    if let Some(authority) = custom_ca(values).filter(|_| may_need) {
        let path = authority.value.path().unwrap_or_default();
        findings
            .not_carried(
                &authority.origin,
                "\"config.customCa\" cannot be added to an address that is in a Secret",
            )
            .then(format!(
                "write \"sslrootcert={path}\" into the address that pgmoor gets, in place of system"
            ));
    }
}
