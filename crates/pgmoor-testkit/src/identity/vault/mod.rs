//! HashiCorp Vault: tokens, AppRole, Kubernetes, and the database secrets engine, whose users really exist
//! in a PostgreSQL and are dropped when their lease ends.

mod roles;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::stand_in::{Asked, Reply, StandIn};
use super::time::{iso8601, unix};
use crate::ca::Certificate;
use crate::host::random_password;
use crate::postgres::Postgres;
use roles::Roles;

/// The database role that users are made of.
pub const ROLE: &str = "app-role";
/// The static role, and the user that it stands for.
pub const STATIC_ROLE: &str = "app-static";
/// Its user.
pub const STATIC_USER: &str = "vault_static";
/// The role of the auth method `kubernetes`.
pub const AUTH_ROLE: &str = "gate";
/// The group that users are made members of.
pub const GROUP: &str = "vault_group";

/// How often it is looked whose time is over.
const TICK: Duration = Duration::from_millis(50);

/// The server. Deref gives the [`StandIn`] that speaks for it.
pub struct VaultStandIn {
    server: StandIn,
    shared: Arc<Shared>,
}

struct Shared {
    roles: Roles,
    state: Mutex<State>,
}

struct State {
    /// How long a lease lives, and how long it can be prolonged.
    life: (Duration, Duration),
    /// The same of tokens that auth methods grant.
    token_life: (Duration, Duration),
    namespace: Option<String>,
    tokens: BTreeMap<String, Token>,
    leases: BTreeMap<String, Lease>,
    role_id: String,
    secret_id: String,
    jwt: String,
    static_password: String,
    /// Everybody who was ever made.
    made: Vec<(String, String)>,
}

struct Token {
    /// Nothing for one that does not end.
    ends: Option<SystemTime>,
    last_end: SystemTime,
    may_read: bool,
}

struct Lease {
    user: String,
    token: String,
    ends: SystemTime,
    last_end: SystemTime,
}

impl VaultStandIn {
    /// Starts one that makes users of `postgres`, which has to have a database `app`.
    pub async fn start(postgres: &Postgres) -> Self {
        Self::start_by(postgres, None).await
    }

    /// The same, by TLS.
    pub async fn start_tls(postgres: &Postgres, certificate: &Certificate) -> Self {
        Self::start_by(postgres, Some(certificate)).await
    }

    async fn start_by(postgres: &Postgres, certificate: Option<&Certificate>) -> Self {
        let static_password = random_password();
        let sql = format!(
            "create role {GROUP}; grant all on database app to {GROUP}; \
             create role {STATIC_USER} login password '{static_password}' in role {GROUP}"
        );
        postgres.psql(&sql).await;
        let hour = Duration::from_secs(3_600);
        let shared = Arc::new(Shared {
            roles: Roles::at(postgres.admin_url()),
            state: Mutex::new(State {
                life: (hour, hour * 24),
                token_life: (hour, hour * 24),
                namespace: None,
                tokens: BTreeMap::new(),
                leases: BTreeMap::new(),
                role_id: random_password(),
                secret_id: random_password(),
                jwt: format!("eyJ.{}", random_password()),
                static_password,
                made: Vec::new(),
            }),
        });
        let answering = shared.clone();
        let answer = move |asked: &Asked| answering.answer(asked);
        let server = match certificate {
            Some(certificate) => StandIn::start_tls(certificate, answer).await,
            None => StandIn::start(answer).await,
        };
        let watched = Arc::downgrade(&shared);
        std::thread::spawn(move || tick(&watched));
        Self { server, shared }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// A token that does not end.
    pub fn token(&self) -> String {
        self.state().grant(None, true)
    }

    /// A token that lives as long as those of auth methods.
    pub fn short_token(&self) -> String {
        let mut state = self.state();
        let life = state.token_life.0;
        state.grant(Some(life), true)
    }

    /// A token that may do nothing.
    pub fn powerless_token(&self) -> String {
        self.state().grant(None, false)
    }

    /// Ends a token, and with it what was leased by it.
    pub fn revoke_token(&self, token: &str) {
        self.state().tokens.remove(token);
        self.shared.sweep();
    }

    /// Ends all tokens.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
        self.shared.sweep();
    }

