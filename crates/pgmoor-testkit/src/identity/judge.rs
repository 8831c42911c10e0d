//! Says whether a token lets a user in, as the cloud's database would, and why not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::sigv4::{Signed, decode};
use super::time::{iso8601, read_basic, unix};

/// How far ahead of the service a signature may be dated.
const SKEW: i64 = 300;

/// Knows what was issued, and judges what is shown. A clone is the same judge.
#[derive(Clone, Default)]
pub struct Judge(Arc<Mutex<Docket>>);

#[derive(Default)]
struct Docket {
    tokens: HashMap<String, Issued>,
    keys: HashMap<String, AwsKeys>,
    database: Option<AwsDatabase>,
    /// Seconds that the service's clock is ahead of this host's.
    ahead: i64,
    verdicts: Vec<Verdict>,
}

struct Issued {
    user: String,
    expires_at: i64,
    is_revoked: bool,
}

/// AWS credentials that the judge knows.
#[derive(Debug, Clone)]
pub struct AwsKeys {
    /// Such as `ASIA…`.
    pub access_key_id: String,
    /// What signs.
    pub secret_access_key: String,
    /// What has to be shown besides, for keys that end.
    pub session_token: Option<String>,
    /// When they end, in seconds since 1970.
    pub expires_at: Option<i64>,
}

/// The database that AWS tokens are for.
#[derive(Debug, Clone)]
pub struct AwsDatabase {
    /// The endpoint's host, as tokens must name it.
    pub host: String,
    /// Its port; none for Aurora DSQL, whose tokens name none.
    pub port: Option<u16>,
    /// Its region.
    pub region: String,
    /// `rds-db`, or `dsql`.
    pub service: &'static str,
    /// `connect`, `DbConnect` or `DbConnectAdmin`.
    pub action: &'static str,
    /// Whom the identity's policy lets log in; everybody, when nobody is named.
    pub users: Vec<String>,
}

/// What was decided about one login.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Who wanted in.
    pub user: String,
    /// What was shown as the password.
    pub token: String,
    /// Why not, if not.
    pub outcome: Result<(), String>,
}

impl AwsDatabase {
    /// An RDS instance.
    pub fn rds(host: &str, port: u16, region: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: Some(port),
            region: region.to_owned(),
            service: "rds-db",
            action: "connect",
            users: Vec::new(),
        }
    }
}

impl Judge {
    /// One that knows nothing yet, and lets nobody in.
    pub fn new() -> Self {
        Self::default()
    }

    fn docket(&self) -> std::sync::MutexGuard<'_, Docket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a token that was issued for a user.
    pub fn issued(&self, token: &str, user: &str, life: Duration) {
        let expires_at = unix(SystemTime::now() + life);
        let user = user.to_owned();
        let is_revoked = false;
        let issued = Issued {
            user,
            expires_at,
            is_revoked,
        };
        self.docket().tokens.insert(token.to_owned(), issued);
    }

    /// Lets a token that was issued count no more.
    pub fn revoke(&self, token: &str) {
        if let Some(issued) = self.docket().tokens.get_mut(token) {
            issued.is_revoked = true;
        }
    }

    /// Knows these AWS credentials.
    pub fn know(&self, keys: &AwsKeys) {
        let id = keys.access_key_id.clone();
        self.docket().keys.insert(id, keys.clone());
    }

    /// Knows these AWS credentials no more.
    pub fn forget(&self, access_key_id: &str) {
        self.docket().keys.remove(access_key_id);
    }

    /// The credentials of this id.
    pub fn keys(&self, access_key_id: &str) -> Option<AwsKeys> {
        self.docket().keys.get(access_key_id).cloned()
    }

    /// Says which database AWS tokens have to be for.
    pub fn guard(&self, database: AwsDatabase) {
        self.docket().database = Some(database);
    }

    /// Sets the service's clock that many seconds ahead of this host's; behind, when negative.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.docket().ahead = seconds;
    }

    /// What was decided so far.
    pub fn verdicts(&self) -> Vec<Verdict> {
        self.docket().verdicts.clone()
    }

    /// Why the last who wanted in was not let in.
    pub fn last_refusal(&self) -> Option<String> {
        let verdicts = self.verdicts();
        verdicts.last()?.outcome.clone().err()
    }

    /// Judges.
    ///
    /// # Errors
    /// Why this user is not let in with this token.
    pub fn judge(&self, user: &str, token: &str) -> Result<(), String> {
        let mut docket = self.docket();
        let outcome = if token.contains("X-Amz-Signature=") {
            docket.judge_aws(user, token)
        } else {
            docket.judge_issued(user, token)
        };
        docket.verdicts.push(Verdict {
            user: user.to_owned(),
            token: token.to_owned(),
            outcome: outcome.clone(),
        });
        outcome
    }
}

