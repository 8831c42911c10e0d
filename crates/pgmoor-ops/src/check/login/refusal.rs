//! Why a login was refused: one reason each, told apart as far as the server tells.

use std::sync::Arc;

use pgmoor::connector::{ConnectError, Stage};

use crate::check::Ground;
use crate::check::verdict::{Outcome, Skip, Verdict, pass};
use crate::facts::configuration::CredentialKind;
use crate::facts::login::LoggedIn;

/// Why a login was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It never came to a login: the network or TLS is why.
    Before,
    /// The server fell silent, or closed the connection, or talked nonsense.
    Broken,
    /// It starts, stops or recovers.
    NotNow,
    /// It has no connection left.
    Full,
    /// There is nothing to log in with.
    NoCredential,
    /// Our own settings forbid what the server asks for.
    Settings,
    /// No line of pg_hba.conf lets us in.
    Hba,
    /// The client certificate is for somebody else.
    Certificate,
    /// The token was refused.
    Token,
    /// The role may not log in by a cloud's identity.
    IamRole,
    /// There is no such role, or it may not log in.
    Role,
    /// The password was refused.
    Password,
    /// There is no such database, or it lets nobody in.
    Database,
    /// The server is a primary where a standby is wanted, or the other way round.
    Sort,
    /// Anything else.
    Other,
}

/// Why this login was refused.
pub(super) fn of(error: &ConnectError, credential: CredentialKind) -> Refusal {
    match error {
        ConnectError::All { attempts } => {
            // The one that came farthest says most; of equals the last.
            let farthest = attempts.iter().rev().max_by_key(|error| error.stage());
            farthest.map_or(Refusal::Before, |error| of(error, credential))
        }
        ConnectError::Resolve { .. }
        | ConnectError::Connect { .. }
        | ConnectError::WrongPeer { .. }
        | ConnectError::TlsSetup { .. }
        | ConnectError::TlsRefused { .. }
        | ConnectError::TlsErrorAnswer { .. }
        | ConnectError::BytesBeforeTls { .. }
        | ConnectError::TlsHandshake { .. }
        | ConnectError::NoAlpn { .. }
        | ConnectError::CertificateNotAsked { .. }
        | ConnectError::Unprepared { .. }
        | ConnectError::ExposedToken { .. } => Refusal::Before,
        ConnectError::Timeout { stage, .. }
        | ConnectError::Lost { stage, .. }
        | ConnectError::Protocol { stage, .. } => match stage {
            Stage::Dns | Stage::Tcp | Stage::Tls => Refusal::Before,
            Stage::Credential => Refusal::NoCredential,
            Stage::Auth | Stage::Startup | Stage::Target | Stage::Cancel => Refusal::Broken,
        },
        ConnectError::Credential { .. } | ConnectError::NoPassword { .. } => Refusal::NoCredential,
        ConnectError::AuthMethod { .. } | ConnectError::Scram { .. } => Refusal::Settings,
        ConnectError::WrongServer { .. } => Refusal::Sort,
        ConnectError::Server { source, .. } => {
            let code = source.sqlstate.map(|code| code.as_str().to_owned());
            of_server(
                code.as_deref().unwrap_or_default(),
                source.routine.as_deref().unwrap_or_default(),
                &source.message,
                credential,
            )
        }
        _ => Refusal::Other,
    }
}

/// 28000 stands for many things, which the routine that refused tells apart: it is the same whatever language
/// the server speaks (`lc_messages`). Poolers name none, and speak English.
fn of_server(code: &str, routine: &str, message: &str, credential: CredentialKind) -> Refusal {
    let says = |text: &str| message.contains(text);
    match code {
        "28P01" if credential.is_token() => Refusal::IamRole,
        "28P01" => Refusal::Password,
        "28000" => of_authorization(routine, message, credential),
        "3D000" | "55000" => Refusal::Database,
        "42501" => Refusal::Database,
        // PgBouncer's word for a database it does not know.
        "08P01" if says("no such database") => Refusal::Database,
        "08P01" if says("no such user") => Refusal::Role,
        "53300" => Refusal::Full,
        "57P03" | "57P01" | "57P02" => Refusal::NotNow,
        _ => Refusal::Other,
    }
}

