//! Where AWS credentials come from: the sources of the default chain, each asked for itself, so that it
//! can be said which was used and why the others were not.

use std::fmt::Write as _;

use aws_config::BehaviorVersion;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_types::retry::RetryConfig;
use tracing::dispatcher::Dispatch;
use tracing::instrument::WithSubscriber;

use super::super::token::{Considered, FailureCause, TokenError};
use super::client::Asking;
use crate::http::Client;

/// A source, in the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Environment,
    Profile,
    WebIdentity,
    Container,
    Instance,
}

const ALL: [Source; 5] = [
    Source::Environment,
    Source::Profile,
    Source::WebIdentity,
    Source::Container,
    Source::Instance,
];

/// What a search is made with.
#[derive(Debug, Clone)]
pub(super) struct Search {
    pub(super) client: Client,
    /// The profile that the configuration names; then no other source counts.
    pub(super) profile: Option<String>,
    /// Where STS is asked when neither environment nor profile say where: the database's region.
    pub(super) region: Option<String>,
    /// The source that credentials came from before. From then on it is asked and no other: while it is
    /// silent, another one would make somebody else of us.
    pub(super) settled: Option<Source>,
}

/// Credentials, and where they come from.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) credentials: Credentials,
    pub(super) source: Source,
}

impl Search {
    /// Asks one source after the other. The list says what came of each.
    pub(super) async fn find(&self) -> (Vec<Considered>, Result<Found, TokenError>) {
        let (mut considered, mut silence) = (Vec::new(), None);
        let region = self.region_named().await.or_else(|| self.region.clone());
        for (index, source) in ALL.into_iter().enumerate() {
            let name = source.name();
            if self.profile.is_some() && source != Source::Profile {
                considered.push(Considered::absent(
                    name,
                    "the configuration names a profile",
                ));
                continue;
            }
            if self.settled.is_some_and(|settled| settled != source) {
                considered.push(Considered::absent(
                    name,
                    "credentials came from another source before",
                ));
                continue;
            }
            if let Some(missing) = source.missing() {
                considered.push(Considered::absent(name, missing));
                continue;
            }
            let asking = Asking::new(match source {
                // They answer for this machine, whatever address the environment has for them.
                Source::Container | Source::Instance => self.client.direct(),
                _ => self.client.clone(),
            });
            let config = config(asking.clone(), region.clone());
            // What `aws-config` logs in detail has secrets in it.
            let answer = source.ask(&config, self.profile.as_deref());
            match answer.with_subscriber(Dispatch::none()).await {
                Ok(credentials) => {
                    considered.push(Considered::used(name, self.describe(source, &credentials)));
                    let rest = ALL.into_iter().skip(index + 1);
                    considered.extend(rest.map(|source| Considered::not_reached(source.name())));
                    return (
                        considered,
                        Ok(Found {
                            credentials,
                            source,
                        }),
                    );
                }
                Err(CredentialsError::CredentialsNotLoaded(why)) if !self.is_named(source) => {
                    let failure = asking.last_failure();
                    silence = failure.as_ref().map(TokenError::cause).or(silence);
                    let why = match failure {
                        Some(failure) => chain(&failure),
                        None if source == Source::Profile => no_profile(),
                        None => chain(&CredentialsError::CredentialsNotLoaded(why)),
                    };
                    considered.push(Considered::absent(name, why));
                }
                Err(error) => {
                    let error = self.explain(source, error, &asking);
                    considered.push(Considered::failed(name, chain(&error)));
                    let rest = ALL.into_iter().skip(index + 1);
                    considered.extend(rest.map(|source| Considered::not_reached(source.name())));
                    return (considered, Err(error));
                }
            }
        }
        let silence = silence.filter(|cause| cause.is_transient());
        let error = nothing(&considered, silence);
        (considered, Err(error))
    }

    /// The region that `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile name.
    pub(super) async fn region_named(&self) -> Option<String> {
        let named = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        if named.is_some() {
            return named;
        }
        let config = config(Asking::new(self.client.clone()), None);
        let mut profile = ProfileFileRegionProvider::builder().configure(&config);
        if let Some(name) = &self.profile {
            profile = profile.profile_name(name);
        }
        let profile = profile.build();
        let region = profile.region().with_subscriber(Dispatch::none()).await;
        region.map(|region| region.to_string())
    }

