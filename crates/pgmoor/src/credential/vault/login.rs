//! How we prove to Vault who we are: a token that is given, or one for which an auth method is asked.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use pgmoor_wire::Secret;
use serde_json::json;

use super::super::given::GivenSecret;
use super::super::token::{Considered, FailureCause, TokenError};
use super::api::{Api, Auth};
use super::is_late;

/// Where Kubernetes puts the token of a pod's service account.
pub(super) const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// How we prove to Vault who we are.
#[derive(Debug, Clone)]
pub enum VaultLogin {
    /// By a token.
    Token(GivenSecret),
    /// By AppRole.
    AppRole {
        /// Where the method is mounted: `approle`.
        mount: String,
        /// The role's id.
        role_id: GivenSecret,
        /// The secret id, where the role demands one.
        secret_id: Option<GivenSecret>,
    },
    /// By a signed token of somebody whom Vault trusts: Kubernetes, or any issuer of JWTs.
    Jwt {
        /// Where the method is mounted: `kubernetes`.
        mount: String,
        /// The role that is asked for.
        role: String,
        /// The token's file, which is read at each login.
        file: PathBuf,
    },
    /// By `VAULT_TOKEN`, or else by what `vault login` left in the home directory.
    Found {
        /// The variable's value.
        variable: Option<Secret<String>>,
        /// The home directory.
        home: Option<PathBuf>,
    },
}

/// A token, and until when it is good.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) token: Secret<String>,
    /// What it lives when it is fresh, and when it ends; nothing where it does not.
    pub(super) life: Option<(Duration, SystemTime)>,
    renewable: bool,
    pub(super) policies: Vec<String>,
}

impl Session {
    fn of(auth: Auth, now: SystemTime) -> Self {
        Self {
            token: Secret::new(auth.client_token),
            life: life(auth.lease_duration, now),
            renewable: auth.renewable,
            policies: auth.policies,
        }
    }

    pub(super) fn ends(&self) -> Option<SystemTime> {
        self.life.map(|(_, ends)| ends)
    }

    /// Whether so little of its life is left that another, or more of it, is wanted.
    fn is_late(&self, now: SystemTime) -> bool {
        self.life
            .is_some_and(|(whole, ends)| is_late(whole, ends, now))
    }
}

fn life(seconds: u64, now: SystemTime) -> Option<(Duration, SystemTime)> {
    let whole = Duration::from_secs(seconds);
    (seconds > 0).then(|| Some((whole, now.checked_add(whole)?)))?
}

impl VaultLogin {
    /// Whether the token is one that we logged in for, and nobody else uses.
    pub(super) fn is_own(&self) -> bool {
        match self {
            Self::AppRole { .. } | Self::Jwt { .. } => true,
            Self::Token(_) | Self::Found { .. } => false,
        }
    }

    /// What is looked at, in that order, and the way that is gone.
    pub(super) fn considered(&self) -> Vec<Considered> {
        let (name, found) = match self {
            Self::Token(given) => ("token", given.describe()),
            Self::AppRole { mount, role_id, .. } => (
                "AppRole",
                format!("at auth/{mount}, role id {}", role_id.describe()),
            ),
            Self::Jwt { mount, role, file } => (
                "JWT",
                format!(
                    "at auth/{mount} as role {role}, token in {}",
                    file.display()
                ),
            ),
            Self::Found { variable, home } => return look(variable.is_some(), home.as_ref()),
        };
        vec![Considered::used(name, found)]
    }

    /// The session to go on with: the one of before, prolonged or not, or another.
    pub(super) async fn session(
        &self,
        api: &Api,
        before: Option<Session>,
        now: SystemTime,
    ) -> Result<Session, TokenError> {
        let Some(before) = before.filter(|before| self.is_current(before)) else {
            return self.log_in(api, now).await;
        };
        if !before.is_late(now) {
            return Ok(before);
        }
        if before.renewable && before.ends().is_some_and(|ends| ends > now) {
            match api.renew_self(&before.token).await {
                Ok(auth) => {
                    let whole = before.life.map(|(whole, _)| whole);
                    let mut session = Session::of(auth, now);
                    // As long as it lived at first: what is granted shrinks when its last end is near.
                    if let (Some(whole), Some((life, _))) = (whole, &mut session.life) {
                        *life = whole;
                    }
                    if !session.is_late(now) {
                        return Ok(session);
                    }
                }
                Err(error) if error.cause().is_transient() => return Err(error),
                Err(_) => {}
            }
        }
        self.log_in(api, now).await
    }

