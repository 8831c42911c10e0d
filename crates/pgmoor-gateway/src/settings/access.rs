//! How clients prove who they are: TLS, users, trust.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pgmoor::Secret;
use pgmoor::settings::{Loader, Node, Origin, Place, Problem, SecretFile, nearest};
use pgmoor::tls::{self, ServerTls, ServerTlsSettings};
use pgmoor_wire::scram::Verifier;

use super::GatewaySettings;

/// Reads the verifier of a user who can log in and whose password has not expired.
const AUTH_QUERY: &str = "SELECT rolname, CASE WHEN rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now() \
     THEN NULL ELSE rolpassword END FROM pg_catalog.pg_authid \
     WHERE rolname OPERATOR(pg_catalog.=) $1 AND rolcanlogin";

pgmoor::choices! {
    /// Whether clients use TLS.
    pub enum TlsMode {
        /// TLS is not offered.
        Disable = "disable",
        /// Clients choose.
        Allow = "allow",
        /// A TCP client without TLS is refused; Unix sockets need none.
        Require = "require",
    }
}

pgmoor::choices! {
    /// Whether clients show a certificate.
    pub enum ClientCertificate {
        /// None is asked for.
        None = "none",
        /// One is asked for, and verified when shown.
        Optional = "optional",
        /// A TCP client without a valid one is refused.
        Required = "required",
    }
}

pgmoor::choices! {
    /// How users who are not listed are proven by the server.
    pub enum Passthrough {
        /// They are refused.
        None = "none",
        /// Their verifier is read with `auth_query`, through the endpoint's own login.
        Query = "query",
        /// They are asked for their password, which is then used to log in at the server.
        Password = "password",
    }
}

pgmoor::choices! {
    /// A place whose clients are let in without a password.
    pub enum TrustScope {
        /// TCP connections from this machine.
        Loopback = "loopback",
        /// Unix sockets.
        Unix = "unix",
    }
}

pgmoor::choices! {
    /// Whether a client certificate stands for a login.
    pub enum CertificateLogin {
        /// It does not; the password is asked for all the same.
        None = "none",
        /// The certificate's common name is the user.
        Cn = "cn",
    }
}

pgmoor::settings! {
    /// TLS between clients and pgmoor.
    pub struct TlsSettings {
        /// Whether clients use TLS.
        mode: TlsMode = "disable", since "0.1";
        /// The certificate chain that clients are shown, in PEM.
        certificate: Option<PathBuf>, example "/etc/pgmoor/tls.crt", since "0.1";
        /// The private key of the certificate, in PEM.
        key: Option<SecretFile>, example "/etc/pgmoor/tls.key", since "0.1";
        /// The authorities that client certificates are verified with, in PEM.
        client_ca: Option<PathBuf>, example "/etc/pgmoor/client-ca.crt", since "0.1";
        /// Whether clients show a certificate.
        client_certificate: ClientCertificate = "none", since "0.1";
    }
    check check_tls
}

pgmoor::settings! {
    /// Who may log in, and how. Without users, users file and passthrough there is one user `app`
    /// with a generated password in `app.password` in the state directory.
    pub struct AuthSettings {
        /// Users by name.
        users: BTreeMap<String, UserSettings>, since "0.1";
        /// A users file in PgBouncer's format: `"name" "password or verifier"` on each line.
        users_file: Option<SecretFile>, example "./userlist.txt", since "0.1";
        /// How users who are not listed are proven by the server.
        passthrough: Passthrough = "none", since "0.1";
        /// The query for `passthrough: query`; it gets the user's name as `$1` and returns name and verifier.
        auth_query: String = AUTH_QUERY, since "0.1";
        /// Whose clients are let in without a password.
        trust: Vec<TrustScope>, example "[unix]", since "0.1";
        /// Whether a client certificate stands for a login.
        certificate: CertificateLogin = "none", since "0.1";
        /// Users who may use every command of the admin database `pgmoor`.
        admin_users: Vec<String>, example "[ops]", since "0.1";
        /// Users who may only look at the admin database.
        stats_users: Vec<String>, example "[exporter]", since "0.1";
    }
}

pgmoor::settings! {
    /// One user: give `password` or `verifier`.
    pub struct UserSettings {
        /// The password.
        password: Option<Secret<String>>, example "file:./app.password", since "0.1";
        /// What PostgreSQL keeps instead of a password (`rolpassword` in `pg_authid`).
        verifier: Option<Secret<String>>, example "${APP_VERIFIER}", since "0.1";
        /// The databases the user may connect to; without it, all.
        databases: Vec<String>, example "[app]", since "0.1";
    }
    check check_user
}

fn check_tls(tls: &TlsSettings, node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) {
    let key = place.key;
    let origin = |name: &str| {
        node.entry(name)
            .map_or(&node.origin, |entry| &entry.value.origin)
    };
    if tls.mode == TlsMode::Disable {
        let set = [
            ("certificate", tls.certificate.is_some()),
            ("key", tls.key.is_some()),
            ("client_ca", tls.client_ca.is_some()),
            (
                "client_certificate",
                tls.client_certificate != ClientCertificate::None,
            ),
        ];
        if let Some((name, _)) = set.into_iter().find(|(_, is_set)| *is_set) {
            loader.report(
                Problem::new(
                    origin(name),
                    format!("\"{key}.{name}\" is set, but TLS is off"),
                )
                .cause(format!("\"{key}.mode\" is \"disable\""))
                .hint("set \"mode: require\", or \"mode: allow\" while clients are being changed"),
            );
        }
        return;
    }
    for (name, missing) in [
        ("certificate", tls.certificate.is_none()),
        ("key", tls.key.is_none()),
    ] {
        if missing {
            loader.report(
                Problem::new(origin("mode"), format!("\"{key}\" needs \"{name}\""))
                    .cause(format!("\"{key}.mode\" is \"{}\"", tls.mode))
                    .hint(format!("add \"{name}: PATH\", a file in PEM")),
            );
        }
    }
    if tls.client_certificate != ClientCertificate::None && tls.client_ca.is_none() {
        loader.report(
            Problem::new(
                origin("client_certificate"),
                format!("\"{key}\" needs \"client_ca\""),
            )
            .cause(format!(
                "\"{key}.client_certificate\" is \"{}\"",
                tls.client_certificate
            ))
            .hint("add \"client_ca: PATH\", the authority that signs the clients' certificates"),
        );
        return;
    }
    check_tls_files(tls, node, place, loader);
}