    /// The ids of the AppRole.
    pub fn app_role(&self) -> (String, String) {
        let state = self.state();
        (state.role_id.clone(), state.secret_id.clone())
    }

    /// The token of the pod's service account.
    pub fn jwt(&self) -> String {
        self.state().jwt.clone()
    }

    /// Another namespace than the root's.
    pub fn set_namespace(&self, namespace: &str) {
        self.state().namespace = Some(namespace.to_owned());
    }

    /// How long leases live, and how long they can be prolonged in all.
    pub fn set_life(&self, life: Duration, longest: Duration) {
        self.state().life = (life, longest);
    }

    /// The same of tokens.
    pub fn set_token_life(&self, life: Duration, longest: Duration) {
        self.state().token_life = (life, longest);
    }

    /// Ends all leases: their users are dropped.
    pub fn revoke_leases(&self) {
        let now = SystemTime::now();
        for lease in self.state().leases.values_mut() {
            lease.ends = now;
        }
        self.shared.sweep();
    }

    /// Gives the static role's user another password.
    pub fn rotate_static(&self) {
        let password = random_password();
        let sql = format!("alter role {STATIC_USER} password '{password}'");
        self.shared.roles.run(sql).expect("another password");
        self.state().static_password = password;
    }

    /// Everybody who was ever made, with the password.
    pub fn made(&self) -> Vec<(String, String)> {
        self.state().made.clone()
    }

    /// Those who live.
    pub fn users(&self) -> Vec<String> {
        let state = self.state();
        state
            .leases
            .values()
            .map(|lease| lease.user.clone())
            .collect()
    }

    /// How often a path was asked for, whose end is given.
    pub fn count_of(&self, end: &str) -> usize {
        let asked = self.server.asked();
        asked
            .iter()
            .filter(|asked| asked.path.ends_with(end))
            .count()
    }
}

impl std::ops::Deref for VaultStandIn {
    type Target = StandIn;

    fn deref(&self) -> &StandIn {
        &self.server
    }
}

fn tick(shared: &Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        shared.sweep();
        drop(shared);
        std::thread::park_timeout(TICK);
    }
}

fn deny(status: u16, error: &str) -> Reply {
    Reply::json(status, &json!({ "errors": [error] }))
}

/// What every answer has around what matters.
fn wrap(fields: Value) -> Reply {
    let mut whole = json!({
        "request_id": random_password(), "lease_id": "", "renewable": false, "lease_duration": 0,
        "data": null, "wrap_info": null, "warnings": null, "auth": null,
    });
    if let (Value::Object(whole), Value::Object(fields)) = (&mut whole, fields) {
        whole.extend(fields);
    }
    Reply::json(200, &whole)
}

impl State {
    fn grant(&mut self, life: Option<Duration>, may_read: bool) -> String {
        let token = format!("hvs.{}", random_password());
        let now = SystemTime::now();
        let known = Token {
            ends: life.map(|life| now + life),
            last_end: now + self.token_life.1,
            may_read,
        };
        self.tokens.insert(token.clone(), known);
        token
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the users whose time is over, or that of the token they were leased by.
    fn sweep(&self) {
        let now = SystemTime::now();
        let mut state = self.state();
        state
            .tokens
            .retain(|_, token| token.ends.is_none_or(|ends| ends > now));
        let over: Vec<String> = state
            .leases
            .iter()
            .filter(|(_, lease)| lease.ends <= now || !state.tokens.contains_key(&lease.token))
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            if let Some(lease) = state.leases.remove(&id) {
                // As Vault's plugin does, but for objects, of which there are none.
                let sql = format!("drop role if exists \"{}\"", lease.user);
                self.roles.run(sql).expect("the role is dropped");
            }
        }
    }

    fn answer(&self, asked: &Asked) -> Reply {
        self.sweep();
        self.serve(asked).unwrap_or_else(|refusal| refusal)
    }

