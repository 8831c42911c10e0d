//! Where Google credentials are looked for, in the order that all of Google's libraries have.

use std::path::PathBuf;

use super::Context;
use super::exchange::Grant;
use super::file::File;
use super::metadata::Metadata;
use crate::credential::{Considered, FailureCause, TokenError};

const SETTING: &str = "setting credentials_file";
const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const WELL_KNOWN: &str = "file of gcloud auth application-default login";
const METADATA: &str = "metadata server";

/// An identity that was found.
#[derive(Debug)]
pub(super) enum Found {
    File(Box<File>),
    Metadata(Metadata),
}

impl Found {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::File(file) => file.describe(),
            Self::Metadata(metadata) => metadata.describe(),
        }
    }

    pub(super) fn quota_project(&self) -> Option<&str> {
        match self {
            Self::File(file) => file.quota_project(),
            Self::Metadata(_) => None,
        }
    }

    /// The universe it belongs to, where it tells.
    pub(super) async fn universe(&self, context: &Context) -> Option<String> {
        match self {
            Self::File(file) => file.universe().map(str::to_owned),
            Self::Metadata(metadata) => metadata.universe(context).await,
        }
    }

    pub(super) async fn mint(
        &self,
        context: &Context,
        scopes: &[&str],
    ) -> Result<Grant, TokenError> {
        match self {
            Self::File(file) => file.mint(context, scopes).await,
            Self::Metadata(metadata) => metadata.mint(context, scopes).await,
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
            Ok(Found::Metadata(metadata))
        }
        Err(why) => {
            considered.push(Considered::absent(METADATA, why.clone()));
            let error = TokenError::new(FailureCause::Configuration, "find Google credentials");
            Err(error
                .why(format!("{VARIABLE} is not set, gcloud has left no file, and {why}"))
                .hint(format!("on Google Cloud, attach a service account; elsewhere set {VARIABLE}, best to a file of workload identity federation")))
        }
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
            Ok(Found::File(Box::new(file)))
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
