//! Who may log in, and what each one has to prove. Decided without waiting for anything.

use std::collections::HashMap;
use std::fmt;

use pgmoor::stream::Peer;
use pgmoor_wire::scram::{ScramError, Verifier};

use crate::settings::{AuthSettings, CertificateLogin, Passthrough, TrustScope};

/// As many as PostgreSQL itself uses.
const ITERATIONS: u32 = pgmoor_wire::scram::DEFAULT_ITERATIONS;

/// One user.
#[derive(Debug)]
struct User {
    verifier: Verifier,
    /// The databases it may connect to; empty for all.
    databases: Vec<String>,
}

/// The users, and what else lets somebody in.
pub(crate) struct Users {
    users: HashMap<String, User>,
    passthrough: Passthrough,
    trust: Vec<TrustScope>,
    certificate: CertificateLogin,
    admins: Vec<String>,
    observers: Vec<String>,
    /// Unknown users are asked for a proof like all others; this makes theirs up.
    mock_key: [u8; 32],
    /// What most listed users are asked for, so that others cannot be told from them by it.
    usual_iterations: u32,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("users", &self.users.len())
            .finish_non_exhaustive()
    }
}

/// What a client has to prove.
#[derive(Debug)]
pub(crate) enum Proof {
    /// Nothing: the place it comes from is trusted.
    Trusted,
    /// Nothing more: its certificate names it.
    Certified,
    /// That it knows the password of this verifier.
    Scram(Box<Verifier>),
    /// The same, with a verifier that the server has.
    ScramFromServer,
    /// Its password is wanted as it is, to be tried at the server.
    Password,
}

/// What is wrong with a user's entry.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// A verifier of another kind than SCRAM-SHA-256.
    #[error("user \"{user}\" has no SCRAM-SHA-256 verifier")]
    Verifier {
        /// Whose entry.
        user: String,
        /// Why it is none.
        #[source]
        source: ScramError,
    },
    /// A line of the users file.
    #[error("users file, line {line}: expected \"name\" \"password\"")]
    Line {
        /// Which line, from 1.
        line: usize,
    },
}

impl Users {
    /// From the settings; `file` is the users file's text, `generated` a user with a password that
    /// was made up for this installation.
    ///
    /// # Errors
    ///
    /// [`UserError`] for the first entry that cannot be used.
    pub(crate) fn new(
        settings: &AuthSettings,
        file: Option<&str>,
        generated: Option<(&str, &str)>,
        mock_key: [u8; 32],
    ) -> Result<Self, UserError> {
        let mut users = HashMap::new();
        for (name, password) in generated
            .into_iter()
            .map(|(n, p)| (n.to_owned(), p.to_owned()))
        {
            users.insert(name.clone(), user(&name, &password, Vec::new())?);
        }
        for (name, stored) in file.map(parse_file).transpose()?.unwrap_or_default() {
            let entry = user(&name, &stored, Vec::new())?;
            users.insert(name, entry);
        }
        for (name, entry) in &settings.users {
            let stored = entry.verifier.as_ref().or(entry.password.as_ref());
            let stored = stored.map_or("", |secret| secret.expose().as_str());
            users.insert(name.clone(), user(name, stored, entry.databases.clone())?);
        }
        Ok(Self {
            usual_iterations: usual_iterations(&users),
            users,
            passthrough: settings.passthrough,
            trust: settings.trust.clone(),
            certificate: settings.certificate,
            admins: settings.admin_users.clone(),
            observers: settings.stats_users.clone(),
            mock_key,
        })
    }

    /// What this client has to prove; `certified` is the name in its verified certificate.
    ///
    /// # Errors
    ///
    /// Why no proof would do, for the log.
    pub(crate) fn proof(
        &self,
        user: &str,
        peer: &Peer,
        certified: Option<&str>,
    ) -> Result<Proof, String> {
        let listed = self.users.get(user);
        if self.certificate == CertificateLogin::Cn
            && let Some(name) = certified
        {
            return if name != user {
                Err(format!("the client certificate is for \"{name}\""))
            } else if listed.is_some() {
                Ok(Proof::Certified)
            } else {
                Err("the user is not listed".into())
            };
        }
        let scope = match peer {
            Peer::Unix { .. } => TrustScope::Unix,
            Peer::Tcp(_) => TrustScope::Loopback,
        };
        if listed.is_some() && peer.is_local() && self.trust.contains(&scope) {
            return Ok(Proof::Trusted);
        }
        Ok(match (listed, self.passthrough) {
            (Some(user), _) => Proof::Scram(Box::new(user.verifier.clone())),
            (None, Passthrough::Query) => Proof::ScramFromServer,
            (None, Passthrough::Password) => Proof::Password,
            (None, Passthrough::None) => Proof::Scram(Box::new(self.mock(user, None))),
        })
    }

    /// A verifier that no password fits, always the same for the same name; `iterations` are those of
    /// the users it hides among, if they are not listed here.
    pub(crate) fn mock(&self, user: &str, iterations: Option<u32>) -> Verifier {
        let mut verifier = Verifier::mock(user, &self.mock_key);
        verifier.iterations = iterations.unwrap_or(self.usual_iterations);
        verifier
    }