impl TlsSettings {
    /// What the TLS layer makes of it; `None` when TLS is off or not complete.
    pub fn server(&self) -> Option<ServerTlsSettings> {
        let (TlsMode::Allow | TlsMode::Require, Some(certificate), Some(key)) =
            (self.mode, &self.certificate, &self.key)
        else {
            return None;
        };
        Some(ServerTlsSettings {
            certificate: certificate.clone(),
            key: key.path().to_owned(),
            client_ca: self.client_ca.clone(),
            client_certificate: match self.client_certificate {
                ClientCertificate::None => tls::ClientCertificate::None,
                ClientCertificate::Optional => tls::ClientCertificate::Optional,
                ClientCertificate::Required => tls::ClientCertificate::Required,
            },
        })
    }
}

/// Reads certificate, key and authorities, so that what is wrong with them is found before anything
/// is bound.
fn check_tls_files(tls: &TlsSettings, node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) {
    for path in [&tls.certificate, &tls.client_ca].into_iter().flatten() {
        loader.note_file(path);
    }
    let Some(Err(error)) = tls.server().map(ServerTls::new) else {
        return;
    };
    let mut cause = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        cause = format!("{cause}: {error}");
        source = error.source();
    }
    let cause = cause
        .split(" (os error")
        .next()
        .unwrap_or(&cause)
        .to_owned();
    let problem = Problem::new(&node.origin, format!("cannot use \"{}\"", place.key)).cause(cause);
    loader.report(match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    });
}

fn check_user(user: &UserSettings, node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) {
    match (&user.password, &user.verifier) {
        (Some(_), Some(_)) => loader.report(
            Problem::new(
                &node.origin,
                format!("\"{}\" has both \"password\" and \"verifier\"", place.key),
            )
            .hint("keep one of them"),
        ),
        (None, None) => loader.report(
            Problem::new(
                &node.origin,
                format!(
                    "\"{}\" has neither \"password\" nor \"verifier\"",
                    place.key
                ),
            )
            .hint("add \"password: ${VAR}\", \"password: file:PATH\", or a verifier"),
        ),
        (None, Some(verifier)) => {
            if let Err(error) = Verifier::parse(verifier.expose()) {
                let origin = node
                    .entry("verifier")
                    .map_or(&node.origin, |entry| &entry.value.origin);
                loader.report(
                    Problem::new(origin, format!("\"{}.verifier\" cannot be used", place.key))
                        .cause(error.to_string())
                        .hint("copy rolpassword from pg_authid; for one that begins with md5 set the user's password again first"),
                );
            }
        }
        (Some(_), None) => {}
    }
}

/// A password that clients send as it is must not cross a network in the clear.
pub(super) fn check_clear_text(
    gateway: &GatewaySettings,
    origin: &Origin,
    place: &Place<'_>,
    loader: &mut Loader<'_>,
) {
    let auth = &gateway.auth;
    if auth.certificate == CertificateLogin::Cn
        && gateway.tls.client_certificate == ClientCertificate::None
    {
        loader.report(
            Problem::new(
                origin,
                format!(
                    "\"{}.auth.certificate\" needs client certificates",
                    place.key
                ),
            )
            .cause("\"tls.client_certificate\" is \"none\"")
            .hint("set \"tls.client_certificate: optional\" or \"required\""),
        );
    }
    let exposed = gateway
        .listen
        .iter()
        .find(|address| !address.ip().is_loopback());
    if let Some(address) = exposed
        && auth.passthrough == Passthrough::Password
        && gateway.tls.mode != TlsMode::Require
    {
        loader.report(
            Problem::new(
                origin,
                format!("\"{}.auth.passthrough: password\" needs TLS", place.key),
            )
            .cause(format!("passwords would reach {address} as clear text"))
            .hint("set \"tls.mode: require\", or use \"passthrough: query\""),
        );
    }
}

/// Reports users' databases that do not exist.
pub(super) fn check_users(databases: &[&str], tree: &Node, loader: &mut Loader<'_>) {
    let users = tree
        .at(&["gateway", "auth", "users"])
        .and_then(Node::entries);
    for user in users.unwrap_or_default() {
        let Some(named) = user.value.entry("databases") else {
            continue;
        };
        let key = format!("gateway.auth.users.{}.databases", user.key);
        for item in named
            .value
            .items()
            .into_iter()
            .filter(|item| item.is_scalar())
        {
            let Some(database) = loader.text(
                item,
                &Place {
                    key: &key,
                    range: None,
                },
            ) else {
                continue;
            };
            if databases.contains(&database.as_str()) {
                continue;
            }
            let problem = Problem::new(
                &item.origin,
                format!("\"{key}\" names \"{database}\", which does not exist"),
            );
            loader.report(match nearest(&database, databases.iter().copied()) {
                Some(near) => problem.hint(format!("did you mean \"{near}\"?")),
                None => problem.hint(format!("add \"{database}\" under \"databases\"")),
            });
        }
    }
}
