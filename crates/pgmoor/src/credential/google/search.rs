//! Where Google credentials are looked for, in the order that all of Google's libraries have.

use std::path::PathBuf;

use super::Context;
use super::exchange::Grant;
use super::file::File;
use super::metadata::{Absent, Metadata};
use crate::credential::{Considered, TokenError};

const SETTING: &str = "setting credentials_file";
const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const WELL_KNOWN: &str = "file of gcloud auth application-default login";
const METADATA: &str = "metadata server";

/// An identity that was found, and where.
#[derive(Debug)]
pub(super) struct Found {
    place: Place,
    identity: Identity,
}

#[derive(Debug)]
enum Identity {
    File(Box<File>),
    Metadata(Metadata),
}

/// A place that an identity is at.
#[derive(Debug, Clone)]
pub(super) enum Place {
    File { source: &'static str, path: PathBuf },
    Metadata(Metadata),
}

impl Found {
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn describe(&self) -> String {
        match &self.identity {
            Identity::File(file) => file.describe(),
            Identity::Metadata(metadata) => metadata.describe(),
        }
    }

    pub(super) fn quota_project(&self) -> Option<&str> {
        match &self.identity {
            Identity::File(file) => file.quota_project(),
            Identity::Metadata(_) => None,
        }
    }

    /// The universe it belongs to, where it tells.
    pub(super) async fn universe(&self, context: &Context) -> Option<String> {
        match &self.identity {
            Identity::File(file) => file.universe().map(str::to_owned),
            Identity::Metadata(metadata) => metadata.universe(context).await,
        }
    }

    pub(super) async fn mint(
        &self,
        context: &Context,
        scopes: &[&str],
    ) -> Result<Grant, TokenError> {
        match &self.identity {
            Identity::File(file) => file.mint(context, scopes).await,
            Identity::Metadata(metadata) => metadata.mint(context, scopes).await,
        }
    }
}

/// Looks for an identity. What was looked at is noted, found or not.
pub(super) async fn search(
    context: &Context,
    considered: &mut Vec<Considered>,
) -> Result<Found, TokenError> {
    let named = match &context.options.credentials_file {
        Some(path) => Some((SETTING, path.clone())),
        None => match context.variable(VARIABLE) {
            Some(path) => Some((VARIABLE, PathBuf::from(path))),
            None => {
                considered.push(Considered::absent(VARIABLE, "it is not set"));
                None
            }
        },
    };
    if let Some((source, path)) = named {
        // A file that is named is meant: nothing else is tried when it does not work.
        return open(source, path, considered);
    }
    match context.well_known_file() {
        Some(path) if path.exists() => return open(WELL_KNOWN, path, considered),
        Some(path) => {
            let missing = format!("{} does not exist", path.display());
            considered.push(Considered::absent(WELL_KNOWN, missing));
        }
        None => considered.push(Considered::absent(WELL_KNOWN, "there is no home directory")),
    }
    match Metadata::find(context).await {
        Ok(metadata) => {
            considered.push(Considered::used(METADATA, metadata.describe()));
            Ok(at(metadata))
        }
        Err(Absent { cause, why }) => {
            considered.push(Considered::absent(METADATA, why.clone()));
            let error = TokenError::new(cause, "find Google credentials");
            Err(error
                .why(format!("{VARIABLE} is not set, gcloud has left no file, and {why}"))
                .hint(format!("on Google Cloud, attach a service account; elsewhere set {VARIABLE}, best to a file of workload identity federation")))
        }
    }
}

/// The identity at a place where there was one before. What was noted then is corrected.
pub(super) fn again(place: Place, considered: &mut Vec<Considered>) -> Result<Found, TokenError> {
    match place {
        Place::Metadata(metadata) => Ok(at(metadata)),
        Place::File { source, path } => {
            considered.retain(|one| one.source != source && one.source != METADATA);
            open(source, path, considered)
        }
    }
}

fn at(metadata: Metadata) -> Found {
    Found {
        place: Place::Metadata(metadata.clone()),
        identity: Identity::Metadata(metadata),
    }
}

fn open(
    source: &'static str,
    path: PathBuf,
    considered: &mut Vec<Considered>,
) -> Result<Found, TokenError> {
    match File::read(&path) {
        Ok(file) => {
            let found = format!("{}: {}", path.display(), file.describe());
            considered.push(Considered::used(source, found));
            considered.push(Considered::not_reached(METADATA));
            Ok(Found {
                place: Place::File { source, path },
                identity: Identity::File(Box::new(file)),
            })
        }
        Err(error) => {
            let why = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), |cause| cause.to_string());
            considered.push(Considered::failed(source, why));
            considered.push(Considered::not_reached(METADATA));
            Err(error)
        }
    }
}
