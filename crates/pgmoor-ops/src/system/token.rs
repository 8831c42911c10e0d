//! What a login by a token asks of an address: TLS, and a server that is the right one.

use pgmoor::settings::Origin;

use super::finding::{Explain, Findings};
use super::meaning::{Cloud, Login, Parameters, Told};

/// What pods of Azure need to get a token.
pub(super) const LABEL: &str = "azure.workload.identity/use";

/// Azure's servers have certificates that every system trusts.
const AZURE: [&str; 3] = [
    ".postgres.database.azure.com",
    ".postgres.database.chinacloudapi.cn",
    ".postgres.database.usgovcloudapi.net",
];

/// The annotation by which a cloud knows a service account.
pub(super) fn annotation(cloud: &Cloud) -> &'static str {
    match cloud {
        Cloud::Aws { .. } => "eks.amazonaws.com/role-arn",
        Cloud::Google => "iam.gke.io/gcp-service-account",
        Cloud::Azure { .. } => "azure.workload.identity/client-id",
    }
}

/// The login by this cloud; raises TLS to the least that the cloud takes, and says so.
pub(super) fn login(
    cloud: Told<Cloud>,
    parameters: &mut Parameters,
    findings: &mut Findings,
) -> Login {
    let origin = parameters
        .0
        .get("sslmode")
        .map_or_else(|| cloud.origin.clone(), |told| told.origin.clone());
    let host = parameters.get("host").unwrap_or_default().to_owned();
    let is_azure = AZURE
        .iter()
        .any(|end| host.to_ascii_lowercase().ends_with(end));
    let mode = parameters.get("sslmode").unwrap_or_default().to_owned();
    let in_the_clear = matches!(mode.as_str(), "" | "disable" | "allow" | "prefer")
        && parameters.get("sslrootcert").is_none();
    let is_known = is_azure && parameters.get("sslrootcert").is_none();
    let least = if is_known { "verify-full" } else { "require" };
    if in_the_clear {
        let hint = match mode.as_str() {
            "" => format!("it was taken as sslmode={least}; write that"),
            mode => format!("it was taken as sslmode={least} in place of {mode}; write that"),
        };
        findings
            .wrong(
                &origin,
                "a login by a token needs TLS, and none is asked for",
            )
            .then(hint);
        parameters.set("sslmode", least, &origin);
    } else if is_known && mode != least {
        findings
            .note(&origin, "sslmode was raised to verify-full")
            .why("a token is sent, and every system trusts the authority of Azure's servers");
    }
    if is_known {
        parameters.set("sslmode", least, &origin);
        parameters.set("sslrootcert", "system", &origin);
    }
    if !parameters.verifies() {
        blind(&origin, findings);
    }
    Login::Token(cloud)
}

fn blind(origin: &Origin, findings: &mut Findings) {
    findings
        .wrong(origin, "a token is sent to a server that is not verified")
        .why("whoever is in between can take it and log in as you")
        .then(
            "get the server's authority, and write sslmode=verify-full with sslrootcert; until then the result says \"allow_unverified_tls\", which does as the original does",
        );
}