fn of_authorization(routine: &str, message: &str, credential: CredentialKind) -> Refusal {
    let says = |text: &str| message.contains(text);
    // Names stay what they are in every language.
    let by_other_means = ["PAM", "LDAP", "RADIUS", "BSD", "OAuth"]
        .iter()
        .any(|name| says(name));
    match routine {
        // postinit.c, miscinit.c: the role does not exist, or may not log in.
        "InitializeSessionUserId" | "InitializeSessionUserIdStandalone" => Refusal::Role,
        // auth.c, before the method: no line fits, or one that demands a certificate.
        "ClientAuthentication" if says("pg_hba.conf") => Refusal::Hba,
        "ClientAuthentication" => Refusal::Before,
        // auth.c, after the method; a wrong password is 28P01 but by these.
        "auth_failed" if by_other_means && credential.is_token() => Refusal::Token,
        "auth_failed" if by_other_means => Refusal::Password,
        "auth_failed" if credential.is_token() => Refusal::Token,
        "auth_failed"
            if !["GSSAPI", "SSPI", "Ident", "Peer"]
                .iter()
                .any(|name| says(name)) =>
        {
            Refusal::Certificate
        }
        _ if says("valid client certificate") => Refusal::Before,
        _ if says("certificate authentication failed") => Refusal::Certificate,
        _ if says("pg_hba.conf") => Refusal::Hba,
        _ if says("does not exist") || says("not permitted to log in") => Refusal::Role,
        _ if credential.is_token() => Refusal::Token,
        // What PAM and LDAP say of a wrong password.
        _ if says("authentication failed") => Refusal::Password,
        _ => Refusal::Other,
    }
}

/// A verdict where `is` is why the login was refused; a pass after a login; no answer where the login was
/// refused for another reason.
pub(super) fn judge(
    on: Ground<'_>,
    is: Refusal,
    passed: impl FnOnce(&LoggedIn) -> String,
    failed: impl FnOnce(&Arc<ConnectError>, &str) -> Verdict,
) -> Outcome {
    let login = on.login()?;
    match &login.outcome {
        Ok(session) => Ok(pass(passed(session))),
        Err(error) if of(error, on.configuration().credential) == is => {
            Ok(failed(error, &login.user))
        }
        Err(_) => Err(Skip::NoGround),
    }
}

/// What the server said, with its code.
pub(super) fn said(error: &ConnectError) -> String {
    match error.report() {
        Some(report) => {
            let code = report.sqlstate.map(|code| format!(" ({})", code.as_str()));
            format!("{}{}", report.message, code.unwrap_or_default())
        }
        None => crate::error::chain(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server says whose `lc_messages` is de_DE, with the routine that said it.
    #[test]
    fn a_refusal_is_told_whatever_language_the_server_speaks() {
        for (code, routine, message, refusal) in [
            (
                "28000",
                "InitializeSessionUserId",
                "Rolle »app« existiert nicht",
                Refusal::Role,
            ),
            (
                "28000",
                "InitializeSessionUserId",
                "Rolle »app« hat keine Berechtigung zum Einloggen",
                Refusal::Role,
            ),
            (
                "28000",
                "ClientAuthentication",
                "kein pg_hba.conf-Eintrag für Host »10.0.0.1«, Benutzer »app«",
                Refusal::Hba,
            ),
            (
                "28000",
                "ClientAuthentication",
                "Verbindung erfordert ein gültiges Client-Zertifikat",
                Refusal::Before,
            ),
            (
                "28000",
                "auth_failed",
                "Zertifikatauthentifizierung für Benutzer »app« fehlgeschlagen",
                Refusal::Certificate,
            ),
            (
                "28000",
                "auth_failed",
                "PAM-Authentifizierung für Benutzer »app« fehlgeschlagen",
                Refusal::Password,
            ),
            (
                "28P01",
                "auth_failed",
                "Passwort-Authentifizierung für Benutzer »app« fehlgeschlagen",
                Refusal::Password,
            ),
            ("28000", "", "role \"app\" does not exist", Refusal::Role),
            ("28000", "", "something of a proxy's own", Refusal::Other),
        ] {
            let found = of_server(code, routine, message, CredentialKind::Password);
            assert_eq!(found, refusal, "{message}");
        }
        let token = of_server(
            "28000",
            "auth_failed",
            "PAM-Authentifizierung",
            CredentialKind::Aws,
        );
        assert_eq!(token, Refusal::Token);
    }
}
