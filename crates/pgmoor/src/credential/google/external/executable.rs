//! A subject token that a program prints, in the form that Google's libraries have agreed on.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgmoor_wire::Secret;
use serde_json::Value;

use super::super::Context;
use super::super::fields::{self, Fields, unreadable};
use super::super::impersonation::Target;
use crate::credential::{Command, FailureCause, TokenError};

const ALLOW: &str = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES";
const USUAL_TIMEOUT: u64 = 30_000;

/// A program, and what it is told.
#[derive(Debug)]
pub(super) struct Executable {
    command: Command,
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
            command: Command {
                timeout: Duration::from_millis(timeout.clamp(5_000, 120_000)),
                ..Command::new(words)
            },
            output_file: output_file.map(PathBuf::from),
            told,
        })
    }

    pub(super) fn describe(&self) -> String {
        format!("the token of program \"{}\"", self.command.program())
    }

    pub(super) async fn token(&self, context: &Context) -> Result<Secret<String>, TokenError> {
        let act = format!("get {}", self.describe());
        let failed = |cause| TokenError::new(cause, &act);
        if context.variable(ALLOW).as_deref() != Some("1") {
            return Err(failed(FailureCause::Configuration)
                .why(format!("{ALLOW} is not 1"))
                .hint("a credential file that runs programs must be allowed to: set that variable, if you trust the file"));
        }
        if let Some(token) = self.left_behind() {
            return Ok(token);
        }
        let output = self.command.run(&self.told).await;
        let output = output.map_err(|error| {
            let (cause, hint) = (error.cause(), error.hint());
            let failed = failed(cause).because(error);
            match hint {
                Some(hint) => failed.hint(hint),
                None => failed,
            }
        })?;
        let answer = judge(output.expose(), SystemTime::now()).map_err(|why| {
            let by_hand = "run it by hand as the user that pgmoor runs as";
            failed(FailureCause::Malformed).why(why).hint(by_hand)
        })?;
        Ok(answer.token)
    }

    /// The token of an answer that was left in the file, as long as it is good. One that does not say when
    /// it ends may have ended long ago.
    fn left_behind(&self) -> Option<Secret<String>> {
        let bytes = fields::read(self.output_file.as_ref()?).ok()?;
        let answer = judge(&bytes, SystemTime::now()).ok()?;
        answer.ends.map(|_| answer.token)
    }
}

/// What a program answered.
#[derive(Debug)]
struct Answer {
    token: Secret<String>,
    /// In seconds since 1970.
    ends: Option<u64>,
}

/// Reads version 1 of the answer.
fn judge(output: &[u8], now: SystemTime) -> Result<Answer, String> {
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
    let ends = answer.get("expiration_time").and_then(Value::as_u64);
    if let Some(ends) = ends {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if ends <= since.as_secs() {
            return Err("its token has expired".to_owned());
        }
    }
    let token = match text("token_type") {
        Some("urn:ietf:params:oauth:token-type:saml2") => text("saml_response"),
        _ => text("id_token"),
    };
    let token = token.ok_or("its answer has no token")?;
    Ok(Answer {
        token: Secret::from(token),
        ends,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_programs_are_judged() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let read =
            |text: &str| judge(text.as_bytes(), now).map(|answer| answer.token.expose().clone());
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
