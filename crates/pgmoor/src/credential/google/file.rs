//! Credential files: which of the types one is, and how it leads to a token.

use std::path::Path;

use serde_json::Value;

use super::consent::Consent;
use super::exchange::Grant;
use super::external::External;
use super::fields::{Fields, read_json, unreadable};
use super::impersonation::Target;
use super::key::Key;
use super::{Context, scope};
use crate::credential::TokenError;

/// Files inside of files end somewhere.
const MAX_DEPTH: usize = 4;

/// What a credential file holds.
#[derive(Debug)]
pub(super) enum File {
    Key(Key),
    Consent(Consent),
    External(Box<External>),
    Impersonation {
        source: Box<File>,
        target: Target,
        universe: Option<String>,
        quota_project: Option<String>,
    },
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, TokenError> {
        Self::of(read_json(path)?, &path.display().to_string(), 0)
    }

    fn of(value: Value, origin: &str, depth: usize) -> Result<Self, TokenError> {
        let fields = Fields::of(value, origin)?;
        let kind = fields.text("type")?;
        match kind.as_str() {
            "service_account" => Key::read(&fields).map(Self::Key),
            "authorized_user" => Consent::read(&fields).map(Self::Consent),
            "external_account" => {
                External::read(&fields).map(|external| Self::External(Box::new(external)))
            }
            "impersonated_service_account" if depth < MAX_DEPTH => {
                let address = fields.text("service_account_impersonation_url")?;
                let target = Target::at(address, fields.list("delegates"), None);
                let why = "has a \"service_account_impersonation_url\" that names no account";
                let source = fields.map.get("source_credentials").cloned();
                let missing = || unreadable(origin, "has no \"source_credentials\"");
                Ok(Self::Impersonation {
                    source: Box::new(Self::of(source.ok_or_else(missing)?, origin, depth + 1)?),
                    target: target.ok_or_else(|| unreadable(origin, why))?,
                    universe: fields.optional("universe_domain"),
                    quota_project: fields.optional("quota_project_id"),
                })
            }
            other => Err(unreadable(
                origin,
                format!(
                    "is of type \"{other}\"; known are service_account, authorized_user, external_account and impersonated_service_account"
                ),
            )),
        }
    }

    /// What it is, for people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Key(key) => format!("key of {}", key.email),
            Self::Consent(consent) => consent.describe(),
            Self::External(external) => match &external.target {
                Some(target) => format!("{}, to act as {}", external.describe(), target.email),
                None => external.describe(),
            },
            Self::Impersonation { source, target, .. } => {
                format!("{}, to act as {}", source.describe(), target.email)
            }
        }
    }

    pub(super) fn universe(&self) -> Option<&str> {
        match self {
            Self::Key(key) => key.universe.as_deref(),
            Self::Consent(consent) => consent.universe.as_deref(),
            Self::External(external) => external.universe.as_deref(),
            Self::Impersonation {
                source, universe, ..
            } => universe.as_deref().or_else(|| source.universe()),
        }
    }

    pub(super) fn quota_project(&self) -> Option<&str> {
        match self {
            Self::Key(key) => key.quota_project.as_deref(),
            Self::Consent(consent) => consent.quota_project.as_deref(),
            Self::External(external) => external.quota_project.as_deref(),
            Self::Impersonation {
                source,
                quota_project,
                ..
            } => quota_project.as_deref().or_else(|| source.quota_project()),
        }
    }

    /// A token with these scopes. One that only serves to act as somebody else has the scope that IAM
    /// asks for instead.
    pub(super) async fn mint(
        &self,
        context: &Context,
        scopes: &[&str],
    ) -> Result<Grant, TokenError> {
        match self {
            Self::Key(key) => key.mint(context, scopes).await,
            Self::Consent(consent) => consent.mint(context, scopes).await,
            Self::External(external) => match &external.target {
                None => external.mint(context, scopes).await,
                Some(target) => {
                    let caller = external.mint(context, &[scope::CLOUD]).await?;
                    target.mint(context, &caller, scopes).await
                }
            },
            Self::Impersonation { source, target, .. } => {
                let caller = Box::pin(source.mint(context, &[scope::CLOUD])).await?;
                target.mint(context, &caller, scopes).await
            }
        }
    }
}