    fn serve(&self, asked: &Asked) -> Result<Reply, Reply> {
        if asked.header("x-vault-request") != Some("true") {
            return Err(deny(412, "missing 'X-Vault-Request' header"));
        }
        let namespace = self.state().namespace.clone();
        if asked.header("x-vault-namespace") != namespace.as_deref() {
            return Err(deny(404, "no handler for route. route entry not found."));
        }
        let path = asked.path.strip_prefix("/v1/").unwrap_or_default();
        match (asked.method.as_str(), path) {
            ("POST" | "PUT", "auth/approle/login") => self.app_role(asked),
            ("POST" | "PUT", "auth/kubernetes/login") => self.kubernetes(asked),
            (_, "auth/approle/login" | "auth/kubernetes/login") => Err(unsupported()),
            _ => self.serve_known(asked, path),
        }
    }

    /// Who asks has to have a token.
    fn serve_known(&self, asked: &Asked, path: &str) -> Result<Reply, Reply> {
        let token = asked.header("x-vault-token").unwrap_or_default().to_owned();
        let may_read = match self.state().tokens.get(&token) {
            None => return Err(deny(403, "permission denied")),
            Some(known) => known.may_read,
        };
        let creds = format!("database/creds/{ROLE}");
        let static_creds = format!("database/static-creds/{STATIC_ROLE}");
        match (asked.method.as_str(), path) {
            ("GET", "auth/token/lookup-self") => Ok(self.look_up(&token)),
            ("POST" | "PUT", "auth/token/renew-self") => self.renew_token(&token),
            ("POST" | "PUT", "auth/token/revoke-self") => Ok(self.revoke_own(&token)),
            _ if !may_read => Err(deny(403, "1 error occurred:\n\t* permission denied\n\n")),
            ("GET", path) if path == creds => self.lease(&token),
            ("GET", path) if path == static_creds => Ok(self.static_login()),
            ("PUT" | "POST", "sys/leases/renew") => self.renew_lease(asked),
            ("PUT" | "POST", "sys/leases/revoke") => self.revoke_lease(asked),
            (_, path) if path == creds || path == static_creds => Err(unsupported()),
            (_, "sys/leases/renew" | "auth/token/lookup-self" | "auth/token/renew-self") => {
                Err(unsupported())
            }
            ("GET", path) if path.starts_with("database/creds/") => {
                let role = path.rsplit('/').next().unwrap_or_default();
                Err(deny(400, &format!("unknown role: {role}")))
            }
            _ => Err(deny(404, "no handler for route. route entry not found.")),
        }
    }

    fn app_role(&self, asked: &Asked) -> Result<Reply, Reply> {
        let fields = asked.json().unwrap_or_default();
        let mut state = self.state();
        if fields["role_id"] != state.role_id.as_str()
            || fields["secret_id"] != state.secret_id.as_str()
        {
            return Err(deny(400, "invalid role or secret ID"));
        }
        Ok(log_in(&mut state))
    }

    fn kubernetes(&self, asked: &Asked) -> Result<Reply, Reply> {
        let fields = asked.json().unwrap_or_default();
        let mut state = self.state();
        if fields["role"] != AUTH_ROLE {
            return Err(deny(400, "invalid role name \"\""));
        }
        if fields["jwt"] != state.jwt.as_str() {
            return Err(deny(403, "permission denied"));
        }
        Ok(log_in(&mut state))
    }

    fn look_up(&self, token: &str) -> Reply {
        let state = self.state();
        let ends = state.tokens.get(token).and_then(|token| token.ends);
        let left = ends.map_or(0, seconds_until);
        wrap(json!({ "data": {
            "ttl": left, "renewable": ends.is_some(), "policies": ["default", "database"], "type": "service",
        } }))
    }