impl Docket {
    fn now(&self) -> i64 {
        unix(SystemTime::now()) + self.ahead
    }

    fn judge_issued(&self, user: &str, token: &str) -> Result<(), String> {
        let Some(issued) = self.tokens.get(token) else {
            return Err("nobody issued this token".to_owned());
        };
        if issued.user != user {
            return Err(format!("the token is for {:?}, not {user:?}", issued.user));
        }
        if issued.is_revoked {
            return Err("the token was revoked".to_owned());
        }
        if issued.expires_at <= self.now() {
            return Err(format!(
                "the token expired at {}",
                iso8601(issued.expires_at)
            ));
        }
        Ok(())
    }

    fn judge_aws(&self, user: &str, token: &str) -> Result<(), String> {
        let database = self.database.as_ref().ok_or("there is no AWS database")?;
        let (place, query) = token.split_once("/?").ok_or("there is no query")?;
        let mut parameters = Vec::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').ok_or("a parameter has no value")?;
            let (name, value) = (decode(name), decode(value));
            parameters.push((name.ok_or("bad encoding")?, value.ok_or("bad encoding")?));
        }
        let once = |name: &str| {
            let mut found = parameters.iter().filter(|(known, _)| known == name);
            let first = found.next().ok_or(format!("{name} is missing"))?;
            if found.next().is_some() {
                return Err(format!("{name} stands twice"));
            }
            Ok(first.1.clone())
        };
        let expect = |name: &str, wanted: &str| {
            let found = once(name)?;
            if found == wanted {
                Ok(())
            } else {
                Err(format!("{name} is {found:?}, not {wanted:?}"))
            }
        };
        let host = match database.port {
            Some(port) => format!("{}:{port}", database.host.to_lowercase()),
            None => database.host.to_lowercase(),
        };
        if place.to_lowercase() != host {
            return Err(format!("the token is for {place:?}, not {host:?}"));
        }
        expect("Action", database.action)?;
        if database.service == "rds-db" {
            expect("DBUser", user)?;
        }
        expect("X-Amz-Algorithm", "AWS4-HMAC-SHA256")?;
        expect("X-Amz-SignedHeaders", "host")?;
        let credential = once("X-Amz-Credential")?;
        let (id, scope) = credential
            .split_once('/')
            .ok_or("the credential has no scope")?;
        let date = once("X-Amz-Date")?;
        let day = date.get(..8).ok_or("the date is too short")?;
        let wanted = format!(
            "{day}/{}/{}/aws4_request",
            database.region, database.service
        );
        if scope != wanted {
            return Err(format!("the scope is {scope:?}, not {wanted:?}"));
        }
        let keys = self
            .keys
            .get(id)
            .ok_or(format!("the access key {id} is unknown"))?;
        if let Some(session) = &keys.session_token {
            expect("X-Amz-Security-Token", session)?;
        } else if once("X-Amz-Security-Token").is_ok() {
            return Err("there is a session token that was never issued".to_owned());
        }
        let signature = once("X-Amz-Signature")?;
        let signed = Signed {
            method: "GET",
            path: "/",
            query: parameters
                .iter()
                .filter(|(name, _)| name != "X-Amz-Signature")
                .cloned()
                .collect(),
            headers: vec![("host".to_owned(), host)],
            body: b"",
            date: &date,
            scope,
        };
        if signed.signature(&keys.secret_access_key) != signature {
            return Err("the signature does not match".to_owned());
        }
        let signed_at = read_basic(&date).ok_or("the date is none")?;
        let life: i64 = once("X-Amz-Expires")?
            .parse()
            .map_err(|_| "the life is no number")?;
        self.in_time(signed_at, life, keys)?;
        if database.users.is_empty() || database.users.iter().any(|known| known == user) {
            Ok(())
        } else {
            Err(format!(
                "the policy does not allow rds-db:connect as {user:?}"
            ))
        }
    }

    fn in_time(&self, signed_at: i64, life: i64, keys: &AwsKeys) -> Result<(), String> {
        let now = self.now();
        if !(1..=900).contains(&life) {
            return Err(format!("a life of {life} s is not allowed"));
        }
        if signed_at > now + SKEW {
            return Err(format!("the token is dated {} s ahead", signed_at - now));
        }
        if now >= signed_at + life {
            return Err(format!(
                "the token expired {} s ago",
                now - signed_at - life
            ));
        }
        match keys.expires_at {
            Some(end) if end <= now => Err("the credentials that signed have expired".to_owned()),
            _ => Ok(()),
        }
    }
}
