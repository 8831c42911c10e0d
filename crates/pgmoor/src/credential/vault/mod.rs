//! Login with a database user of HashiCorp Vault's database secrets engine.
//!
//! ```text
//!   proof ─▶ token (renewed, or another) ─▶ lease of a user (renewed up to its last end, or another) ─▶ login
//! ```
//!
//! A lease ends with the token that it was taken with. A user whose lease has ended is dropped by Vault, so
//! that connections of a user that was replaced are to end while it still lives: its credential says so.

mod api;

mod login;

mod lease;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::renewal::{Clock, Policy, Renewal, Status};
use super::{Closing, Credential, CredentialProvider, Examination, Examined, Request, Supply};
use crate::http::Client;
use api::Api;
use lease::{Held, Leased};
pub use login::VaultLogin;

/// Where a pod's token is.
pub const POD_TOKEN: &str = login::POD_TOKEN;

/// What the configuration says about Vault.
#[derive(Debug, Clone)]
pub struct Vault {
    /// Where it is: `https://vault.example.com:8200`.
    pub address: String,
    /// The namespace that everything is in.
    pub namespace: Option<String>,
    /// How we prove who we are.
    pub login: VaultLogin,
    /// Whose users we want.
    pub role: VaultRole,
}

/// A role of the database secrets engine.
#[derive(Debug, Clone)]
pub struct VaultRole {
    /// Where the engine is mounted: `database`.
    pub mount: String,
    /// The role.
    pub name: String,
    /// Whether its user stays and only the password is rotated.
    pub is_static: bool,
}

/// Supplies users and passwords that Vault makes.
#[derive(Debug)]
pub struct VaultProvider {
    renewal: Renewal<Leased>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    api: Api,
    login: VaultLogin,
    role: VaultRole,
    clock: Clock,
    held: tokio::sync::Mutex<Held>,
    /// What servers rejected since the last fetch.
    rejected: Mutex<Vec<Credential>>,
}

impl VaultProvider {
    /// Supplies users of `vault.role`, whose leases are renewed by `policy`.
    pub fn new(vault: Vault, client: Client, policy: Policy, clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            api: Api::new(client, &vault.address, vault.namespace),
            login: vault.login,
            role: vault.role,
            clock: clock.clone(),
            held: tokio::sync::Mutex::default(),
            rejected: Mutex::default(),
        });
        let this = shared.clone();
        let renewal = Renewal::new(policy, clock, move || {
            let shared = this.clone();
            Box::pin(async move { shared.fetch().await })
        });
        Self { renewal, shared }
    }
}

impl Shared {
    async fn fetch(&self) -> Result<Leased, super::CredentialError> {
        let mut held = self.held.lock().await;
        for rejected in std::mem::take(&mut *self.rejected()) {
            held.reject(&rejected);
        }
        let now = self.clock.now().wall;
        Ok(held.fetch(&self.api, &self.login, &self.role, now).await?)
    }

    fn note(&self, rejected: &Credential) {
        let mut all = self.rejected();
        if !all.iter().any(|known| known.same_as(rejected)) {
            all.push(rejected.clone());
        }
    }

    fn rejected(&self) -> std::sync::MutexGuard<'_, Vec<Credential>> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CredentialProvider for VaultProvider {
    fn name(&self) -> String {
        format!("Vault, database role {}", self.shared.role.name)
    }

    fn credential<'a>(&'a self, _request: Request<'a>) -> Supply<'a> {
        Box::pin(async { Ok(self.renewal.get().await?.credential) })
    }

    fn another<'a>(&'a self, _request: Request<'a>, rejected: &'a Credential) -> Supply<'a> {
        self.shared.note(rejected);
        Box::pin(async {
            let is_it = |leased: &Leased| leased.credential.same_as(rejected);
            Ok(self.renewal.another(is_it).await?.credential)
        })
    }

    fn close(&self) -> Closing<'_> {
        Box::pin(async {
            // What is being fetched is given back too.
            let mut held = self.shared.held.lock().await;
            let (api, login) = (&self.shared.api, &self.shared.login);
            Ok(held.give_back(api, login).await?)
        })
    }

    fn status(&self) -> Option<Status> {
        Some(self.renewal.status())
    }

    fn examine<'a>(&'a self, _request: Request<'a>) -> Examination<'a> {
        Box::pin(async {
            let leased = self.renewal.get().await;
            Examined {
                source: self.name(),
                considered: self.shared.login.considered(),
                has_secret: leased.is_ok(),
                claims: leased.map(|leased| leased.claims()),
                status: self.status(),
            }
        })
    }
}

/// Whether less than half is left of what lived so long when it was fresh.
fn is_late(whole: Duration, ends: SystemTime, now: SystemTime) -> bool {
    let left = ends.duration_since(now).unwrap_or_default();
    left < whole / 2
}
