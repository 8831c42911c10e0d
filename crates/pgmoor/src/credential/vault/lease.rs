//! A database user on loan: taken, prolonged, and replaced when it ends for good.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pgmoor_wire::Secret;

use super::super::renewal::Expiring;
use super::super::retired::Retired;
use super::super::token::{Claim, FailureCause, TokenError};
use super::super::{Credential, text};
use super::api::Api;
use super::login::{Session, VaultLogin};
use super::{VaultRole, is_late};

/// A user and a password, and until when they are good.
#[derive(Debug, Clone)]
pub(super) struct Leased {
    pub(super) credential: Credential,
    lease: Option<Lease>,
    pub(super) policies: Vec<String>,
    is_static: bool,
}

/// A lease that can be prolonged, or not.
#[derive(Debug, Clone)]
struct Lease {
    id: String,
    /// How long Vault gave it at first; for so long it is prolonged, too.
    granted: Duration,
    /// What it lived at first: its token may have ended sooner.
    whole: Duration,
    renewable: bool,
    /// The token that it was taken with: it ends with that at the latest.
    token: Secret<String>,
}

/// What is at hand between two fetches.
#[derive(Debug, Default)]
pub(super) struct Held {
    session: Option<Session>,
    pub(super) leased: Option<Leased>,
    /// Nothing is taken any more.
    is_closed: bool,
}

impl Leased {
    /// What can be told of it.
    pub(super) fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        if let Some(user) = &self.credential.user {
            claims.push(Claim::new("database user", user));
        }
        if let Some(lease) = &self.lease {
            claims.push(Claim::new("lease", &lease.id));
            let renewable = if lease.renewable { "yes" } else { "no" };
            claims.push(Claim::new("renewable", renewable));
        }
        if !self.policies.is_empty() {
            claims.push(Claim::new(
                "policies of the token",
                self.policies.join(", "),
            ));
        }
        if let Some(ends) = self.credential.expires_at {
            claims.push(Claim::new("expires at", httpdate::fmt_http_date(ends)));
        }
        claims
    }
}

impl Expiring for Leased {
    fn expires_at(&self) -> Option<SystemTime> {
        self.credential.expires_at
    }

    fn is_same(&self, other: &Self) -> bool {
        // A lease that was prolonged is not the same once more, although its user is.
        let is_same = self.credential.same_as(&other.credential);
        is_same && (self.is_static || self.credential.expires_at == other.credential.expires_at)
    }
}

impl Held {
    /// Prolongs what is held, or takes another. What was left behind is retired.
    pub(super) async fn fetch(
        &mut self,
        api: &Api,
        login: &VaultLogin,
        role: &VaultRole,
        now: SystemTime,
    ) -> Result<Leased, TokenError> {
        if self.is_closed {
            let act = format!("get a user of Vault's database role {}", role.name);
            return Err(TokenError::new(FailureCause::Unavailable, act).why("pgmoor stops"));
        }
        let before = self.session.take();
        let was_at_hand = before.is_some();
        let session = login.session(api, before.clone(), now).await;
        let session = session.inspect_err(|_| self.session = before)?;
        self.session = Some(session.clone());
        if let Some(leased) = self.prolong(api, &session, now).await? {
            return Ok(leased);
        }
        let taken = match take(api, &session, role, now).await {
            // Somebody may have revoked it: one more try with a new one.
            Err(error) if was_at_hand && error.cause() == FailureCause::Refused => {
                self.session = None;
                let session = login.session(api, None, now).await?;
                self.session = Some(session.clone());
                take(api, &session, role, now).await?
            }
            taken => taken?,
        };
        let is_other = |before: &Leased| before.credential.user != taken.credential.user;
        if let Some(before) = self.leased.take().filter(is_other) {
            retire(&before);
        }
        self.leased = Some(taken.clone());
        Ok(taken)
    }

    /// Has the user dropped, and ends the token where it is our own: with that go all users that were leased by
    /// it. Nothing is taken afterwards.
    pub(super) async fn give_back(
        &mut self,
        api: &Api,
        login: &VaultLogin,
    ) -> Result<(), TokenError> {
        self.is_closed = true;
        let (session, leased) = (self.session.take(), self.leased.take());
        let Some(session) = session else {
            return Ok(());
        };
        if login.is_own() {
            return api.revoke_self(&session.token).await;
        }
        match leased.and_then(|leased| leased.lease) {
            Some(lease) => api.revoke(&session.token, &lease.id).await,
            None => Ok(()),
        }
    }

