//! The Azure CLI: whoever is logged in with `az login`. For people, not for servers.

use std::time::Duration;

use pgmoor_wire::Secret;
use serde::Deserialize;

use super::Miss;
use super::answer::{self, Seconds};
use super::plan::Cli;
use crate::credential::command::Command;
use crate::credential::token::{FailureCause, Token, TokenError};
use crate::credential::{CredentialError, chain, moment};

/// Python starts slowly.
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Granted {
    access_token: String,
    // The CLI writes it beside the local time `expiresOn`, since its release 2.54.
    #[serde(rename = "expires_on")]
    expires_on: Option<Seconds>,
}

/// Asks `az`.
pub(super) async fn ask(cli: &Cli, az: &str) -> Result<Token, Miss> {
    let act = "get a token from the Azure CLI";
    let mut argv = vec![
        az,
        "account",
        "get-access-token",
        "--output",
        "json",
        "--resource",
        &cli.resource,
    ];
    if let Some(tenant) = &cli.tenant {
        argv.extend(["--tenant", tenant]);
    }
    let command = Command {
        timeout: TIMEOUT,
        ..Command::new(argv.into_iter().map(str::to_owned).collect())
    };
    let output = match command.run(&[]).await {
        Err(CredentialError::Start { .. }) if cli.is_guess => {
            return Err(Miss::NotThere("there is no program az".to_owned()));
        }
        Err(error) => {
            let why = chain(&error);
            // Its own words begin so, and end with what to type.
            let is_out = why.contains("az login");
            if cli.is_guess && is_out {
                return Err(Miss::NotThere("nobody is logged in with az".to_owned()));
            }
            let hint = answer::hint(&why).unwrap_or("run: az login");
            let this = TokenError::new(error.cause(), act).because(error);
            return Err(this.hint(hint).into());
        }
        Ok(output) => output,
    };
    let granted: Granted = serde_json::from_slice(output.expose()).map_err(|_| {
        TokenError::new(FailureCause::Malformed, act).why("az printed something else than a token")
    })?;
    let access_token = Secret::new(granted.access_token);
    let ends = granted
        .expires_on
        .and_then(|at| at.value())
        .and_then(moment::from_unix);
    Ok(answer::of(act, access_token.expose().clone(), ends)?)
}
