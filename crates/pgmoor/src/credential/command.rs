//! A credential that a program prints.
//!
//! The program is started without a shell and with a cleaned environment, and its standard output
//! is either the password on its first line or `{"password": "…", "expires_at": "…"}`.

use std::collections::HashMap;
use std::fmt;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use pgmoor_wire::Secret;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::flight::{Cache, Decision};
use super::{Credential, CredentialError, CredentialProvider, Request, Supply, moment, text};

/// Even one that lives longer is renewed after a day.
const MAX_LIFETIME: Duration = Duration::from_secs(86_400);
/// More than this of an output is not read.
const MAX_OUTPUT: u64 = 64 * 1024;
const MAX_COMPLAINT: usize = 200;

/// What of our environment a program inherits: what it needs to find itself, its cloud and its
/// proxies, and nothing of ours.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "GOOGLE_APPLICATION_CREDENTIALS",
];
const INHERITED_PREFIXES: &[&str] = &[
    "LC_",
    "XDG_",
    "AWS_",
    "AZURE_",
    "CLOUDSDK_",
    "GOOGLE_",
    "KUBERNETES_",
    "VAULT_",
    "KRB5",
];

/// How a program is run for a credential.
#[derive(Clone)]
pub struct Command {
    /// The program and its arguments, each word as it is.
    pub argv: Vec<String>,
    /// Variables it gets besides the inherited ones.
    pub environment: Vec<(String, String)>,
    /// How long it may take.
    pub timeout: Duration,
    /// How long its credential is used when it does not say so itself.
    pub ttl: Duration,
}