    fn renew_token(&self, token: &str) -> Result<Reply, Reply> {
        let mut state = self.state();
        let life = state.token_life.0;
        let known = state.tokens.get_mut(token).expect("it is known");
        if known.ends.is_none() {
            return Err(deny(400, "lease is not renewable"));
        }
        let ends = (SystemTime::now() + life).min(known.last_end);
        known.ends = Some(ends);
        Ok(granted(token, seconds_until(ends)))
    }

    fn lease(&self, token: &str) -> Result<Reply, Reply> {
        let (user, password) = (
            format!("v-gate-{}", &random_password()[..12]),
            random_password(),
        );
        let now = SystemTime::now();
        let mut state = self.state();
        let (life, longest) = state.life;
        let sql = format!(
            "create role \"{user}\" login password '{password}' valid until '{}' in role {GROUP}",
            until(now + life)
        );
        self.roles.run(sql).map_err(|error| deny(500, &error))?;
        let id = format!("database/creds/{ROLE}/{}", random_password());
        let lease = Lease {
            user: user.clone(),
            token: token.to_owned(),
            ends: now + life,
            last_end: now + longest,
        };
        state.leases.insert(id.clone(), lease);
        state.made.push((user.clone(), password.clone()));
        Ok(wrap(json!({
            "lease_id": id, "renewable": true, "lease_duration": life.as_secs(),
            "data": { "username": user, "password": password },
        })))
    }

    fn renew_lease(&self, asked: &Asked) -> Result<Reply, Reply> {
        let fields = asked.json().unwrap_or_default();
        let id = fields["lease_id"].as_str().unwrap_or_default();
        let wanted = Duration::from_secs(fields["increment"].as_u64().unwrap_or_default());
        let now = SystemTime::now();
        let mut state = self.state();
        let Some(lease) = state.leases.get_mut(id) else {
            return Err(deny(400, "lease not found"));
        };
        let ends = (now + wanted).min(lease.last_end);
        let sql = format!(
            "alter role \"{}\" valid until '{}'",
            lease.user,
            until(ends)
        );
        self.roles.run(sql).map_err(|error| deny(500, &error))?;
        lease.ends = ends;
        Ok(wrap(json!({
            "lease_id": id, "renewable": true, "lease_duration": seconds_until(ends),
        })))
    }

    fn revoke_own(&self, token: &str) -> Reply {
        self.state().tokens.remove(token);
        self.sweep();
        Reply::text(204, "")
    }

    fn revoke_lease(&self, asked: &Asked) -> Result<Reply, Reply> {
        let fields = asked.json().unwrap_or_default();
        let id = fields["lease_id"].as_str().unwrap_or_default();
        let now = SystemTime::now();
        match self.state().leases.get_mut(id) {
            // Vault says nothing else of one that it does not know.
            None => return Ok(Reply::text(204, "")),
            Some(lease) => lease.ends = now,
        }
        self.sweep();
        Ok(Reply::text(204, ""))
    }

    fn static_login(&self) -> Reply {
        let state = self.state();
        wrap(json!({ "data": {
            "username": STATIC_USER, "password": state.static_password, "ttl": 3_600,
            "rotation_period": 86_400, "last_vault_rotation": "2026-01-01T00:00:00Z",
        } }))
    }
}

fn unsupported() -> Reply {
    deny(405, "1 error occurred:\n\t* unsupported operation\n\n")
}

fn log_in(state: &mut State) -> Reply {
    let life = state.token_life.0;
    let token = state.grant(Some(life), true);
    granted(&token, life.as_secs())
}

fn granted(token: &str, seconds: u64) -> Reply {
    wrap(json!({ "auth": {
        "client_token": token, "accessor": random_password(), "policies": ["default", "database"],
        "token_policies": ["default", "database"], "lease_duration": seconds, "renewable": true,
        "token_type": "service",
    } }))
}

fn seconds_until(ends: SystemTime) -> u64 {
    let left = ends.duration_since(SystemTime::now()).unwrap_or_default();
    // As Vault tells it: whole seconds that are left.
    left.as_secs()
}

/// As PostgreSQL reads times; a second later, as it counts whole ones.
fn until(ends: SystemTime) -> String {
    iso8601(unix(ends) + 1)
}
