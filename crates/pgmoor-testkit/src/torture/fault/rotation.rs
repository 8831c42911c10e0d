//! Passwords, certificates and authorities are replaced, on either side first.
//!
//! Where that leaves a time in which they do not fit together, one server connection is ended in it, so
//! that a login is refused; clients that go half-way end the others, and when none is left, clients are
//! told. Where each step fits to the one before, nobody may be told anything. When all is done, all server
//! connections are ended, and clients have to be served again soon.

use std::time::{Duration, Instant};

use super::super::link::Door;
use super::super::site::{PASSWORD, ROOT, Site, client_certificate, gate_certificate};
use super::super::trouble::Excuses;
use super::super::witness::Witness;
use super::{Blow, Fault};
use crate::host::random_password;
use crate::tls::client_config;
use crate::wait::wait_for;

/// How long the gateway or the server may take to notice a change.
const NOTICED: Duration = Duration::from_secs(30);
/// What PostgreSQL logs for a password that is wrong.
const WRONG_PASSWORD: &str = "password authentication failed";
/// What PostgreSQL logs when either side refuses the other's certificate.
const WRONG_CERTIFICATE: &str = "could not accept SSL connection";
/// What clients are told of a password or a certificate.
const TOLD: [&str; 2] = ["28P01", "08001"];

/// What is replaced, and where first.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The server's password at the server, then in the gateway's file.
    PasswordServerFirst,
    /// The certificate that clients are shown, with its authority.
    GateCertificate,
    /// The server's certificate, then what the gateway trusts.
    ServerCertificateFirst,
    /// The certificate that the server is shown, then what the server trusts.
    ClientCertificateFirst,
    /// The server's password in the gateway's file, then at the server.
    PasswordFileFirst,
    /// What the gateway trusts, then the server's certificate, then the old authority is left.
    ServerAuthorityFirst,
    /// What the server trusts, then the certificate it is shown, then the old authority is left.
    ClientAuthorityFirst,
}

const KINDS: [Kind; 7] = [
    Kind::PasswordServerFirst,
    Kind::GateCertificate,
    Kind::ServerCertificateFirst,
    Kind::ClientCertificateFirst,
    Kind::PasswordFileFirst,
    Kind::ServerAuthorityFirst,
    Kind::ClientAuthorityFirst,
];

impl Kind {
    /// Whether there is no moment at which the two sides do not fit together.
    fn always_fits(self) -> bool {
        matches!(
            self,
            Kind::GateCertificate | Kind::ServerAuthorityFirst | Kind::ClientAuthorityFirst
        )
    }
}

struct Rotation {
    pause: Duration,
    blows: usize,
    /// Which authority signs what clients, the gateway and the server are shown now.
    signs: [usize; 3],
}

pub(super) fn make(pause: Duration) -> Box<dyn Fault> {
    Box::new(Rotation {
        pause,
        blows: 0,
        signs: [0; 3],
    })
}

impl Fault for Rotation {
    fn pause(&self) -> Duration {
        self.pause
    }

    fn excuses(&self) -> Excuses {
        // Server connections are ended as an administrator ends them.
        &["57P01", "08006", "cut", TOLD[0], TOLD[1]]
    }

    fn lines(&self) -> super::Lines {
        super::Lines {
            server_tls: true,
            ..super::Lines::default()
        }
    }

    fn recovery_limit(&self) -> Option<Duration> {
        // From the moment when both sides fit together again.
        Some(Duration::from_secs(2))
    }

    fn strike<'a>(&'a mut self, site: &'a mut Site, witness: &'a Witness) -> Blow<'a> {
        let kind = KINDS[self.blows % KINDS.len()];
        self.blows += 1;
        Box::pin(async move {
            let before = told(witness);
            self.rotate(kind, site).await;
            end_connections(site, "true").await;
            let recovered = witness.recovers(Instant::now()).await;
            self.leave_the_old(kind, site).await;
            recovered.map_err(|error| format!("{error} {kind:?}"))?;
            match told(witness) - before {
                more @ 1.. if kind.always_fits() => {
                    Err(format!("{more} clients were told of {kind:?}"))
                }
                _ => Ok(()),
            }
        })
    }
}

