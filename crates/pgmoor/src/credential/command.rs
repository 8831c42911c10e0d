//! A credential that a program prints.
//!
//! The program is started without a shell and with a cleaned environment, and its standard output
//! is either the password on its first line or `{"password": "…", "expires_at": "…"}`.

use std::collections::HashMap;
use std::fmt;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pgmoor_wire::Secret;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::renewal::{Clock, Policy, Renewal, Status};
use super::{Credential, CredentialError, CredentialProvider, Request, Supply, moment, text};

/// What the next request for another server, user and database costs, is a map's entry: a gateway
/// asks for a few of them.
const MAX_KEPT: usize = 1_000;
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
    /// How long before its end a credential is renewed; at half its life where that is shorter.
    pub renewal_offset: Duration,
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
            renewal_offset: Duration::from_secs(300),
        }
    }
}

/// Supplies what a program prints, and asks it again in time.
///
/// The program learns what for from `PGHOST`, `PGPORT`, `PGUSER` and `PGDATABASE`; each of these
/// has a credential of its own. However many logins wait for one, it runs once.
#[derive(Debug)]
pub struct CommandProvider {
    command: Arc<Command>,
    kept: Mutex<Kept>,
}

/// What is known by what it was asked for, and what was asked for last.
#[derive(Debug, Default)]
struct Kept {
    renewals: HashMap<Purpose, Renewal<Credential>>,
    last: Option<Renewal<Credential>>,
}

/// What a program is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Purpose {
    host: String,
    port: u16,
    user: String,
    database: String,
}

impl Purpose {
    fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("PGHOST", self.host.clone()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.database.clone()),
        ]
    }
}

impl CommandProvider {
    /// Supplies what `command` prints.
    pub fn new(command: Command) -> Self {
        Self {
            command: Arc::new(command),
            kept: Mutex::default(),
        }
    }

    fn renewal(&self, request: Request<'_>) -> Renewal<Credential> {
        let host = request.host;
        let purpose = Purpose {
            host: host
                .name()
                .map_or_else(|| host.passfile_name(), str::to_owned),
            port: host.port,
            user: request.user.to_owned(),
            database: request.database.to_owned(),
        };
        let mut kept = self.kept();
        if kept.renewals.len() >= MAX_KEPT && !kept.renewals.contains_key(&purpose) {
            kept.renewals.clear();
        }
        let renewal = kept.renewals.entry(purpose).or_insert_with_key(|purpose| {
            let (command, purpose) = (self.command.clone(), purpose.clone());
            let policy = Policy {
                offset: command.renewal_offset,
                life: Some(command.ttl),
                // The command has a limit of its own, which says more.
                timeout: command.timeout.saturating_mul(2),
                tries: 1,
                ..Policy::new(command.origin())
            };
            Renewal::new(policy, Clock::system(), move || {
                let (command, purpose) = (command.clone(), purpose.clone());
                Box::pin(async move {
                    let output = command.run(&purpose.variables()).await?;
                    parse(output.expose(), &command.origin())
                })
            })
        });
        let renewal = renewal.clone();
        kept.last = Some(renewal.clone());
        renewal
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CredentialProvider for CommandProvider {
    fn name(&self) -> String {
        self.command.origin()
    }

    fn credential<'a>(&'a self, request: Request<'a>) -> Supply<'a> {
        let renewal = self.renewal(request);
        Box::pin(async move { renewal.get().await })
    }

    fn another<'a>(&'a self, request: Request<'a>, rejected: &'a Credential) -> Supply<'a> {
        let renewal = self.renewal(request);
        Box::pin(async move { renewal.another(|held| held.same_as(rejected)).await })
    }

    fn status(&self) -> Option<Status> {
        let last = self.kept().last.clone();
        last.map(|renewal| renewal.status())
    }
}

impl Command {
    pub(super) fn program(&self) -> String {
        self.argv.first().cloned().unwrap_or_default()
    }

    fn origin(&self) -> String {
        format!("credential command {:?}", self.program())
    }

    /// What it prints, when it is given these variables besides those of our environment that programs
    /// get.
    pub(super) async fn run(
        &self,
        variables: &[(&str, String)],
    ) -> Result<Secret<Vec<u8>>, CredentialError> {
        let start = |source| CredentialError::Start {
            program: self.program(),
            source: Arc::new(source),
        };
        let mut child = self.prepare(variables).spawn().map_err(start)?;
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
        let (status, output, complaint) = tokio::time::timeout(self.timeout, answer)
            .await
            .map_err(|_| CredentialError::Timeout {
                program: self.program(),
                timeout: self.timeout,
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

    fn prepare(&self, variables: &[(&str, String)]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(self.program());
        command
            .args(self.argv.iter().skip(1))
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_inherited)))
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
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
        let password = text::password(password.expose().as_bytes()).map_err(problem)?;
        return Ok(Credential {
            user,
            expires_at,
            ..Credential::password(password)
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