impl fmt::Debug for Command {
    /// Without arguments and variables: people put secrets there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("program", &self.argv.first())
            .field("timeout", &self.timeout)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

impl Command {
    /// Runs `argv` with ten seconds to answer and ten minutes of life.
    pub fn new(argv: Vec<String>) -> Self {
        Self {
            argv,
            environment: Vec::new(),
            timeout: Duration::from_secs(10),
            ttl: Duration::from_secs(600),
        }
    }
}

/// Supplies what a program prints, and asks it again in time.
///
/// The program learns what for from `PGHOST`, `PGPORT`, `PGUSER` and `PGDATABASE`; each of these
/// has a credential of its own. However many logins wait for one, it runs once.
#[derive(Debug)]
pub struct CommandProvider {
    command: Command,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
}

type Key = (String, String, String);

#[derive(Debug, Default)]
struct Slot {
    cache: Mutex<Cache>,
    flight: tokio::sync::Mutex<()>,
}

impl CommandProvider {
    /// Supplies what `command` prints.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            slots: Mutex::default(),
        }
    }

    fn program(&self) -> String {
        self.command.argv.first().cloned().unwrap_or_default()
    }

    fn origin(&self) -> String {
        format!("credential command {:?}", self.program())
    }

    fn slot(&self, request: Request<'_>) -> Arc<Slot> {
        let key = (
            request.host.to_string(),
            request.user.to_owned(),
            request.database.to_owned(),
        );
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(key).or_default().clone()
    }

    async fn supply(&self, request: Request<'_>) -> Result<Credential, CredentialError> {
        let slot = self.slot(request);
        let cache = || slot.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let decision = cache().decide(Instant::now());
        let _flight = match decision {
            Decision::Use(credential) => return Ok(credential),
            Decision::Refuse(error) => return Err(error),
            Decision::Fetch(Some(valid)) => match slot.flight.try_lock() {
                Ok(flight) => flight,
                Err(_) => return Ok(valid),
            },
            Decision::Fetch(None) => slot.flight.lock().await,
        };
        // Another login may have fetched it, or failed to, while this one waited.
        let decision = cache().decide(Instant::now());
        match decision {
            Decision::Use(credential) => return Ok(credential),
            Decision::Refuse(error) => return Err(error),
            Decision::Fetch(_) => {}
        }
        let outcome = self.run(request).await.and_then(|output| {
            let credential = parse(output.expose(), &self.origin())?;
            let lifetime = self.lifetime(&credential, SystemTime::now())?;
            Ok((credential, lifetime))
        });
        match outcome {
            Ok((credential, lifetime)) => {
                cache().fetched(credential.clone(), lifetime, Instant::now());
                Ok(credential)
            }
            Err(error) => {
                let kept = cache().failed(error.clone(), Instant::now());
                if kept.is_ok() {
                    tracing::warn!(error = %error, "credential was not renewed and is kept while valid");
                }
                kept
            }
        }
    }

    fn lifetime(
        &self,
        credential: &Credential,
        now: SystemTime,
    ) -> Result<Duration, CredentialError> {
        match credential.expires_at {
            None => Ok(self.command.ttl.min(MAX_LIFETIME)),
            Some(end) => end
                .duration_since(now)
                .map(|left| left.min(MAX_LIFETIME))
                .map_err(|_| CredentialError::Expired {
                    origin: self.origin(),
                }),
        }
    }

    async fn run(&self, request: Request<'_>) -> Result<Secret<Vec<u8>>, CredentialError> {
        let start = |source| CredentialError::Start {
            program: self.program(),
            source: Arc::new(source),
        };
        let mut child = self.prepare(request).spawn().map_err(start)?;
        let group = child
            .id()
            .and_then(|id| rustix::process::Pid::from_raw(id as i32));
        let guard = KillGroup(group);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let answer = async {
            // Both at once: a full pipe would make the program wait for us.
            let (output, complaint) = tokio::join!(drain(stdout), drain(stderr));
            (child.wait().await, output, complaint)
        };
        let (status, output, complaint) = tokio::time::timeout(self.command.timeout, answer)
            .await
            .map_err(|_| CredentialError::Timeout {
                program: self.program(),
                timeout: self.command.timeout,
            })?;
        drop(guard);
        let status = status.map_err(start)?;
        if !status.success() {
            return Err(CredentialError::Failed {
                program: self.program(),
                status: status.to_string(),
                said: last_line(&complaint, output.expose()),
            });
        }
        Ok(output)
    }

    fn prepare(&self, request: Request<'_>) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(self.program());
        command
            .args(self.command.argv.iter().skip(1))
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_inherited)))
            .env(
                "PGHOST",
                request
                    .host
                    .name()
                    .map_or_else(|| request.host.passfile_name(), str::to_owned),
            )
            .env("PGPORT", request.host.port.to_string())
            .env("PGUSER", request.user)
            .env("PGDATABASE", request.database)
            .envs(
                self.command
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

impl CredentialProvider for CommandProvider {
    fn credential<'a>(&'a self, request: Request<'a>) -> Supply<'a> {
        Box::pin(self.supply(request))
    }

    fn invalidate(&self, rejected: &Credential) {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.values() {
            let mut cache = slot.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.rejected(rejected, &self.origin(), Instant::now());
        }
    }
}

/// Ends the program and all it started, also when nobody waits for it any more.
struct KillGroup(Option<rustix::process::Pid>);

impl Drop for KillGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

fn is_inherited(name: &str) -> bool {
    INHERITED.contains(&name)
        || INHERITED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

async fn drain(pipe: Option<impl AsyncRead + Unpin>) -> Secret<Vec<u8>> {
    let mut bytes = Vec::with_capacity(MAX_OUTPUT as usize);
    if let Some(pipe) = pipe {
        // What was read before an error is judged like a whole output.
        let _ = pipe.take(MAX_OUTPUT).read_to_end(&mut bytes).await;
    }
    Secret::new(bytes)
}

/// The last line of a complaint, unless it repeats what may be the secret.
fn last_line(complaint: &Secret<Vec<u8>>, output: &[u8]) -> Option<String> {
    let complaint = String::from_utf8_lossy(complaint.expose());
    let line = complaint
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())?;
    let output = String::from_utf8_lossy(output);
    let repeats = output
        .split_whitespace()
        .any(|word| word.len() > 3 && line.contains(word));
    (!repeats).then(|| {
        line.chars()
            .filter(|c| !c.is_control())
            .take(MAX_COMPLAINT)
            .collect()
    })
}

fn parse(output: &[u8], origin: &str) -> Result<Credential, CredentialError> {
    let problem = |problem| CredentialError::Content {
        origin: format!("output of {origin}"),
        problem,
    };
    if output.len() as u64 >= MAX_OUTPUT {
        return Err(problem("is longer than 64 KiB"));
    }
    if let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_slice(output) {
        let Some(serde_json::Value::String(password)) = fields.remove("password") else {
            return Err(problem("is JSON without a text \"password\""));
        };
        let password = Secret::new(password);
        let expires_at = match fields.remove("expires_at") {
            None | Some(serde_json::Value::Null) => None,
            Some(serde_json::Value::String(text)) => Some(
                moment::rfc3339(&text)
                    .ok_or_else(|| problem("has an \"expires_at\" that is no RFC 3339 date"))?,
            ),
            Some(serde_json::Value::Number(seconds)) => Some(
                seconds
                    .as_i64()
                    .and_then(moment::from_unix)
                    .ok_or_else(|| problem("has an \"expires_at\" that is no time"))?,
            ),
            Some(_) => return Err(problem("has an \"expires_at\" that is no time")),
        };
        let user = match fields.remove("user") {
            Some(serde_json::Value::String(user)) => Some(user),
            _ => None,
        };
        return Ok(Credential {
            user,
            secret: Some(text::password(password.expose().as_bytes()).map_err(problem)?),
            expires_at,
        });
    }
    let line = output
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    Ok(Credential::password(text::password(line).map_err(problem)?))
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
