//! Login to Amazon RDS, Aurora and Aurora DSQL by IAM.
//!
//! The token is signed here for each connection, from credentials that are kept and renewed; it costs
//! microseconds and there is nothing in it that could expire unused. Where credentials come from is the
//! work of `aws-config`, which brings neither an HTTP client nor a cache of its own here.

mod client;
mod region;
mod sign;
mod sources;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use tokio::sync::OnceCell;

use super::renewal::{Clock, Expiring, Policy, Renewal, Status};
use super::token::{Claim, Considered, FailureCause, TokenError};
use super::{
    Credential, CredentialError, CredentialProvider, Examination, Examined, Request, Supply,
};
use crate::endpoint::Target;
use crate::http::Client;
use region::{Kind, of_host};
use sign::Wanted;
use sources::{Found, Search, Source};

/// What the configuration says about a login by IAM.
#[derive(Debug, Clone, Default)]
pub struct Aws {
    /// The database's region; without it, that of the endpoint's name, of `AWS_REGION`,
    /// `AWS_DEFAULT_REGION`, the profile, or the instance.
    pub region: Option<String>,
    /// The profile whose credentials are used, and none but those.
    pub profile: Option<String>,
    /// The database endpoint's own name, where the connection goes to another one.
    pub host: Option<String>,
    /// The database endpoint's own port, where the connection goes to another one.
    pub port: Option<u16>,
}

/// Supplies tokens for RDS, Aurora and Aurora DSQL.
#[derive(Debug)]
pub struct AwsProvider {
    aws: Aws,
    client: Client,
    clock: Clock,
    found: Renewal<Found>,
    shared: Arc<Shared>,
    /// The region of the surroundings, for names that tell none.
    surroundings: OnceCell<String>,
}

#[derive(Debug, Default)]
struct Shared {
    considered: Mutex<Vec<Considered>>,
    /// Where STS is asked when nothing else says where: the region of the last login.
    region: Mutex<Option<String>>,
    /// Where credentials came from.
    settled: Mutex<Option<Source>>,
}

impl AwsProvider {
    /// Supplies tokens for the identity that this process has, found by its environment.
    pub fn from_environment(aws: Aws) -> Self {
        let client = Client::from_environment(|name| std::env::var(name).ok());
        Self::new(aws, client, Policy::new("AWS"), Clock::system())
    }

    /// Supplies tokens, from credentials that are renewed by `policy`.
    pub fn new(aws: Aws, client: Client, policy: Policy, clock: Clock) -> Self {
        let shared = Arc::new(Shared::default());
        let (at, profile, asked) = (shared.clone(), aws.profile.clone(), client.clone());
        let found = Renewal::new(policy, clock.clone(), move || {
            let shared = at.clone();
            let region = lock(&shared.region).clone();
            let (client, profile) = (asked.clone(), profile.clone());
            Box::pin(async move {
                let settled = *lock(&shared.settled);
                let search = Search {
                    client,
                    profile,
                    region,
                    settled,
                };
                let (considered, outcome) = search.find().await;
                *lock(&shared.considered) = considered;
                if let Ok(found) = &outcome {
                    *lock(&shared.settled) = Some(found.source);
                }
                Ok(outcome?)
            })
        });
        Self {
            aws,
            client,
            clock,
            found,
            shared,
            surroundings: OnceCell::new(),
        }
    }