    /// The region that this instance is in, where it is one of AWS's.
    pub(super) async fn region_of_instance(&self) -> Option<String> {
        let config = config(Asking::new(self.client.direct()), None);
        let instance = ImdsRegionProvider::builder().configure(&config).build();
        let region = instance.region().with_subscriber(Dispatch::none()).await;
        region.map(|region| region.to_string())
    }

    /// Whether somebody counts on this source, so that it may not be passed over.
    fn is_named(&self, source: Source) -> bool {
        let is_profile = source == Source::Profile && self.profile_name().is_some();
        is_profile || self.settled == Some(source)
    }

    fn profile_name(&self) -> Option<String> {
        self.profile.clone().or_else(|| variable("AWS_PROFILE"))
    }

    fn describe(&self, source: Source, credentials: &Credentials) -> String {
        let found = match source {
            Source::Environment => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned(),
            Source::Profile => {
                format!(
                    "profile {:?}",
                    self.profile_name().unwrap_or_else(|| "default".to_owned())
                )
            }
            Source::WebIdentity => format!("role {}", variable("AWS_ROLE_ARN").unwrap_or_default()),
            Source::Container => container().unwrap_or_default(),
            Source::Instance => "the role of this instance".to_owned(),
        };
        format!("{found}, access key {}", credentials.access_key_id())
    }

    fn explain(&self, source: Source, error: CredentialsError, asking: &Asking) -> TokenError {
        let act = match source {
            Source::Environment => "use AWS credentials of the environment".to_owned(),
            Source::Profile => format!(
                "get AWS credentials of profile {:?}",
                self.profile_name().unwrap_or_else(|| "default".to_owned())
            ),
            Source::WebIdentity => format!(
                "assume role {} with the web identity token in {}",
                variable("AWS_ROLE_ARN").unwrap_or_default(),
                variable("AWS_WEB_IDENTITY_TOKEN_FILE").unwrap_or_default()
            ),
            Source::Container => {
                format!(
                    "get AWS credentials from {}",
                    container().unwrap_or_default()
                )
            }
            Source::Instance => "get AWS credentials from the instance metadata service".to_owned(),
        };
        match asking.last_failure() {
            // It has advice of its own, or nobody here can mend an issuer in trouble.
            Some(failure) if failure.advice().is_some() || failure.cause().is_transient() => {
                failure.renamed(act)
            }
            Some(failure) => failure.renamed(act).hint(source.hint()),
            None => TokenError::new(cause(&error), act)
                .why(chain(&error))
                .hint(source.hint()),
        }
    }
}

