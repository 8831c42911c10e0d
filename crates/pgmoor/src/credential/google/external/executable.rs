//! A subject token that a program prints, in the form that Google's libraries have agreed on.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgmoor_wire::Secret;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::super::Context;
use super::super::fields::{self, Fields, unreadable};
use super::super::impersonation::Target;
use crate::credential::{FailureCause, TokenError};

const ALLOW: &str = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES";
const USUAL_TIMEOUT: u64 = 30_000;
const MAX_OUTPUT: u64 = 1024 * 1024;

/// A program, and what it is told.
#[derive(Debug)]
pub(super) struct Executable {
    words: Vec<String>,
    timeout: Duration,
    /// Where it leaves its answer for the next who asks.
    output_file: Option<PathBuf>,
    told: Vec<(&'static str, String)>,
}

impl Executable {
    pub(super) fn read(
        fields: &Fields<'_>,
        audience: &str,
        kind: &str,
        target: Option<&Target>,
    ) -> Result<Self, TokenError> {
        let command = fields.text("command")?;
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            return Err(unreadable(fields.origin, "has an empty \"command\""));
        }
        let timeout = fields.number("timeout_millis").unwrap_or(USUAL_TIMEOUT);
        let output_file = fields.optional("output_file");
        let mut told = vec![
            ("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", audience.to_owned()),
            ("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", kind.to_owned()),
            ("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", "0".to_owned()),
        ];
        if let Some(target) = target {
            told.push((
                "GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL",
                target.email.clone(),
            ));
        }
        if let Some(file) = &output_file {
            told.push(("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE", file.clone()));
        }
        Ok(Self {
            words,
            timeout: Duration::from_millis(timeout.clamp(5_000, 120_000)),
            output_file: output_file.map(PathBuf::from),
            told,
        })
    }

    pub(super) fn describe(&self) -> String {
        format!("the token of program \"{}\"", self.words[0])
    }

    pub(super) async fn token(&self, context: &Context) -> Result<Secret<String>, TokenError> {
        let act = format!("get {}", self.describe());
        let failed = |cause| TokenError::new(cause, &act);
        if context.variable(ALLOW).as_deref() != Some("1") {
            return Err(failed(FailureCause::Configuration)
                .why(format!("{ALLOW} is not 1"))
                .hint("a credential file that runs programs must be allowed to: set that variable, if you trust the file"));
        }
        let left = self
            .output_file
            .as_ref()
            .and_then(|path| fields::read(path).ok());
        if let Some(Ok(token)) = left.map(|bytes| judge(&bytes, SystemTime::now())) {
            return Ok(token);
        }
        let output = tokio::time::timeout(self.timeout, self.run());
        let output = match output.await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(failed(FailureCause::Configuration).because(error)),
            Err(_) => {
                let why = format!("it gave no answer within {:?}", self.timeout);
                return Err(failed(FailureCause::Timeout).why(why));
            }
        };
        judge(&output, SystemTime::now()).map_err(|why| {
            let by_hand = "run it by hand as the user that pgmoor runs as";
            failed(FailureCause::Malformed).why(why).hint(by_hand)
        })
    }

    async fn run(&self) -> std::io::Result<zeroize::Zeroizing<Vec<u8>>> {
        let mut child = tokio::process::Command::new(&self.words[0])
            .args(&self.words[1..])
            .envs(self.told.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut output = zeroize::Zeroizing::new(Vec::new());
        if let Some(pipe) = child.stdout.take() {
            pipe.take(MAX_OUTPUT).read_to_end(&mut output).await?;
        }
        // What it printed says whether it worked.
        child.wait().await?;
        Ok(output)
    }
}

/// Reads version 1 of the answer.
fn judge(output: &[u8], now: SystemTime) -> Result<Secret<String>, String> {
    let answer: Value = serde_json::from_slice(output).map_err(|_| "it printed no JSON")?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    if answer.get("version").and_then(Value::as_u64) != Some(1) {
        return Err("its answer is not of version 1".to_owned());
    }
    if answer.get("success").and_then(Value::as_bool) != Some(true) {
        let (code, message) = (text("code").unwrap_or("?"), text("message").unwrap_or("?"));
        let message: String = message
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        return Err(format!("it says: {code}: {message}"));
    }
    if let Some(ends) = answer.get("expiration_time").and_then(Value::as_u64) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if ends <= since.as_secs() {
            return Err("its token has expired".to_owned());
        }
    }
    let token = match text("token_type") {
        Some("urn:ietf:params:oauth:token-type:saml2") => text("saml_response"),
        _ => text("id_token"),
    };
    token
        .map(Secret::from)
        .ok_or_else(|| "its answer has no token".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_programs_are_judged() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let read = |text: &str| judge(text.as_bytes(), now).map(|token| token.expose().clone());
        let id = "urn:ietf:params:oauth:token-type:id_token";
        let good = format!(
            r#"{{"version":1,"success":true,"token_type":"{id}","id_token":"abc","expiration_time":1001}}"#
        );
        assert_eq!(read(&good).as_deref(), Ok("abc"));
        let saml = r#"{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:saml2","saml_response":"xml"}"#;
        assert_eq!(read(saml).as_deref(), Ok("xml"));
        assert_eq!(
            read(&good.replace("1001", "1000")).expect_err("expired"),
            "its token has expired"
        );
        let refusal = r#"{"version":1,"success":false,"code":"401","message":"log in\nfirst"}"#;
        assert_eq!(
            read(refusal).expect_err("refused"),
            "it says: 401: log infirst"
        );
        assert!(read("{}").is_err());
        assert!(read("token").is_err());
    }
}