    async fn supply(
        &self,
        request: Request<'_>,
        rejected: Option<&Credential>,
    ) -> Result<(Credential, Vec<Claim>), CredentialError> {
        let name = match &request.host.target {
            Target::Name { name, .. } => name.clone(),
            Target::Address(address) => address.to_string(),
            Target::Socket(path) => path.display().to_string(),
        };
        // A dot at its end keeps a resolver from trying other names, and is no part of it.
        let host = self.aws.host.as_deref().unwrap_or(&name);
        let host = host.strip_suffix('.').unwrap_or(host);
        let named = of_host(host);
        let kind = named.as_ref().map(|named| named.kind);
        if kind == Some(Kind::LoadBalancer) {
            let error = TokenError::new(FailureCause::Configuration, format!("sign a token for {host}"))
                .why("this is the name of a load balancer, and tokens have to name the database endpoint")
                .hint("set \"aws.host\" (and \"aws.port\") to those of the database endpoint");
            return Err(error.into());
        }
        let region = match (&self.aws.region, named) {
            (Some(region), _) => region.clone(),
            (None, Some(named)) => named.region,
            (None, None) => self.region_of_surroundings(host).await?,
        };
        *lock(&self.shared.region) = Some(region.clone());
        let found = match rejected.and_then(|rejected| rejected.origin.as_deref()) {
            None => self.found.get().await?,
            Some(key) => {
                let is_it = |found: &Found| key == found.credentials.access_key_id();
                self.found.another(is_it).await?
            }
        };
        let wanted = Wanted {
            host,
            port: self.aws.port.unwrap_or(request.host.port),
            user: request.user,
            region: &region,
            is_dsql: kind == Some(Kind::Dsql),
        };
        let now = self.clock.now().wall;
        let secret = sign::token(&wanted, &found.credentials, now).map_err(|error| {
            TokenError::new(
                FailureCause::Configuration,
                format!("sign a token for {host}"),
            )
            .why(error.to_string())
        })?;
        let key = found.credentials.access_key_id();
        let signed_at = httpdate::fmt_http_date(now);
        let mut credential = Credential::token(secret, Some(end(&found.credentials, now)));
        credential.origin = Some(key.into());
        credential.advice = Some(advice(&wanted, &found, &signed_at));
        let claims = vec![
            Claim::new("access key", key),
            Claim::new("endpoint", wanted.place()),
            Claim::new("user", request.user),
            Claim::new("region", &region),
            Claim::new("signed at", signed_at),
            Claim::new(
                "expires at",
                httpdate::fmt_http_date(end(&found.credentials, now)),
            ),
        ];
        Ok((credential, claims))
    }

    /// `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's region, the instance's.
    async fn region_of_surroundings(&self, host: &str) -> Result<String, TokenError> {
        let found = self.surroundings.get_or_try_init(|| async {
            let search = Search {
                client: self.client.clone(),
                profile: self.aws.profile.clone(),
                region: None,
                settled: None,
            };
            let region = match search.region_named().await {
                Some(region) => Some(region),
                None => search.region_of_instance().await,
            };
            region.ok_or_else(|| {
                TokenError::new(FailureCause::Configuration, format!("tell the AWS region of {host}"))
                    .why("the name tells none, and neither do AWS_REGION, AWS_DEFAULT_REGION, the profile or the instance")
                    .hint("set \"aws.region\" to the database's region")
            })
        });
        found.await.cloned()
    }
}

impl CredentialProvider for AwsProvider {
    fn name(&self) -> String {
        "AWS".to_owned()
    }

    fn credential<'a>(&'a self, request: Request<'a>) -> Supply<'a> {
        Box::pin(async move { Ok(self.supply(request, None).await?.0) })
    }

    fn another<'a>(&'a self, request: Request<'a>, rejected: &'a Credential) -> Supply<'a> {
        Box::pin(async move { Ok(self.supply(request, Some(rejected)).await?.0) })
    }

    fn status(&self) -> Option<Status> {
        Some(self.found.status())
    }

    fn examine<'a>(&'a self, request: Request<'a>) -> Examination<'a> {
        Box::pin(async move {
            let claims = self.supply(request, None).await.map(|(_, claims)| claims);
            Examined {
                source: self.name(),
                considered: lock(&self.shared.considered).clone(),
                has_secret: claims.is_ok(),
                claims,
                status: self.status(),
            }
        })
    }
}

impl Expiring for Found {
    fn expires_at(&self) -> Option<SystemTime> {
        self.credentials.expiry()
    }

    fn is_same(&self, other: &Self) -> bool {
        self.credentials.access_key_id() == other.credentials.access_key_id()
            && self.credentials.session_token() == other.credentials.session_token()
    }
}

/// A token ends with its own life, or with the credentials that signed it.
fn end(credentials: &Credentials, now: SystemTime) -> SystemTime {
    let own = now + sign::LIFE;
    credentials.expiry().map_or(own, |end| own.min(end))
}

/// What to look at when a server rejects the token: the server does not say.
fn advice(wanted: &Wanted<'_>, found: &Found, signed_at: &str) -> String {
    format!(
        "the token is for user \"{}\" at {} in {}, signed at {signed_at} by access key {} (source: {}); check the clock of this host, that the database endpoint is the one named, that the role has rds_iam, and that the identity's policy allows rds-db:connect for it",
        wanted.user,
        wanted.place(),
        wanted.region,
        found.credentials.access_key_id(),
        found.source.name(),
    )
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