impl Rotation {
    /// The other authority from now on: its number.
    fn next(&mut self, what: usize) -> usize {
        self.signs[what] = 1 - self.signs[what];
        self.signs[what]
    }

    async fn rotate(&mut self, kind: Kind, site: &Site) {
        let both = || site.authorities.each_ref().map(|ca| ca.root_pem()).concat();
        match kind {
            Kind::PasswordServerFirst => {
                let password = random_password();
                change_password(site, &password).await;
                is_refused(site, WRONG_PASSWORD).await;
                site.files.swap(&[(PASSWORD, &password)]);
            }
            Kind::PasswordFileFirst => {
                let password = random_password();
                site.files.swap(&[(PASSWORD, &password)]);
                is_refused(site, WRONG_PASSWORD).await;
                change_password(site, &password).await;
            }
            Kind::GateCertificate => {
                let authority = &site.authorities[self.next(0)];
                site.files.swap(&gate_certificate(&authority.server()));
                let door = Door {
                    tls: Some(client_config(authority, None)),
                    ..site.gate()
                };
                wait_for("clients to be shown the new one", NOTICED, async || {
                    door.knock(NOTICED).await.is_ok()
                })
                .await;
            }
            Kind::ServerCertificateFirst => {
                let authority = &site.authorities[self.next(2)];
                show(site, self.signs[2]).await;
                is_refused(site, WRONG_CERTIFICATE).await;
                site.files.swap(&[(ROOT, &authority.root_pem())]);
            }
            Kind::ServerAuthorityFirst => {
                site.files.swap(&[(ROOT, &both())]);
                show(site, self.next(2)).await;
            }
            Kind::ClientCertificateFirst => {
                let authority = &site.authorities[self.next(1)];
                site.files
                    .swap(&client_certificate(&authority.client("app")));
                is_refused(site, WRONG_CERTIFICATE).await;
                trust(site, &authority.root_pem()).await;
            }
            Kind::ClientAuthorityFirst => {
                trust(site, &both()).await;
                let authority = &site.authorities[self.next(1)];
                site.files
                    .swap(&client_certificate(&authority.client("app")));
            }
        }
    }

    /// Nobody trusts the old authority any more.
    async fn leave_the_old(&self, kind: Kind, site: &Site) {
        let [_, client, server] = self.signs.map(|number| site.authorities[number].root_pem());
        match kind {
            Kind::ServerAuthorityFirst => site.files.swap(&[(ROOT, &server)]),
            Kind::ClientAuthorityFirst => trust(site, &client).await,
            _ => {}
        }
    }
}

/// How many clients were told of a password or a certificate so far.
fn told(witness: &Witness) -> u64 {
    let ended = witness.ended();
    TOLD.iter().filter_map(|code| ended.get(*code)).sum()
}

async fn change_password(site: &Site, password: &str) {
    let sql = format!("alter role app password '{password}'");
    site.postgres.psql(&sql).await;
}

/// The server shows a certificate of this authority.
async fn show(site: &Site, authority: usize) {
    let certificate = site.authorities[authority].server();
    let files = [
        ("server.crt", certificate.chain_pem()),
        ("server.key", certificate.key_pem()),
    ];
    site.postgres.replace(&files).await;
}

/// The server trusts these authorities.
async fn trust(site: &Site, authorities: &str) {
    site.postgres
        .replace(&[("client-ca.crt", authorities)])
        .await;
}

/// Ends a server connection, and waits until the login of another one in its place was refused.
async fn is_refused(site: &Site, log: &str) {
    let refused = || site.postgres.log().matches(log).count();
    let before = refused();
    let one = "pid in (select pid from pg_stat_activity where usename = 'app' limit 1)";
    end_connections(site, one).await;
    wait_for("a login to be refused", NOTICED, async || {
        refused() > before
    })
    .await;
}

/// Ends those server connections that the condition is true of.
async fn end_connections(site: &Site, which: &str) {
    let sql = format!(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity \
         where usename = 'app' and {which}"
    );
    site.postgres.psql(&sql).await;
}