impl Source {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Profile => "profile",
            Self::WebIdentity => "web identity (IRSA)",
            Self::Container => "container (EKS Pod Identity, ECS)",
            Self::Instance => "instance metadata (IMDSv2)",
        }
    }

    /// What is not set, where that alone decides.
    fn missing(self) -> Option<String> {
        let unset = |name: &str| {
            variable(name)
                .is_none()
                .then(|| format!("{name} is not set"))
        };
        match self {
            Self::Environment => {
                let (key, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
                // One without the other is a mistake, which the provider tells.
                let both = unset(key).is_some() && unset(secret).is_some();
                both.then(|| format!("{key} is not set"))
            }
            Self::Profile => None,
            Self::WebIdentity => {
                unset("AWS_WEB_IDENTITY_TOKEN_FILE").or_else(|| unset("AWS_ROLE_ARN"))
            }
            Self::Container => container().is_none().then(|| {
                "neither AWS_CONTAINER_CREDENTIALS_FULL_URI nor AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set".to_owned()
            }),
            Self::Instance => {
                let disabled = variable("AWS_EC2_METADATA_DISABLED");
                let is_disabled = disabled.is_some_and(|value| value.eq_ignore_ascii_case("true"));
                is_disabled.then(|| "AWS_EC2_METADATA_DISABLED is true".to_owned())
            }
        }
    }

    async fn ask(
        self,
        config: &ProviderConfig,
        profile: Option<&str>,
    ) -> Result<Credentials, CredentialsError> {
        match self {
            Self::Environment => {
                let provider = EnvironmentVariableCredentialsProvider::new();
                provider
                    .provide_credentials()
                    .await
                    .map_err(|error| match error {
                        // One of the two is there, or it would not have been asked.
                        CredentialsError::CredentialsNotLoaded(_) => {
                            CredentialsError::invalid_configuration(
                                "one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is not set",
                            )
                        }
                        other => other,
                    })
            }
            Self::Profile => {
                let mut provider = ProfileFileCredentialsProvider::builder().configure(config);
                if let Some(profile) = profile {
                    provider = provider.profile_name(profile);
                }
                provider.build().provide_credentials().await
            }
            Self::WebIdentity => {
                let provider = WebIdentityTokenCredentialsProvider::builder().configure(config);
                provider.build().provide_credentials().await
            }
            Self::Container => {
                let provider = EcsCredentialsProvider::builder().configure(config);
                provider.build().provide_credentials().await
            }
            Self::Instance => {
                let client = imds::Client::builder()
                    .configure(config)
                    .max_attempts(1)
                    .build();
                let provider = ImdsCredentialsProvider::builder().configure(config);
                provider
                    .imds_client(client)
                    .build()
                    .provide_credentials()
                    .await
            }
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Environment => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither",
            Self::Profile => "run: aws sts get-caller-identity, with the same AWS_PROFILE",
            Self::WebIdentity => {
                "check that the file is there and fresh, and that the role's trust policy names this service account's issuer, subject and audience"
            }
            Self::Container => {
                "check that this service account has a Pod Identity association (or this task a role), and the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names"
            }
            Self::Instance => {
                "check that the instance has a profile with a role; containers need a hop limit of 2"
            }
        }
    }
}

/// What the providers of `aws-config` need. It is made anew for each search, because it keeps what it read
/// of files.
fn config(asking: Asking, region: Option<String>) -> ProviderConfig {
    ProviderConfig::empty()
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_http_client(asking)
        .with_sleep_impl(TokioSleep::new())
        // Who asks for a renewal tries again.
        .with_retry_config(RetryConfig::disabled())
        .with_region(region.map(aws_config::Region::new))
}

/// The error when no source has anything. Where one was silent, that may pass.
fn nothing(considered: &[Considered], silence: Option<FailureCause>) -> TokenError {
    let mut why = String::new();
    for one in considered {
        if let super::super::token::Outcome::Absent(text) = &one.outcome {
            let separator = if why.is_empty() { "" } else { "; " };
            let _ = write!(why, "{separator}{}: {text}", one.source);
        }
    }
    let cause = silence.unwrap_or(FailureCause::Configuration);
    TokenError::new(cause, "find AWS credentials")
        .why(why)
        .hint("give this workload an identity (EKS Pod Identity, IRSA, an instance profile), or set AWS_PROFILE")
}

/// What a failure without any exchange means.
fn cause(error: &CredentialsError) -> FailureCause {
    match error {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
            FailureCause::Configuration
        }
        CredentialsError::ProviderTimedOut(_) => FailureCause::Timeout,
        // A file that is not there yet, or a program that failed.
        CredentialsError::ProviderError(_) => FailureCause::Unavailable,
        _ => FailureCause::Malformed,
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

/// Nobody names a profile, and the usual one is not there.
fn no_profile() -> String {
    let file = |name: &str, usual: &str| variable(name).unwrap_or_else(|| usual.to_owned());
    format!(
        "AWS_PROFILE is not set, and there is no profile \"default\" with credentials in {} or {}",
        file("AWS_CONFIG_FILE", "~/.aws/config"),
        file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    )
}

/// Where the container's endpoint is.
fn container() -> Option<String> {
    let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let relative = relative.map(|path| format!("http://169.254.170.2{path}"));
    relative.or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some repeat their cause in their own text.
        if !text.contains(&more) {
            let _ = write!(text, ": {more}");
        }
        cause = error.source();
    }
    text
}