    /// Forgets what a server rejected.
    pub(super) fn reject(&mut self, rejected: &Credential) {
        let is_it = |leased: &Leased| leased.credential.same_as(rejected);
        if self.leased.as_ref().is_some_and(is_it)
            && let Some(leased) = self.leased.take()
        {
            retire(&leased);
        }
    }

    /// The same user for longer, where Vault lets it live on.
    async fn prolong(
        &mut self,
        api: &Api,
        session: &Session,
        now: SystemTime,
    ) -> Result<Option<Leased>, TokenError> {
        let Some(leased) = &self.leased else {
            return Ok(None);
        };
        let Some(lease) = &leased.lease else {
            return Ok(None);
        };
        if !lease.renewable || lease.token.expose() != session.token.expose() {
            return Ok(None);
        }
        let renewed = api.renew(&session.token, &lease.id, lease.granted.as_secs());
        let renewed = match renewed.await {
            Ok(renewed) => renewed,
            // It is still good for a while; who renews asks again.
            Err(error) if error.cause().is_transient() => return Err(error),
            Err(error) => {
                tracing::info!(lease = lease.id, error = %super::super::chain(&error), "Vault lease cannot be renewed, another is taken");
                return Ok(None);
            }
        };
        let granted = Duration::from_secs(renewed.lease_duration);
        let ends = earliest(now.checked_add(granted), session.ends());
        if ends.is_none_or(|ends| is_late(lease.whole, ends, now)) {
            // Its last end is near: another is taken while this one still serves.
            return Ok(None);
        }
        let mut leased = leased.clone();
        if let Some(retired) = &leased.credential.retired {
            retired.put_off(ends, now);
        }
        leased.credential.expires_at = ends;
        if let Some(lease) = &mut leased.lease {
            lease.renewable = renewed.renewable;
        }
        self.leased = Some(leased.clone());
        Ok(Some(leased))
    }
}

fn retire(leased: &Leased) {
    if let Some(retired) = &leased.credential.retired {
        retired.retire();
    }
}

async fn take(
    api: &Api,
    session: &Session,
    role: &VaultRole,
    now: SystemTime,
) -> Result<Leased, TokenError> {
    let (kind, what) = match role.is_static {
        false => ("creds", "a user"),
        true => ("static-creds", "the password"),
    };
    let act = format!("get {what} of Vault's database role {}", role.name);
    let (mount, name) = (&role.mount, &role.name);
    let issued = api.credentials(&act, &session.token, mount, kind, name);
    let issued = issued.await?;
    let malformed = |why: &str| TokenError::new(FailureCause::Malformed, act.clone()).why(why);
    if issued.data.username.is_empty() {
        return Err(malformed("the answer names no user"));
    }
    let password = text::password(issued.data.password.as_bytes());
    let password = password.map_err(|problem| malformed(&format!("the password {problem}")))?;
    let left = match role.is_static {
        // Then the password is another; its user stays, and so do those who are in.
        true => issued.data.ttl.map(Duration::from_secs),
        false => Some(Duration::from_secs(issued.lease_duration)),
    };
    let own_end = left.and_then(|left| now.checked_add(left));
    let ends = match role.is_static {
        true => own_end,
        false => earliest(own_end, session.ends()),
    };
    let granted = Duration::from_secs(issued.lease_duration);
    let lease = (!role.is_static && !issued.lease_id.is_empty()).then(|| Lease {
        id: issued.lease_id.clone(),
        granted,
        whole: ends
            .and_then(|ends| ends.duration_since(now).ok())
            .unwrap_or(granted),
        renewable: issued.renewable,
        token: session.token.clone(),
    });
    let advice = format!(
        "the user is \"{}\", from Vault's database role {name}{}; check that the role's creation statements let it log in here, and that Vault manages this server",
        issued.data.username,
        lease
            .as_ref()
            .map(|lease| format!(", lease {}", lease.id))
            .unwrap_or_default(),
    );
    let credential = Credential {
        user: Some(issued.data.username),
        expires_at: ends,
        origin: lease.as_ref().map(|lease| lease.id.as_str().into()),
        retired: (!role.is_static).then(|| Arc::new(Retired::new(ends, now))),
        advice: Some(advice),
        ..Credential::password(password)
    };
    Ok(Leased {
        credential,
        lease,
        policies: session.policies.clone(),
        is_static: role.is_static,
    })
}

fn earliest(one: Option<SystemTime>, other: Option<SystemTime>) -> Option<SystemTime> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
