//! Where the proof for a login comes from, told without logging in.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Connector;
use crate::credential::{
    Considered, CredentialError, CredentialProvider, Examined, FailureCause, Request, TokenError,
};
use crate::endpoint::Host;

const OWN: &str = "connection string";
const PASSFILE: &str = "passfile";

impl Connector {
    /// Gets a credential for the first host, as a login does, and tells all that may be told of it,
    /// by `deadline` at the latest.
    pub async fn examine(&self, database: Option<&str>, deadline: impl Into<Instant>) -> Examined {
        let deadline = deadline.into();
        let nowhere = Host::tcp("", 0);
        let host = self.endpoint.hosts.first().unwrap_or(&nowhere);
        let request = Request {
            host,
            database: database
                .or(self.endpoint.dbname.as_deref())
                .unwrap_or(&self.user),
            user: &self.user,
        };
        let begun = Instant::now();
        let mut examined = match timeout_at(deadline, self.credential.examine(request)).await {
            Ok(examined) => examined,
            Err(_) => return late(&*self.credential, begun.elapsed()),
        };
        if !examined.has_secret && examined.claims.is_ok() && examined.considered.is_empty() {
            let (considered, problem) = self.own(request);
            examined.considered = considered;
            if let Some(problem) = problem {
                examined.claims = Err(problem);
            }
        }
        examined
    }

    /// What the login falls back to where no provider has a secret: the endpoint's own, else the
    /// passfile's.
    fn own(&self, request: Request<'_>) -> (Vec<Considered>, Option<CredentialError>) {
        let own = match (&self.endpoint.scram_keys, &self.endpoint.password) {
            (Some(_), _) => Some("it has SCRAM keys"),
            (None, Some(_)) => Some("it has a password"),
            (None, None) => None,
        };
        if let Some(found) = own {
            let rest = Considered::not_reached(PASSFILE);
            return (vec![Considered::used(OWN, found), rest], None);
        }
        let absent = Considered::absent(OWN, "it has no password");
        let Some(passfile) = &self.passfile else {
            let none = Considered::absent(PASSFILE, "there is no home directory");
            return (vec![absent, none], None);
        };
        let name = passfile.name();
        let (looked, problem) = match passfile.look_up(request) {
            Ok(Some(_)) => (
                Considered::used(PASSFILE, format!("a line of {name}")),
                None,
            ),
            Ok(None) => {
                let missing = format!("{name} is not there, or has no line for this login");
                (Considered::absent(PASSFILE, missing), None)
            }
            Err(error) if self.endpoint.passfile.is_none() => {
                let ignored = format!("{name} is ignored: {}", crate::credential::chain(&error));
                (Considered::absent(PASSFILE, ignored), None)
            }
            Err(error) => {
                let failed = crate::credential::chain(&error);
                (Considered::failed(PASSFILE, failed), Some(error))
            }
        };
        (vec![absent, looked], problem)
    }
}

fn late(provider: &dyn CredentialProvider, waited: Duration) -> Examined {
    let act = format!(
        "get a credential from {} within {waited:.1?}",
        provider.name()
    );
    Examined {
        source: provider.name(),
        considered: Vec::new(),
        claims: Err(TokenError::new(FailureCause::Timeout, act).into()),
        has_secret: false,
        status: provider.status(),
    }
}