    /// The users that are listed, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.users.keys().cloned().collect();
        names.sort();
        names
    }

    pub(crate) fn may_use(&self, user: &str, database: &str) -> bool {
        self.users.get(user).is_none_or(|user| {
            user.databases.is_empty() || user.databases.iter().any(|name| name == database)
        })
    }

    /// Whether the user may use every command of the admin database.
    pub(crate) fn is_admin(&self, user: &str) -> bool {
        self.admins.iter().any(|name| name == user)
    }

    /// Whether the user may look at the admin database.
    pub(crate) fn is_observer(&self, user: &str) -> bool {
        self.observers.iter().any(|name| name == user)
    }
}

/// The count that most users have; of several, the greatest.
fn usual_iterations(users: &HashMap<String, User>) -> u32 {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    for user in users.values() {
        *counts.entry(user.verifier.iterations).or_default() += 1;
    }
    let usual = counts
        .into_iter()
        .max_by_key(|(iterations, users)| (*users, *iterations));
    usual.map_or(ITERATIONS, |(iterations, _)| iterations)
}

fn user(name: &str, stored: &str, databases: Vec<String>) -> Result<User, UserError> {
    let verifier = if stored.starts_with("SCRAM-SHA-256$") {
        Verifier::parse(stored)
    } else if stored.starts_with("md5") && stored.len() == 35 {
        Err(ScramError::Unsupported(
            "an MD5 hash instead of a SCRAM verifier",
        ))
    } else {
        Verifier::from_password(stored, ITERATIONS)
    };
    match verifier {
        Ok(verifier) => Ok(User {
            verifier,
            databases,
        }),
        Err(source) => Err(UserError::Verifier {
            user: name.to_owned(),
            source,
        }),
    }
}

/// Reads PgBouncer's format: two quoted strings on each line, a doubled quote inside for one.
fn parse_file(text: &str) -> Result<Vec<(String, String)>, UserError> {
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(';') || line.starts_with('#') {
            continue;
        }
        let entry =
            quoted(line).and_then(|(name, rest)| Some((name, quoted(rest.trim_start())?.0)));
        entries.push(entry.ok_or(UserError::Line { line: index + 1 })?);
    }
    Ok(entries)
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('"')?;
    loop {
        let end = rest.find('"')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                value.push('"');
                rest = after;
            }
            None => return Some((value, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const LOCAL: Peer = Peer::Unix {
        uid: 0,
        gid: 0,
        pid: None,
    };

    fn remote() -> Peer {
        Peer::Tcp(SocketAddr::from(([192, 0, 2, 1], 5)))
    }

    fn users(change: impl FnOnce(&mut AuthSettings)) -> Users {
        let mut settings = AuthSettings::default();
        change(&mut settings);
        Users::new(
            &settings,
            Some("\"app\" \"se\"\"cret\" \"ignored\"\n; note\n"),
            None,
            [7; 32],
        )
        .expect("users")
    }

    #[test]
    fn an_unknown_user_is_asked_for_a_proof_that_nobody_has() {
        let users = users(|_| {});

        assert!(matches!(
            users.proof("nobody", &LOCAL, None),
            Ok(Proof::Scram(_))
        ));
        assert_eq!(
            users.mock("x", None).format().expose(),
            users.mock("x", None).format().expose()
        );
    }

    #[test]
    fn a_users_file_is_read_as_pgbouncer_reads_it() {
        let users = users(|_| {});

        let Ok(Proof::Scram(verifier)) = users.proof("app", &LOCAL, None) else {
            panic!("a verifier")
        };
        assert!(verifier.matches("se\"cret"));
        assert!(parse_file("app secret").is_err());
    }

    #[test]
    fn trust_is_for_listed_users_in_its_place_only() {
        let users = users(|settings| settings.trust = vec![TrustScope::Unix]);

        assert!(matches!(
            users.proof("app", &LOCAL, None),
            Ok(Proof::Trusted)
        ));
        assert!(matches!(
            users.proof("app", &remote(), None),
            Ok(Proof::Scram(_))
        ));
        assert!(matches!(
            users.proof("other", &LOCAL, None),
            Ok(Proof::Scram(_))
        ));
    }

    #[test]
    fn a_certificate_lets_in_only_whom_it_names() {
        let users = users(|settings| settings.certificate = CertificateLogin::Cn);

        assert!(matches!(
            users.proof("app", &remote(), Some("app")),
            Ok(Proof::Certified)
        ));
        assert!(users.proof("app", &remote(), Some("eve")).is_err());
        assert!(users.proof("eve", &remote(), Some("eve")).is_err());
        assert!(matches!(
            users.proof("app", &remote(), None),
            Ok(Proof::Scram(_))
        ));
    }

    #[test]
    fn an_md5_hash_is_refused_and_not_taken_for_a_password() {
        let file = format!("\"app\" \"md5{}\"", "0".repeat(32));

        let error =
            Users::new(&AuthSettings::default(), Some(&file), None, [0; 32]).expect_err("md5");

        assert_eq!(
            error.to_string(),
            "user \"app\" has no SCRAM-SHA-256 verifier"
        );
    }
}
