//! Connection service files: sections of parameters that `service=name` stands for.

use std::path::PathBuf;

use pgmoor_wire::Secret;

use super::environment::Environment;
use super::error::{EndpointError, shown};
use super::known;

/// The parameters of one service, by libpq's names.
pub type Section = Vec<(&'static str, Secret<String>)>;

/// The service files to look in, in order; those that do not exist are passed over.
pub fn files(environment: &Environment) -> Vec<PathBuf> {
    let own = match environment.variable("PGSERVICEFILE") {
        Some(path) => Some(PathBuf::from(path)),
        None => environment.home().map(|home| home.join(".pg_service.conf")),
    };
    let system = environment
        .variable("PGSYSCONFDIR")
        .unwrap_or("/etc/postgresql-common");
    own.into_iter()
        .chain([PathBuf::from(system).join("pg_service.conf")])
        .collect()
}

/// Reads the files in turn until one has the service.
///
/// # Errors
/// [`EndpointError::ServiceNotFound`], [`EndpointError::ReadServiceFile`], or as for [`section`].
pub fn find(service: &str, files: &[PathBuf]) -> Result<Section, EndpointError> {
    let mut searched = Vec::new();
    for path in files {
        let contents = match std::fs::read_to_string(path) {
            Ok(contents) => Secret::new(contents),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => {
                return Err(EndpointError::ReadServiceFile {
                    path: path.clone(),
                    source,
                });
            }
        };
        if let Some(section) = section(contents.expose(), service)? {
            return Ok(section);
        }
        searched.push(path.display().to_string());
    }
    let searched = (!searched.is_empty()).then(|| searched.join(", "));
    Err(EndpointError::ServiceNotFound {
        name: shown(service),
        searched,
    })
}

/// The parameters of one section of a service file, or `None` when the file has no such section.
///
/// # Errors
/// [`EndpointError::ServiceLine`] for a line that cannot be read, and [`EndpointError::Unsupported`]
/// for a service that is kept in LDAP.
pub fn section(contents: &str, service: &str) -> Result<Option<Section>, EndpointError> {
    if is_ldap(service) {
        return Err(ldap());
    }
    let mut found = None;
    for (index, line) in contents.lines().enumerate() {
        let line_error = |problem: String| EndpointError::ServiceLine {
            line: index + 1,
            problem,
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if found.is_some() {
                return Ok(found);
            }
            if header.split(']').next() == Some(service) {
                found = Some(Section::new());
            }
            continue;
        }
        let Some(section) = found.as_mut() else {
            continue;
        };
        if is_ldap(line) {
            return Err(ldap());
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(line_error("has no \"=\"".to_owned()));
        };
        let name = name.trim();
        if name == "service" {
            return Err(line_error(
                "names another service, which is not possible".to_owned(),
            ));
        }
        let Some(keyword) = known::keyword(name) else {
            return Err(line_error(format!("has the unknown parameter {name:?}")));
        };
        // The first of two wins, here as in libpq.
        if !section.iter().any(|(given, _)| *given == keyword.name) {
            section.push((keyword.name, Secret::from(value.trim())));
        }
    }
    Ok(found)
}

fn is_ldap(text: &str) -> bool {
    text.starts_with("ldap:") || text.starts_with("ldaps:")
}

fn ldap() -> EndpointError {
    EndpointError::Unsupported {
        what: "a service that is kept in LDAP".to_owned(),
        hint: "write host, port, dbname and user of the service out".to_owned(),
    }
}