    /// Whether a token that is given is still the one that was.
    fn is_current(&self, session: &Session) -> bool {
        let given = match self {
            Self::AppRole { .. } | Self::Jwt { .. } => return true,
            Self::Token(given) => given.read(),
            Self::Found { .. } => self.find(),
        };
        given.is_ok_and(|given| given.expose() == session.token.expose())
    }

    async fn log_in(&self, api: &Api, now: SystemTime) -> Result<Session, TokenError> {
        match self {
            Self::Token(_) | Self::Found { .. } => {
                let token = self.find().map_err(|why| {
                    let error = TokenError::new(FailureCause::Configuration, "find a Vault token");
                    error.why(why).hint(
                        "give a way to log in to Vault: \"vault.token\", \"vault.token_file\", \"vault.role_id\" or \"vault.auth_role\", or set VAULT_TOKEN",
                    )
                })?;
                given(api, token, now).await
            }
            Self::AppRole {
                mount,
                role_id,
                secret_id,
            } => {
                let act = format!("log in to Vault by AppRole at auth/{mount}");
                let read = |given: &GivenSecret| {
                    given.read().map_err(|why| {
                        TokenError::new(FailureCause::Configuration, act.clone()).why(why)
                    })
                };
                let mut fields = json!({ "role_id": read(role_id)?.expose() });
                if let Some(secret_id) = secret_id {
                    fields["secret_id"] = json!(read(secret_id)?.expose());
                }
                Ok(Session::of(api.log_in(&act, mount, &fields).await?, now))
            }
            Self::Jwt { mount, role, file } => {
                let act = format!("log in to Vault at auth/{mount} as role {role}");
                let jwt = GivenSecret::ForeignFile(file.clone()).read().map_err(|why| {
                    let error = TokenError::new(FailureCause::Configuration, act.clone()).why(why);
                    error.hint("is the service account's token mounted? Set \"vault.jwt_file\" where it is elsewhere")
                })?;
                let fields = json!({ "role": role, "jwt": jwt.expose() });
                let auth = api.log_in(&act, mount, &fields).await;
                let auth = auth.map_err(|error| match error.cause() {
                    FailureCause::Refused => error.hint("check that the auth method's role names this service account, its namespace and the token's audience"),
                    _ => error,
                })?;
                Ok(Session::of(auth, now))
            }
        }
    }

    /// A token that is given.
    fn find(&self) -> Result<Secret<String>, String> {
        match self {
            Self::Token(given) => given.read(),
            Self::Found {
                variable: Some(token),
                ..
            } => Ok(token.clone()),
            Self::Found {
                variable: None,
                home,
            } => match home {
                Some(home) => GivenSecret::File(helper_file(home)).read(),
                None => Err("VAULT_TOKEN is not set, and there is no home directory".to_owned()),
            },
            Self::AppRole { .. } | Self::Jwt { .. } => Err("an auth method is asked".to_owned()),
        }
    }
}

/// Where `vault login` leaves its token.
fn helper_file(home: &std::path::Path) -> PathBuf {
    home.join(".vault-token")
}

fn look(has_variable: bool, home: Option<&PathBuf>) -> Vec<Considered> {
    const VARIABLE: &str = "VAULT_TOKEN";
    const FILE: &str = "file of vault login";
    if has_variable {
        return vec![
            Considered::used(VARIABLE, "it is set"),
            Considered::not_reached(FILE),
        ];
    }
    let file = home.map(|home| helper_file(home));
    let found = match file {
        Some(file) if file.exists() => Considered::used(FILE, file.display().to_string()),
        Some(file) => Considered::absent(FILE, format!("{} does not exist", file.display())),
        None => Considered::absent(FILE, "there is no home directory"),
    };
    vec![Considered::absent(VARIABLE, "it is not set"), found]
}

/// A token that somebody else got; how long it lives, Vault knows.
async fn given(api: &Api, token: Secret<String>, now: SystemTime) -> Result<Session, TokenError> {
    let about = match api.look_up_self(&token).await {
        Ok(about) => about,
        // Its policy need not allow to ask.
        Err(error) if error.cause() == FailureCause::Refused => {
            return Ok(Session {
                token,
                life: None,
                renewable: false,
                policies: Vec::new(),
            });
        }
        Err(error) => return Err(error),
    };
    Ok(Session {
        token,
        life: life(about.ttl, now),
        renewable: about.renewable,
        policies: about.policies,
    })
}
