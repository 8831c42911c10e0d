//! Whether every deployment and job of LangSmith has the identity and the files that its login needs.

use pgmoor::settings::Origin;

use super::{JOBS, SERVICES};
use crate::system::finding::{Explain, Findings};
use crate::system::meaning::{Cloud, Told};
use crate::system::token::{LABEL, annotation};
use crate::system::values::{Block, Values};

/// Services that are not switched off, by their keys, and the end-to-end test where it is configured.
fn services(values: &Values, findings: &mut Findings) -> Vec<&'static str> {
    let mut services = Vec::new();
    for service in SERVICES {
        let off = values
            .block(&[service])
            .and_then(|block| block.flag(&["enabled"], findings))
            .is_some_and(|enabled| !enabled.value);
        if !off {
            services.push(service);
        }
    }
    if values.block(&["e2eTest"]).is_some() {
        services.push("e2eTest");
    }
    services
}

/// The identity that the service accounts have, after saying which of them have none or another.
pub(super) fn identity(
    values: &Values,
    cloud: &Cloud,
    origin: &Origin,
    findings: &mut Findings,
) -> Option<Told<String>> {
    let key = annotation(cloud);
    let services = services(values, findings);
    let found: Vec<(&str, Option<Told<String>>)> = services
        .iter()
        .map(|service| {
            let block = values.block(&[service]);
            let told = block
                .as_ref()
                .and_then(|block| block.text(&["serviceAccount", "annotations", key]));
            (*service, told)
        })
        .collect();
    let first = found.iter().find_map(|(_, told)| told.clone());
    let Some(first) = first else {
        nobody(cloud, key, origin, findings);
        return None;
    };
    for (service, told) in &found {
        match told {
            None => {
                let at = values
                    .block(&[service])
                    .map_or_else(|| origin.clone(), |block| block.node.origin.clone());
                let also = if *service == "backend" {
                    format!(", nor do the jobs {}", JOBS.join(", "))
                } else {
                    String::new()
                };
                findings
                    .wrong(
                        &at,
                        format!("\"{service}\" has no annotation \"{key}\"{also}"),
                    )
                    .why(format!(
                        "others have it ({}), and without it the cloud does not know this one: it cannot log in",
                        first.origin
                    ))
                    .then(format!(
                        "write it at \"{service}.serviceAccount.annotations\", with {}",
                        first.value
                    ));
            }
            Some(told) if told.value != first.value => {
                findings
                    .wrong(
                        &told.origin,
                        format!("\"{service}\" has another identity than the others"),
                    )
                    .why(format!(
                        "it is {}, and at {} it is {}",
                        told.value, first.origin, first.value
                    ))
                    .then("give all of them one; pgmoor has the first");
            }
            Some(_) => {}
        }
    }
    if matches!(cloud, Cloud::Azure { .. }) {
        labels(values, &services, origin, findings);
    }
    Some(first)
}

fn nobody(cloud: &Cloud, key: &str, origin: &Origin, findings: &mut Findings) {
    let what = format!("no service account has the annotation \"{key}\"");
    match cloud {
        Cloud::Azure { .. } => {
            findings
                .wrong(origin, what)
                .why("without it the cloud does not know whose pods these are")
                .then(format!(
                    "write it at \"serviceAccount.annotations\" of {}",
                    SERVICES.join(", ")
                ));
        }
        Cloud::Aws { .. } => {
            findings
                .note(origin, what)
                .why("with EKS Pod Identity none is needed")
                .then("without Pod Identity, annotate every service");
        }
        Cloud::Google => {
            findings
                .note(origin, what)
                .why("with direct Workload Identity Federation none is needed")
                .then("else annotate every service");
        }
    }
}

/// Azure's webhook looks at a label of the pods.
fn labels(values: &Values, services: &[&str], origin: &Origin, findings: &mut Findings) {
    let has = |block: Option<Block<'_>>, path: &[&str]| {
        block
            .and_then(|block| block.text(path))
            .is_some_and(|told| told.value == "true")
    };
    if has(values.block(&["commonLabels"]), &[LABEL]) {
        return;
    }
    let mut missing: Vec<String> = services
        .iter()
        .filter(|service| **service != "e2eTest")
        .filter(|service| !has(values.block(&[service]), &["deployment", "labels", LABEL]))
        .map(|service| format!("{service}.deployment"))
        .collect();
    missing.extend(
        JOBS.iter()
            .filter(|job| !has(values.block(&["backend", job]), &["labels", LABEL]))
            .map(|job| format!("backend.{job}")),
    );
    for place in missing {
        findings
            .wrong(
                origin,
                format!("the pods of \"{place}\" have no label \"{LABEL}\""),
            )
            .why("Azure gives a token only to pods that have it")
            .then(format!(
                "write '{LABEL}: \"true\"' at \"{place}.labels\", or once at \"commonLabels\""
            ));
    }
}

/// The client's key is readable for root and a group: the pods need that group.
pub(super) fn groups(values: &Values, certificate: &Origin, findings: &mut Findings) {
    let common = values.block(&["commonPodSecurityContext"]);
    if common.is_some_and(|block| block.text(&["fsGroup"]).is_some()) {
        return;
    }
    let has = |block: Option<Block<'_>>| {
        let paths: [&[&str]; 3] = [
            &["deployment", "podSecurityContext", "fsGroup"],
            &["podSecurityContext", "fsGroup"],
            &["fsGroup"],
        ];
        block.is_some_and(|block| paths.iter().any(|path| block.text(path).is_some()))
    };
    let mut missing: Vec<String> = services(values, findings)
        .into_iter()
        .filter(|service| !has(values.block(&[service])))
        .map(str::to_owned)
        .collect();
    missing.extend(
        JOBS.iter()
            .filter(|job| !has(values.block(&["backend", job])))
            .map(|job| format!("backend.{job}")),
    );
    if missing.is_empty() {
        return;
    }
    findings
        .wrong(
            certificate,
            format!("\"fsGroup\" is missing for {}", missing.join(", ")),
        )
        .why("the key of the client certificate is mounted for root and that group (0640), so these cannot read it")
        .then("write \"commonPodSecurityContext: {fsGroup: 1000}\"");
}
